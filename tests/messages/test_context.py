"""What a section says of its matter is put together once for all who read it, and for nothing else."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice, permutations
from zoneinfo import ZoneInfo

from reminder.agenda.alarms import Alarm, expand
from reminder.messages import context
from reminder.messages.context import Addressee, section_context
from reminder.plan.model import Plan
from tests.plans import CALENDAR, at, item_yaml, plan_of

PEOPLE = [Addressee("p-office", "办公室主任", "person"), Addressee("p-liaison", "理论科联络员", "person")]
BLOCK = "- from: due\n  workdays: -1\n  to: everyone\n- from: due\n  workdays: +1\n  to: everyone\n"


def planned() -> tuple[Plan, list[Alarm]]:
    plan = plan_of(item_yaml("a", "every: quarter", BLOCK), item_yaml("b", "every: half-year", BLOCK))
    return plan, list(expand(plan, CALENDAR, at("2026-06-01"), at("2026-07-10")))


def test_every_receiver_reads_of_the_alarm_and_instant_in_question() -> None:
    """Whatever was said before: other alarms, other instants, the same alarms in another order."""
    plan, alarms = planned()
    assert len(alarms) > 2
    asked = [(alarm, alarm.at + later) for alarm in alarms for later in (timedelta(0), timedelta(days=9))]
    fresh = context._of_alarms.__wrapped__  # type: ignore[attr-defined]
    for order in islice(permutations(asked), 0, 4000, 97):
        for alarm, now in order:
            for person in PEOPLE:
                made = section_context(plan, CALENDAR, [alarm], person, (), {}, now)
                expected = fresh(CALENDAR, (alarm,), now.date(), now)
                reader = made["alarm"].pop("reader")
                assert reader == "other"
                assert {name: made[name] for name in expected} == expected
                assert made["receiver"]["id"] == person.id


def test_what_one_reader_is_to_a_matter_is_not_told_of_the_next() -> None:
    """The part that is shared is never written into."""
    plan, (alarm, *_) = planned()
    one = section_context(plan, CALENDAR, [alarm], PEOPLE[0], (), {}, alarm.at)
    other = section_context(plan, CALENDAR, [alarm], PEOPLE[1], (), {}, alarm.at)
    assert one["item"] is other["item"]
    assert one["alarm"] is not other["alarm"]


def test_equal_instants_of_two_zones_are_two() -> None:
    """A date is said as its zone has it: what is equal and not the same is put together anew."""
    plan, (alarm, *_) = planned()
    utc = alarm.at.astimezone(ZoneInfo("UTC"))
    made: list[int] = []

    @context._keeping_last
    def probe(instant: object) -> dict[str, object]:
        made.append(1)
        return {"at": instant}

    assert probe(alarm.at)["at"] is alarm.at
    assert probe(alarm.at)["at"] is alarm.at
    assert probe(utc)["at"] is utc
    assert len(made) == 2
    assert plan
