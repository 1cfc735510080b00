"""What commands about duties share: the recorder over the daemon's ledger, and how rows are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reminder.agenda.facts import DUTY_STATE_TEXT, WAY_TEXT, DutyAction, DutyEvent, DutyState, Way
from reminder.cli.app import settings_of
from reminder.cli.people import author_name, author_of
from reminder.cli.planning import edition_of
from reminder.errors import UsageError

if TYPE_CHECKING:
    from reminder.agenda.duties import Standing
    from reminder.check import Edition
    from reminder.plan.directory import Directory, Person
    from reminder.recording.recorder import Recorder

_REASONED = (DutyAction.RETURN, DutyAction.WAIVE, DutyAction.REOPEN)


@contextmanager
def recording(
    schedules: Path | None, templates: Path | None, data: Path | None
) -> Iterator[tuple[Recorder, datetime, date]]:
    """The recorder over the daemon's ledger, which must be there; now, and today in the plan's zone."""
    from reminder.agenda.instants import zone_of
    from reminder.clock import SystemClock
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import LedgerKind
    from reminder.recording.recorder import Recorder

    settings = settings_of(schedules, templates, data)
    edition = edition_of(settings)
    now = SystemClock().now()
    today = now.astimezone(zone_of(edition.plan.head.timezone)).date()
    with Ledger.open(settings.ledger, kind=LedgerKind.DAEMON, now=now, create=False) as ledger:
        yield Recorder(ledger, edition), now, today


def required_person(text: str, directory: Directory, on: date, option: str = "--person") -> Person:
    """The one person that an id, a name or a post means on a day.

    Raises ``UsageError`` that names whom it may be.
    """
    from reminder.plan.fields import did_you_mean

    found = directory.person(author_of(text, directory, on)) if text.strip() else None
    if found is None:
        names = [name for each in directory.people for name in (each.id, each.name)]
        hint = did_you_mean(text, names) or "请写编号、姓名或职务，如 --person 理论科联络员"
        raise UsageError(f"{option} 的值“{text}”在名册中没有；{hint}")
    return found


def required_unit(text: str, edition: Edition) -> str:
    """The unit of that name.  Raises ``UsageError`` that suggests the nearest one."""
    from reminder.plan.fields import did_you_mean

    known = [unit.id for unit in edition.plan.directory.units]
    if text not in known:
        hint = did_you_mean(text, known)
        raise UsageError(f"名册中没有单位“{text}”；可用：{'、'.join(known)}" + (f"；{hint}" if hint else ""))
    return text


def state_text(standing: Standing) -> str:
    """Where a cell stands, in words: no colour says more."""
    text = DUTY_STATE_TEXT[standing.state]
    if standing.last is not None and standing.last.note and standing.last.action in _REASONED:
        said = "撤销登记，" if standing.last.action is DutyAction.REOPEN else ""
        text += f"：{said}{standing.last.note}"
    return text + ("（已过截止日期）" if standing.overdue else "")


def day_text(standing: Standing) -> str:
    """The day of the deed, or the day arranged."""
    if standing.done_on is not None:
        return str(standing.done_on)
    return f"拟 {standing.booked_on}" if standing.booked_on is not None else ""


def recorded_text(event: DutyEvent | None, edition: Edition) -> str:
    """Who recorded it, in whose place, by what way and on which day of the plan's zone."""
    from reminder.agenda.instants import zone_of

    if event is None:
        return ""
    directory = edition.plan.directory
    day = event.at.astimezone(zone_of(edition.plan.head.timezone)).date()
    name = author_name(event.by, directory)
    if event.way is Way.LIAISON:
        return f"由{name}代填（{day}）"
    place = f"代{author_name(event.for_, directory)}" if event.for_ else WAY_TEXT[event.way]
    return f"{name}（{place}，{day}）"


def summary_of(standings: Sequence[Standing]) -> str:
    """How many stand where: 「未办结 3（已过截止日期 1）、已办结 5」."""
    counts = {state: sum(each.state is state for each in standings) for state in DutyState}
    overdue = sum(each.overdue for each in standings)
    parts = [f"{DUTY_STATE_TEXT[state]} {count}" for state, count in counts.items() if count]
    return "、".join(parts) + (f"；其中已过截止日期 {overdue}" if overdue else "")


DONE_TEXT = {
    DutyAction.BOOK: "已登记安排",
    DutyAction.DONE: "已登记办结",
    DutyAction.RETURN: "已退回",
    DutyAction.WAIVE: "已免办",
    DutyAction.REOPEN: "已撤销登记",
}
AFTER_TEXT = {
    DutyAction.BOOK: "",
    DutyAction.DONE: "此后不再提醒。",
    DutyAction.RETURN: "该项恢复为待办，提醒继续。",
    DutyAction.WAIVE: "此后不再提醒。",
    DutyAction.REOPEN: "该项恢复为待办，提醒继续。",
}
