"""One delivery: what it was made for, each try, the exact text, and what may be decided of it."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from datetime import datetime

from reminder.agenda.policy import ACTION_TEXT, reason_text
from reminder.ledger.records import DELIVERY_TEXT, AttemptRecord, DeliveryState, HandDecision, Transport
from reminder.ledger.recovery import CHAIN, REPLACED
from reminder.ledger.shown import Leaf, Made
from reminder.recording.sending import possible
from reminder.views.ledger import BAD, HIDDEN_SUBJECT, WAITS, receiver_title, sees, titles_of
from reminder.views.look import Look

OUTCOME_TEXT = {
    "accepted": "服务器已接收",
    "transient": "暂未送出",
    "permanent": "被拒绝",
    "uncertain": "结果不明",
    "partial": "部分收件人被拒绝",
}


DECISION_TEXT = {
    HandDecision.RESEND.value: "再发一次",
    HandDecision.ARRIVED.value: "认定已收到",
    HandDecision.DROP.value: "不再发",
    REPLACED: "改用备用通道",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One thing a message was made for."""

    title: str
    occurrence: str
    receiver: str
    decision: str


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about a message beside its tries."""

    at: datetime
    by: str
    text: str


@dataclass(frozen=True, slots=True)
class Try:
    """One try, in the plan's zone; ``took`` in seconds, None while it runs."""

    number: int
    at: datetime
    took: float | None
    outcome: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A message, or a part of one, as people look at it.

    ``text`` is None where the reader may not see all of it.  ``possible`` is
    what a person may decide now.
    """

    leaf: Leaf
    state: str
    mark: str
    receiver: str
    channel: str
    planned_at: datetime
    not_before: datetime
    expires_at: datetime
    told: tuple[Told, ...]
    tries: tuple[Try, ...]
    attempts: tuple[AttemptRecord, ...]
    """The same, as the ledger has them."""
    decided: tuple[Decided, ...]
    refused: tuple[tuple[str, str], ...]
    receivers: tuple[tuple[str, str], ...]
    subject: str
    text: str | None
    seen: tuple[Made, ...]
    """The claims it was made for, as the ledger has them, that the reader may know of."""
    possible: tuple[HandDecision, ...]
    expired: bool
    in_force: bool

    @property
    def rehearsal(self) -> bool:
        return self.leaf.transport is not Transport.LIVE


def sent(look: Look, delivery: str) -> Sent | None:
    """A delivery; None for one that is not there, or of which the reader may see nothing."""
    leaf = look.ledger.book.leaf(look.plan_id, delivery)
    if leaf is None:
        return None
    seen = [made for made in leaf.made if sees(look, made)]
    if not seen and not look.private:
        return None
    whole = len(seen) == len(leaf.made)
    text = look.ledger.book.text_of(look.plan_id, delivery) if whole else None
    attempts = tuple(look.ledger.book.attempts_of(look.plan_id, delivery))
    in_force = leaf.transport is look.transport
    zone = look.zone
    accepted = leaf.state is DeliveryState.ACCEPTED
    state = DELIVERY_TEXT[leaf.state]
    if accepted and leaf.transport is Transport.OUTBOX:
        state = "已写入 outbox"
    mark = "overdue" if leaf.state in BAD else "wait" if leaf.state in WAITS else ""
    return Sent(
        leaf=leaf,
        state=state,
        mark="done" if accepted and leaf.transport is Transport.LIVE else mark,
        receiver=receiver_title(look, leaf.receiver),
        channel=leaf.channel,
        planned_at=leaf.planned_at.astimezone(zone),
        not_before=leaf.not_before.astimezone(zone),
        expires_at=leaf.expires_at.astimezone(zone),
        told=tuple(_told(look, made) for made in seen),
        tries=tuple(_try(each, look) for each in attempts),
        attempts=attempts,
        decided=tuple(
            Decided(
                each.at.astimezone(zone),
                "系统" if each.author == CHAIN else look.name_of(each.author),
                DECISION_TEXT.get(each.decision, each.decision),
            )
            for each in leaf.resolutions
        ),
        refused=tuple(
            (receiver_title(look, each.receiver), f"{each.code} {each.detail}".strip())
            for each in leaf.refused
        ),
        receivers=tuple((look.name_of(receiver), address) for receiver, address in leaf.receivers),
        subject=leaf.subject if whole else HIDDEN_SUBJECT,
        text=text,
        seen=tuple(seen),
        possible=possible(leaf, in_force, look.now) if whole else (),
        expired=leaf.expires_at <= look.now,
        in_force=in_force,
    )


def mail_html(look: Look, delivery: str) -> str | None:
    """The formatted part of a mail, as it was frozen: placeholders of links stay what they are."""
    leaf = look.ledger.book.leaf(look.plan_id, delivery)
    if leaf is None or not all(sees(look, made) for made in leaf.made) or not (leaf.made or look.private):
        return None
    payload = look.ledger.book.payload_of(look.plan_id, delivery)
    if b"Content-Type: multipart/alternative" not in payload[:4096]:
        return None
    part = email.message_from_bytes(payload, policy=email.policy.default).get_body(("html",))
    return str(part.get_content()) if part is not None else None


def _told(look: Look, made: Made) -> Told:
    return Told(
        titles_of(look).get(made.item, made.item),
        made.occurrence,
        receiver_title(look, made.receiver),
        f"{ACTION_TEXT.get(made.decision, made.decision)}：{reason_text(made.reason)}",
    )


def _try(each: AttemptRecord, look: Look) -> Try:
    took = (each.finished_at - each.started_at).total_seconds() if each.finished_at is not None else None
    outcome = OUTCOME_TEXT.get(each.outcome, each.outcome) if each.outcome else "进行中"
    return Try(each.number, each.started_at.astimezone(look.zone), took, outcome, each.code, each.detail)
