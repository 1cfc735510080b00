"""Each clause of the notice: how often, who is reminded, and on which days of 2026.

Worked out by hand from the notice's clauses and the State Council's arrangement
for 2026, once for each ladder; then for every item that somebody is reminded,
and that it stops when the thing is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from reminder.agenda.alarms import Alarm, expand
from reminder.agenda.duties import occurrence_cells
from reminder.agenda.facts import NOTHING, DutyAction, DutyEvent, Facts, Way
from reminder.agenda.load import AT_MOST_A_WEEK, Load, load_of
from reminder.agenda.reach import Reached, Receiver, asks_above, listens, reach
from reminder.agenda.reasons import Reason
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.model import Plan
from reminder.plan.when import DrawWhen, EventWhen, EveryWhen, FestivalsWhen, WindowWhen
from tests.plans import at

SECRETARIES = {"干部科科长", "文明创建科科长", "宣传教育科副科长", "网络科科长"}
"""Who are secretaries of the four branches; the sample's people are called by one of their posts."""
BRANCH_CONTACTS = {"办公室干事（一）", "理论科干事（一）", "文艺科干事", "新闻科干事（一）"}
SECTION_HEADS = {
    "办公室主任", "理论科科长", "宣传教育科科长", "文艺科科长", "新闻科科长", "网络科科长", "对外宣传科科长",
    "文明创建科科长", "干部科科长",
}  # fmt: skip
SECTION_CONTACTS = {
    "办公室副主任", "理论科副科长", "宣传教育科干事", "文艺科副科长", "新闻科副科长", "网络科副科长",
    "对外宣传科副科长", "文明创建科副科长", "干部科副科长",
}  # fmt: skip
LEADERS = {"常务副部长", "副部长（理论）", "副部长（文艺）", "副部长（新闻）"}
"""Who supervise sections, and are first secretaries of the branches."""
BUREAU = LEADERS | {"部长", "机关党委书记"}
OFFICE = {"机关党委办公室主任"}
"""Contact of the 机关党委."""
CHARGE = {"机关党委书记"}
EVERYBODY = 39

Row = tuple[str, str, set[str] | int]  # day, rung (with its template if it is a list), who or how many


@pytest.fixture(scope="module")
def year(plan: Plan, calendar: WorkCalendar) -> tuple[Alarm, ...]:
    """Every alarm of 2026 and of the month after."""
    return expand(plan, calendar, at("2026-01-01"), at("2027-02-01"))


def timeline(
    occurrence: str, year: tuple[Alarm, ...], plan: Plan, calendar: WorkCalendar
) -> list[tuple[str, str, set[str]]]:
    found = []
    for alarm in year:
        if alarm.occurrence.id == occurrence:
            reached = reach(alarm, plan, calendar, NOTHING, alarm.at)
            names = {each.person.name for each in reached.receivers}
            found.append((f"{alarm.at:%m-%d %H:%M}", alarm.key.partition("#")[2], names))
    return found


def window(opening: str, midpoint: str, who: set[str], above: set[str], days: str) -> list[Row]:
    """W: opening, midpoint, T-20, T-10, T-5, T-1; T+1 机关党委; T+5 the leaders."""
    t20, t10, t5, t1, after, up = days.split()
    return [
        (opening, "opening", who),
        (midpoint, "midpoint", who),
        (t20, "due-20wd", who),
        (t10, "due-10wd", who),
        (t5, "due-5wd", who),
        (t1, "due-1wd", who),
        (after, "missing-list", OFFICE),
        (up, "escalation", above),
    ]


# Due on Wednesday 2026-06-10, and T+1 … T+5 over the week after.
H1 = "05-13 05-27 06-03 06-09 06-11 06-17"

TIMELINES: dict[str, list[Row]] = {
    "plenary-study/2026": window("04-01", "05-06", SECRETARIES | {"理论科科长"}, LEADERS, H1),
    "rules-study/2026Q2": window("04-01", "05-06", SECRETARIES | {"理论科科长"}, LEADERS, H1),
    "warning-film/2026H1": window("01-04", "03-20", SECRETARIES, LEADERS, H1),
    "base-visit/2026H1": window("01-04", "03-20", SECRETARIES, LEADERS, H1),
    "role-model-call/2026H1": window("01-04", "03-20", SECRETARIES | {"宣传教育科科长"}, LEADERS, H1),
    "culture-event/2026H1": window("01-04", "03-20", SECRETARIES | {"文艺科科长"}, LEADERS, H1),
    "integrity-reading/2026Q2": window("04-01", "05-06", SECRETARIES | {"办公室主任"}, LEADERS, H1),
    "risk-review/2026H1": window("01-04", "03-20", SECTION_HEADS, LEADERS, H1),
    # A leader is reminded in private; 机关党委 sees counts, and its secretary is who is in charge.
    "integrity-talk/2026H1": window("01-04", "03-20", LEADERS, CHARGE, H1),
    # Inspectors only.
    "frugality-check/2026H1": window("01-04", "03-20", {"机关党委专职副书记"}, {"部长"}, H1),
    # 七一前后: booked from 06-01 on, then W from 06-15 to 07-15.
    "secretary-lecture/2026": [
        ("06-01", "book", SECRETARIES),
        ("06-15", "opening", SECRETARIES),
        ("06-16", "due-20wd", SECRETARIES),
        ("06-30", "midpoint", SECRETARIES),
        ("07-01", "due-10wd", SECRETARIES),
        ("07-08", "due-5wd", SECRETARIES),
        ("07-14", "due-1wd", SECRETARIES),
        ("07-16", "missing-list", OFFICE),
        ("07-22", "escalation", LEADERS),
    ],
    # Q: due Tuesday 2026-03-31 17:00; 清明 is off from 04-04 to 04-06.
    "quarterly-report/2026Q1": [
        ("03-17", "due-10wd", SECTION_CONTACTS | BRANCH_CONTACTS),
        ("03-24", "due-5wd", SECTION_CONTACTS | BRANCH_CONTACTS),
        ("03-27", "due-2wd", SECTION_CONTACTS | BRANCH_CONTACTS),
        ("03-31", "due+0wd", SECTION_CONTACTS | BRANCH_CONTACTS),
        ("04-01", "missing-list", OFFICE),
        ("04-01", "unit-head", SECTION_HEADS | SECRETARIES),
        ("04-03", "escalation", LEADERS),
        ("04-08", "escalation~2", LEADERS),
        ("04-10", "escalation~3", LEADERS),
        ("04-14", "escalation~4", LEADERS),
        ("04-16", "escalation~5", LEADERS),
    ],
    # M: 03-15 is a Sunday; due on Tuesday 03-24.
    "volunteering/2026-03": [
        ("03-02", "opening", BRANCH_CONTACTS),
        ("03-13", "not-booked", BRANCH_CONTACTS),
        ("03-19", "evidence", BRANCH_CONTACTS),
        ("03-24", "missing-list", OFFICE),
    ],
    # H: 国庆 is off from 10-01 to 10-07.
    "festival/2026/国庆": [("09-30", "message", EVERYBODY), ("10-09", "close", OFFICE)],
    "festival-talk/2026/国庆": [("09-23", "prompt", BUREAU | SECRETARIES), ("10-09", "close", CHARGE)],
    "leader-lecture/2026-05-15": [
        ("03-31", "fix-date", OFFICE),
        ("04-29", "prepare", OFFICE),
        ("05-14", "notice", EVERYBODY),
        ("05-19", "evidence", OFFICE),
    ],
    "frugality-check-festival/2026/国庆": [("09-28", "prompt", {"机关党委专职副书记"})],
    # Once the reports have been chased: with the second escalation of Q.
    "leadership-digest/2026Q1": [("04-08", "digest", BUREAU)],
    "rotation-review/2026": [("11-16", "due-10wd", {"干部科科长"}), ("11-27", "due-1wd", {"干部科科长"})],
}


@pytest.mark.parametrize("occurrence", sorted(TIMELINES))
def test_who_is_reminded_on_which_day(
    occurrence: str, year: tuple[Alarm, ...], plan: Plan, calendar: WorkCalendar
) -> None:
    found = [(moment[:5], rung, names) for moment, rung, names in timeline(occurrence, year, plan, calendar)]
    wanted = TIMELINES[occurrence]
    assert [each[:2] for each in found] == [each[:2] for each in wanted]
    for (_, rung, names), (_, _, who) in zip(found, wanted, strict=True):
        assert (len(names) if isinstance(who, int) else names) == who, rung


def test_every_item_that_comes_by_itself_has_its_days_worked_out_here(plan: Plan) -> None:
    """All but those that wait for an event or a lot, and those that are reported together (C)."""
    shown = {each.partition("/")[0] for each in TIMELINES}
    of_their_own = {
        item.id for item in plan.items if item.rungs and not isinstance(item.spec.when, EventWhen | DrawWhen)
    }
    assert of_their_own - shown == {"festival-other"}


CADENCES = {
    "window": {"plenary-study", "secretary-lecture"},
    "month": {"volunteering"},
    "quarter": {
        "rules-study", "integrity-reading", "quarterly-report", "loyalty-education", "role-models",
        "model-office", "leadership-digest", "publicity",
    },
    "half-year": {
        "warning-film", "base-visit", "role-model-call", "culture-event", "integrity-talk", "risk-review",
        "frugality-check",
    },
    "year": {"rotation-review"},
    "festivals": {"festival", "festival-other", "festival-talk", "frugality-check-festival"},
    "event": {"case-circular", "appointment-talk", "appointment-exam", "appointment-statement"},
    "draw": {"frugality-spot-check"},
    "dates": {"leader-lecture"},
}  # fmt: skip


def test_every_item_comes_as_often_as_the_clause_says(plan: Plan) -> None:
    found: dict[str, set[str]] = {}
    for item in plan.items:
        match item.spec.when:
            case EveryWhen(every=kind):
                cadence = kind
            case WindowWhen():
                cadence = "window"
            case FestivalsWhen():
                cadence = "festivals"
            case EventWhen():
                cadence = "event"
            case DrawWhen():
                cadence = "draw"
            case _:
                cadence = "dates"
        found.setdefault(cadence, set()).add(item.id)
    assert found == CADENCES


def test_persons_owe_only_what_each_has_to_do_themselves(plan: Plan) -> None:
    """All else is a duty of organisations: it stays theirs when the contact or the head changes."""
    by_kind: dict[str, set[str]] = {}
    for item in plan.items:
        if item.spec.duty is not None:
            by_kind.setdefault(item.spec.duty.each, set()).add(item.id)
    assert by_kind["pair"] == {"integrity-talk"}
    assert by_kind["person"] == {
        "secretary-lecture", "festival-talk", "appointment-talk", "appointment-exam", "appointment-statement",
        "frugality-check", "frugality-check-festival", "frugality-spot-check",
    }  # fmt: skip
    assert set(by_kind) == {"unit", "person", "pair"}


def test_secretaries_and_heads_are_reminded_of_what_their_units_do_and_contacts_of_what_they_report(
    plan: Plan,
) -> None:
    heads = {
        i.id for i in plan.items if i.spec.duty and i.spec.duty.each == "unit" and i.spec.duty.by == "head"
    }
    assert heads == {
        "plenary-study", "rules-study", "warning-film", "case-circular", "base-visit", "role-model-call",
        "culture-event", "integrity-reading", "risk-review", "rotation-review",
    }  # fmt: skip


def test_the_three_steps_before_an_appointment_are_gates(plan: Plan) -> None:
    gates = {item.id for item in plan.items if item.spec.duty and item.spec.duty.gate}
    assert gates == {"appointment-talk", "appointment-exam", "appointment-statement"}


def test_one_post_is_in_charge_and_another_approves_what_concerns_a_leader(plan: Plan) -> None:
    on = date(2026, 6, 1)
    charge, approvers = (
        plan.directory.people_meant(each, on) for each in (plan.head.in_charge, plan.head.approvers)
    )
    assert [each.name for each in charge] == ["机关党委书记"]
    assert [each.name for each in approvers] == ["机关党委专职副书记"]
    admins = plan.directory.people_meant(plan.head.admins, on)
    assert {*charge, *approvers}.isdisjoint(admins)


# ---- it stops


def all_done(plan: Plan, calendar: WorkCalendar, alarms: tuple[Alarm, ...], action: DutyAction) -> Facts:
    """Every cell of every occurrence done (or whatever ``action`` says) before the year began."""
    on = date(2026, 1, 1)
    duties = {}
    for alarm in alarms:
        for cell in occurrence_cells(alarm.item, alarm.occurrence, plan.directory, calendar, on):
            name = alarm.occurrence.recorded_under[0]
            event = DutyEvent(1, name, cell.id, action, at("2026-01-01"), "p-jgdw-gs", Way.COMMAND, on)
            duties[name, cell.id] = (event,)
    return Facts(duties=duties)


def test_when_all_is_done_only_messages_that_ask_for_nothing_are_left(
    year: tuple[Alarm, ...], plan: Plan, calendar: WorkCalendar
) -> None:
    done = all_done(plan, calendar, year, DutyAction.DONE)
    left = {
        (alarm.item.id, alarm.rung.id)
        for alarm in year
        if reach(alarm, plan, calendar, done, alarm.at).receivers
    }
    assert left == {
        ("festival", "message"),
        ("festival", "close"),
        ("festival-other", "message"),
        ("leader-lecture", "notice"),
        ("leadership-digest", "digest"),
    }


def test_what_is_booked_is_not_asked_to_be_booked(
    year: tuple[Alarm, ...], plan: Plan, calendar: WorkCalendar
) -> None:
    booked = all_done(plan, calendar, year, DutyAction.BOOK)
    silent = {
        (alarm.item.id, alarm.rung.id)
        for alarm in year
        if reach(alarm, plan, calendar, booked, alarm.at).reason is Reason.BOOKED
    }
    assert silent == {
        ("secretary-lecture", "book"),
        ("volunteering", "not-booked"),
        ("leader-lecture", "fix-date"),
    }


def only_open(
    cell: str, occurrence: str, rung: str, year: tuple[Alarm, ...], plan: Plan, calendar: WorkCalendar
) -> Reached:
    """Whom a rung reaches when everything but one cell is done."""
    done = all_done(plan, calendar, year, DutyAction.DONE)
    open_ = {key: events for key, events in done.duties.items() if key != (occurrence, cell)}
    alarm = next(each for each in year if each.key == f"{occurrence}#{rung}")
    return reach(alarm, plan, calendar, replace(done, duties=open_), alarm.at)


@pytest.mark.parametrize(
    ("cell", "rung", "who"),
    [
        ("新闻科", "due+0wd", ["新闻科副科长"]),
        ("新闻科", "unit-head", ["新闻科科长"]),
        ("新闻科", "missing-list", ["机关党委办公室主任"]),
        ("新闻科", "escalation", ["副部长（新闻）"]),
        ("新闻科", "escalation~5", ["副部长（新闻）"]),
        ("第二党支部", "due+0wd", ["理论科干事（一）"]),
        ("第二党支部", "unit-head", ["文明创建科科长"]),
        ("第二党支部", "escalation", ["副部长（理论）"]),
    ],
)
def test_a_late_report_concerns_its_own_unit_and_those_above_it(
    cell: str, rung: str, who: list[str], year: tuple[Alarm, ...], plan: Plan, calendar: WorkCalendar
) -> None:
    """A section goes up to its 分管部务会成员, a branch to its 第一书记; each reads that one unit."""
    found = only_open(cell, "quarterly-report/2026Q1", rung, year, plan, calendar).receivers
    assert [each.person.name for each in found] == who
    assert [each.id for each in found[0].cells] == [cell]


def test_of_a_talk_the_office_reads_a_count_and_who_is_in_charge_the_names(
    year: tuple[Alarm, ...], plan: Plan, calendar: WorkCalendar
) -> None:
    pair = "p-fbz-xinwen/p-wangluo-kz"

    def of(rung: str) -> Receiver:
        found = only_open(pair, "integrity-talk/2026H1", rung, year, plan, calendar)
        assert found.concerns_leader is (rung == "escalation")
        (receiver,) = found.receivers
        return receiver

    assert (of("due-1wd").person.name, of("due-1wd").counts_only) == ("副部长（新闻）", False)
    assert (of("missing-list").person.name, of("missing-list").counts_only) == ("机关党委办公室主任", True)
    assert (of("escalation").person.name, of("escalation").counts_only) == ("机关党委书记", False)


def test_what_names_who_still_owes_is_never_posted_to_a_group(plan: Plan) -> None:
    for item in plan.items:
        for rung in item.rungs:
            if listens(rung) or item.spec.private:
                assert all(plan.channels[via].personal for via in rung.via), (item.id, rung.id)


def test_whatever_escalates_does_so_after_it_was_due_and_ends(year: tuple[Alarm, ...]) -> None:
    for alarm in year:
        if asks_above(alarm.rung):
            assert alarm.at > alarm.occurrence.due_at, alarm.key
            assert alarm.at - alarm.occurrence.due_at < timedelta(days=40), alarm.key


# ---- not too much


@pytest.fixture(scope="module")
def loads(plan: Plan, calendar: WorkCalendar) -> dict[str, Load]:
    return {each.person.name: each for each in load_of(plan, calendar, date(2026, 1, 1), date(2026, 12, 31))}


def test_nobody_is_reminded_more_than_twice_a_week_even_if_nothing_is_ever_done(
    loads: dict[str, Load],
) -> None:
    for name, load in loads.items():
        for monday, number in load.weeks.items():
            assert number <= AT_MOST_A_WEEK, (name, monday)


def test_with_the_word_before_a_festival_a_week_has_three_messages_at_most(loads: dict[str, Load]) -> None:
    for name, load in loads.items():
        weeks = [letter.week for letter in load.letters]
        assert max(weeks.count(monday) for monday in weeks) <= AT_MOST_A_WEEK + 1, name


def test_a_branch_secretary_who_is_late_with_everything_keeps_to_it_in_both_years(
    plan: Plan, calendar: WorkCalendar
) -> None:
    for year in (2026, 2027):
        for load in load_of(plan, calendar, date(year, 1, 1), date(year, 12, 31)):
            if load.person.name in SECRETARIES:
                assert load.busiest is not None
                assert load.busiest[1] <= AT_MOST_A_WEEK, (year, load.person.name)
                assert len(load.letters) <= 52


def test_staff_without_a_duty_get_the_seven_festival_messages_and_the_lectures_notice(
    loads: dict[str, Load],
) -> None:
    assert len(loads["对外宣传科干事"].letters) == 8
    assert loads["对外宣传科干事"].reminders == ()


def test_whichever_day_is_drawn_the_inspectors_stay_within_three_a_week(
    plan: Plan, calendar: WorkCalendar, loads: dict[str, Load]
) -> None:
    """Members within two.  The three rungs come on the day, five and ten working days after it."""
    item = next(each for each in plan.items if isinstance(each.spec.when, DrawWhen))
    inspectors = {
        person.name
        for rung in item.rungs
        for person in plan.directory.people_meant(rung.to, date(2026, 6, 1))
    }
    assert len(inspectors) == 3
    for name in inspectors:
        usual = [each for each in loads[name].reminders if not any(item.id in about for about in each.about)]
        days = {each.at.date() for each in usual}
        most = max(_worst_week(days | drawn) for drawn in _drawn_days(calendar))
        assert most <= (3 if usual else 2), name


def _drawn_days(calendar: WorkCalendar) -> Iterator[set[date]]:
    for offset in range(365):
        day = date(2026, 1, 1) + timedelta(days=offset)
        if calendar.is_workday(day):
            yield {day, calendar.after(day, 5), calendar.after(day, 10)}


def _worst_week(days: set[date]) -> int:
    weeks = [day - timedelta(days=day.weekday()) for day in days]
    return max(weeks.count(monday) for monday in weeks)
