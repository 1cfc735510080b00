"""Registering events: what is taken, what is refused, and that a refusal changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.agenda.facts import DutyAction, Way
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.recording.events import Events, copy_event
from reminder.recording.recorder import Actor, Entry, Recorder, Refused
from reminder.recording.subjects import fault_of, name_in, normal
from tests.editions import edition_of
from tests.plans import at, day, item_yaml, plan_of

LADDER = (
    "- id: registered\n  from: opens\n  workdays: 0\n  to: owing\n- from: due\n  workdays: -5\n  to: owing"
)
STEP = "private: true\nduty:\n  each: person\n  gate: true\n  of:\n    - person:p-clerk"
STUDY = "duty:\n  each: unit\n  of:\n    - role:责任单位"
ITEMS = (
    item_yaml("talk", "event: appointment", LADDER, STEP),
    item_yaml("exam", "event: appointment", LADDER, STEP),
    item_yaml("study", "event: circular\ndue_workdays: 10", LADDER, STUDY),
    item_yaml("other", "date: 2026-06-10", "- from: due\n  workdays: 0\n  to: person:p-office"),
)
NOW = at("2026-04-20 10:00")
CODE = "任前-2026-03"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=at("2026-01-01"))
    yield opened
    opened.close()


@pytest.fixture
def events(ledger: Ledger) -> Events:
    return Events(ledger, edition_of(plan_of(*ITEMS)))


@pytest.fixture
def refused(ledger: Ledger) -> Callable[..., str]:
    """What an act is refused with; nothing may have been written."""

    def words(act: Callable[[], object]) -> str:
        before = ledger.facts_number("test")
        with pytest.raises(Refused) as caught:
            act()
        assert ledger.facts_number("test") == before
        return str(caught.value)

    return words


def register(
    events: Events, on: str = "2026-05-20", subject: str = CODE, event: str = "appointment", now: object = NOW
) -> object:
    return events.register(event, subject, day(on), by="p-clerk", now=now)  # type: ignore[arg-type]


def done(ledger: Ledger, events: Events, item: str, on: str, now: str) -> None:
    recorder = Recorder(ledger, events._edition)
    entry = Entry(f"{item}/{CODE}", "p-clerk", DutyAction.DONE, day(on))
    recorder.record(Actor("机关党委干事", Way.COMMAND), entry, at(now))


# ---- registering


def test_a_registration_starts_every_item_that_waits_for_it(events: Events, ledger: Ledger) -> None:
    begun = events.register("appointment", CODE, day("2026-05-20"), by="p-clerk", now=NOW)
    assert begun.new
    assert [start.item.id for start in begun.starts] == ["talk", "exam"]
    assert {f"{start.occurrence.due_at:%m-%d %H:%M}" for start in begun.starts} == {"05-20 17:00"}
    assert [each.cell.id for each in begun.starts[0].owed] == ["p-clerk"]
    assert [f"{alarm.at:%m-%d %H:%M}" for alarm in begun.starts[0].alarms] == ["04-20 10:00", "05-13 09:00"]
    (kept,) = ledger.facts("test", ledger.transport("test")).events
    assert (kept.event, kept.subject, kept.on, kept.by, kept.turn) == (
        "appointment", CODE, day("2026-05-20"), "p-clerk", 1,
    )  # fmt: skip


def test_the_same_again_changes_nothing_and_says_what_it_started(events: Events, ledger: Ledger) -> None:
    register(events)
    number = ledger.facts_number("test")
    again = events.register("appointment", CODE, day("2026-05-20"), by="another", now=at("2026-04-21"))
    assert not again.new
    assert (again.event.by, len(again.starts)) == ("p-clerk", 2)
    assert ledger.facts_number("test") == number


def test_full_width_characters_mean_the_same(events: Events) -> None:
    """What an input method makes of digits and hyphens."""
    register(events)
    again = events.register("appointment", "任前－２０２６—03 ", day("2026-05-20"), by="x", now=NOW)
    assert (again.new, again.event.subject) == (False, CODE)


def test_of_fifty_who_register_the_same_at_once_one_does(events: Events, ledger: Ledger) -> None:
    with ThreadPoolExecutor(20) as pool:
        begun = list(pool.map(lambda _: events.register("circular", "通报-1", day("2026-04-20"), by="x", now=NOW), range(50)))  # fmt: skip
    assert sum(each.new for each in begun) == 1
    assert len(ledger.facts("test", ledger.transport("test")).events) == 1


def test_two_events_may_have_the_same_code(events: Events) -> None:
    register(events, subject="2026-1")
    assert events.register("circular", "2026-1", day("2026-04-21"), by="x", now=NOW).new


@pytest.mark.parametrize(
    ("on", "now", "words"),
    [
        ("2026-04-19", "2026-04-20 10:00", "2026-04-19 已经过去（今天是 2026-04-20），不能登记：可登记今天及以后的日期"),
        ("2026-04-20", "2026-04-20 17:00", "今天 17:00 的时限已过，不能再登记今天的“appointment”：可登记明天及以后的日期"),
        ("2027-01-01", "2026-04-20 10:00", "2027-01-01 在计划截止日 2026-12-31 之后：可登记 2026-04-20 至 2026-12-31"),
    ],
)  # fmt: skip
def test_a_day_that_cannot_be_is_refused_with_what_can(
    on: str, now: str, words: str, events: Events, refused: Callable[..., str]
) -> None:
    said = refused(lambda: register(events, on, now=at(now)))
    assert said.startswith(words)
    assert said.endswith("没有登记")


def test_today_is_in_time_until_the_hour_it_is_due(events: Events) -> None:
    begun = events.register("appointment", CODE, day("2026-04-20"), by="x", now=at("2026-04-20 16:59"))
    assert begun.new


def test_a_circular_whose_study_would_end_beyond_the_plan_is_refused(
    events: Events, refused: Callable[..., str]
) -> None:
    said = refused(lambda: register(events, "2026-12-28", "通报-9", "circular"))
    assert "到期日不在计划的起止日期（2026-01-01 至 2026-12-31）之内" in said


def test_an_unknown_event_is_met_with_the_known_ones(events: Events, refused: Callable[..., str]) -> None:
    said = refused(lambda: register(events, event="apointment"))
    assert said == (
        "计划中没有等待事件“apointment”的事项；可用：appointment、circular；是否想写“appointment”？；没有登记"
    )


def test_a_plan_without_events_says_so(ledger: Ledger, refused: Callable[..., str]) -> None:
    events = Events(ledger, edition_of(plan_of(ITEMS[3])))
    assert refused(lambda: register(events)).startswith("计划中没有由事件触发的事项")


def test_another_day_for_the_same_code_is_refused(events: Events, refused: Callable[..., str]) -> None:
    register(events)
    said = refused(lambda: register(events, "2026-05-21"))
    assert said.startswith("“任前-2026-03”已登记在 2026-05-20；要改到 2026-05-21，请用 reminder event move")


# ---- subjects


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("张三", "“张三”像是姓名"),
        ("诸葛孔明", "“诸葛孔明”像是姓名"),
        ("买买提·艾力", "“买买提·艾力”像是姓名"),
        ("任前", "“任前”像是姓名"),
        ("zhangsan", "“zhangsan”里没有数字"),
        ("理论科科长", "代号里有名册中的姓名“理论科科长”"),
        ("理论科科长-2026-03", "代号里有名册中的姓名“理论科科长”"),
        ("任前 2026", "“任前 2026”不能作代号"),
        ("任前/2026", "“任前/2026”不能作代号"),
        ("任前#2026", "“任前#2026”不能作代号"),
        ("任前~2", "“任前~2”不能作代号"),
        ("-2026", "“-2026”不能作代号"),
        ("", "没有写代号"),
        ("任前-2026\n03", "“任前-2026\n03”不能作代号"),
        ("2" * 41, "代号有41个字，最多40个"),
    ],
)
def test_what_is_no_code_is_refused_with_the_reason(
    subject: str, words: str, events: Events, refused: Callable[..., str]
) -> None:
    assert refused(lambda: register(events, subject=subject)).startswith(words)


@pytest.mark.parametrize(
    "subject",
    ["任前-2026-03", "通报-2026-07", "2026-1", "A3", "某纪通〔2026〕3号", "任前(2026)3", "选任.2026_3"],
)
def test_what_is_a_code_is_taken(subject: str) -> None:
    assert fault_of(normal(subject), ["理论科科长"]) is None


@given(st.text(min_size=1, max_size=30))
def test_whatever_is_taken_can_stand_in_an_id_and_a_header(text: str) -> None:
    code = normal(text)
    if fault_of(code, ()) is None:
        assert code == normal(code)
        assert code.isprintable()
        assert not set(code) & set("/#@~+| \"'<>&\\")
        assert any(each.isdigit() for each in code)


def test_no_name_of_the_directory_is_found_where_there_is_none() -> None:
    """A name of one character would be found everywhere."""
    assert name_in("任前-2026-03", ["任", "理论科科长"]) is None


# ---- moving and cancelling


def test_a_moved_event_counts_once_more_and_keeps_what_was_done(events: Events, ledger: Ledger) -> None:
    register(events)
    done(ledger, events, "talk", "2026-05-08", "2026-05-08 15:00")
    moved = events.move(
        "appointment", CODE, day("2026-06-24"), by="p-clerk", reason="会议改期", now=at("2026-05-18 09:30")
    )
    assert (moved.event.turn, moved.event.on) == (2, day("2026-06-24"))
    assert {start.occurrence.id for start in moved.starts} == {f"talk/{CODE}~2", f"exam/{CODE}~2"}
    (row,) = events.listed(at("2026-05-18 10:00"))
    assert (row.event.on, [step.done for step in row.steps]) == (day("2026-06-24"), [True, False])
    again = events.move(
        "appointment", CODE, day("2026-06-24"), by="x", reason="会议改期", now=at("2026-05-19 09:30")
    )
    assert not again.new


def test_what_did_not_take_place_on_its_day_can_be_moved_afterwards(events: Events) -> None:
    register(events)
    moved = events.move("appointment", CODE, day("2026-06-24"), by="x", reason="未如期", now=at("2026-05-25"))
    assert moved.new


def test_a_move_into_the_past_without_a_reason_or_of_nothing_is_refused(
    events: Events, refused: Callable[..., str]
) -> None:
    def move(on: str, reason: str = "改期", subject: str = CODE) -> Callable[[], object]:
        return lambda: events.move("appointment", subject, day(on), by="x", reason=reason, now=NOW)

    assert refused(move("2026-06-01")).startswith("没有登记过“任前-2026-03”；该事件还没有任何登记")
    register(events)
    assert "已经过去" in refused(move("2026-04-01"))
    assert refused(move("2026-06-01", " ")) == "须写明理由（--reason）；没有更改"
    assert refused(move("2026-06-01", subject="任前-2026-3")) == (
        "没有登记过“任前-2026-3”；已登记的有：任前-2026-03；是否想写“任前-2026-03”？；没有更改"
    )


def test_a_cancelled_event_stops_and_stays_in_the_record(events: Events, ledger: Ledger) -> None:
    register(events)
    events.cancel("appointment", CODE, by="p-clerk", reason="另有安排", now=at("2026-05-06 09:00"))
    facts = ledger.facts("test", ledger.transport("test"))
    assert facts.events == ()
    (off,) = facts.called_off
    assert (off.registered.subject, off.by, off.reason) == (CODE, "p-clerk", "另有安排")
    (row,) = events.listed(NOW)
    assert (row.called_off, row.steps) == (off, ())


def test_what_was_cancelled_can_be_registered_again(events: Events, ledger: Ledger) -> None:
    """It is another turn: its reminders are new ones."""
    register(events)
    events.cancel("appointment", CODE, by="x", reason="另有安排", now=at("2026-05-06"))
    begun = events.register("appointment", CODE, day("2026-07-01"), by="x", now=at("2026-05-07"))
    assert (begun.new, begun.event.turn) == (True, 2)
    facts = ledger.facts("test", ledger.transport("test"))
    assert ([each.on for each in facts.events], facts.called_off) == ([day("2026-07-01")], ())


def test_to_cancel_what_is_not_there_or_without_a_reason_is_refused(
    events: Events, refused: Callable[..., str]
) -> None:
    def cancel(reason: str = "另有安排") -> Callable[[], object]:
        return lambda: events.cancel("appointment", CODE, by="x", reason=reason, now=at("2026-05-06"))

    assert refused(cancel()).startswith("没有登记过")
    register(events)
    assert refused(cancel("")) == "须写明理由（--reason）；没有更改"
    assert refused(cancel("字" * 201)) == "理由写一行，最多200字；没有更改"
    assert refused(cancel("理论科科长已调离")).startswith("理由里有姓名“理论科科长”")
    events.cancel("appointment", CODE, by="x", reason="另有安排", now=at("2026-05-06"))
    assert refused(cancel()).startswith("“任前-2026-03”已于 2026-05-06 取消；如又要办理，请重新登记")


# ---- how far it is


def test_the_gate_is_complete_when_every_step_is_done(events: Events, ledger: Ledger) -> None:
    register(events)

    def gate() -> list[tuple[str, bool, object]]:
        (row,) = events.listed(at("2026-05-15 09:00"))
        return [(step.item.id, step.done, step.done_on) for step in row.gate] + [("all", row.complete, None)]

    assert gate() == [("talk", False, None), ("exam", False, None), ("all", False, None)]
    done(ledger, events, "talk", "2026-05-08", "2026-05-08 15:00")
    assert gate() == [("talk", True, day("2026-05-08")), ("exam", False, None), ("all", False, None)]
    done(ledger, events, "exam", "2026-05-12", "2026-05-12 15:00")
    assert gate()[-1] == ("all", True, None)


def test_a_waived_step_is_no_done_step(events: Events, ledger: Ledger) -> None:
    register(events)
    recorder = Recorder(ledger, events._edition)
    entry = Entry(f"talk/{CODE}", "p-clerk", DutyAction.WAIVE)
    recorder.record(Actor("x", Way.COMMAND), entry, at("2026-05-08 15:00"))
    done(ledger, events, "exam", "2026-05-12", "2026-05-12 15:00")
    (row,) = events.listed(at("2026-05-15 09:00"))
    assert not row.complete
    assert not any(step.open for step in row.steps)


def test_a_step_cannot_be_done_after_the_day_and_the_gate_stays_open(
    events: Events, ledger: Ledger, refused: Callable[..., str]
) -> None:
    """The recorder refuses the date; one on the day itself, recorded later, counts."""
    register(events)
    said = refused(lambda: done(ledger, events, "talk", "2026-05-21", "2026-05-21 10:00"))
    assert "须在 2026-05-20 或之前办理" in said
    done(ledger, events, "talk", "2026-05-20", "2026-05-21 10:00")
    (row,) = events.listed(at("2026-05-22 09:00"))
    assert (row.past, row.steps[0].done, row.complete) == (True, True, False)


def test_events_are_listed_by_their_day_and_the_cancelled_last(events: Events) -> None:
    register(events, "2026-06-20", "任前-2")
    register(events, "2026-05-20", "任前-1")
    register(events, "2026-05-01", "通报-1", "circular")
    register(events, "2026-04-30", "任前-0")
    events.cancel("appointment", "任前-0", by="x", reason="另有安排", now=NOW)
    assert [row.event.subject for row in events.listed(NOW)] == ["通报-1", "任前-1", "任前-2", "任前-0"]


def test_a_copy_for_a_simulation_is_the_same_event(events: Events, ledger: Ledger, tmp_path: Path) -> None:
    register(events)
    events.move("appointment", CODE, day("2026-06-24"), by="x", reason="改期", now=at("2026-05-18"))
    (event,) = ledger.facts("test", ledger.transport("test")).events
    with Ledger.open(tmp_path / "other.sqlite3", kind=LedgerKind.SIMULATION, now=NOW) as other:
        copy_event(other, "test", event)
        assert other.facts("test", other.transport("test")).events == (event,)
