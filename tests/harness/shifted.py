"""A machine and a database whose clocks show another day, and the statements that are asked of a ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import event

from reminder.clock import SystemClock
from reminder.ledger.agreement import Common
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind


class ShiftedClock(SystemClock):
    """Shows an instant when it is made, and goes on from there."""

    def __init__(self, start: datetime) -> None:
        self._offset = start - super().now()

    def now(self) -> datetime:
        return super().now() + self._offset


class ShiftedLedger(Ledger):
    """On a database whose clock shows the same as ``clock``; counts what is asked of it."""

    clock: ShiftedClock
    statements = 0

    def common(self, plan_id: str) -> Common:
        return replace(super().common(plan_id), at=self.clock.now())

    def _count(self, *_: Any) -> None:
        self.statements += 1


def shifted_ledger(address: str, clock: ShiftedClock) -> ShiftedLedger:
    """Open it; whoever has it closes it."""
    ledger = ShiftedLedger.open(address, kind=LedgerKind.DAEMON, now=clock.now(), create=False)
    ledger.clock = clock
    for engine in (ledger._storage._writer, ledger._storage._reader):  # type: ignore[attr-defined]
        event.listen(engine, "before_cursor_execute", ledger._count)
    return ledger
