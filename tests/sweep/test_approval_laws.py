"""Laws of approvals: what was approved is what is sent, and nothing else ever is."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reminder.calendars.arrangement import ArrangedDay, published
from reminder.calendars.workdays import WorkCalendar
from reminder.check import Edition
from reminder.messages.render import Templates
from reminder.sweep.approvals import State
from reminder.sweep.approving import ApprovalRefused
from reminder.sweep.texts import Said
from tests.editions import TEMPLATES, edition_of
from tests.harness.desk import APPROVED, FESTIVAL_RUNG, Desk, festival
from tests.plans import DIRECTORY, at, item_yaml, plan_of

AGAIN = "请重新审批：事项f（2026年中秋节）"
BEFORE = edition_of(plan_of(festival()))
ELSE = item_yaml("y", "date: 2026-06-10", "- from: due\n  workdays: 0\n  to: person:p-office")


@cache
def other_templates() -> Templates:
    """The shipped ones with another sentence in the festival's text."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "message_templates"
        shutil.copytree(TEMPLATES, folder)
        words = folder / "festival" / "words.j2"
        text = words.read_text("utf-8")
        assert "节日期间做到：" in text
        words.write_text(text.replace("节日期间做到：", "假期中做到："), "utf-8")
        templates, problems = Templates.load(folder)
        assert problems == []
        return templates


def other_calendar() -> WorkCalendar:
    """24 September 2026 is off as well: the break begins a day earlier."""
    official = published(2026)
    assert official is not None
    days = tuple(sorted((*official.days, ArrangedDay(date(2026, 9, 24), "中秋", off=True))))
    return WorkCalendar({2026: replace(official, days=days)})


def of_directory(old: str, new: str) -> Edition:
    assert old in DIRECTORY
    return edition_of(plan_of(festival(), directory=DIRECTORY.replace(old, new)))


NEWCOMER = "  - id: p-new\n    name: 新任科长\n    mail: new@example.com\n"
CHANGES: dict[str, Callable[[], Edition]] = {
    "a template": lambda: replace(BEFORE, templates=other_templates()),
    "the wording": lambda: replace(BEFORE, wording={**BEFORE.wording, "rules": _other_rules()}),
    "somebody more": lambda: of_directory("holdings:\n", NEWCOMER + "holdings:\n"),
    "somebody gone": lambda: of_directory(
        "    wecom: liaison\n", "    wecom: liaison\n    until: 2026-09-10\n"
    ),
    "a name": lambda: of_directory("    name: 理论科联络员\n", "    name: 理论科副科长\n"),
    "the audience": lambda: edition_of(
        plan_of(festival(rung=FESTIVAL_RUNG.replace("to: everyone", "to: head:机关各科室")))
    ),
    "a channel": lambda: edition_of(plan_of(festival(rung=FESTIVAL_RUNG.replace("    - group\n", "")))),
    "the time of day": lambda: edition_of(
        plan_of(festival(rung=FESTIVAL_RUNG.replace("at: 09:30", "at: 10:30")))
    ),
    "a date of the calendar": lambda: replace(BEFORE, calendar=other_calendar()),
    "somebody away": lambda: edition_of(
        plan_of(
            festival(),
            directory=DIRECTORY
            + "deputies:\n  - of: p-theory\n    deputy: p-liaison\n    from: 2026-09-24\n",
        )
    ),
}


def _other_rules() -> object:
    return {key: f"{value}（修订）" for key, value in BEFORE.wording["rules"].items()}


@pytest.mark.parametrize("change", CHANGES)
def test_law_any_change_voids_an_approval_and_asks_again_at_once(change: str, tmp_path: Path) -> None:
    """Content, receivers, dates: nothing goes out under the old word, and the new text is shown."""
    with Desk(tmp_path, BEFORE) as desk:
        desk.until("2026-09-22 10:00")
        desk.approve()
        desk.reload(CHANGES[change](), "p-clerk")
        desk.until(desk.now + timedelta(seconds=1))
        assert desk.subjects("p-office").count(AGAIN) == 1
        (changed,) = desk.waiting()
        assert changed.state is State.WAITING
        desk.until(max(desk.now, changed.goes_at) + timedelta(minutes=1))
        assert [each for each in desk.reminders() if each[1] == "send"] == []
        desk.approve()
        before = len(desk.mail)
        (waiting,) = desk.waiting(decided=True)
        desk.until(desk.now + timedelta(seconds=1))
        assert {to.id: message for to, message in desk.mail[before:]} == texts(waiting.said)


SAME: dict[str, Callable[[], Edition]] = {
    "another item": lambda: edition_of(plan_of(festival(), ELSE)),
    "a mail address": lambda: of_directory("theory@example.com", "lilun@example.com"),
    "a new id": lambda: edition_of(
        plan_of(festival(APPROVED, "was:\n  - f").replace("- id: f\n", "- id: new\n"))
    ),
    "who approves": lambda: edition_of(plan_of(festival(APPROVED.replace("p-office", "p-leader")))),
}


@pytest.mark.parametrize("change", SAME)
def test_law_what_changes_neither_text_nor_receivers_nor_dates_leaves_the_approval(
    change: str, tmp_path: Path
) -> None:
    with Desk(tmp_path, BEFORE) as desk:
        desk.until("2026-09-22 10:00")
        desk.approve()
        desk.reload(SAME[change](), "p-clerk")
        desk.until("2026-09-24 09:30")
        assert desk.subjects("p-office").count(AGAIN) == 0
        assert len(desk.group) == 1


def test_law_the_same_state_of_things_has_the_same_digest_in_every_process(tmp_path: Path) -> None:
    """A second look, weeks later, from plan and ledger alone."""
    with Desk(tmp_path, BEFORE) as desk:
        (ahead,) = desk.waiting(ahead=60)
        desk.until("2026-09-23 10:00")
        desk.edition = edition_of(plan_of(festival()))
        (later,) = desk.waiting()
        assert ahead.said.digest == later.said.digest


def texts(said: Said) -> dict[str, object]:
    return {each.addressee.id: each.message for each in said.texts if each.channel == "mail"}


EDITIONS = (BEFORE, CHANGES["a template"](), CHANGES["the time of day"]())
STEPS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 30)),
    st.tuples(st.just("approve"), st.sampled_from(["p-office", "p-clerk", "p-theory"])),
    st.tuples(st.just("return"), st.just("p-office")),
    st.tuples(st.just("edit"), st.integers(0, 2)),
    st.tuples(st.just("restart"), st.just(0)),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=8))
def test_law_whatever_people_do_only_what_was_approved_goes_out(steps: list[tuple[str, object]]) -> None:
    """Waiting (hours), approving, returning, editing, restarting in any order: every text that was
    sent is one of a request whose last word was yes, and everybody got it once."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Desk(Path(folder), BEFORE, start="2026-09-22 08:00") as desk,
    ):
        allowed: dict[str, dict[str, object]] = {}
        for step, value in steps:
            _carry_out(desk, step, value, allowed)
        desk.until("2026-09-25")
        sent = {to.id: message for to, message in desk.mail if message.subject == "中秋节廉洁过节提醒"}
        count = sum(message.subject == "中秋节廉洁过节提醒" for _, message in desk.mail)
        assert count == len(sent)
        words = {each.digest: each.granted for each in desk.ledger.facts("test", desk.transport).approvals}
        if sent:
            assert sent in [allowed[digest] for digest, granted in words.items() if granted]
        else:
            assert [each for each in desk.reminders() if each[1] == "send"] == []


def _carry_out(desk: Desk, step: str, value: object, allowed: dict[str, dict[str, object]]) -> None:
    match step:
        case "wait":
            assert isinstance(value, int)
            desk.until(min(desk.now + timedelta(hours=value), at("2026-09-25")))
        case "restart":
            desk.restart()
        case "edit":
            assert isinstance(value, int)
            desk.reload(EDITIONS[value], "p-clerk")
        case _:
            for waiting in desk.waiting():
                allowed[waiting.said.digest] = texts(waiting.said)
            try:
                if step == "approve":
                    desk.approve(str(value))
                else:
                    desk.send_back(str(value), "不妥")
            except (ApprovalRefused, ValueError):
                pass  # nobody's text waits, or they may not
