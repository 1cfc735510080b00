"""A whole office on one machine: a live daemon, a mail server, a WeCom robot, and what they received."""

from __future__ import annotations

import email
import email.policy
import hashlib
import json
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from reminder.agenda.alarms import expand
from reminder.ledger.records import AttemptRecord, Transport
from tests.harness.history import Arrival, Expectation, Kill, Report, check
from tests.harness.process import DaemonProcess, wait_for
from tests.plans import CALENDAR, SHANGHAI, at, item_yaml, plan_of, write_plan
from tests.servers.smtp import Received, SmtpStub
from tests.servers.wecom import Post, WecomSimulator

EIGHT = at("2026-06-10 08:00")
BOTH = "  via:\n    - mail\n    - group\n"
CLERK = "clerk@example.com"
"""Who is told of trouble."""
KEY = "robot-key"
AGENT, APP_SECRET = 1000002, "app-secret"
MEMBERS = ("leader", "office", "theory", "liaison", "secretary")
"""Who has an account of the WeCom app; the test plan's people."""
A_MOMENT = 1.5
"""Seconds in which the daemon has sent what came due; longer ones do no harm."""


class _Stamped(list[Any]):
    """A list that notes when each element came, on the office's clock."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._now = now
        self.times: list[datetime] = []
        self._lock = threading.Lock()

    def append(self, element: Any) -> None:
        with self._lock:
            self.times.append(self._now())
            super().append(element)

    def __iadd__(self, elements: Iterable[Any]) -> Self:  # type: ignore[override, misc]
        for element in elements:
            self.append(element)
        return self


def items(count: int, *, minutes: int = 1, via: str = BOTH) -> list[str]:
    """``count`` items, one every so many minutes from nine on, each to 办公室主任."""
    found = []
    for number in range(count):
        clock = timedelta(hours=9) + timedelta(minutes=minutes * number)
        hour, minute = divmod(int(clock.total_seconds()) // 60, 60)
        rung = f"- from: due\n  workdays: 0\n  at: {hour:02d}:{minute:02d}\n  to: person:p-office\n{via}"
        found.append(item_yaml(f"n{number:04d}", "date: 2026-06-10\nat: 23:59", rung, "alone: true"))
    return found


def _identity_of(body: bytes) -> str:
    """A post carries no name: what it says is all that makes it the same."""
    return hashlib.sha256(body).hexdigest()


class Office:
    """The daemon under test and its world.  Time is the office's: moved by :meth:`set`.

    ``zone`` is the plan's.  ``smtp`` says how the mail server is (its accounts,
    say); ``mail`` and ``group`` are settings of the two channels, over the usual
    ones; with ``app`` there is a third, a WeCom app with these members.
    """

    def __init__(
        self,
        folder: Path,
        plan_items: Iterable[str],
        start: datetime = EIGHT,
        *,
        zone: ZoneInfo = SHANGHAI,
        smtp: Mapping[str, Any] | None = None,
        mail: Mapping[str, object] | None = None,
        group: Mapping[str, object] | None = None,
        app: tuple[str, ...] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._items = list(plan_items)
        self._stack = ExitStack()
        self._start = start
        self._zone = zone
        self._smtp = dict(smtp or {})
        self._settings = {"mail": dict(mail or {}), "group": dict(group or {})}
        self._app = app
        self._environment = {"ROBOT_KEY": KEY, "APP_SECRET": APP_SECRET, **(environment or {})}
        self.kills: list[Kill] = []
        self._offset = timedelta(0)

    def __enter__(self) -> Self:
        self.smtp = self._stack.enter_context(SmtpStub(**self._smtp))
        self.robot = self._stack.enter_context(
            WecomSimulator(
                keys=(self._environment["ROBOT_KEY"],),
                per_minute=100_000,
                apps={AGENT: self._environment["APP_SECRET"]},
                members=self._app or (),
            )
        )
        self.smtp.messages = _Stamped(self.now)
        self.robot.posts = _Stamped(self.now)
        self.write(self._items)
        self.daemon = self._stack.enter_context(
            DaemonProcess(self._folder / "schedules", self._folder / "data", self._environment)
        )
        self.set(self._start)
        self.daemon.go_live(self._start - timedelta(hours=1))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, plan_items: Iterable[str]) -> None:
        """The plan's files, with channels that lead to this office's servers."""
        channels: dict[str, dict[str, object]] = {
            "mail": {
                "kind": "email",
                "host": "127.0.0.1",
                "port": self.smtp.port,
                "tls": "none",
                "from": "机关党委 <jgdw@example.com>",
            },
            "group": {
                "kind": "wecom_robot",
                "secret": "ROBOT_KEY",
                "per_minute": 6000,
                "base_url": self.robot.base_url,
            },
        }
        if self._app is not None:
            channels["app"] = {
                "kind": "wecom_app",
                "corpid": self.robot.desk.corpid,
                "agentid": AGENT,
                "secret": "APP_SECRET",
                "base_url": self.robot.base_url,
            }
        text = "channels:\n"
        for name, settings in channels.items():
            settings |= self._settings.get(name, {})
            text += f"  - id: {name}\n" + "".join(f"    {key}: {value}\n" for key, value in settings.items())
        write_plan(self._folder / "schedules", *plan_items, zone=self._zone.key, channels=text)

    def set(self, now: datetime) -> None:
        """Move the daemon's clock."""
        self._offset = now - datetime.now(UTC)
        self.daemon.set_clock(now)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def come_due(self, now: datetime) -> None:
        """It is now this instant, and the alarm clock wakes the sweeper."""
        self.set(now)
        self.daemon.signal(signal.SIGUSR1)

    def adopt(self) -> None:
        """Let the daemon take the plan into force, and stop again."""
        self.daemon.start()
        assert self.daemon.stop() == 0

    def crash(self, boundary: str, number: int, *moments: datetime) -> None:
        """Start with a crash switch, let the plan come into force, and move through some instants to the crash.

        Without instants the start itself is what crashes.
        """
        self.daemon.start(crash=f"{boundary}:{number}", wait=bool(moments))
        if moments:
            wait_for((self.daemon.data / "health.json").exists, "the first look")
        for moment in moments:
            if self.daemon.alive:
                self.come_due(moment)
            with suppress(AssertionError):  # not yet: the next instant may bring it
                wait_for(lambda: not self.daemon.alive, "the crash", A_MOMENT)
        code = self.daemon.wait_for_end()
        self._note_the_kill()
        assert code == -9, f"{boundary}:{number} was never reached"

    @property
    def heard(self) -> int:
        """How many connections, commands and requests the servers have met so far."""
        mail = self.smtp.connections + len(self.smtp.commands)
        return mail + self.robot.connections + len(self.robot.requests)

    def kill(self) -> Kill:
        """kill -9, and what it caught in flight."""
        self.daemon.kill()
        return self._note_the_kill()

    def _note_the_kill(self) -> Kill:
        """Only when the servers have read what the dead process had still sent."""
        wait_for(lambda: not (self.smtp.busy or self.robot.busy), "the end of the dead process's connections")
        kill = Kill(self.now(), frozenset(self._in_flight()))
        self.kills.append(kill)
        return kill

    def _in_flight(self) -> Iterator[tuple[str, str]]:
        """Channel and identity of each delivery with an intent and no outcome."""
        with self.daemon.ledger() as ledger:
            for number in ledger.spool.sending("test", Transport.LIVE):
                delivery = ledger.spool.delivery("test", number)
                assert delivery is not None
                mail = delivery.channel == "mail"
                yield delivery.channel, delivery.message_id if mail else _identity_of(delivery.payload)

    def states(self, item: str, channel: str) -> dict[str | None, str | None]:
        """Where an item's deliveries on a channel stand by the ledger, by receiver."""
        return {each.receiver: each.state for each in self.daemon.entries(item=item, channel=channel)}

    def tries(self, item: str, channel: str) -> list[AttemptRecord]:
        """Every attempt of an item's deliveries on a channel, in order."""
        entries = self.daemon.entries(item=item, channel=channel)
        with self.daemon.ledger() as ledger:
            found = [
                attempt
                for name in dict.fromkeys(name for entry in entries for name in entry.deliveries)
                for attempt in ledger.book.attempts_of("test", name)
            ]
        return sorted(found, key=lambda each: (each.started_at, each.number))

    def ended(self, item: str, channel: str) -> list[AttemptRecord]:
        """Those of :meth:`tries` of which it is known what came of them."""
        return [each for each in self.tries(item, channel) if each.outcome is not None]

    def notices(self) -> list[str]:
        """What the admin was told by mail, subject and text."""
        return [each.text for each in self.arrivals() if each.channel == "mail" and each.receiver == CLERK]

    @property
    def health(self) -> dict[str, Any]:
        """What the health file says; empty as long as there is none."""
        try:
            found: dict[str, Any] = json.loads((self.daemon.data / "health.json").read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def look(self) -> None:
        """Wait until the daemon has swept at the present time, and once more."""
        now = self.now()
        for _ in range(2):
            last = self.health.get("at")
            wait_for(lambda last=last: self.health.get("at") not in (None, last), "a sweep")  # type: ignore[misc]
        assert datetime.fromisoformat(self.health["at"]) >= now - timedelta(seconds=1)

    def arrivals(self) -> list[Arrival]:
        """Everything received so far, at the office's time."""
        found = [
            self._mail(message, stamp)
            for message, stamp in zip(self.smtp.messages, self.smtp.messages.times, strict=False)  # type: ignore[attr-defined]
        ]
        found += [
            self._post(post, stamp)
            for post, stamp in zip(self.robot.posts, self.robot.posts.times, strict=False)  # type: ignore[attr-defined]
        ]
        return found

    def _mail(self, received: Received, stamp: datetime) -> Arrival:
        message = email.message_from_bytes(received.content, policy=email.policy.default)
        body = message.get_body(("plain",))
        text = f"{message['Subject']}\n{body.get_content() if body else ''}"
        return Arrival(received.recipient, "mail", message["Message-ID"], text, stamp)

    def _post(self, post: Post, stamp: datetime) -> Arrival:
        return Arrival("group:group", "group", _identity_of(post.body), post.content, stamp)

    def expectations(self, until: datetime, slack: timedelta = timedelta(hours=6)) -> list[Expectation]:
        """What the plan promised up to an instant, from the plan alone."""
        plan = plan_of(*self._items, zone=self._zone.key)
        people = {person.id: person.mail for person in plan.directory.people}
        found = []
        for alarm in expand(plan, CALENDAR, self._start, until):
            mark = f"事项{alarm.item.id}"
            latest = min(alarm.at + slack, alarm.useful_until)
            if "mail" in alarm.rung.via:
                found.append(Expectation(str(people["p-office"]), "mail", mark, alarm.at, latest))
            if "group" in alarm.rung.via:
                found.append(Expectation("group:group", "group", mark, alarm.at, latest))
        return found

    def judge(self, until: datetime, *, in_flight: int = 2, patience: float = 40) -> Report:
        """Wait until everything promised has arrived, or time is up; then judge the history."""
        wanted = self.expectations(until)

        def complete() -> bool:
            return not check(wanted, self.arrivals(), self.kills, in_flight=in_flight).lost

        with suppress(AssertionError):  # the report names what is missing
            wait_for(complete, "everything that was promised", patience)
        return check(wanted, self.arrivals(), self.kills, in_flight=in_flight)


def usage(office: Office) -> dict[str, int]:
    """Open descriptors, threads and resident kilobytes of the daemon."""
    process = Path(f"/proc/{office.daemon.pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
    return {
        "descriptors": len(list((process / "fd").iterdir())),
        "threads": int(status["Threads"]),
        "memory": int(status["VmRSS"].split()[0]),
    }
