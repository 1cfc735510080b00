"""One delivery: intent committed, one try, outcome committed.

The intent stands in the ledger before a byte leaves, the outcome after it; a
daemon killed between the two leaves an *interrupted* delivery, whose outcome
nobody knows.  The channel's policy says what becomes of those: sent again, with
the same bytes and the same Message-ID, or held for a person.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from reminder.channels.base import Channel, Outcome, OutcomeKind, Parcel
from reminder.clock import Clock
from reminder.delivery.conduct import Conduct
from reminder.delivery.journal import NOBODY, Journal, Node
from reminder.delivery.judge import judged
from reminder.delivery.quiet import postponed_to
from reminder.delivery.unrecorded import Unrecorded
from reminder.ledger.errors import LedgerError
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import AttemptEnd, Delivery, DeliveryState, Transport, Wait

log = logging.getLogger(__name__)

MENDED = "channel changed"
"""Author of the end of a pause when the channel's settings or its secret are no longer the same."""
_DEFAULT = Conduct()


class Deliverer:
    """Carries deliveries out, one try at a time.  Safe to use from several threads.

    ``conduct`` by channel; a channel without one has no limits and sends again
    what is unknown.  ``unrecorded`` is shared with the deliverer that follows
    after a reload, so that no known outcome becomes an unknown one.  ``node``
    says who this process is, where several send from one ledger.
    """

    def __init__(
        self,
        ledger: Ledger,
        plan_id: str,
        transport: Transport,
        channels: Mapping[str, Channel],
        clock: Clock,
        conduct: Mapping[str, Conduct] | None = None,
        unrecorded: Unrecorded | None = None,
        node: Node | None = None,
    ) -> None:
        self._node = node
        self._ledger = ledger
        self._plan_id = plan_id
        self._transport = transport
        self._channels = channels
        self._clock = clock
        self._conduct = dict(conduct or {})
        quotas = {name: each.quotas for name, each in self._conduct.items() if each.quotas}
        self._journal = Journal(ledger, plan_id, clock, quotas, node)
        self._random = random.Random()
        self._paused: frozenset[str] = frozenset()
        self._orphans: set[str] = set()
        self.broken: tuple[str, ...] = ()
        """Channels with a lasting pause, at the last look: somebody has to mend them."""
        self.unrecorded = Unrecorded() if unrecorded is None else unrecorded

    def abreast(self, channel: str) -> int:
        """How many threads a channel's deliveries may be given to."""
        return self._conduct.get(channel, _DEFAULT).abreast

    def deliver(self, delivery: Delivery) -> DeliveryState | Wait | None:
        """Try once; the state it leads to.

        A wait, if it is not tried now and its ``not_before`` says when (or its
        channel is paused); None if somebody else has it, or if nothing may be
        begun because an earlier outcome is not yet recorded.  Raises
        ``LedgerError`` if the intent cannot be written: then nothing was sent.
        """
        begun = self.begin(delivery)
        if not isinstance(begun, int):
            return begun
        end = self.attempt(delivery, begun)
        self.end(end)
        return end.state

    def begin(self, delivery: Delivery, last: AttemptEnd | None = None) -> int | Wait | None:
        """Commit the intent to try, and with it how the ``last`` delivery of this thread ended.

        The attempt's number; a wait, None and ``LedgerError`` as :meth:`deliver`
        has them.  Whichever it is, ``last`` is recorded, or kept until it can be.
        """
        if len(self.unrecorded):
            self.end(last)
            return None
        conduct = self._conduct.get(delivery.channel, _DEFAULT)
        now = self._clock.now()
        later = postponed_to(conduct.quiet, conduct.zone, now, delivery.expires_at)
        if later is not None:
            self.end(last)
            self._ledger.spool.postpone(self._plan_id, delivery.id, later, now)
            return Wait(later, whole_channel=False)
        try:
            return self._journal.record(last, delivery.id, delivery.channel)
        except LedgerError as error:
            self._keep(last, error)
            raise

    def attempt(self, delivery: Delivery, number: int) -> AttemptEnd:
        """Try once, what :meth:`begin` gave this number; how it ended, which nobody has recorded yet."""
        try:
            return self._attempt(delivery, number)
        except BaseException:
            self._journal.lost()
            raise

    def _attempt(self, delivery: Delivery, number: int) -> AttemptEnd:
        conduct = self._conduct.get(delivery.channel, _DEFAULT)
        begun = self._clock.now()
        outcome = self._try(delivery)
        end = judged(
            delivery,
            number,
            outcome,
            self._clock.now(),
            self._random,
            hold=conduct.hold,
            fingerprint=self._fingerprint(delivery.channel),
            recovered=begun if delivery.channel in self._paused else None,
        )
        if end.pause is not None:
            self._paused |= {delivery.channel}
        self._tell(delivery, number, outcome, end)
        return end

    def end(self, end: AttemptEnd | None) -> None:
        """Commit how a try ended, or keep it until that can be done."""
        if end is None:
            return
        try:
            self._journal.record(end)
        except LedgerError as error:
            self._keep(end, error)

    def _keep(self, end: AttemptEnd | None, error: LedgerError) -> None:
        if end is not None:
            self.unrecorded.keep(end)
            log.error("outcome not recorded yet", extra={"delivery": end.delivery, "error": str(error)})

    @staticmethod
    def _tell(delivery: Delivery, number: int, outcome: Outcome, end: AttemptEnd) -> None:
        got_through = end.state is DeliveryState.ACCEPTED and not end.refused
        log.log(
            logging.INFO if got_through else logging.WARNING,
            "attempt",
            extra={
                "delivery": delivery.id,
                "channel": delivery.channel,
                "receiver": delivery.receiver,
                "number": number,
                "outcome": str(outcome.kind),
                "code": outcome.code,
                "state": str(end.state),
                **({} if got_through else {"detail": outcome.detail}),
                **({"next": end.not_before.isoformat()} if end.not_before and not end.pause else {}),
                **({"pause": str(end.pause.kind)} if end.pause else {}),
                **({"refused": len(end.refused)} if end.refused else {}),
            },
        )

    def _try(self, delivery: Delivery) -> Outcome:
        channel = self._channels.get(delivery.channel)
        if channel is None:
            return Outcome(
                OutcomeKind.PERMANENT, "no-channel", f"通道“{delivery.channel}”已不在 channels.yaml 中"
            )
        parcel = Parcel(
            delivery.id,
            delivery.receiver,
            delivery.address,
            delivery.payload,
            delivery.planned_at,
            delivery.message,
            delivery.expires_at,
        )
        try:
            return channel.send(parcel)
        except Exception as error:
            # An adapter promises not to raise; one that does must not take the
            # daemon with it, and whether something was sent is then unknown.
            log.exception("channel raised", extra={"channel": delivery.channel})
            return Outcome(OutcomeKind.UNCERTAIN, "internal", type(error).__name__)

    def _fingerprint(self, channel: str) -> str:
        """Changes when the channel's settings or its secret do; tells nothing of the secret."""
        mark = getattr(self._channels.get(channel), "secret_mark", "")
        return f"{self._conduct.get(channel, _DEFAULT).fingerprint}{mark}"

    # -- beside the tries -----------------------------------------------------

    def record_ends(self) -> None:
        """Write the outcomes that could not be written.  Raises ``LedgerError`` while they still cannot."""
        if len(self.unrecorded) and (written := self.unrecorded.write(self._ledger, self._plan_id)):
            log.warning("outcomes recorded late", extra={"deliveries": written})

    def look(self, now: datetime) -> None:
        """See which channels are paused, and take up those that were mended since."""
        pauses = self._ledger.pauses(self._plan_id, self._transport)
        for pause in pauses:
            known = pause.channel in self._channels
            if pause.lasting and known and pause.fingerprint != self._fingerprint(pause.channel):
                self._ledger.resume(self._plan_id, self._transport, pause.channel, by=MENDED, now=now)
                log.warning("channel taken up again", extra={"channel": pause.channel})
        self._paused = frozenset(pause.channel for pause in pauses)
        self.broken = tuple(sorted({pause.channel for pause in pauses if pause.lasting}))

    def take_up(self, now: datetime) -> int:
        """At start: deliveries that a killed daemon left in flight go the way their channel's policy says.

        With other nodes about, what is in flight may be theirs: see :meth:`take_up_left_behind`.
        """
        self.record_ends()
        if self._node is not None:
            return 0
        return self._settle_unknown(self._ledger.spool.interrupted(self._plan_id, self._transport, now), now)

    def take_up_orphans(self, now: datetime, running: Collection[str]) -> int:
        """Deliveries in flight by the ledger that no thread carries, seen so twice in a row.

        ``running`` are those that a thread has.  Of several nodes each looks
        after what it began itself.
        """
        if self._node is None:
            orphans = self._ledger.spool.sending(self._plan_id, self._transport)
        else:
            orphans = self._ledger.nodes.in_hand(self._plan_id, self._transport, self._node() or NOBODY)
        orphans -= {*running, *self.unrecorded.deliveries()}
        lost, self._orphans = orphans & self._orphans, orphans
        if not lost:
            return 0
        found = self._ledger.spool.interrupted(self._plan_id, self._transport, now, only=lost)
        return self._settle_unknown(found, now)

    def take_up_left_behind(self, now: datetime) -> int:
        """What nodes that are dead had in flight goes the way its channel's policy says; how many."""
        return self._settle_unknown(self._ledger.nodes.left_behind(self._plan_id, self._transport, now), now)

    def _settle_unknown(self, interrupted: Iterable[Delivery], now: datetime) -> int:
        count = 0
        for delivery in interrupted:
            count += 1
            hold = self._conduct.get(delivery.channel, _DEFAULT).hold
            log.warning("interrupted delivery", extra={"delivery": delivery.id, "held": hold})
            state = DeliveryState.UNCERTAIN if hold else DeliveryState.PENDING
            self._ledger.spool.resolve(self._plan_id, delivery.id, state, None if hold else now, now)
        return count

    def drain(self, now: datetime, limit: int = 1000) -> int:
        """Try everything due now, one after another in this thread; how many were tried."""
        self.record_ends()
        self.look(now)
        self._ledger.spool.expire(self._plan_id, self._transport, now)
        tried = 0
        seen: set[str] = set()
        while True:
            due = self._ledger.spool.due(self._plan_id, self._transport, now, limit=limit)
            new = [delivery for delivery in due if delivery.id not in seen]
            if not new:
                return tried
            for delivery in new:
                seen.add(delivery.id)
                tried += isinstance(self.deliver(delivery), DeliveryState)
