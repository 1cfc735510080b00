"""Letting a held ledger go on: what is asked, what is recorded, and what is sent afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from reminder.backup.highwater import read_mark
from reminder.channels.base import Channel
from reminder.check import Edition
from reminder.errors import ReminderError
from reminder.ledger.errors import LedgerCorrupt, LedgerError
from reminder.ledger.holds import Hold, HoldReason
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import AttemptEnd, DeliveryState, LedgerKind, Transport
from reminder.ledger.shown import EntryFilter
from reminder.ledger.standing import RELEASED
from reminder.sweep.confirm import Concerned, concerned, confirm
from reminder.sweep.sweeper import Sweeper
from tests.editions import edition_of, remembering
from tests.harness.office import items
from tests.plans import at, item_yaml, plan_of

LIVE = Transport.LIVE
EIGHT, NINE = at("2026-06-10 08:00"), at("2026-06-10 09:00")
MINUTE = timedelta(minutes=1)
MAIL = "  via:\n    - mail\n"


class Desk:
    """A ledger that knows what was settled up to 09:01, and is held since; it is 09:04 now."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.edition: Edition = edition_of(plan_of(*items(6, via=MAIL), *more))
        self.channels: dict[str, Channel] = dict(remembering())
        self.high_water = folder / "high-water.json"
        self.ledger = Ledger.open(folder / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=EIGHT)
        self.ledger.go_live("test", by="test", now=EIGHT)
        self.sweep(EIGHT)
        self.sweep(NINE)
        self.sweep(NINE + MINUTE)
        self.now = NINE + 4 * MINUTE

    def sweep(self, now: datetime) -> None:
        """As a daemon started just now would."""
        Sweeper(self.ledger, self.edition, self.channels, LIVE, now).sweep(now)

    def hold(self) -> Hold:
        hold = Hold(HoldReason.OLDER, self.now, self.ledger.holds.last_record())
        self.ledger.holds.put(hold)
        return hold

    def look(self, now: datetime | None = None) -> Concerned:
        hold = self.ledger.holds.standing().hold or self.hold()
        return concerned(self.ledger, self.edition, hold, now or self.now)

    def confirm(self, until: datetime | None, now: datetime | None = None) -> int:
        return confirm(
            self.ledger,
            self.edition,
            self.look(now),
            by="办公室主任",
            sent_until=until,
            high_water=self.high_water,
            now=now or self.now,
        )

    def settled(self) -> dict[str, tuple[str, str]]:
        """Decision and reason of each item's alarm."""
        entries = self.ledger.book.entries("test", EntryFilter())
        return {entry.item: (entry.decision, entry.reason) for entry in entries}

    def states(self) -> dict[str, str | None]:
        return {entry.item: entry.state for entry in self.ledger.book.entries("test", EntryFilter())}

    def delivery(self, item: str) -> str:
        (entry,) = self.ledger.book.entries("test", EntryFilter(item=item))
        return entry.deliveries[0]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.ledger.close()


def test_what_came_due_and_is_not_in_the_ledger_is_concerned(desk: Desk) -> None:
    """With what becomes of it; not what the ledger knows, and not what is still ahead."""
    found = desk.look()
    assert [(alarm.item.id, str(decision.action)) for alarm, decision in found.alarms] == [
        ("n0002", "send"),
        ("n0003", "send"),
        ("n0004", "send"),
    ]
    assert (found.transport, found.rungs) == (LIVE, ())
    assert [entry.item for entry in found.waiting] == ["n0001", "n0000"]
    assert found.deliveries == 2


def test_what_is_due_this_very_moment_is_concerned(desk: Desk) -> None:
    """A daemon elsewhere may have sent it a second ago."""
    assert [alarm.item.id for alarm, _ in desk.look(NINE + 3 * MINUTE).alarms] == ["n0002", "n0003"]


def test_what_was_sent_is_recorded_and_not_sent_again(desk: Desk) -> None:
    """Up to the instant that was said, it included; the rest goes out at the next sweep."""
    assert desk.confirm(NINE + 3 * MINUTE) == 2
    assert desk.settled()["n0002"] == desk.settled()["n0003"] == ("suppress", "confirmed-sent")
    assert "n0004" not in desk.settled()
    assert desk.states()["n0000"] == desk.states()["n0001"] == "accepted"
    desk.sweep(desk.now)
    assert desk.settled()["n0004"] == ("send", "due")
    assert desk.states()["n0004"] == "pending"
    due = desk.ledger.spool.due("test", LIVE, desk.now, limit=100)
    assert {each.id for each in due} == {desk.delivery("n0004")}


def test_if_nothing_was_sent_all_of_it_goes_out(desk: Desk) -> None:
    """Also what waits in the ledger."""
    assert desk.confirm(None) == 0
    desk.sweep(desk.now)
    assert {item: state for item, state in desk.states().items() if state != "pending"} == {}
    assert len(desk.states()) == 5


def test_it_is_recorded_who_said_what(desk: Desk) -> None:
    """A note with everything that was decided, and a name at each delivery."""
    desk.confirm(NINE + 3 * MINUTE)
    (noted,) = desk.ledger.notes("test", RELEASED)
    assert noted.author == "办公室主任"
    assert noted.detail["reason"] == "older"
    assert noted.detail["alarms"] == 2
    assert noted.detail["deliveries"] == 2
    assert datetime.fromisoformat(noted.detail["sent_until"]) == NINE + 3 * MINUTE
    (entry,) = desk.ledger.book.entries("test", EntryFilter(item="n0000"))
    assert entry.decided_by == "办公室主任"


def test_afterwards_it_is_another_ledger_with_a_mark_of_its_own(desk: Desk) -> None:
    """The one it was copied from would be noticed."""
    before = desk.ledger.holds.standing().identity
    desk.confirm(None)
    standing = desk.ledger.holds.standing()
    found = read_mark(desk.high_water)
    assert found is not None
    assert standing.hold is None
    assert standing.identity == found.mark.identity != before
    assert found.mark.changes <= standing.changes
    assert found.mark.live


def test_what_was_put_off_until_later_was_not_sent_by_then(desk: Desk) -> None:
    """A limit or quiet hours had moved it past the instant that was said: it still goes out."""
    desk.ledger.spool.postpone("test", desk.delivery("n0001"), NINE + 30 * MINUTE, NINE + MINUTE)
    assert desk.confirm(NINE + 3 * MINUTE) == 1
    assert (desk.states()["n0000"], desk.states()["n0001"]) == ("accepted", "pending")


def test_what_was_in_flight_when_it_was_copied_counts_as_sent(desk: Desk) -> None:
    """Its open try is closed; without that it would be tried again."""
    desk.ledger.spool.begin("test", desk.delivery("n0000"), NINE + MINUTE)
    desk.confirm(NINE + 3 * MINUTE)
    assert desk.states()["n0000"] == "accepted"
    assert desk.ledger.spool.interrupted("test", LIVE, desk.now) == []
    (attempt,) = desk.ledger.book.attempts_of("test", desk.delivery("n0000"))
    assert attempt.outcome == "uncertain"


def test_what_is_known_to_have_failed_stays_failed(desk: Desk) -> None:
    """Only what was not finished is asked about."""
    key = desk.delivery("n0000")
    number = desk.ledger.spool.begin("test", key, NINE)
    assert isinstance(number, int)
    desk.ledger.spool.finish_many("test", [AttemptEnd(key, number, NINE, "permanent", DeliveryState.FAILED)])
    desk.confirm(NINE + 3 * MINUTE)
    assert desk.states()["n0000"] == "failed"


def test_a_rung_that_the_ledger_does_not_know_is_asked_about(tmp_path: Path) -> None:
    """It came into the plan after the copy was made, and may have been sent since."""
    desk = Desk(tmp_path)
    desk.hold()
    rung = f"- from: due\n  workdays: 0\n  at: 09:02\n  to: person:p-office\n{MAIL}"
    new = item_yaml("new", "date: 2026-06-10\nat: 23:59", rung, "alone: true")
    desk.edition = edition_of(plan_of(*items(6, via=MAIL), new))
    found = desk.look()
    assert [item for item, _ in found.rungs] == ["new"]
    assert "new" in [alarm.item.id for alarm, _ in found.alarms]
    desk.confirm(NINE + 2 * MINUTE)
    desk.sweep(desk.now)
    assert desk.settled()["new"] == ("suppress", "confirmed-sent")
    desk.ledger.close()


def test_a_held_ledger_adopts_nothing(tmp_path: Path) -> None:
    """Else a rung of the time it does not know would count as late-added."""
    desk = Desk(tmp_path)
    desk.hold()
    before = desk.ledger.adoptions("test", LIVE)
    assert desk.ledger.adopt("test", LIVE, [("new", "rung")], desk.now) == 0
    assert desk.ledger.adoptions("test", LIVE) == before
    desk.confirm(None)
    assert desk.ledger.adopt("test", LIVE, [("new", "rung")], desk.now) == 1
    desk.ledger.close()


def test_what_the_admins_were_told_by_itself_is_not_told_again(tmp_path: Path) -> None:
    """That the plan ends, that the next year's days off are missing: said on the days that are confirmed."""
    desk = Desk(tmp_path)
    last = at("2026-12-01 10:00")
    desk.confirm(last, last)
    notices = [key for key in desk.settled() if key == "notice"]
    assert notices
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as connection:
        told = {row[0] for row in connection.execute("SELECT alarm FROM alarms WHERE item = 'notice'")}
    connection.close()
    assert {key.partition("#")[0] for key in told} == {
        "notice/arrangement-2027",
        "notice/plan-ends-2026-12-31",
    }
    desk.sweep(last)
    entries = [
        e for e in desk.ledger.book.entries("test", EntryFilter(item="notice")) if e.decision == "send"
    ]
    assert {entry.occurrence for entry in entries} <= {"notice/missed"}
    desk.ledger.close()


def test_a_damaged_ledger_does_not_go_on(desk: Desk, tmp_path: Path) -> None:
    """Put together of two, it may open and yet be neither: all of it is read first."""
    found = desk.look()
    desk.ledger.close()
    path = tmp_path / "ledger.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'refusals'").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    with Ledger.open(path, kind=LedgerKind.DAEMON, now=desk.now) as ledger:
        with pytest.raises(LedgerCorrupt, match=r"不能继续使用.*reminder restore"):
            confirm(
                ledger, desk.edition, found, by="x", sent_until=None, high_water=desk.high_water, now=desk.now
            )
        assert ledger.holds.standing().hold is not None
    assert read_mark(desk.high_water) is None


def test_a_mark_that_cannot_be_written_leaves_the_hold(desk: Desk) -> None:
    """Without it the next old ledger would pass unnoticed."""
    desk.high_water = desk.high_water / "nowhere" / "high-water.json"
    with pytest.raises(ReminderError, match="仍在暂停"):
        desk.confirm(None)
    assert desk.ledger.holds.standing().hold is not None


def test_whoever_comes_second_is_told(desk: Desk) -> None:
    """Two people who confirm at the same time."""
    found = desk.look()
    desk.confirm(None)
    with pytest.raises(LedgerError, match="可能刚由别人确认过"):
        confirm(
            desk.ledger,
            desk.edition,
            found,
            by="x",
            sent_until=None,
            high_water=desk.high_water,
            now=desk.now,
        )
