"""Old messages are filed by month on PostgreSQL: a few at a time, by whichever node comes by."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from reminder.errors import ReminderError
from reminder.ledger.filing import BATCH
from reminder.ledger.ledger import Ledger

log = logging.getLogger(__package__)

EVERY = timedelta(hours=1)
"""Between looks for what has grown old; while there is more, a batch at every tick."""


class Filing:
    """When it is next looked for something to be filed."""

    def __init__(self) -> None:
        self._next: datetime | None = None

    def tend(self, ledger: Ledger, plan_id: str, now: datetime) -> int:
        """File a batch if it is time; how many messages.

        Nobody's message waits for it: what goes wrong is logged, and tried again in an hour.
        """
        if not ledger.shared or (self._next is not None and now < self._next <= now + EVERY):
            return 0
        self._next = now + EVERY
        try:
            filed = ledger.months.file_away(plan_id, now)
            if not filed:
                ledger.months.drop_empty()
        except ReminderError as error:
            log.warning("old messages were not filed", extra={"error": str(error)})
            return 0
        if filed:
            log.info("old messages filed", extra={"deliveries": filed})
        if filed == BATCH:
            self._next = now
        return filed
