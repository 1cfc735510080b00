"""One line for an alarm or a due date, as every page shows it: what, for whom, and where it stands."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reminder.agenda.alarms import Alarm
from reminder.agenda.approvals import covered
from reminder.agenda.duties import standings
from reminder.agenda.reasons import ACTION_TEXT, Action, reason_text
from reminder.calendars.arrangement import CERTAINTY_TEXT
from reminder.ledger.outcomes import Outcome
from reminder.ledger.records import DELIVERY_TEXT, RETIRED, DeliveryState, Transport
from reminder.plan.model import Item
from reminder.plan.via import channels_of
from reminder.sweep.shares import reached_by
from reminder.views.agenda import Due, facts_key
from reminder.views.kept import Kept
from reminder.views.look import Look
from reminder.views.progress import Tally, progress, tally_of
from reminder.views.wording import rung_words

NAMES_SHOWN = 3
_SENT = (Action.SEND, Action.MERGE)


class Mood(enum.StrEnum):
    """How a state looks; pages show it beside its text, never alone."""

    DONE = "done"
    WAIT = "wait"
    OPEN = "open"
    BAD = "overdue"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class AlarmLine:
    """An alarm.  ``at`` is in the plan's zone; ``coming`` says that nothing is recorded and its time is ahead.

    ``receivers`` names them, or says how many; of what is still to come, as far
    as can be said now.  ``certainty`` is 预计 where the calendar is.
    """

    key: str
    at: datetime
    item: Item
    label: str
    rung: str
    certainty: str
    receivers: str
    channels: str
    mood: Mood
    state: str
    coming: bool
    heard: bool
    """Whether it reaches anybody as things stand."""


@dataclass(frozen=True, slots=True)
class DueLine:
    """A due date, with how far its duties have come; ``tally`` is None for what nobody owes."""

    item: Item
    label: str
    occurrence: str
    at: datetime
    certainty: str
    tally: Tally | None


def alarm_lines(look: Look, alarms: Sequence[Alarm]) -> tuple[AlarmLine, ...]:
    """Lines of alarms, in their order, with what the ledger knows of them."""
    past = [alarm for alarm in alarms if alarm.at <= look.now]
    keys = {key for alarm in past for key in alarm.keys}
    found: dict[str, list[Outcome]] = {}
    for each in look.ledger.book.outcomes(look.plan_id, look.transport, keys) if keys else ():
        found.setdefault(each.alarm, []).append(each)
    return tuple(_line(look, alarm, [each for key in alarm.keys for each in found.get(key, ())]) for alarm in alarms)  # fmt: skip


def due_lines(look: Look, dues: Iterable[Due]) -> tuple[DueLine, ...]:
    """Lines of due dates, each with its duties counted as they stand now."""
    begun = {each.occurrence.id: each.tally for each in progress(look)}
    return tuple(_due_line(look, each, begun) for each in dues)


def outcome_words(outcomes: Sequence[Outcome]) -> tuple[Mood, str]:
    """How the shares of one alarm stand, in words, the worst mood of them all."""
    counts: dict[str, int] = {}
    moods: list[Mood] = []
    for each in sorted(outcomes, key=_order):
        mood, text = _words_of(each)
        moods.append(mood)
        counts[text] = counts.get(text, 0) + each.count
    several = len(counts) > 1
    parts = [
        f"{text} {count}" if count > 1 or (several and count) else text for text, count in counts.items()
    ]
    ranked = (Mood.BAD, Mood.WAIT, Mood.DONE, Mood.OPEN, Mood.NONE)
    return min(moods, key=ranked.index), "，".join(parts)


def receiver_name(look: Look, receiver: str) -> str:
    """A person's or a group's name; what stands in neither, as the ledger has it."""
    kind, _, name = receiver.partition(":")
    if kind == "group":
        channel = look.edition.plan.channels.get(name)
        return getattr(channel, "name", None) or name
    return look.name_of(name if kind == "cell" and name else receiver)


def recorded_receivers(look: Look, outcomes: Sequence[Outcome]) -> str:
    """Whom the ledger names, in roster order, as long as they are few; else how many shares there are."""
    count = sum(each.count for each in outcomes)
    known = {receiver for each in outcomes for receiver in each.receivers}
    if not count or count > len(known):
        return f"{count}人次" if count else ""
    place = {person.id: number for number, person in enumerate(look.edition.plan.directory.people)}
    ordered = sorted(known, key=lambda each: (place.get(each, len(place)), each))
    return names([receiver_name(look, each) for each in ordered])


def names(texts: Sequence[str]) -> str:
    """Names in full as long as they are few, else the first ones and how many there are."""
    if len(texts) <= NAMES_SHOWN:
        return "、".join(texts)
    return f"{'、'.join(texts[:2])}等{len(texts)}人"


_expected: Kept[tuple[str, bool]] = Kept(1000)


def _line(look: Look, alarm: Alarm, outcomes: Sequence[Outcome]) -> AlarmLine:
    channels = tuple(dict.fromkeys(channels_of(alarm.rung.via)))
    coming = not outcomes and alarm.at > look.now
    heard = True
    if outcomes:
        mood, state = outcome_words(outcomes)
        receivers = recorded_receivers(look, outcomes)
    elif coming:
        # Whom it reaches at its own time depends on nothing but plan and facts.
        key = (facts_key(look), alarm.key)
        receivers, heard = _expected.of(key, lambda: _expected_receivers(look, alarm, channels))
        mood, state = _coming(look, alarm)
        if not heard:
            mood, state = Mood.NONE, f"目前不必发送：{receivers}"
            receivers = ""
    else:
        receivers = ""
        waiting = alarm.useful_until > look.now
        mood, state = (Mood.WAIT, "等待处理") if waiting else (Mood.NONE, "没有记录")
    return AlarmLine(
        alarm.key, alarm.at, alarm.item, alarm.occurrence.label,
        rung_words(alarm.rung, hour=False).partition("，")[0] + (f"（第{alarm.repetition}次）" if alarm.repetition > 1 else ""),
        CERTAINTY_TEXT[alarm.status], receivers, "、".join(channels), mood, state, coming, heard,
    )  # fmt: skip


def _coming(look: Look, alarm: Alarm) -> tuple[Mood, str]:
    if covered(alarm.item, alarm.rung) is None:
        return Mood.OPEN, "将发出"
    if look.transport is Transport.OUTBOX:
        return Mood.OPEN, "将发出（试运行不待审批）"
    return Mood.WAIT, "须经审批"


def _expected_receivers(look: Look, alarm: Alarm, channels: Sequence[str]) -> tuple[str, bool]:
    """Whom it will reach if nothing changes until then; or why nobody, and False."""
    reached = reached_by(alarm, look.edition, look.facts)
    if not reached.receivers and not reached.withheld:
        return reason_text(str(reached.reason)) if reached.reason else "", not reached.reason
    configs = look.edition.plan.channels
    texts = []
    if any(configs[each].personal for each in channels):
        texts.append(names([each.person.name for each in reached.receivers]))
    texts += [getattr(configs[each], "name", None) or each for each in channels if not configs[each].personal]
    return "；".join(text for text in texts if text), True


def _words_of(outcome: Outcome) -> tuple[Mood, str]:
    if outcome.decision in _SENT and outcome.state is not None:
        moods: Mapping[str, Mood] = {
            DeliveryState.ACCEPTED: Mood.DONE,
            DeliveryState.PENDING: Mood.WAIT,
            DeliveryState.SENDING: Mood.WAIT,
            RETIRED: Mood.NONE,
        }
        return moods.get(outcome.state, Mood.BAD), DELIVERY_TEXT[outcome.state]
    action = ACTION_TEXT.get(outcome.decision, outcome.decision)
    text = f"{action}（{reason_text(outcome.reason)}）"
    if outcome.decision in (Action.FAIL, Action.MISS):
        return Mood.BAD, text
    return (Mood.WAIT if outcome.decision in (Action.HOLD, Action.POSTPONE) else Mood.NONE), text


def _order(outcome: Outcome) -> tuple[bool, str, str]:
    return (outcome.state is None, outcome.state or "", outcome.reason)


def _due_line(look: Look, due: Due, begun: Mapping[str, Tally]) -> DueLine:
    item, occurrence = due.item, due.occurrence
    tally = begun.get(occurrence.id)
    if tally is None and item.spec.duty is not None:
        plan = look.edition.plan
        known = standings(item, occurrence, plan.directory, look.edition.calendar, look.facts, look.now)
        tally = tally_of(known, occurrence.due)
    label = f"{occurrence.label}（轮岗后补办）" if occurrence.rotated else occurrence.label
    certainty = CERTAINTY_TEXT[occurrence.status]
    return DueLine(item, label, occurrence.id, occurrence.due_at, certainty, tally)
