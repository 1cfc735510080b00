"""Five thousand personal mails from one alarm, beside what sends mails otherwise."""

from __future__ import annotations

import email
import email.policy
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import PEERS_PYTHON, ROOT, Figure, median, spread
from benchmarks.postfix import HOST, Postfix, Sink, postfix
from tests.plans import DIRECTORY, item_yaml, write_plan

PEERS = ROOT / "benchmarks" / "peers"
PEOPLE, EACH_PEOPLE, APPRISE_PEOPLE = 5_000, 300, 100
ROUNDS = 3
SENDER, MAILBOX = "机关党委", "jgdw@example.com"
SOURCE_SESSIONS = (1, 2, 4)
FESTIVAL = """\
- from: break
  workdays: -1
  at: 09:30
  to: everyone
  via:
    - mail
"""
CHANNELS = """\
channels:
  - id: mail
    kind: email
    network: intranet
    host: 127.0.0.1
    port: {port}
    tls: none
    from: {sender} <{mailbox}>
"""

Run = dict[str, Any]


def staff(count: int = PEOPLE) -> str:
    """The test office's directory, with as many people as are wanted."""
    head, people, tail = DIRECTORY.partition("people:\n")
    known, holdings, rest = tail.partition("holdings:\n")
    more = "".join(
        f"  - id: s{number:05}\n    name: 科员{number:05}\n    unit: 办公室\n    mail: s{number:05}@example.com\n"
        for number in range(count - known.count("- id:"))
    )
    return head + people + known + more + holdings + rest


def office(folder: Path, port: int, people: int = PEOPLE) -> None:
    """A plan with one festival, for everyone."""
    item = item_yaml("festival", "festivals:\n  - 中秋", FESTIVAL, "alone: true\ntemplate: festival")
    channels = CHANNELS.format(port=port, sender=SENDER, mailbox=MAILBOX)
    write_plan(folder / "schedules", item, directory=staff(people), channels=channels)


def daemon(folder: Path, sink: Sink, people: int = PEOPLE) -> Run:
    """One festival, by the daemon as a process of its own; see :mod:`benchmarks.mail_daemon`."""
    office(folder, sink.port, people)
    return _printed(
        [sys.executable, "-m", "benchmarks.mail_daemon", str(folder), str(sink.counter), str(people)]
    )


def _printed(command: list[str]) -> Run:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr[-3000:]}")
    found: Run = json.loads(done.stdout.splitlines()[-1])
    return found


class Contest:
    """The daemon and its peers, each run in a process of its own against a sink of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.programs: Postfix = postfix(folder)
        self.runs: dict[str, list[Run]] = {}
        self._sample = self._first()

    def _new(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._folder))

    def _first(self) -> dict[str, Any]:
        """A round that is not timed: everyone got it once, and what they got is what the peers send."""
        with Sink(self.programs, self._folder, dump=True) as sink:
            daemon(self._new(), sink)
            kept = sink.kept()
        festival = [(to, message) for to, message in kept if b"multipart/alternative" in message]
        got = Counter(to for to, _ in festival)
        assert len(got) == PEOPLE, f"{len(got):,} got it"
        assert set(got.values()) == {1}, "somebody got it twice"
        receiver, octets = next((to, message) for to, message in festival if to == "s00001@example.com")
        name = "科员" + receiver[1:6]
        message = email.message_from_bytes(octets, policy=email.policy.default)
        plain, html = message.get_body(("plain",)), message.get_body(("html",))
        assert plain is not None
        assert html is not None
        file = self._folder / "message.eml"
        file.write_bytes(octets)
        text = plain.get_content()
        assert name in text
        return {
            "subject": str(message["Subject"]),
            "text": text.replace(name, "@NAME@"),
            "html": html.get_content().replace(name, "@NAME@"),
            "sender": SENDER,
            "mailbox": MAILBOX,
            "octets": len(octets),
            "file": str(file),
        }

    @property
    def octets(self) -> int:
        """Of one message on the wire, without dot-stuffing."""
        size: int = self._sample["octets"]
        return size

    def ours(self) -> Run:
        with Sink(self.programs, self._folder) as sink:
            return daemon(self._new(), sink)

    def peer(self, script: str, people: int = PEOPLE, *options: str) -> Run:
        folder = self._new()
        with Sink(self.programs, self._folder) as sink:
            task = folder / "task.json"
            receivers = [(f"科员{number:05}", f"s{number:05}@example.com") for number in range(people)]
            facts = {**self._sample, "port": sink.port, "people": receivers, "folder": str(folder)}
            task.write_text(json.dumps(facts), "utf-8")
            found = _printed([str(PEERS_PYTHON), str(PEERS / script), str(task), *options])
            assert sink.arrived == people, (script, sink.arrived)
        return found

    def source(self, sessions: int) -> Run:
        """Postfix's own blaster with the same message: how fast the sink takes it."""
        with Sink(self.programs, self._folder) as sink:
            begun = time.perf_counter()
            subprocess.run(
                [
                    self.programs.program("smtp-source"), "-d", "-s", str(sessions), "-m", str(PEOPLE),
                    "-f", MAILBOX, "-t", "s00001@example.com", "-F", self._sample["file"], f"{HOST}:{sink.port}",
                ],
                env=self.programs.environment,
                check=True,
                capture_output=True,
            )  # fmt: skip
            found = {"seconds": time.perf_counter() - begun, "cpu": 0.0}
            assert sink.arrived == PEOPLE, sink.arrived
        return found

    def round(self) -> None:
        """Everybody once, one after another."""
        contestants: list[tuple[str, Callable[[], Run]]] = [
            ("ours", self.ours),
            ("bare", lambda: self.peer("bare_loop.py")),
            ("post-office", lambda: self.peer("post_office_queue.py")),
            ("post-office ready", lambda: self.peer("post_office_queue.py", PEOPLE, "ready")),
            ("post-office each", lambda: self.peer("post_office_queue.py", EACH_PEOPLE, "each")),
            ("apprise", lambda: self.peer("apprise_calls.py", APPRISE_PEOPLE)),
        ]
        contestants += [(f"source {n}", lambda n=n: self.source(n)) for n in SOURCE_SESSIONS]  # type: ignore[misc]
        for name, run in contestants:
            self.runs.setdefault(name, []).append(run())

    def rates(self, name: str, people: int = PEOPLE) -> list[float]:
        """Messages a second, of every round."""
        return [people / run["seconds"] for run in self.runs[name]]

    def cpu(self, name: str, people: int = PEOPLE) -> float:
        """Processor microseconds a message."""
        return median([run["cpu"] for run in self.runs[name]]) / people * 1e6


def mail(rounds: int = ROUNDS) -> Iterator[Figure]:
    """Messages a second from the due instant to the last outcome, and how many times the peers' that is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the sink runs as somebody else
        contest = Contest(folder)
        for _ in range(rounds):
            contest.round()
    yield from _told(contest, rounds)


def _told(contest: Contest, rounds: int) -> Iterator[Figure]:
    def rate(name: str, people: int = PEOPLE) -> str:
        return spread(contest.rates(name, people), "/s", 0)

    ours = median(contest.rates("ours"))
    best = max(SOURCE_SESSIONS, key=lambda n: median(contest.rates(f"source {n}")))
    limit = median(contest.rates(f"source {best}"))
    runs = contest.runs["ours"]
    how = f"{PEOPLE:,} mails of {contest.octets / 1024:.1f} KB, median (min–max) of {rounds} interleaved rounds, each in a new process"
    yield Figure("mails from one alarm, due instant to last outcome committed", rate("ours"), "–", how)
    yield Figure(
        "… of that until all is rendered and claimed",
        spread([run["claimed"] for run in runs]),
        "–",
        f"of {spread([run['seconds'] for run in runs])} in all",
    )
    yield Figure(
        "… processor time a mail",
        f"{contest.cpu('ours'):,.0f} µs",
        "–",
        f"sweep, renderer, ledger and sending; the bare loop's: {contest.cpu('bare'):,.0f} µs; "
        f"peak memory {median([run['memory'] for run in runs]):.0f} MB",
    )
    yield Figure(
        "a bare loop of `smtplib`, one kept connection, no record",
        f"{rate('bare')}; ours {ours / median(contest.rates('bare')):.2f} ×",
        "≥ 2 ×",
        contest.runs["bare"][0]["version"],
    )
    yield Figure(
        "django-post-office as installed, SQLite with WAL and full sync",
        f"{rate('post-office')}; ours {ours / median(contest.rates('post-office')):.2f} ×",
        "≥ 4 ×",
        f"{contest.runs['post-office'][0]['version']}; `send_many` with its template, then `send_queued_mail`; "
        "outcomes a hundred at a time",
    )
    each = median(contest.rates("post-office each", EACH_PEOPLE))
    yield Figure(
        "… each outcome committed before the next is sent, as ours are",
        f"{rate('post-office each', EACH_PEOPLE)}; ours {ours / each:.2f} ×",
        "–",
        f"`BATCH_SIZE` 1, by which it connects for each; {EACH_PEOPLE} messages a round",
    )
    yield Figure(
        "… its texts made beforehand, and no log",
        f"{rate('post-office ready')}; ours {ours / median(contest.rates('post-office ready')):.2f} ×",
        "–",
        "less than the others do",
    )
    apprise = median(contest.rates("apprise", APPRISE_PEOPLE))
    yield Figure(
        "Apprise, one call a message",
        f"{rate('apprise', APPRISE_PEOPLE)}; ours {ours / apprise:.1f} ×",
        "≥ 40 ×",
        f"{contest.runs['apprise'][0]['version']}; {APPRISE_PEOPLE} messages a round, HTML only",
    )
    yield Figure(
        "the limit: `smtp-source` to the same sink",
        f"{limit:,.0f} /s; {limit / ours:.1f} × ours",
        "stated",
        f"Postfix {contest.programs.version}, {best} sessions, one text sent over and over, no record; "
        + ", ".join(f"{n} sessions {rate(f'source {n}')}" for n in SOURCE_SESSIONS),
    )
