"""What a program with bare recurrence rules would compute for the same items.

One rule for each item and rung, over the same year: seven for a ladder with one
rung that comes three times.  What no rule can say (a festival, a lunar day, a
single date) is a list of days, which costs a rule nothing to find.  Working
days are the rule's Mondays to Fridays: rules know no festivals, which makes
their work less than the agenda's and the number of days the same to one in 200.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dateutil.rrule import FR, MO, MONTHLY, TH, TU, WE, WEEKLY, YEARLY, rrule, rruleset

END = datetime(2026, 12, 31, 23, 59)
WORKING = (MO, TU, WE, TH, FR)
BEFORE, AFTER = (-11, -6, -2, -1), (3, 5, 7)
"""The n-th working day of a month: 10, 5, 1 and 0 before its last, and 3, 5 and 7 of the next."""

Rule = dict[str, Any]
"""What ``rrule`` is called with; or ``days``, which no rule can say."""


def _on(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 9)


def _from_last_workday(months: int) -> list[Rule]:
    """Of periods of so many months: the ladder before their last working day, and after it."""
    common = {"freq": MONTHLY, "interval": months, "until": END, "byweekday": WORKING}
    before = [{**common, "dtstart": _on(months, 1), "bysetpos": number} for number in BEFORE]
    return before + [{**common, "dtstart": _on(months + 1, 1), "bysetpos": number} for number in AFTER]


def _around(freq: int, interval: int) -> list[Rule]:
    """The same ladder around the tenth of June: its days counted once, by hand."""
    days = (_on(5, 27), _on(6, 3), _on(6, 9), _on(6, 10), _on(6, 15), _on(6, 17), _on(6, 19))
    return [{"freq": freq, "interval": interval, "until": END, "dtstart": day} for day in days]


def _days(*days: datetime) -> list[Rule]:
    """Two rungs on days that are known beforehand."""
    return [{"days": days}] * 2


WEEKLY_RULE: Rule = {"freq": WEEKLY, "until": END, "dtstart": _on(1, 1), "byweekday": MO}
OF_KINDS: tuple[Sequence[Rule], ...] = (
    _from_last_workday(1),
    _from_last_workday(3),
    _around(MONTHLY, 6),
    _around(YEARLY, 1),
    _days(_on(2, 14), _on(6, 18), _on(9, 24), _on(9, 30)),
    _days(_on(6, 10)),
    [WEEKLY_RULE] * 2,
    _days(_on(10, 18)),
)
"""The rules of each kind of ``benchmarks.agenda.KINDS``, in the same order."""


def rules(items: int) -> list[Rule]:
    """Those of so many items, the kinds in turn."""
    return [rule for number in range(items) for rule in OF_KINDS[number % len(OF_KINDS)]]


def days_of(rule: Rule) -> list[datetime]:
    """What bare ``dateutil`` makes of one rule."""
    if "days" not in rule:
        return list(rrule(**rule))
    found = rruleset()
    for day in rule["days"]:
        found.rdate(day)
    return list(found)


def event(rule: Rule, number: int) -> str:
    """The rule as an event of iCalendar, in floating time."""
    lines = ["BEGIN:VEVENT", f"UID:{number}@example.com", "DTSTAMP:20260101T000000Z", "SUMMARY:提醒"]
    if "days" in rule:
        first, *more = (f"{day:%Y%m%dT%H%M%S}" for day in rule["days"])
        lines += [f"DTSTART:{first}", *([f"RDATE:{','.join(more)}"] if more else [])]
    else:
        start = rrule(**rule)[0]  # iCalendar counts DTSTART as the first, whether the rule gives it or not
        lines += str(rrule(**{**rule, "dtstart": start})).splitlines()
    return "\r\n".join([*lines, "DURATION:PT1M", "END:VEVENT", ""])


def calendar(items: int) -> str:
    """The rules of so many items as one calendar."""
    events = "".join(event(rule, number) for number, rule in enumerate(rules(items)))
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example.com//benchmark\r\n{events}END:VCALENDAR\r\n"
