"""What may be recorded of a duty, by whom, and what is said when it may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
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
            item_yaml("plain", "date: 2026-06-10", "- from: due\n  workdays: 0\n  to: everyone"),
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


@pytest.mark.parametrize(
    "cell",
    [
        "p-leader/p-theory", "分管副部长/理论科科长", "分管副部长与理论科科长", "分管副部长/理论科", "p-leader／p-theory",
        "p-theory", "理论科科长", "理论科", "理论", "p-leader/p-t", " 理论科科长 ",
    ],
)  # fmt: skip
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
    "unknown item": (entry(occurrence="report/2026Q2"), "没有“report/2026Q2”：期次写作 事项编号/期次，如 quarterly-report/2026Q3；期次见 reminder duties；没有登记"),
    "near an item": (entry(occurrence="talks/2026H1"), "没有“talks/2026H1”：期次写作 事项编号/期次，如 quarterly-report/2026Q3；是否想写“talk”？；没有登记"),
    "unknown occurrence": (entry(occurrence="talk/2026-06"), "事项“事项talk”没有期次“talk/2026-06”；可用：talk/2026H1；没有登记"),
    "not yet open": (entry(occurrence="talk/2026H2"), "talk/2026H2 自 2026-07-01 起，现在还不能登记；可用：talk/2026H1；没有登记"),
    "no duty": (entry(occurrence="plain/2026-06-10"), "事项“事项plain”（plain）没有承担者，不登记办结"),
    "unknown cell": (entry(cell="文艺科"), "x/2026-06 没有承担者“文艺科”；可用：办公室、理论科；没有登记"),
    "near a cell": (entry(cell="理伦科"), "x/2026-06 没有承担者“理伦科”；可用：办公室、理论科；是否想写“理论科”？；没有登记"),
    "no cell": (entry(cell=""), "x/2026-06 没有承担者“”；可用：办公室、理论科；没有登记"),
    "two cells": (entry(occurrence="talk/2026H1", cell="p-leader"), "“p-leader”在 talk/2026H1 指的不止一个：p-leader/p-office、p-leader/p-theory；请写完整的编号；没有登记"),
    "future": (entry(on="2026-06-21"), "办结日期 2026-06-21 还没有到：今天是 2026-06-20；尚未办的请用登记安排；没有登记"),
    "before the period": (entry(on="2026-05-31"), "办结日期 2026-05-31 早于本期：应不早于 2026-06-01；没有登记"),
    "booked for yesterday": (entry("book", on="2026-06-19"), "安排在 2026-06-19 不行：可选 2026-06-20 至 2026-09-30；没有登记"),
    "booked for no day": (entry("book"), "登记安排须写明日期；没有登记"),
    "no reason": (entry("waive"), "免办须写明理由（命令行用 --reason）；没有登记"),
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


def rotated(on: str) -> str:
    """The directory with 理论科科长 handed over to the clerk on a day."""
    last = date.fromordinal(day(on).toordinal() - 1)
    return DIRECTORY.replace(
        "  - post: 理论科科长\n    person: p-theory\n",
        f"  - post: 理论科科长\n    person: p-theory\n    until: {last}\n"
        f"  - post: 理论科科长\n    person: p-clerk\n    from: {on}\n",
    )


CLOSED = (
    "“分管副部长与理论科科长”在 talk/2026H1 的职责已于 2026-05-11 因名册调整关闭，原有记录保留；"
    "现由“分管副部长与机关党委办公室干事”（p-leader/p-clerk）承担；没有登记"
)


def test_whoever_left_keeps_their_record_and_can_add_nothing(
    recorder: Callable[..., Recorder], ledger: Ledger
) -> None:
    """Also by name, and also if nothing was recorded of them: who owes now is said."""
    talk = entry(occurrence="talk/2026H1", cell="p-leader/p-theory", on="2026-03-03")
    r = recorder(directory=rotated("2026-05-11"))
    with pytest.raises(Refused) as refused:
        r.record(ADMIN, talk, NOW)
    assert str(refused.value) == CLOSED
    recorder().record(ADMIN, talk, NOW)
    with pytest.raises(Refused) as refused:
        r.record(ADMIN, entry("return", occurrence="talk/2026H1", cell="分管副部长与理论科科长"), NOW)
    assert str(refused.value) == CLOSED
    (gone,) = r.view(NOW).gone()
    assert (gone.standing.done_on, gone.moved.on) == (day("2026-03-03"), day("2026-05-11"))
    assert len(ledger.facts("test", Transport.OUTBOX).duties) == 1


def test_a_record_of_somebody_the_directory_has_forgotten_stands(
    recorder: Callable[..., Recorder], ledger: Ledger
) -> None:
    """The row was deleted where it should have got an ``until``: nothing is lost."""
    talk = entry(occurrence="talk/2026H1", cell="p-leader/p-theory", on="2026-03-03")
    recorder().record(ADMIN, talk, NOW)
    person = "  - id: p-theory\n    name: 理论科科长\n    unit: 理论科\n    mail: theory@example.com\n    wecom: theory\n"
    assert person in DIRECTORY
    r = recorder(directory=DIRECTORY.replace(person, "").replace("person: p-theory", "person: p-clerk"))
    with pytest.raises(Refused, match="在 talk/2026H1 的职责已因名册调整关闭，原有记录保留"):
        r.record(ADMIN, talk, NOW)
    (gone,) = r.view(NOW).gone()
    assert (gone.standing.cell.id, gone.standing.done_on) == ("p-leader/p-theory", day("2026-03-03"))


def test_an_item_that_leaves_newcomers_to_the_next_period_says_that_nobody_owes(
    recorder: Callable[..., Recorder],
) -> None:
    item = item_yaml("talk", "every: half-year", RUNG, PAIRS + "\n  on_rotation: next-period")
    with pytest.raises(Refused, match="现在没有人接着承担本期；没有登记"):
        recorder(item, directory=rotated("2026-05-11")).record(
            ADMIN, entry(occurrence="talk/2026H1", cell="p-theory"), NOW
        )


def test_who_is_still_to_come_owes_from_their_first_day(recorder: Callable[..., Recorder]) -> None:
    with pytest.raises(Refused, match="“分管副部长与机关党委办公室干事”自 2026-06-25 起才承担 talk/2026H1"):
        recorder(directory=rotated("2026-06-25")).record(
            ADMIN, entry(occurrence="talk/2026H1", cell="p-clerk"), NOW
        )


def test_a_talk_with_the_one_before_does_not_count_for_the_newcomer(
    recorder: Callable[..., Recorder],
) -> None:
    r = recorder(directory=rotated("2026-05-11"))
    with pytest.raises(Refused, match="自 2026-05-11 起承担本项，此前的不算"):
        r.record(ADMIN, entry(occurrence="talk/2026H1", cell="p-clerk", on="2026-05-10"), NOW)
    found = r.record(ADMIN, entry(occurrence="talk/2026H1", cell="p-clerk", on="2026-05-11"), NOW)
    assert found.state is DutyState.DONE


@pytest.mark.parametrize("occurrence", ["talk/2026H1", "talk/2026H1+2026-06-15"])
def test_who_comes_late_is_found_under_either_id_and_recorded_under_the_first(
    occurrence: str, recorder: Callable[..., Recorder], ledger: Ledger
) -> None:
    """Twenty working days from 06-15 lead past the due date of 06-30."""
    r = recorder(directory=rotated("2026-06-15"))
    r.record(ADMIN, entry(occurrence=occurrence, cell="p-clerk", on="2026-07-10"), at("2026-07-10 10:00"))
    assert list(ledger.facts("test", Transport.OUTBOX).duties) == [("talk/2026H1", "p-leader/p-clerk")]


def test_a_renamed_item_is_found_under_its_former_id_too(
    recorder: Callable[..., Recorder], ledger: Ledger
) -> None:
    recorder().record(ADMIN, entry(), NOW)
    r = recorder(item_yaml("report", "every: month", RUNG, UNITS + "\nwas:\n  - x"))
    for occurrence in ("x/2026-06", "report/2026-06"):
        assert r.find(occurrence, "理论科", NOW).standing.state is DutyState.DONE
    r.record(ADMIN, entry("return", note="缺附件"), NOW)
    assert r.find("report/2026-06", "理论科", NOW).standing.state is DutyState.RETURNED


def test_whoever_is_asked_for_a_date_before_the_opening_can_give_one(
    recorder: Callable[..., Recorder],
) -> None:
    """A rung two weeks before the window opens asks for a date."""
    window = "window:\n  opens: 07-01\n  closes: 07-15"
    item = item_yaml("lecture", window, "- from: opens\n  days: -14\n  to: owing", UNITS)
    r = recorder(item)
    booked = r.record(
        Actor("p-liaison", Way.LINK), entry("book", "lecture/2026", on="2026-07-08"), at("2026-06-17 09:01")
    )
    assert booked.state is DutyState.IN_PROGRESS
    assert recorder(item).board(at("2026-06-16 09:00")) != []  # what is recorded is shown
    with pytest.raises(Refused, match="没有期次“lecture/2027”；可用：lecture/2026"):
        r.record(ADMIN, entry("book", "lecture/2027", on="2027-07-08"), NOW)


@pytest.mark.parametrize("wrong", [entry(cell="文艺科"), entry("return", note="缺附件")])
def test_all_or_nothing(wrong: Entry, recorder: Callable[..., Recorder], ledger: Ledger) -> None:
    """Whether the cell is unknown or the ledger refuses the transition: nothing of the rest is kept."""
    with pytest.raises(Refused):
        recorder().record_all(ADMIN, [entry(cell="办公室"), wrong], NOW)
    assert ledger.facts("test", Transport.OUTBOX).duties == {}


STEPS = {
    "": "book done waive",
    "book": "book done waive",
    "done": "return reopen",
    "waive": "done reopen",
    "done return": "book done waive",
    "done reopen": "book done waive",
}


@pytest.mark.parametrize("before", STEPS)
@pytest.mark.parametrize("action", [each.value for each in DutyAction])
def test_every_transition_goes_or_is_refused_with_what_goes_instead(
    before: str, action: str, recorder: Callable[..., Recorder], ledger: Ledger
) -> None:
    r = recorder()

    def one(name: str, on: str) -> Effect:
        reason = "理由" if name in ("return", "waive", "reopen") else ""
        return r.record(
            ADMIN, entry(name, on=on if name in ("book", "done") else None, note=reason), NOW
        ).effect

    for name in before.split():
        one(name, "2026-06-20")
    number = ledger.facts_number("test")
    if action in STEPS[before].split():
        # Another date for what is booked is a record of its own.
        assert one(action, "2026-06-25" if action == "book" else "2026-06-20") is Effect.RECORDED
        return
    if (
        before.split()[-1:] == [action]
        or (before == "done return" and action == "return")
        or (before == "done reopen" and action == "reopen")
    ):
        assert one(action, "2026-06-20") is Effect.ALREADY
    elif before == "" and action == "reopen":
        assert one(action, "2026-06-20") is Effect.ALREADY  # it is open
    else:
        with pytest.raises(Refused, match=r"不能.*；可"):
            one(action, "2026-06-20")
    assert ledger.facts_number("test") == number


def test_of_a_talk_nothing_but_dates_is_kept_not_even_a_reason(
    recorder: Callable[..., Recorder], ledger: Ledger
) -> None:
    r = recorder()
    talk = {"occurrence": "talk/2026H1", "cell": "理论科科长"}
    r.record(ADMIN, entry("waive", **talk), NOW)
    with pytest.raises(Refused, match="不登记任何说明"):
        r.record(ADMIN, entry("reopen", note="记错了", **talk), NOW)
    r.record(ADMIN, entry("reopen", **talk), NOW)
    ((_, events),) = ledger.facts("test", Transport.OUTBOX).duties.items()
    assert [each.note for each in events] == ["", ""]


def test_names_of_a_talk_are_for_the_obligor_and_the_one_in_charge(
    recorder: Callable[..., Recorder], ledger: Ledger
) -> None:
    plan = plan_of(
        item_yaml("talk", "every: half-year", RUNG, PAIRS), head="  in_charge:\n    - person:p-clerk\n"
    )
    view = Recorder(ledger, edition_of(plan)).view(NOW)
    row = next(iter(view.rows()))
    who = {each: view.sees(each, row) for each in ("p-leader", "p-clerk", "p-office", "p-theory", None)}
    assert who == {"p-leader": True, "p-clerk": True, "p-office": False, "p-theory": False, None: False}


def test_the_liaison_of_the_unit_somebody_leads_may_record_for_them(
    recorder: Callable[..., Recorder], ledger: Ledger
) -> None:
    """A secretary's own duty is the branch's matter, whatever section they belong to."""
    directory = DIRECTORY.replace(
        "    head: 第一党支部书记\n", "    head: 第一党支部书记\n    contact: 第一党支部联络员\n"
    ).replace("  - id: 第一党支部书记\n", "  - id: 第一党支部联络员\n  - id: 第一党支部书记\n", 1)
    directory = directory.replace(
        "  - post: 第一党支部书记\n",
        "  - post: 第一党支部联络员\n    person: p-clerk\n  - post: 第一党支部书记\n",
    ).replace(
        "    name: 第一党支部书记\n    unit: 第一党支部\n", "    name: 第一党支部书记\n    unit: 理论科\n"
    )
    item = item_yaml("study", "every: quarter", RUNG, "duty:\n  each: person\n  of:\n    - head:第一党支部")
    r = recorder(item, directory=directory)
    study = entry(occurrence="study/2026Q2", cell="第一党支部")
    with pytest.raises(Refused, match="不由您办理"):
        r.record(Actor("p-liaison", Way.LINK), study, NOW)
    r.record(Actor("p-clerk", Way.LINK), study, NOW)
    (event,) = ledger.facts("test", Transport.OUTBOX).duties["study/2026Q2", "p-secretary"]
    assert (event.by, event.way, event.for_) == ("p-clerk", Way.LIAISON, "p-secretary")


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
    with pytest.raises(Refused, match="只能为自己"):
        r.snooze(actor, "x/2026-06", "p-liaison", day("2026-06-30"), NOW)
    with pytest.raises(Refused, match="可选 2026-07-11 至 2026-07-17"):  # due already: five working days
        r.snooze(actor, "x/2026-06", "p-office", day("2026-07-20"), at("2026-07-10 09:00"))


def test_of_fifty_snoozes_at_once_one_is_recorded(recorder: Callable[..., Recorder], ledger: Ledger) -> None:
    r = recorder()
    actor = Actor("p-office", Way.LINK)
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(lambda _: r.snooze(actor, "x/2026-06", "p-office", day("2026-06-25"), NOW), range(50)))
    assert len(ledger.facts("test", Transport.OUTBOX).snoozes) == 1
    for until in ("2026-06-28", "2026-06-25"):
        r.snooze(actor, "x/2026-06", "p-office", day(until), NOW)
    assert ledger.facts("test", Transport.OUTBOX).snoozed_until("p-office", ("x/2026-06",)) == day(
        "2026-06-25"
    )
