"""What became of a line of the ledger, in words."""

from __future__ import annotations

from collections.abc import Callable

from reminder.agenda.reasons import ACTION_TEXT, reason_text
from reminder.ledger.records import DELIVERY_TEXT, DeliveryState, Transport
from reminder.ledger.shown import Entry


def status_text(entry: Entry, name_of: Callable[[str], str] = str) -> str:
    """What became of a line, in words; who decided by hand is named."""
    if entry.state is None:
        action = ACTION_TEXT.get(entry.decision, entry.decision)
        return f"{action}：{reason_text(entry.reason)}"
    text = DELIVERY_TEXT.get(entry.state, entry.state)
    if entry.state == DeliveryState.ACCEPTED:
        if entry.transport is Transport.OUTBOX:
            text = "已写入 outbox"
        elif entry.receiver and entry.receiver.startswith("group:"):
            text = "已发群"
    if entry.decided_by is not None:
        return f"{text}（由{name_of(entry.decided_by)}决定）"
    if entry.state in ("failed", "uncertain") or (entry.state == "pending" and entry.attempts):
        text += f"：{entry.last_code} {entry.last_detail}".rstrip()
    return text + ("（补发）" if entry.late else "")
