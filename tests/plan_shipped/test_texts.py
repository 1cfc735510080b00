"""Every text that the shipped plan can send in 2026, rendered as the sweep renders it, and read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from reminder.agenda.alarms import Alarm, expand
from reminder.calendars.workdays import WorkCalendar
from reminder.check import Edition
from reminder.messages.message import Message
from reminder.messages.render import Templates
from reminder.plan.model import Plan
from reminder.plan.sending import INTERNET, INTRANET
from reminder.sweep.rendering import frame, render_section
from reminder.sweep.shares import Share, shares_of
from tests.editions import TEMPLATES, edition_of
from tests.plans import at

REPROOFS = ("逾期", "催办", "责令", "督办", "通报批评", "务必", "必须", "！")
"""The register is 提请关注."""
LATE = timedelta(days=3)


@dataclass(frozen=True)
class Said:
    """One text: on which network, to whom, and what it is about."""

    network: str
    share: Share
    message: Message

    @property
    def everything(self) -> str:
        return f"{self.message.subject}\n{self.message.text}\n{self.message.markdown}\n{self.message.html}"

    @property
    def alarm(self) -> Alarm:
        return self.share.alarm


def with_network(plan: Plan, network: str) -> Plan:
    channels: Mapping[str, Any] = {
        name: config.model_copy(update={"network": network}) for name, config in plan.channels.items()
    }
    return replace(plan, channels=channels)


def chosen(plan: Plan, calendar: WorkCalendar) -> Iterator[Share]:
    """One share for each rung, time it comes, channel, and kind of reader."""
    seen = set()
    edition = edition_of(plan)
    for alarm in expand(plan, calendar, at("2026-01-01"), at("2027-02-01")):
        for share in shares_of(alarm, edition)[0]:
            mine = any(owner.id == share.addressee.id for cell in share.cells for owner in cell.owners)
            key = (alarm.item.id, alarm.rung.id, alarm.repetition, share.channel, share.hidden, mine)
            festival = alarm.occurrence.festival
            if (*key, festival.name if festival else "") not in seen:
                seen.add((*key, festival.name if festival else ""))
                yield share


@pytest.fixture(scope="module")
def texts(plan: Plan, calendar: WorkCalendar) -> list[Said]:
    """On time and days late, over the internet and within the office."""
    unlimited, problems = Templates.load(TEMPLATES, limits="none")
    assert not problems
    found = []
    for network in (INTERNET, INTRANET):
        edition: Edition = replace(edition_of(with_network(plan, network)), templates=unlimited)
        for share in chosen(edition.plan, calendar):
            for now in (share.alarm.at, share.alarm.at + LATE):
                section = render_section([share], edition, now)
                found.append(Said(network, share, frame([section], share.addressee, edition, now)))
    return found


def test_there_is_a_text_of_every_rung(texts: list[Said], plan: Plan) -> None:
    """Events and lots have no day of their own in a plan that nothing has happened to."""
    rungs = {(said.alarm.item.id, said.alarm.rung.id) for said in texts}
    of_events = {
        "case-circular",
        "appointment-talk",
        "appointment-exam",
        "appointment-statement",
        "frugality-spot-check",
    }
    assert rungs == {(i.id, r.id) for i in plan.items for r in i.rungs if i.id not in of_events}
    assert len(texts) > 400


def test_no_text_reproaches_anybody(texts: list[Said]) -> None:
    for said in texts:
        assert not [word for word in REPROOFS if word in said.everything], said.alarm.key


def test_after_it_was_due_a_text_asks_for_attention(texts: list[Said]) -> None:
    """Not the word to all, nor what follows a festival, nor the quarterly digest: they ask for nothing late."""
    exempt = {"festival", "festival-other", "leadership-digest"}
    for said in texts:
        if (
            said.share.cells
            and said.alarm.at > said.alarm.occurrence.due_at
            and said.alarm.item.id not in exempt
        ):
            assert "提请关注" in said.message.text, said.alarm.key


def test_what_goes_up_names_every_open_cell_and_no_other(texts: list[Said]) -> None:
    escalations = [said for said in texts if said.alarm.rung.id == "escalation" and said.network == INTRANET]
    assert {said.share.hidden for said in escalations} == {True, False}
    for said in escalations:
        titles = [cell.title for cell in said.share.cells]
        lines = [line for line in said.message.text.splitlines() if line.startswith("（") and "）" in line]
        if said.share.hidden:
            assert lines == []
            assert f"尚有{len(titles)}" in said.message.text
        else:
            assert [line.partition("）")[2] for line in lines] == titles


def test_over_the_internet_nothing_private_is_named(texts: list[Said], plan: Plan) -> None:
    """No title, no clause, no person or unit that it concerns, in whatever form."""
    private = [said for said in texts if said.alarm.item.spec.private and said.network == INTERNET]
    names = {unit.id for unit in plan.directory.units} - {"机关党委", "办公室"}
    assert len(private) > 40
    for said in private:
        spec = said.alarm.item.spec
        greeting = f"{said.share.addressee.name}："
        body = (
            said.message.subject
            + said.message.text.replace(greeting, "", 1)
            + said.message.markdown.replace(said.share.addressee.name, "", 1)
        )
        for word in (spec.title, spec.clause, spec.brief or "", "谈话", "检查", "任前", "轮岗", *names):
            assert word not in body, (said.alarm.key, word)
        assert "机关党委办公室" in body


def test_within_the_office_who_owes_reads_with_whom(texts: list[Said]) -> None:
    (talk, *_) = [
        said
        for said in texts
        if said.alarm.key == "integrity-talk/2026H1#due-1wd" and said.network == INTRANET
    ]
    for cell in talk.share.cells:
        assert cell.label in talk.message.text


def test_a_group_reads_no_name_of_anybody(texts: list[Said], plan: Plan) -> None:
    groups = [said for said in texts if said.share.addressee.kind == "group"]
    assert {said.alarm.item.id for said in groups} == {"festival", "festival-other"}
    for said in groups:
        assert said.share.mentions == ()
        assert not [person.name for person in plan.directory.people if person.name in said.message.markdown]
