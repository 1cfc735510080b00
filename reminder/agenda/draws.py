"""Lots: which days and units a seed chooses.  Pure.

Unpredictable before the seed is known, the same for everybody afterwards: each
choice is HMAC-SHA256 of what is chosen, under the seed, modulo the number of
candidates left (RFC 2104; the bias of 256 bits over a few dozen is nothing).
The seed's SHA-256 stands in the ledger before the period opens.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from reminder.agenda.facts import Draw
from reminder.calendars.periods import Period
from reminder.calendars.workdays import WorkCalendar
from reminder.plan.directory import Directory
from reminder.plan.model import DrawSpec


@dataclass(frozen=True, slots=True)
class Lot:
    """The ``number``-th (from 1) choice of a period; ``unit`` is empty when no units were asked for."""

    number: int
    day: date
    unit: str = ""


def commitment_of(seed: bytes) -> str:
    """What is recorded of a seed before anybody may know it."""
    return hashlib.sha256(seed).hexdigest()


def candidate_days(period: Period, draw: Draw, calendar: WorkCalendar) -> tuple[date, ...]:
    """The working days of a period that can be drawn: all after the seed was committed to."""
    first = max(period.first, draw.committed_on + timedelta(days=1))
    days = (date.fromordinal(number) for number in range(first.toordinal(), period.last.toordinal() + 1))
    return tuple(day for day in days if calendar.is_workday(day))


def candidate_units(spec: DrawSpec, directory: Directory, on: date) -> tuple[str, ...]:
    """The units that can be drawn, in roster order, as the directory stands on the period's first day."""
    if spec.from_ is None:
        return ()
    name = spec.from_.partition(":")[2] or spec.from_
    return tuple(unit.id for unit in directory.units_of(name, on))


def lots(
    seed: bytes, item: str, period: str, times: int, days: Sequence[date], units: Sequence[str]
) -> tuple[Lot, ...]:
    """The choices, in order of day; no day and no unit twice while there are others."""
    left_days, left_units = list(days), list(units)
    chosen: list[tuple[date, str]] = []
    for number in range(1, times + 1):
        if not left_days:
            break
        day = left_days.pop(_choice(seed, f"{item}/{period}/{number}/day", len(left_days)))
        unit = ""
        if units:
            left_units = left_units or list(units)
            unit = left_units.pop(_choice(seed, f"{item}/{period}/{number}/unit", len(left_units)))
        chosen.append((day, unit))
    return tuple(Lot(number, day, unit) for number, (day, unit) in enumerate(sorted(chosen), start=1))


def _choice(seed: bytes, label: str, among: int) -> int:
    digest = hmac.new(seed, label.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest, "big") % among
