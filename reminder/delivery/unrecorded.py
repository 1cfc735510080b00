"""Outcomes that the ledger would not take: kept until it does."""

from __future__ import annotations

import threading

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import AttemptEnd


class Unrecorded:
    """What came of attempts while the ledger could not be written.  Safe to use from several threads.

    It stays small: while there is anything in it, nothing new is begun.  If the
    process dies first, the ledger finds those attempts interrupted, and they are
    uncertain like any other.
    """

    def __init__(self) -> None:
        self._ends: dict[str, AttemptEnd] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._ends)

    def keep(self, end: AttemptEnd) -> None:
        """Keep an outcome that could not be written."""
        with self._lock:
            self._ends[end.delivery] = end

    def deliveries(self) -> set[str]:
        """Whose outcomes are kept."""
        with self._lock:
            return set(self._ends)

    def write(self, ledger: Ledger, plan_id: str) -> int:
        """Write all of them; how many there were.

        Raises ``LedgerError`` while the ledger refuses, and keeps them.
        """
        with self._lock:
            ends = list(self._ends.values())
        if ends:
            ledger.spool.finish_many(plan_id, ends)
        with self._lock:
            for end in ends:
                if self._ends.get(end.delivery) is end:
                    del self._ends[end.delivery]
        return len(ends)
