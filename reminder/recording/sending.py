"""What a person decides about a message that failed, or of which nobody knows: the one way in.

The ledger judges by the state that stands in it at that moment; here it is said
in Chinese why it would not.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import DELIVERY_TEXT, DeliveryState, HandDecision
from reminder.ledger.recovery import REPLACED
from reminder.ledger.shown import Leaf
from reminder.recording.view import Refused

POSSIBLE = {
    DeliveryState.UNCERTAIN: (HandDecision.RESEND, HandDecision.ARRIVED, HandDecision.DROP),
    DeliveryState.FAILED: (HandDecision.RESEND, HandDecision.DROP),
}
"""What may be decided in a state."""
DECIDED_TEXT = {
    HandDecision.RESEND: "已列入重发，守护进程会在一秒内发送。",
    HandDecision.ARRIVED: "已记为“服务器已接收”（人工认定）。",
    HandDecision.DROP: "已记为“发送失败”（人工决定不再发）。",
}


def possible(leaf: Leaf, in_force: bool, now: datetime) -> tuple[HandDecision, ...]:  # noqa: FBT001
    """What a person may decide about a delivery at ``now``; ``in_force``: its transport is the one in force."""
    found = POSSIBLE.get(leaf.state, ())
    last = leaf.resolutions[-1].decision if leaf.resolutions else ""
    again = in_force and leaf.expires_at > now and last != REPLACED
    rests = leaf.state is DeliveryState.FAILED and last in (HandDecision.DROP, REPLACED)
    return tuple(
        each
        for each in found
        if (each is not HandDecision.RESEND or again) and (each is not HandDecision.DROP or not rests)
    )


def decide_sending(
    ledger: Ledger,
    plan_id: str,
    delivery: str,
    decision: HandDecision,
    by: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    """Record a person's decision; raises :class:`Refused`, and nothing has changed then.

    Who asks once more for what was just decided so is not refused: of fifty who
    press at once one is recorded.
    """
    leaf = ledger.book.leaf(plan_id, delivery)
    if leaf is None:
        raise Refused(f"台账中没有消息 {delivery}；编号见 reminder ledger --status uncertain --attempts")
    if leaf.state is DeliveryState.UNCERTAIN:
        done = ledger.spool.decide(plan_id, delivery, decision, by=by, now=now)
    elif leaf.state is DeliveryState.FAILED and leaf.transport is ledger.transport(plan_id):
        done = (
            decision is HandDecision.RESEND and ledger.spool.put_up(plan_id, delivery, by=by, now=now)
        ) or (decision is HandDecision.DROP and ledger.spool.leave(plan_id, delivery, by=by, now=now))
    else:
        done = False
    if not done:
        _explain(ledger, plan_id, leaf, decision, by, now, zone)


def _explain(
    ledger: Ledger,
    plan_id: str,
    before: Leaf,
    decision: HandDecision,
    by: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    leaf = ledger.book.leaf(plan_id, before.id) or before
    last = leaf.resolutions[-1] if leaf.resolutions else None
    if last is not None and last.decision == decision and last.author == by:
        return
    if leaf.state not in POSSIBLE:
        state = DELIVERY_TEXT.get(leaf.state, leaf.state)
        raise Refused(f"消息 {leaf.id} 现为“{state}”，只有“结果不明”和“发送失败”的消息才需要决定；未作更改")
    if leaf.state is DeliveryState.FAILED and leaf.transport is not ledger.transport(plan_id):
        raise Refused(f"消息 {leaf.id} 不是以现在的方式发送的（试运行与正式发送不相混）；未作更改")
    if decision is HandDecision.RESEND and leaf.expires_at <= now:
        expired = f"{leaf.expires_at.astimezone(zone):%Y-%m-%d %H:%M}"
        raise Refused(f"消息 {leaf.id} 的有效期已过（{expired}），重发已没有意义；未作更改")
    if leaf.state is DeliveryState.FAILED and last is not None and last.decision == REPLACED:
        raise Refused(f"消息 {leaf.id} 已改用备用通道发送，不必再发；未作更改")
    if leaf.state is DeliveryState.FAILED and decision is HandDecision.ARRIVED:
        raise Refused(f"消息 {leaf.id} 是服务器明确拒绝的，不能认定已收到；可重发，或决定不再发；未作更改")
    raise Refused(f"消息 {leaf.id} 刚刚被别处作了决定；请再看一次台账；未作更改")
