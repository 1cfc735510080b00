"""台账: everything sent and not sent, line by line, and one message with all that befell it.

Whoever may not see private items gets neither their lines nor the texts that
hold something of them: of a message that says more than its reader may know,
the line shows only what the line itself is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from reminder.agenda.reasons import ACTION_TEXT, reason_text
from reminder.ledger.records import DELIVERY_TEXT, DeliveryState, Transport
from reminder.ledger.shown import Entry, EntryFilter, Made, Mark
from reminder.plan.model import Item
from reminder.sweep.approvals import APPROVAL_ITEM
from reminder.sweep.notices import NOTICE_ITEM
from reminder.views.lines import receiver_name
from reminder.views.look import Look
from reminder.views.standing import status_text

PAGE = 50
"""Lines of a page."""
BATCH = 1000
"""Lines read at once for a table."""
OWN_ITEMS = {NOTICE_ITEM: "管理员通知", APPROVAL_ITEM: "提请审批"}
"""What the ledger keeps under no item of the plan."""
TRANSPORT_TEXT = {Transport.LIVE: "正式", Transport.OUTBOX: "试运行"}
STATUS_TEXT: dict[str, str] = {
    **DELIVERY_TEXT,
    "postpone": "暂缓",
    "suppress": "不发送",
    "supersede": "被替代",
    "miss": "错过",
    "fail": "未能发送",
}
"""What may be asked for: where a message stands, or what was decided instead of sending one."""
BAD = frozenset({DeliveryState.FAILED, DeliveryState.UNCERTAIN, DeliveryState.EXPIRED, "fail", "miss"})
WAITS = frozenset({DeliveryState.PENDING, DeliveryState.SENDING, "postpone", "hold"})
HIDDEN_SUBJECT = "（合并消息，含不在您查看范围内的内容）"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; empty text and None mean all.  Days are the office's, the last one included."""

    since: date | None = None
    until: date | None = None
    item: str = ""
    person: str = ""
    channel: str = ""
    status: str = ""
    transport: Transport | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line: a claim with its message, or what was decided instead.

    ``mark`` is ``done``, ``wait``, ``overdue`` or empty.  Instants are in the plan's zone.
    """

    planned_at: datetime
    recorded_at: datetime
    item: str
    title: str
    occurrence: str
    alarm: str
    receiver: str
    channel: str
    subject: str
    decision: str
    state: str
    mark: str
    rehearsal: bool
    attempts: int
    late: bool
    deliveries: tuple[str, ...]
    known: Entry
    """As the ledger has it, for programs; its subject may be one that the reader may not see."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines, and from where to go on to newer and older ones."""

    lines: tuple[Line, ...]
    newer: Mark | None
    older: Mark | None
    retired: tuple[str, ...] = ()
    """What is to be said of months that these lines come from, or that they end at, and that were retired."""


def page(
    look: Look, wanted: Wanted, after: Mark | None = None, before: Mark | None = None, size: int = PAGE
) -> Page:
    """The newest lines, or those next to a mark."""
    asked = replace(_filter(look, wanted), after=after, before=before, limit=size + 1)
    found = look.ledger.book.entries(look.plan_id, asked)
    more = len(found) > size
    found = found[-size:] if before is not None else found[:size]
    newer = more if before is not None else after is not None
    older = before is not None or more
    return Page(
        tuple(_lines(look, found)),
        found[0].mark if found and newer else None,
        found[-1].mark if found and older else None,
        retired(look, found, asked, whole=not older),
    )


def retired(look: Look, found: Sequence[Entry], asked: EntryFilter, *, whole: bool) -> tuple[str, ...]:
    """What is to be said of retired months: ``whole`` says that the lines go on to the end of what was asked."""
    return tuple(
        each.told(look.name_of(each.by), look.zone)
        for each in look.ledger.months.concerning(look.plan_id, found, asked, whole=whole)
    )


def every_line(look: Look, wanted: Wanted) -> Iterator[Line]:
    """All of them, newest first, read in batches."""
    asked = replace(_filter(look, wanted), limit=BATCH)
    while True:
        found = look.ledger.book.entries(look.plan_id, asked)
        yield from _lines(look, found)
        if len(found) < BATCH:
            return
        asked = replace(asked, after=found[-1].mark)


def _filter(look: Look, wanted: Wanted) -> EntryFilter:
    items: frozenset[str] | None = None
    but_keys: tuple[str, ...] = ()
    if not look.private:
        items = frozenset({*OWN_ITEMS, *(each for item in look.items for each in item.ids)})
        but_keys = tuple(f"{APPROVAL_ITEM}/{each}/" for each in _hidden(look))
    return EntryFilter(
        item=wanted.item or None,
        receiver=wanted.person or None,
        channel=wanted.channel or None,
        status=wanted.status or None,
        since=_start(wanted.since, look),
        until=_start(wanted.until + timedelta(days=1) if wanted.until else None, look),
        transport=wanted.transport,
        items=items,
        but_keys=but_keys,
    )


def _hidden(look: Look) -> list[str]:
    return [each for item in look.edition.plan.items if not look.sees(item) for each in item.ids]


def _start(day: date | None, look: Look) -> datetime | None:
    return datetime.combine(day, time.min, look.zone) if day is not None else None


def _lines(look: Look, found: Sequence[Entry]) -> Iterator[Line]:
    shut, titles = _shut_messages(look, found), titles_of(look)
    for entry in found:
        word = entry.state or entry.decision
        accepted = entry.state == DeliveryState.ACCEPTED and entry.transport is Transport.LIVE
        mark = "done" if accepted else "overdue" if word in BAD else "wait" if word in WAITS else ""
        shown = entry.message not in shut
        yield Line(
            planned_at=entry.planned_at.astimezone(look.zone),
            recorded_at=entry.recorded_at.astimezone(look.zone),
            item=entry.item,
            title=titles.get(entry.item, entry.item),
            occurrence=entry.occurrence,
            alarm=entry.alarm,
            receiver=receiver_title(look, entry.receiver) if entry.receiver else "",
            channel=entry.channel or "",
            subject=(entry.subject or "") if shown else HIDDEN_SUBJECT,
            decision=f"{ACTION_TEXT.get(entry.decision, entry.decision)}：{reason_text(entry.reason)}",
            state=status_text(entry, look.name_of),
            mark=mark,
            rehearsal=entry.transport is not Transport.LIVE,
            attempts=entry.attempts,
            late=entry.late,
            deliveries=entry.deliveries,
            known=entry,
        )


def _shut_messages(look: Look, found: Sequence[Entry]) -> set[str]:
    """Messages of which the reader may not see everything."""
    if look.private:
        return set()
    shut = set()
    for transport in Transport:
        messages = {each.message for each in found if each.message and each.transport is transport}
        if messages:
            made = look.ledger.book.made_for(look.plan_id, transport, messages)
            shut |= {message for message, claims in made.items() if not all(sees(look, c) for c in claims)}
    return shut


def sees(look: Look, made: Made) -> bool:
    """Whether the reader may know of a claim."""
    if look.private:
        return True
    if made.item == APPROVAL_ITEM:
        return not made.alarm.startswith(tuple(f"{APPROVAL_ITEM}/{each}/" for each in _hidden(look)))
    return made.item in OWN_ITEMS or look.sees(_item(look, made.item))


def _item(look: Look, item_id: str) -> Item | None:
    return next((each for each in look.edition.plan.items if item_id in each.ids), None)


def titles_of(look: Look) -> dict[str, str]:
    """Titles by id, former ids too; what stands in the plan no more has none."""
    return OWN_ITEMS | {each: item.spec.title for item in look.edition.plan.items for each in item.ids}


def receiver_title(look: Look, receiver: str) -> str:
    """The receiver's name; of a group it is said that it is one."""
    name = receiver_name(look, receiver)
    return f"群“{name}”" if receiver.startswith("group:") else name


# One message
