"""Quiet hours as instants: whether it is quiet now, and until when.  Pure."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from reminder.plan.sending import Quiet


def quiet_until(quiet: Quiet | None, now: datetime, zone: tzinfo) -> datetime | None:
    """The end of the quiet hours that ``now`` lies in, in UTC's order of instants; None outside of them.

    Each day's hours are two instants, made from the wall clock as RFC 5545
    §3.3.5 says: a time that a spring-forward leaves out counts with the offset
    before it, an ambiguous one is the first.  So there is no hour that is quiet
    twice, and none from which nothing ever returns.
    """
    if quiet is None or quiet.start == quiet.end:
        return None
    today = now.astimezone(zone).date()
    over_midnight = timedelta(days=1 if quiet.end < quiet.start else 0)
    for day in (today - timedelta(days=1), today):
        start = datetime.combine(day, quiet.start, tzinfo=zone).astimezone(now.tzinfo)
        end = datetime.combine(day + over_midnight, quiet.end, tzinfo=zone).astimezone(now.tzinfo)
        if start <= now < end:
            return end
    return None


def postponed_to(quiet: Quiet | None, zone: tzinfo, now: datetime, expires_at: datetime) -> datetime | None:
    """When a delivery that is due now goes out instead, because it is quiet; None: now.

    What would not be useful any more at the end of the quiet hours goes out at
    once: a reminder that never goes out is worse than one that wakes somebody.
    """
    end = quiet_until(quiet, now, zone)
    return end if end is not None and end < expires_at else None
