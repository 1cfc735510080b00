"""As what somebody reads of open cells: the obligor, a deputy, a superior, the head, anybody else."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from reminder.agenda.alarms import expand
from reminder.agenda.facts import NOTHING
from reminder.agenda.reach import reach
from reminder.messages.context import Addressee, masked, section_context
from tests.plans import CALENDAR, DIRECTORY, at, item_yaml, plan_of

UNITS = "duty:\n  each: unit\n  of:\n    - role:责任单位"
PAIRS = "duty:\n  each: pair\n  of: supervision"
CHARGE = "  in_charge: person:p-secretary\n  approvers: person:p-clerk\n"
AWAY = "deputies:\n  - of: {of}\n    deputy: p-clerk\n    from: 2026-06-01\n    until: 2026-07-31\n"


def read(
    to: str, duty: str = UNITS, *, rung: str = "", extra: str = "", directory: str = DIRECTORY
) -> dict[str, Any]:
    """The variables of each receiver's section, by the receiver's id, on the day after it was due."""
    block = f"- from: due\n  workdays: +1\n  to: {to}\n{textwrap.indent(rung, '  ')}"
    plan = plan_of(
        item_yaml("x", "every: half-year", block, f"{duty}\n{extra}"), head=CHARGE, directory=directory
    )
    (alarm,) = expand(plan, CALENDAR, at("2026-06-01"), at("2026-07-02"))
    found = {}
    for each in reach(alarm, plan, CALENDAR, NOTHING, alarm.at).receivers:
        found[each.person.id] = section_context(
            plan,
            CALENDAR,
            [alarm],
            Addressee(each.person.id, each.person.name, "person"),
            each.cells,
            {},
            alarm.at,
            hidden=each.counts_only,
            deputy_for=[person.name for person in each.for_],
        )
    return found


def as_read(contexts: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    return {
        person: (context["alarm"]["reader"], [cell["label"] for cell in context["cells"]])
        for person, context in contexts.items()
    }


@pytest.mark.parametrize(
    ("contexts", "expected"),
    [
        pytest.param(
            {"to": "owing"},
            {"p-office": ("owner", ["办公室"]), "p-liaison": ("owner", ["理论科"])},
            id="a contact of their own unit",
        ),
        pytest.param(
            {"to": "owing", "duty": PAIRS},
            {"p-leader": ("owner", ["办公室主任", "理论科科长"])},
            id="a leader of those to be talked to",
        ),
        pytest.param(
            {"to": "escalation"},
            {"p-leader": ("superior", ["办公室", "理论科"])},
            id="a leader of the units below",
        ),
        pytest.param(
            {"to": "escalation", "duty": PAIRS, "extra": "private: true"},
            {"p-secretary": ("superior", ["分管副部长与办公室主任", "分管副部长与理论科科长"])},
            id="who is in charge of both persons of a talk",
        ),
        pytest.param(
            {"to": "head:机关各科室", "rung": "if: open"},
            {"p-office": ("owner", ["办公室"]), "p-theory": ("head", ["理论科"])},
            id="a head of what their contact owes",
        ),
        pytest.param(
            {"to": "person:p-clerk"},
            {"p-clerk": ("other", [])},
            id="whoever is told for information of nothing",
        ),
        pytest.param(
            {"to": "owing", "duty": PAIRS, "directory": DIRECTORY + AWAY.format(of="p-leader")},
            {"p-clerk": ("deputy", ["分管副部长与办公室主任", "分管副部长与理论科科长"])},
            id="a deputy of both persons, being neither",
        ),
        pytest.param(
            {"to": "escalation", "directory": DIRECTORY + AWAY.format(of="p-leader")},
            {"p-clerk": ("superior", ["办公室", "理论科"])},
            id="a deputy of a superior as a superior",
        ),
    ],
)
def test_readers_and_what_they_read(contexts: dict[str, str], expected: dict[str, Any]) -> None:
    assert as_read(read(**contexts)) == expected


def test_of_what_may_not_be_named_there_is_a_count_and_the_reader_is_known_all_the_same() -> None:
    context = read("escalation", UNITS, extra="private: true")["p-leader"]
    assert (context["count"], context["hidden"], context["cells"]) == (2, True, [])
    assert context["alarm"]["reader"] == "superior"


def test_a_deputy_knows_for_whom_and_a_repeat_which_it_is() -> None:
    context = read("owing", PAIRS, directory=DIRECTORY + AWAY.format(of="p-leader"))["p-clerk"]
    assert context["deputy_for"] == ["分管副部长"]
    assert context["alarm"]["repetition"] == 1


def test_a_variable_nobody_has_judged_does_not_travel_over_the_internet() -> None:
    """What is thought of later is left behind until somebody says that it tells nothing."""
    context = read("owing", PAIRS, extra="private: true")["p-leader"]
    least = masked({**context, "drawn": "理论科", "thought_of_later": "理论科"})
    assert least["drawn"] == ""
    assert "thought_of_later" not in least
    assert set(least) == set(context)
    inner = masked(
        {
            **context,
            "item": {**context["item"], "later": "x"},
            "occurrence": {**context["occurrence"], "later": "x"},
        }
    )
    assert "later" not in inner["item"] | inner["occurrence"]
    assert (least["alarm"]["id"], least["item"]["basis"]) == ("", "")
