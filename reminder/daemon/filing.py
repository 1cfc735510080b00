"""Old messages are filed by month on PostgreSQL: a few at a time, by whichever node comes by."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from reminder.errors import ReminderError
from reminder.ledger.filing import BATCH
from reminder.ledger.ledger import Ledger

log = logging.getLogger(__package__)

_EMPTY = ""
"""No plan's id: parts that are empty are of the whole ledger."""
EVERY = timedelta(hours=1)
"""Between looks for what has grown old; while there is more, a batch at every tick."""


class Filing:
    """When it is next looked for something to be filed, of each plan of a process.  Used by several threads."""

    def __init__(self) -> None:
        self._next: dict[str, datetime] = {}

    def _is_time(self, what: str, now: datetime) -> bool:
        upcoming = self._next.get(what)
        if upcoming is not None and now < upcoming <= now + EVERY:
            return False
        self._next[what] = now + EVERY
        return True

    def tend(self, ledger: Ledger, plan_id: str, now: datetime) -> int:
        """File a batch if it is time; how many messages.

        Nobody's message waits for it: what goes wrong is logged, and tried again in an hour.
        """
        if not ledger.shared or not self._is_time(plan_id, now):
            return 0
        try:
            filed = ledger.months.file_away(plan_id, now)
            if not filed and self._is_time(_EMPTY, now):
                ledger.months.drop_empty()
        except ReminderError as error:
            log.warning("old messages were not filed", extra={"error": str(error)})
            return 0
        if filed:
            log.info("old messages filed", extra={"deliveries": filed})
        if filed == BATCH:
            self._next[plan_id] = now
        return filed
