"""What ``check`` looks at when an item has no dates yet: events and draws are tried by example."""

from __future__ import annotations

from dataclasses import replace

from reminder.agenda.facts import NOTHING
from reminder.agenda.occurrences import occurrences
from reminder.check import _of_edition, sample_facts, sample_occurrence
from reminder.errors import Severity
from tests.editions import edition_of
from tests.plans import day, item_yaml, plan_of

EVENT = item_yaml(
    "step", "event: appointment", "- from: due\n  workdays: -1\n  to: person:p-office", "template: matter"
)


def spot_check(to: str) -> str:
    draw = "draw:\n  per: quarter\n  from: group:机关各科室"
    return item_yaml(
        "check", draw, f"- from: due\n  workdays: 0\n  to: {to}", "private: true\ntemplate: spot-check"
    )


def test_an_event_and_a_draw_have_an_example_and_nothing_else() -> None:
    edition = edition_of(plan_of(EVENT, spot_check("person:p-clerk")))
    head = edition.plan.head
    for item in edition.plan.items:
        assert list(occurrences(item, head, edition.calendar, head.from_, head.until, NOTHING)) == []
        sample = sample_occurrence(item, edition)
        assert sample is not None
        assert head.from_ <= sample.due <= head.until
        assert edition.calendar.is_workday(sample.due)
    event, draw = edition.plan.items
    assert sample_facts(event, edition).events[0].subject == "示例-1"
    drawn = sample_occurrence(draw, edition)
    assert drawn is not None
    assert drawn.drawn == "办公室"


def test_their_templates_and_audiences_are_tried() -> None:
    """A receiver that nobody is on the day of the example is named, as for any other item."""
    item = spot_check("post:分管副部长")
    edition = edition_of(plan_of(item))
    assert [str(each) for each in _of_edition(edition)] == []
    plan = edition.plan
    left = tuple(
        each.model_copy(update={"until": day("2026-03-31")}) if each.id == "p-leader" else each
        for each in plan.directory.people
    )
    gone = replace(edition, plan=replace(plan, directory=replace(plan.directory, people=left, _index={})))
    (problem,) = _of_edition(gone)
    assert problem.severity is Severity.WARNING
    assert "没有任何人" in problem.found


def test_an_inspector_who_may_be_inspected_is_a_warning() -> None:
    edition = edition_of(plan_of(spot_check("person:p-theory")))
    (problem,) = _of_edition(edition)
    assert problem.severity is Severity.WARNING
    assert str(problem).endswith(
        "items[check].when.draw.from: 理论科科长会收到抽查提醒，又属于可能抽中的“理论科”；"
        "抽中该单位时系统不告知此人；请从 draw.from 的单位中去掉该单位，或调整检查人员"
    )
