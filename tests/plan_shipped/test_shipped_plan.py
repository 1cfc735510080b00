"""The shipped plan says what the notice says: every clause, every ladder, and no person by name."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from pydantic import BaseModel

from reminder.agenda.alarms import expand, ladder
from reminder.agenda.duties import cells_of
from reminder.agenda.facts import NOTHING
from reminder.agenda.occurrences import Occurrence, occurrences
from reminder.agenda.reach import escalation, reach
from reminder.agenda.spans import Festival
from reminder.calendars.arrangement import DayStatus
from reminder.calendars.workdays import Break, WorkCalendar
from reminder.plan import channels as channel_models
from reminder.plan import directory as directory_models
from reminder.plan import model as plan_models
from reminder.plan import when as when_models
from reminder.plan.audience import TermKind
from reminder.plan.loader import load_plan
from reminder.plan.model import Item, Plan

ROOT = Path(__file__).parents[2]
SCHEDULES = ROOT / "schedules"
FILES = sorted(SCHEDULES.glob("*.yaml"))
ZONE = ZoneInfo("Asia/Shanghai")
MID_2026 = date(2026, 6, 1)

# Clause → how many duties stand under it, and how many leaders the notice names
# (None: 部务会成员, or nobody by name).
CLAUSES: dict[str, tuple[int, int | None]] = {
    "二（一）1": (1, 2),
    "二（一）2": (1, 3),
    "二（一）3": (1, 2),
    "二（一）4": (1, 2),
    "二（一）5": (1, 1),
    "二（一）6": (1, 1),
    "二（二）1": (2, 1),
    "二（二）2": (1, 1),
    "二（二）3": (2, 2),
    "二（二）4": (1, 2),
    "二（二）5": (1, 1),
    "二（三）1": (1, None),
    "二（三）2": (4, 2),
    "二（三）3": (1, None),
    "二（三）4": (4, 2),
    "二（三）5": (3, 3),
    "三（一）": (1, None),
    "三（二）": (1, None),
    "三（三）": (1, None),
}

UNITS = {
    "二（一）1": ["理论科", "机关党委及所属各党组织"],
    "二（一）2": ["理论科", "机关党委及所属各党组织"],
    "二（一）5": ["机关党委"],
    "二（二）3": ["机关党委及所属各党组织", "宣传教育科"],
    "二（二）4": ["机关党委及所属各党组织", "文艺科"],
    "二（三）1": ["机关各科室"],
    "二（三）2": ["办公室", "机关党委及所属各党组织"],
    "二（三）3": ["机关各科室"],
    "二（三）4": ["干部科"],
    "二（三）5": ["办公室", "机关党委"],
    "三（一）": ["机关各科室", "机关党委所属各党组织"],
    "三（二）": ["机关各科室", "机关党委所属各党组织"],
    "三（三）": ["机关各科室", "机关党委所属各党组织"],
}

# The timings that the notice itself states; all else is a proposal.
STATED = {
    "secretary-lecture",  # 七一前后
    "volunteering",  # 每月
    "integrity-talk",  # 每半年
    "festival",  # 重大节庆
    "festival-talk",
    "quarterly-report",  # 每季度末
    "appointment-talk",  # 选拔任用前
    "appointment-exam",
    "appointment-statement",
}

Offset = tuple[str | None, str, str]  # anchor, unit of counting, how many

LADDERS: dict[str, list[Offset]] = {
    "quarter-end": [
        ("due", "workdays", "-10"),
        ("due", "workdays", "-5"),
        ("due", "workdays", "-2"),
        ("due", "workdays", "0"),
        ("due", "workdays", "1"),  # unit head
        ("due", "workdays", "1"),  # missing list
        ("due", "workdays", "3"),
    ],
    "window": [
        (None, "on_day", "first-workday"),
        ("midpoint", "workdays", "0"),
        ("due", "workdays", "-20"),
        ("due", "workdays", "-10"),
        ("due", "workdays", "-5"),
        ("due", "workdays", "-1"),
        ("due", "workdays", "1"),
        ("due", "workdays", "5"),
    ],
    "monthly": [
        (None, "on_day", "first-workday"),
        (None, "on_day", "day-15"),
        ("due", "workdays", "-3"),
        ("due", "workdays", "0"),
    ],
    "festival": [("break", "workdays", "-1"), ("break", "workdays", "2")],
    "festival-talk": [("break", "workdays", "-5"), ("break", "workdays", "2")],
    "event": [
        ("opens", "workdays", "0"),
        ("due", "workdays", "-10"),
        ("due", "workdays", "-5"),
        ("due", "workdays", "-1"),
        ("due", "workdays", "-1"),  # gate
        ("due", "workdays", "1"),  # gate, passed
    ],
    "circular": [("event", "workdays", "0"), ("event", "workdays", "5"), ("event", "workdays", "8")],
    "random-check": [("due", "workdays", "0"), ("due", "workdays", "5"), ("due", "workdays", "10")],
}

LADDER_OF = {
    "plenary-study": "window",
    "rules-study": "window",
    "warning-film": "window",
    "case-circular": "circular",
    "base-visit": "window",
    "secretary-lecture": "window",
    "volunteering": "monthly",
    "role-model-call": "window",
    "culture-event": "window",
    "integrity-talk": "window",
    "festival": "festival",
    "festival-talk": "festival-talk",
    "integrity-reading": "window",
    "risk-review": "window",
    "appointment-talk": "event",
    "appointment-exam": "event",
    "appointment-statement": "event",
    "frugality-check": "window",
    "frugality-spot-check": "random-check",
    "quarterly-report": "quarter-end",
}

PRIVATE = {
    "integrity-talk",
    "festival-talk",
    "appointment-talk",
    "appointment-exam",
    "appointment-statement",
    "rotation-review",
    "frugality-check",
    "frugality-check-festival",
    "frugality-spot-check",
}

REPORTED_TOGETHER = {"loyalty-education", "role-models", "model-office", "publicity"}


def item_of(plan: Plan, item_id: str) -> Item:
    item = plan.item(item_id)
    assert item is not None, f"no item {item_id}"
    return item


def offsets_of(item: Item, rung_ids: set[str] | None = None) -> list[Offset]:
    """The rungs of an item, as anchor, unit and number."""
    found: list[Offset] = []
    for rung in item.rungs:
        if rung_ids is not None and rung.id not in rung_ids:
            continue
        anchor = str(rung.anchor) if rung.anchor and rung.on_day is None else None
        kind = next(name for name in ("workdays", "days", "on_day") if getattr(rung, name) is not None)
        found.append((anchor, kind, str(getattr(rung, kind))))
    return found


def told(item: Item, plan: Plan, calendar: WorkCalendar, on: date) -> list[tuple[str, set[str]]]:
    """Whom each rung of an occurrence that opens and ends that day reaches."""
    due = datetime.combine(on, time(17), tzinfo=ZONE)
    rest = Break(on, on, ("春节",), (), DayStatus.OFFICIAL)
    occurrence = Occurrence(
        f"{item.id}/{on}", (), "", on, on, on, on, due, festival=Festival("春节", on, rest)
    )
    alarms = ladder(item, item.rungs, occurrence, calendar, ZONE)
    return [
        (
            alarm.rung.id,
            {each.person.name for each in reach(alarm, plan, calendar, NOTHING, due).receivers},
        )
        for alarm in alarms
    ]


# ---- the files


def test_the_loader_has_nothing_to_say() -> None:
    problems = load_plan(SCHEDULES).problems
    assert not problems, "\n".join(map(str, problems))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_are_in_block_style_and_end_with_three_dots(path: Path) -> None:
    """A clerk edits them: no brackets, no quotes, no anchors, and a cut-off file is noticed."""
    text = path.read_text(encoding="utf-8")
    assert text.splitlines()[0] == "# yaml-language-server: $schema=plan.schema.json"
    assert text.endswith("\n...\n")
    for event in yaml.parse(text):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            assert not event.flow_style, f"{path.name}:{event.start_mark.line + 1}: flow style"
        if isinstance(event, yaml.ScalarEvent):
            assert event.style is None, f"{path.name}:{event.start_mark.line + 1}: quoted"
        assert getattr(event, "anchor", None) is None


def test_there_is_something_to_read_in_every_file() -> None:
    assert [path.name for path in FILES] == ["channels.yaml", "directory.yaml", "ladders.yaml", "plan.yaml"]


def test_no_text_is_tied_to_the_year_of_the_notice() -> None:
    """The plan outlives the congress and the sessions of its time."""
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"二十大|十九大|十九届|十一届|六次全会|2022", text), path.name


# ---- the clauses


def test_every_clause_is_there_as_often_as_it_has_duties(plan: Plan) -> None:
    found = Counter(item.spec.clause for item in plan.items)
    assert found == {clause: number for clause, (number, _) in CLAUSES.items()}


def test_items_stand_in_the_order_of_the_notice(plan: Plan) -> None:
    order = list(CLAUSES)
    places = [order.index(item.spec.clause) for item in plan.items]
    assert places == sorted(places)


def test_only_what_the_notice_states_is_marked_so(plan: Plan) -> None:
    assert {item.id for item in plan.items if item.spec.basis == "明"} == STATED


def test_as_many_leaders_answer_for_a_clause_as_the_notice_names(plan: Plan) -> None:
    for item in plan.items:
        wanted = CLAUSES[item.spec.clause][1]
        if wanted is not None:
            assert len(set(item.spec.responsible.leaders)) == wanted, item.id


def test_all_leaders_answer_for_what_the_notice_gives_to_all(plan: Plan) -> None:
    leaders = {post.id for post in plan.directory.posts if "部务会成员" in post.roles}
    for clause in ("二（三）1", "二（三）3", "三（一）"):
        for item in plan.items:
            if item.spec.clause == clause:
                assert set(item.spec.responsible.leaders) == leaders, item.id


def test_the_units_that_answer_are_those_of_the_notice(plan: Plan) -> None:
    for item in plan.items:
        wanted = UNITS.get(item.spec.clause, ["机关党委及所属各党组织"])
        assert sorted(item.spec.responsible.units) == sorted(wanted), item.id


def test_every_item_says_what_to_do_and_when_it_is_done(plan: Plan) -> None:
    for item in plan.items:
        for text in (item.spec.brief or "", item.spec.done_when or ""):
            assert text.endswith("。"), item.id
            assert len(text) <= 70, item.id


def test_the_plan_covers_two_whole_years(plan: Plan) -> None:
    assert (plan.head.from_, plan.head.until) == (date(2026, 1, 1), date(2027, 12, 31))


# ---- cadence and ladders


@pytest.mark.parametrize("name", sorted(LADDERS))
def test_ladders_have_the_rungs_of_the_clauses(plan: Plan, name: str) -> None:
    """Compared on an item that uses the ladder, so that resolving it is covered too."""
    user = item_of(plan, next(item_id for item_id, ladder in LADDER_OF.items() if ladder == name))
    own = {each.id for each in user.spec.remind if each.id}
    rungs = {rung.id for rung in user.rungs} - own
    assert sorted(offsets_of(user, rungs), key=str) == sorted(LADDERS[name], key=str)


def test_every_item_has_the_ladder_of_its_clause(plan: Plan) -> None:
    assert {item.id: item.spec.ladder for item in plan.items if item.spec.ladder} == LADDER_OF


def test_reminders_come_at_nine_so_that_they_meet(plan: Plan) -> None:
    """Only the festival message has an hour of its own."""
    odd = {
        (item.id, rung.id, f"{rung.at:%H:%M}")
        for item in plan.items
        for rung in item.rungs
        if rung.at.hour != 9
    }
    assert odd == set()
    late = {(item.id, rung.id) for item in plan.items for rung in item.rungs if rung.at.minute}
    assert late == {("festival", "message"), ("festival-other", "message")}


def test_the_four_festivals_of_the_notice_are_stated_and_the_others_proposed(plan: Plan) -> None:
    stated, proposed = item_of(plan, "festival"), item_of(plan, "festival-other")
    assert list(stated.spec.when.festivals) == ["春节", "端午", "中秋", "国庆"]
    assert list(proposed.spec.when.festivals) == ["元旦", "清明", "劳动节"]
    assert item_of(plan, "festival-talk").spec.when == stated.spec.when
    assert offsets_of(proposed) == [("break", "workdays", "-1")]


def test_festival_messages_are_approved_three_working_days_before(plan: Plan) -> None:
    for item_id in ("festival", "festival-other"):
        spec = item_of(plan, item_id).spec
        assert spec.alone
        assert spec.approval is not None
        assert (spec.approval.from_, spec.approval.workdays) == ("break", -3)
        approvers = plan.directory.people_meant(spec.approval.by, MID_2026)
        assert approvers
        assert not set(approvers) & set(plan.directory.people_meant(plan.head.admins, MID_2026))


def test_festival_days_of_2026_follow_the_official_arrangement(plan: Plan, calendar: WorkCalendar) -> None:
    """2026: T-5 of 中秋 is Sunday 09-20, a makeup day; the message of 春节 goes out on Saturday 02-14."""
    since, until = datetime(2026, 1, 1, tzinfo=ZONE), datetime(2027, 1, 1, tzinfo=ZONE)
    at = {alarm.key: alarm.at for alarm in expand(plan, calendar, since, until)}
    assert at["festival/2026/春节#message"] == datetime(2026, 2, 14, 9, 30, tzinfo=ZONE)
    assert at["festival-talk/2026/中秋#prompt"] == datetime(2026, 9, 20, 9, 0, tzinfo=ZONE)
    assert at["festival/2026/中秋#message"] == datetime(2026, 9, 24, 9, 30, tzinfo=ZONE)
    assert at["festival/2026/国庆#message"] == datetime(2026, 9, 30, 9, 30, tzinfo=ZONE)


def test_reports_fall_due_on_the_last_working_day_of_each_quarter_at_five(
    plan: Plan, calendar: WorkCalendar
) -> None:
    item = item_of(plan, "quarterly-report")
    dues = [
        each.due_at for each in occurrences(item, plan.head, calendar, date(2026, 1, 1), date(2026, 12, 31))
    ]
    assert [f"{due:%m-%d %H:%M}" for due in dues] == [
        "03-31 17:00",
        "06-30 17:00",
        "09-30 17:00",
        "12-31 17:00",
    ]


def test_late_reports_escalate_every_second_working_day(plan: Plan) -> None:
    item = item_of(plan, "quarterly-report")
    rung = next(each for each in item.rungs if each.repeat)
    assert rung.repeat is not None
    assert (rung.workdays, rung.repeat.every_workdays) == (3, 2)
    assert [term.kind for term in rung.to] == [TermKind.ESCALATION]


def test_the_lecture_of_each_secretary_is_booked_on_the_first_of_june(
    plan: Plan, calendar: WorkCalendar
) -> None:
    since, until = datetime(2026, 5, 1, tzinfo=ZONE), datetime(2026, 8, 1, tzinfo=ZONE)
    alarms = [each for each in expand(plan, calendar, since, until) if each.item.id == "secretary-lecture"]
    assert alarms[0].at.date() == date(2026, 6, 1)
    assert (alarms[0].occurrence.opens, alarms[0].occurrence.due) == (date(2026, 6, 15), date(2026, 7, 15))
    cells = cells_of(item_of(plan, "secretary-lecture"), plan.directory, MID_2026)
    assert len(cells) == len(plan.directory.units_of("机关党委所属各党组织", MID_2026))


def test_the_leaders_lecture_is_announced_to_all_the_day_before(plan: Plan) -> None:
    item = item_of(plan, "leader-lecture")
    assert [offset for _, _, offset in offsets_of(item)] == ["-30", "-10", "-1", "2"]
    assert [each.workdays for each in item.rungs if str(each.to[0]) == "everyone"] == [-1]


def test_circulars_are_studied_within_ten_working_days(plan: Plan) -> None:
    when = item_of(plan, "case-circular").spec.when
    assert (when.event, when.due_workdays) == ("circular", 10)


def test_the_three_steps_before_an_appointment_fall_due_on_its_day(plan: Plan) -> None:
    steps = [item for item in plan.items if getattr(item.spec.when, "event", "") == "appointment"]
    assert {item.id for item in steps} == {"appointment-talk", "appointment-exam", "appointment-statement"}
    assert all(item.spec.when.due_workdays is None for item in steps)


def test_what_is_reported_together_names_the_report_and_nags_nobody(plan: Plan) -> None:
    collected = [item for item in plan.items if item.spec.collect_with]
    assert {item.id for item in collected} == REPORTED_TOGETHER
    assert {item.spec.collect_with for item in collected} == {"quarterly-report"}
    assert not [item.id for item in collected if item.rungs]
    assert set(item_of(plan, "quarterly-report").collects) == {item.spec.title for item in collected}


# ---- who owes, who is told


def test_a_talk_is_owed_by_each_leader_to_each_section_head_they_supervise(plan: Plan) -> None:
    cells = cells_of(item_of(plan, "integrity-talk"), plan.directory, MID_2026)
    owed = Counter(cell.owners[0].name for cell in cells)
    assert owed == {"常务副部长": 2, "副部长（理论）": 2, "副部长（文艺）": 2, "副部长（新闻）": 3}
    assert {cell.subject for cell in cells} == {u.id for u in plan.directory.units_of("机关各科室", MID_2026)}


def test_reports_are_owed_by_every_section_and_branch(plan: Plan) -> None:
    cells = cells_of(item_of(plan, "quarterly-report"), plan.directory, MID_2026)
    kinds = Counter(plan.directory.unit(cell.subject).kind for cell in cells)
    assert kinds == {"科室": 9, "党组织": 4}
    assert all(len(cell.owners) == 1 for cell in cells)


def test_what_is_private_goes_to_no_group(plan: Plan) -> None:
    assert {item.id for item in plan.items if item.spec.private} == PRIVATE
    for item in plan.items:
        if item.spec.private:
            for rung in item.rungs:
                assert rung.via, (item.id, rung.id)
                assert all(plan.channels[via].personal for via in rung.via), (item.id, rung.id)


@pytest.mark.parametrize("on", [date(2026, 1, 1), MID_2026, date(2027, 12, 31)])
def test_every_audience_reaches_somebody_all_through_the_plan(
    plan: Plan, calendar: WorkCalendar, on: date
) -> None:
    """Also those of events and lots, which have no day of their own yet."""
    for item in plan.items:
        for rung, names in told(item, plan, calendar, on):
            assert names, (item.id, rung)


def test_every_duty_that_escalates_has_somebody_above(plan: Plan) -> None:
    """Sections escalate to their 分管部务会成员, branches to their 第一书记, talks to a post."""
    for item in plan.items:
        if any(term.kind is TermKind.ESCALATION for rung in item.rungs for term in rung.to):
            cells = cells_of(item, plan.directory, MID_2026)
            above = {cell.id for _, cell in escalation(item, cells, plan, MID_2026)}
            assert above == {cell.id for cell in cells}, item.id


def test_sections_that_are_inspected_never_hear_of_it_before(plan: Plan, calendar: WorkCalendar) -> None:
    """No inspector works in a section that can be drawn."""
    drawn = {unit.id for unit in plan.directory.units_of("抽查科室", MID_2026)}
    assert len(drawn) == 8
    units = {person.name: person.unit for person in plan.directory.people}
    for item_id in ("frugality-check", "frugality-check-festival", "frugality-spot-check"):
        for rung, names in told(item_of(plan, item_id), plan, calendar, MID_2026):
            assert drawn.isdisjoint(units[name] for name in names), (item_id, rung)


def test_only_festival_messages_and_the_lecture_go_to_everyone(plan: Plan) -> None:
    to_all = {
        (item.id, rung.id) for item in plan.items for rung in item.rungs if "everyone" in map(str, rung.to)
    }
    assert to_all == {("festival", "message"), ("festival-other", "message"), ("leader-lecture", "notice")}


# ---- the directory


def test_people_are_posts_at_sample_addresses(plan: Plan) -> None:
    """A name is the title of a post, or of a member of a section; nothing points at a real person."""
    posts = {post.id for post in plan.directory.posts}
    for person in plan.directory.people:
        of_section = person.unit and re.fullmatch(
            rf"{re.escape(person.unit)}(副主任|副科长|干事)(（[一二]）)?", person.name
        )
        assert person.name in posts or of_section, person.name
        assert re.fullmatch(r"[a-z0-9-]+@example\.com", person.mail or ""), person.name
        assert f"p-{person.wecom}" == person.id
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\d{7,}", text), f"{path.name}: a number as long as a telephone's"
        assert set(re.findall(r"@[\w.-]+", text)) <= {"@example.com"}, path.name


def test_the_office_is_of_the_usual_size(plan: Plan) -> None:
    kinds = Counter(unit.kind for unit in plan.directory.units)
    assert kinds == {"科室": 9, "党组织": 4, "其他": 5}
    assert 35 <= len(plan.directory.people) <= 45


def test_every_post_is_held_by_one_person_all_through_the_plan(plan: Plan) -> None:
    for post in plan.directory.posts:
        for on in (plan.head.from_, plan.head.until):
            assert len(plan.directory.holders(post.id, on)) == 1, post.id


def test_every_unit_has_a_head_a_contact_and_one_leader_above(plan: Plan) -> None:
    for unit in plan.directory.units:
        assert len(plan.directory.head_of(unit, MID_2026)) == 1, unit.id
        assert plan.directory.contact_of(unit, MID_2026) != plan.directory.head_of(unit, MID_2026), unit.id
        assert len(plan.directory.supervisors_of(unit.id, MID_2026)) == 1, unit.id


def test_a_secretary_and_their_section_have_the_same_leader(plan: Plan) -> None:
    """So that a late secretary is brought to one leader's attention and not to two."""
    for unit in plan.directory.units_of("机关党委所属各党组织", MID_2026):
        (secretary,) = plan.directory.head_of(unit, MID_2026)
        assert plan.directory.supervisors_of(unit.id, MID_2026) == plan.directory.supervisors_of(
            secretary.unit, MID_2026
        ), unit.id


def test_secrets_are_named_and_not_written(plan: Plan) -> None:
    assert {each.secret for each in plan.channels.values()} == {"SMTP_PASSWORD", "STAFF_GROUP_ROBOT_KEY"}
    assert {each.kind: each.id for each in plan.channels.values()} == {
        "email": "mail",
        "wecom_robot": "staff-group",
    }


# ---- the reference


def models_of(module: Any) -> list[type[BaseModel]]:
    return [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, BaseModel) and each.model_fields
    ]


def test_the_reference_names_every_key() -> None:
    """A key that nobody can look up does not exist for the clerk."""
    text = (ROOT / "docs" / "plan.md").read_text(encoding="utf-8")
    written = re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```", "", text))
    words = {word for each in written for word in re.split(r"[^\w-]+", each)}
    for module in (plan_models, when_models, directory_models, channel_models):
        for model in models_of(module):
            for name, field in model.model_fields.items():
                assert (field.alias or name) in words, f"{model.__name__}.{name}"


def test_the_reference_names_every_kind_of_audience_and_anchor() -> None:
    text = (ROOT / "docs" / "plan.md").read_text(encoding="utf-8")
    for kind in TermKind:
        assert f"`{kind}" in text, kind
    for anchor in plan_models.Anchor:
        assert f"`{anchor}`" in text, anchor
    for kind in when_models.WHEN_KINDS:
        assert f"`{kind}`" in text, kind


def test_culture_events_are_owed_for_each_paired_community_and_village(plan: Plan) -> None:
    """Clause 二（二）4: a record per pairing, by the secretary of the branch that looks after it."""
    cells = cells_of(item_of(plan, "culture-event"), plan.directory, MID_2026)
    looked_after = {
        "结对社区一": "第一党支部书记",
        "结对社区二": "第二党支部书记",
        "挂钩村一": "第三党支部书记",
        "挂钩村二": "第四党支部书记",
        "文艺科": "文艺科科长",
    }
    assert {cell.id: cell.owners for cell in cells} == {
        place: plan.directory.holders(post, MID_2026) for place, post in looked_after.items()
    }
