"""What somebody has to look at: what did not get through, paused channels, approvals that wait, a plan refused."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from reminder.agenda.alarms import Alarm
from reminder.agenda.approvals import may_need
from reminder.agenda.reasons import reason_text
from reminder.ledger.outcomes import Stuck
from reminder.ledger.records import DELIVERY_TEXT, DeliveryState, PauseKind
from reminder.status import Status
from reminder.sweep.approvals import (
    FURTHEST,
    Memory,
    State,
    Waiting,
    asking,
    in_force,
    submitter_of,
    waiting_among,
)
from reminder.views.agenda import every_alarm_between, facts_key
from reminder.views.approvals import may_see
from reminder.views.kept import Kept
from reminder.views.lines import receiver_name
from reminder.views.look import Look

LOOK_BACK = timedelta(days=7)
"""How long what has failed is shown; the ledger's page has all of it."""
PAUSE_TEXT = {
    PauseKind.THROTTLED: "服务器要求稍候",
    PauseKind.LOGIN: "账号或密码被拒绝",
    PauseKind.DEAD: "须由人更正后恢复",
}
REFUSED_NOTE = "plan-refused"
_PLACE = re.compile(r"^([^:\s]+:\d+:\d+|[^:\s]+\.ya?ml)(?=:)")


@dataclass(frozen=True, slots=True)
class StuckLine:
    """A message that did not get through, with the server's own words or the reason."""

    at: datetime
    receiver: str
    channel: str
    subject: str
    state: str
    why: str
    delivery: str | None
    uncertain: bool


@dataclass(frozen=True, slots=True)
class PauseLine:
    """A channel on which nothing is tried: why, since when, and until when if that is known."""

    channel: str
    why: str
    since: datetime
    until: datetime | None
    lasting: bool
    words: str


@dataclass(frozen=True, slots=True)
class WaitingLine:
    """A text that waits for its approvers."""

    code: str
    title: str
    goes_at: datetime
    returned: bool


def stuck_lines(look: Look) -> tuple[StuckLine, ...]:
    """What failed in the last days or nobody knows of, the latest first, of items the reader may see."""
    found = look.ledger.book.stuck(look.plan_id, look.transport, look.now - LOOK_BACK)
    return tuple(_stuck(look, each) for each in found if _may_see(look, each.items))


def _may_see(look: Look, items: Iterable[str]) -> bool:
    return look.private or (all(look.sees(look.edition.plan.item(each)) for each in items) and bool(items))


def _stuck(look: Look, each: Stuck) -> StuckLine:
    said = " ".join(f"{each.code} {each.detail}".split())
    if each.state is None:
        titles = [item.spec.title for name in each.items if (item := look.edition.plan.item(name))]
        subject, state, said = "、".join(titles), "未能发送", reason_text(each.code)
    else:
        subject, state = each.subject, DELIVERY_TEXT.get(each.state, each.state)
    return StuckLine(
        each.at.astimezone(look.zone),
        receiver_name(look, each.receiver) if each.receiver else "",
        each.channel,
        subject,
        state,
        said,
        each.delivery,
        each.state == DeliveryState.UNCERTAIN,
    )


def pause_lines(look: Look) -> tuple[PauseLine, ...]:
    """The channels on which nothing is tried at this moment."""
    return tuple(
        PauseLine(
            pause.channel,
            PAUSE_TEXT[pause.kind],
            pause.since.astimezone(look.zone),
            pause.until.astimezone(look.zone) if pause.until is not None else None,
            pause.lasting,
            f"{pause.code} {pause.detail}".strip(),
        )
        for pause in look.ledger.pauses(look.plan_id, look.transport)
        if pause.lasting or pause.holds(look.now)
    )


_waiting: Kept[tuple[Waiting, ...]] = Kept(16)


def waiting_lines(look: Look) -> tuple[WaitingLine, ...]:
    """What waits for an approval, or was sent back, of what the reader may know of, the most urgent first.

    As :func:`reminder.sweep.approvals.pending` has it; texts are rendered once
    for each state of plan and facts.
    """
    alarms = [
        alarm
        for alarm in every_alarm_between(look, look.now - FURTHEST, look.now + FURTHEST)
        if alarm.useful_until > look.now and may_need(alarm) and in_force(alarm, look.facts)
    ]
    asked = asking(alarms, look.edition, look.facts, look.now)
    if not asked:
        return ()
    keys = {key for alarm in asked for key in alarm.keys}
    settled = look.ledger.settled_of(look.plan_id, look.transport, keys)
    asked = [alarm for alarm in asked if settled.isdisjoint(alarm.keys)]
    if not asked:
        return ()
    submitter = submitter_of(look.ledger, look.plan_id)
    key: Hashable = (facts_key(look), look.today, submitter, tuple(alarm.key for alarm in asked))
    lines = [
        WaitingLine(each.said.code, each.title, each.goes_at, each.state is State.RETURNED)
        for each in _waiting.of(key, lambda: _rendered(look, asked, submitter))
        if each.state is not State.APPROVED and may_see(look, each)
    ]
    return tuple(sorted(lines, key=lambda line: (line.goes_at, line.code)))


def _rendered(look: Look, asked: list[Alarm], submitter: str) -> tuple[Waiting, ...]:
    memory = Memory(look.edition)
    return tuple(waiting_among(asked, look.edition, look.facts, submitter, look.now, memory))


def refusal_lines(look: Look, status: Status | None) -> tuple[str, ...]:
    """Why a new plan was not taken, line by line; empty if the files are those in force.

    Who may not see private items is told where the faults stand, and not what
    was written there.
    """
    if status is None or not status.raw["plan_refused"]:
        return ()
    notes = look.ledger.notes(look.plan_id, REFUSED_NOTE, limit=1)
    lines = str(notes[0].detail.get("problems", "")).splitlines() if notes else []
    if look.private:
        return tuple(lines) or ("详见日志，或执行 reminder check",)
    places = (match[1] for line in lines if (match := _PLACE.match(line)))
    return tuple(dict.fromkeys(f"{place}：此处有错误" for place in places)) or ("计划文件有错误",)
