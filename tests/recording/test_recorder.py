"""What may be recorded of a duty, by whom, and what is said when it may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reminder.agenda.facts import DutyAction, DutyState, Way
from reminder.ledger.facts import Effect
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.recording.recorder import Actor, Entry, Recorder, Refused
from tests.editions import edition_of
from tests.plans import DIRECTORY, at, day, item_yaml, plan_of

UNITS = "duty:\n  each: unit\n  of:\n    - role:责任单位"
PAIRS = "private: true\nduty:\n  each: pair\n  of: supervision"
RUNG = "- from: due\n  workdays: 0\n  to: owing"
NOW = at("2026-06-20 10:00")
ADMIN = Actor("机关党委干事", Way.COMMAND)
AWAY = "deputies:\n  - of: p-office\n    deputy: p-clerk\n    from: 2026-06-01\n    until: 2026-06-30\n"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=at("2026-01-01"))
    yield opened
    opened.close()


@pytest.fixture
def recorder(ledger: Ledger) -> Callable[..., Recorder]:
    def made(*items: str, directory: str = DIRECTORY) -> Recorder:
        some = items or (
            item_yaml("x", "every: month", RUNG, UNITS),
            item_yaml("talk", "every: half-year", RUNG, PAIRS),
            item_yaml(
                "step",
                "date: 2026-06-25",
                RUNG,
                "duty:\n  each: person\n  gate: true\n  of:\n    - person:p-clerk",
            ),
        )
        return Recorder(ledger, edition_of(plan_of(*some, directory=directory)))

    return made


def entry(
    action: str = "done",
    occurrence: str = "x/2026-06",
    cell: str = "理论科",
    on: str | None = None,
    note: str = "",
) -> Entry:
    return Entry(occurrence, cell, DutyAction(action), day(on) if on else None, note)


def test_a_record_says_who_when_by_what_way_and_when_it_was_done(
    recorder: Callable[..., Recorder], ledger: Ledger
) -> None:
    recorder().record(ADMIN, entry(on="2026-06-18", note="已收到"), NOW)
    (event,) = ledger.facts("test", Transport.OUTBOX).duties["x/2026-06", "理论科"]
    assert (event.by, event.way, event.on, event.note, event.at) == (
        "机关党委干事", Way.COMMAND, day("2026-06-18"), "已收到", NOW,
    )  # fmt: skip


@pytest.mark.parametrize("cell", ["p-leader/p-theory", "理论科科长", "分管副部长/理论科科长", "p-leader/p-t"])
def test_a_cell_may_be_named_as_people_name_it(recorder: Callable[..., Recorder], cell: str) -> None:
    assert recorder().find("talk/2026H1", cell, NOW).standing.cell.id == "p-leader/p-theory"


def test_marking_done_twice_changes_nothing(recorder: Callable[..., Recorder]) -> None:
    r = recorder()
    assert r.record(ADMIN, entry(), NOW).effect is Effect.RECORDED
    assert r.record(ADMIN, entry(), NOW).effect is Effect.ALREADY


def test_of_fifty_at_once_one_has_an_effect(recorder: Callable[..., Recorder], ledger: Ledger) -> None:
    r = recorder()
    with ThreadPoolExecutor(50) as pool:
        effects = list(
            pool.map(lambda _: r.record(Actor("p-liaison", Way.LINK), entry(), NOW).effect, range(50))
        )
    assert effects.count(Effect.RECORDED) == 1
    assert len(ledger.facts("test", Transport.OUTBOX).duties["x/2026-06", "理论科"]) == 1


REFUSALS = {
    "unknown item": (entry(occurrence="report/2026Q2"), "没有“report/2026Q2”：期次写作 事项编号/期次，如 quarterly-report/2026Q3；事项编号见 reminder duties"),
    "unknown occurrence": (entry(occurrence="talk/2026H2"), "事项“talk”没有已开始的期次“talk/2026H2”；可用：talk/2026H1"),
    "unknown cell": (entry(cell="文艺科"), "x/2026-06 没有承担者“文艺科”；可用：办公室、理论科"),
    "two cells": (entry(occurrence="talk/2026H1", cell="p-leader"), "“p-leader”指的不止一个：p-leader/p-office、p-leader/p-theory；请写完整的编号"),
    "future": (entry(on="2026-06-21"), "办结日期 2026-06-21 还没有到：今天是 2026-06-20；尚未办的请用登记安排；没有登记"),
    "before the period": (entry(on="2026-05-31"), "办结日期 2026-05-31 早于本期：应不早于 2026-06-01；没有登记"),
    "booked for yesterday": (entry("book", on="2026-06-19"), "安排在 2026-06-19 不行：可选 2026-06-20 至 2026-09-30；没有登记"),
    "booked for no day": (entry("book"), "登记安排须写明日期；没有登记"),
    "no reason": (entry("waive"), "免办须写明理由（--reason）；没有登记"),
    "return of what is open": (entry("return", note="缺附件"), "x/2026-06 的“理论科”现在是未办结，不能退回；可登记安排、登记办结或免办；没有登记"),
    "a word about a talk": (entry(occurrence="talk/2026H1", cell="理论科科长", note="谈了一小时"), "“事项talk”是非公开事项，只登记日期，不登记任何说明；没有登记"),
    "too long": (entry(note="长" * 201), "说明有201字，最多200字：写日期、地点等要点即可；没有登记"),
    "control characters": (entry(note="好\x07"), "说明里有不可见的控制字符；没有登记"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_recorded_is_refused_with_what_can(
    case: str, recorder: Callable[..., Recorder], ledger: Ledger
) -> None:
    wrong, text = REFUSALS[case]
    with pytest.raises(Refused) as refused:
        recorder().record(ADMIN, wrong, NOW)
    assert str(refused.value) == text
    assert ledger.facts("test", Transport.OUTBOX).duties == {}


def test_a_step_after_its_gate_is_not_done(recorder: Callable[..., Recorder]) -> None:
    late = at("2026-06-27 10:00")
    with pytest.raises(Refused, match="须在 2026-06-25 或之前办理"):
        recorder().record(ADMIN, entry(occurrence="step/2026-06-25", cell="p-clerk", on="2026-06-26"), late)
    found = recorder().record(
        ADMIN, entry(occurrence="step/2026-06-25", cell="p-clerk", on="2026-06-24"), late
    )
    assert found.state is DutyState.DONE


def test_an_obligor_records_their_own_and_a_liaison_for_the_unit(
    recorder: Callable[..., Recorder], ledger: Ledger
) -> None:
    """理论科's contact owes it; its head may record it in the unit's place."""
    r = recorder()
    r.record(Actor("p-liaison", Way.LINK), entry(), NOW)
    r.record(ADMIN, entry("return", note="缺附件"), NOW)
    r.record(Actor("p-theory", Way.LINK), entry(), NOW)
    events = ledger.facts("test", Transport.OUTBOX).duties["x/2026-06", "理论科"]
    assert [(each.by, each.way, each.for_) for each in events] == [
        ("p-liaison", Way.LINK, ""),
        ("机关党委干事", Way.COMMAND, ""),
        ("p-theory", Way.LIAISON, "理论科"),
    ]


def test_nobody_records_what_is_anothers(recorder: Callable[..., Recorder]) -> None:
    with pytest.raises(Refused, match="不由您办理"):
        recorder().record(Actor("p-office", Way.LINK), entry(), NOW)
    with pytest.raises(Refused, match="由管理员办理"):
        recorder().record(Actor("p-liaison", Way.LINK), entry("waive", note="出差"), NOW)
    with pytest.raises(Refused, match="不由您办理"):  # no liaison for a talk
        recorder().record(
            Actor("p-liaison", Way.LINK), entry(occurrence="talk/2026H1", cell="理论科科长"), NOW
        )


def test_a_deputy_records_while_they_act(recorder: Callable[..., Recorder], ledger: Ledger) -> None:
    r = recorder(directory=DIRECTORY + AWAY)
    r.record(Actor("p-clerk", Way.LINK), entry(cell="办公室"), NOW)
    (event,) = ledger.facts("test", Transport.OUTBOX).duties["x/2026-06", "办公室"]
    assert (event.by, event.for_) == ("p-clerk", "p-office")
    with pytest.raises(Refused, match="不由您办理"):
        r.record(Actor("p-clerk", Way.LINK), entry(cell="办公室"), at("2026-07-01 10:00"))


def test_whoever_left_keeps_their_record_and_can_add_nothing(recorder: Callable[..., Recorder]) -> None:
    recorder().record(ADMIN, entry(occurrence="talk/2026H1", cell="p-leader/p-theory", on="2026-03-03"), NOW)
    gone = DIRECTORY.replace(
        "  - post: 理论科科长\n    person: p-theory\n",
        "  - post: 理论科科长\n    person: p-theory\n    until: 2026-05-10\n"
        "  - post: 理论科科长\n    person: p-clerk\n    from: 2026-05-11\n",
    )
    r = recorder(directory=gone)
    with pytest.raises(Refused, match="已因名册调整关闭，原有记录保留"):
        r.record(ADMIN, entry(occurrence="talk/2026H1", cell="p-leader/p-theory"), NOW)


def test_all_or_nothing(recorder: Callable[..., Recorder], ledger: Ledger) -> None:
    with pytest.raises(Refused):
        recorder().record_all(ADMIN, [entry(cell="办公室"), entry(cell="文艺科")], NOW)
    assert ledger.facts("test", Transport.OUTBOX).duties == {}


def test_the_board_has_what_opened_and_whose_it_is(recorder: Callable[..., Recorder]) -> None:
    r = recorder()
    r.record(ADMIN, entry(), NOW)
    board = r.board(NOW, items=["x"], open_only=True)
    june = [row.standing.cell.id for row in board if row.occurrence.id == "x/2026-06"]
    assert june == ["办公室"]
    mine = r.board(NOW, person="p-leader")
    assert {row.item.id for row in mine} == {"talk"}
    assert all(row.occurrence.opens <= day("2026-06-20") for row in r.board(NOW))


def test_a_snooze_ends_by_the_due_date_or_within_five_working_days(
    recorder: Callable[..., Recorder], ledger: Ledger
) -> None:
    r = recorder()
    actor = Actor("p-office", Way.LINK)
    r.snooze(actor, "x/2026-06", "p-office", day("2026-06-30"), NOW)
    assert ledger.facts("test", Transport.OUTBOX).snoozed_until("p-office", ("x/2026-06",)) == day(
        "2026-06-30"
    )
    with pytest.raises(Refused, match="可选 2026-06-21 至 2026-06-30"):
        r.snooze(actor, "x/2026-06", "p-office", day("2026-07-01"), NOW)
    with pytest.raises(Refused, match="没有未办结的事项"):
        r.snooze(actor, "talk/2026H1", "p-office", day("2026-06-30"), NOW)
