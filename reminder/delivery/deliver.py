"""One delivery: intent committed, one try, outcome committed.

The intent stands in the ledger before a byte leaves, the outcome after it; a
daemon killed between the two leaves an *interrupted* delivery, whose outcome
nobody knows.  Policy for those: send again, with the same bytes and the same
Message-ID.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from datetime import datetime

from reminder.channels.base import Channel, Outcome, OutcomeKind, Parcel
from reminder.clock import Clock
from reminder.delivery.retry import MOST_TRIES, next_try
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import Delivery, DeliveryState, Transport

log = logging.getLogger(__name__)


class Deliverer:
    """Carries deliveries out, one try at a time.  Safe to use from several threads."""

    def __init__(
        self,
        ledger: Ledger,
        plan_id: str,
        transport: Transport,
        channels: Mapping[str, Channel],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._plan_id = plan_id
        self._transport = transport
        self._channels = channels
        self._clock = clock
        self._random = random.Random()

    def deliver(self, delivery: Delivery) -> DeliveryState | None:
        """Try once; the state it leads to, or None if somebody else has it."""
        number = self._ledger.begin(self._plan_id, delivery.id, self._clock.now())
        if number is None:
            return None
        outcome = self._try(delivery)
        now = self._clock.now()
        state, not_before = self._judge(delivery, number, outcome, now)
        self._ledger.finish(
            self._plan_id,
            delivery.id,
            number,
            now,
            outcome=outcome.kind,
            code=outcome.code,
            detail=outcome.detail,
            state=state,
            not_before=not_before,
        )
        log.info(
            "attempt",
            extra={
                "delivery": delivery.id,
                "channel": delivery.channel,
                "receiver": delivery.receiver,
                "number": number,
                "outcome": str(outcome.kind),
                "code": outcome.code,
                "state": str(state),
            },
        )
        return state

    def _try(self, delivery: Delivery) -> Outcome:
        channel = self._channels.get(delivery.channel)
        if channel is None:
            return Outcome(
                OutcomeKind.PERMANENT, "no-channel", f"通道“{delivery.channel}”已不在 channels.yaml 中"
            )
        parcel = Parcel(
            delivery.id, delivery.receiver, delivery.address, delivery.payload, delivery.planned_at
        )
        try:
            return channel.send(parcel)
        except Exception as error:
            # An adapter promises not to raise; one that does must not take the
            # daemon with it, and whether something was sent is then unknown.
            log.exception("channel raised", extra={"channel": delivery.channel})
            return Outcome(OutcomeKind.UNCERTAIN, "internal", type(error).__name__)

    def _judge(
        self, delivery: Delivery, number: int, outcome: Outcome, now: datetime
    ) -> tuple[DeliveryState, datetime | None]:
        match outcome.kind:
            case OutcomeKind.ACCEPTED:
                return DeliveryState.ACCEPTED, None
            case OutcomeKind.PERMANENT | OutcomeKind.PARTIAL:
                return DeliveryState.FAILED, None
            case OutcomeKind.TRANSIENT | OutcomeKind.UNCERTAIN:
                at = next_try(number, now, outcome.retry_after, self._random)
                if number >= MOST_TRIES or at >= delivery.expires_at:
                    unknown = outcome.kind is OutcomeKind.UNCERTAIN
                    return DeliveryState.UNCERTAIN if unknown else DeliveryState.FAILED, None
                return DeliveryState.PENDING, at

    def take_up(self, now: datetime) -> int:
        """At start: deliveries that a killed daemon left in flight are sent again."""
        interrupted = self._ledger.interrupted(self._plan_id, self._transport, now)
        for delivery in interrupted:
            log.warning("interrupted delivery, sending again", extra={"delivery": delivery.id})
            self._ledger.resolve(self._plan_id, delivery.id, DeliveryState.PENDING, now, now)
        return len(interrupted)

    def drain(self, now: datetime, limit: int = 1000) -> int:
        """Try everything due now, one after another in this thread; how many were tried."""
        self._ledger.expire(self._plan_id, self._transport, now)
        due = self._ledger.due(self._plan_id, self._transport, now, limit=limit)
        for delivery in due:
            self.deliver(delivery)
        return len(due)
