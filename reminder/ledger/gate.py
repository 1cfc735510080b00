"""Whether a try may be begun now: its channel is not paused, and it has a slot under its channel's quotas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from reminder.ledger import pausing, slots
from reminder.ledger.records import Quota, Transport, Wait
from reminder.ledger.tables import AnyRow


class Gate:
    """Of one transaction; what waits for a slot is written down as it is found."""

    def __init__(
        self, connection: Connection, plan_id: str, quotas: Mapping[str, Sequence[Quota]], now: datetime
    ) -> None:
        self._connection, self._plan_id, self._quotas, self._now = connection, plan_id, quotas, now
        self._held: dict[str, dict[str, datetime | None]] = {}

    def wait(self, row: AnyRow) -> Wait | None:
        """None if it may be begun; a wait for a slot is written to the delivery, or to its whole channel."""
        if row.transport not in self._held:
            transport = Transport(row.transport)
            self._held[row.transport] = pausing.holding(self._connection, self._plan_id, transport, self._now)
        held = self._held[row.transport]
        if row.channel in held:
            return Wait(held[row.channel], whole_channel=True)
        if row.channel not in self._quotas:
            return None
        transport = Transport(row.transport)
        wait = slots.wait_for(
            self._connection,
            self._plan_id,
            transport,
            row.channel,
            row.id,
            self._quotas[row.channel],
            self._now,
        )
        if wait is None or wait.until is None:
            return None
        if wait.whole_channel:
            slots.postpone_channel(
                self._connection, self._plan_id, transport, row.channel, wait.until, self._now
            )
            held[row.channel] = wait.until
        else:
            slots.postpone(self._connection, self._plan_id, row.delivery, wait.until, self._now)
        return wait
