"""Whether what was owed in some months is done with, so that their messages may leave the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from reminder.recording.view import Row, View

SHOWN = 3
"""Periods that are named; the rest is counted."""


def still_owed(view: View, before: date) -> list[Row]:
    """What is owed still of periods that had begun before a day."""
    return [row for row in view.rows() if row.standing.owed and row.occurrence.opens < before]


def owed_text(rows: Sequence[Row]) -> str:
    """Which periods are open, in a few words; nobody is named."""
    periods = list(dict.fromkeys(row.occurrence.id for row in rows))
    more = f" 等 {len(periods)} 期" if len(periods) > SHOWN else ""
    return f"{'、'.join(periods[:SHOWN])}{more}（共 {len(rows)} 项未办结）"
