"""Words that several pages need and templates cannot make: how long until an instant."""

from __future__ import annotations

from datetime import datetime


def until_words(at: datetime, now: datetime) -> str:
    """How long it is until ``at``, as the page's script would say it; both aware."""
    minutes = int((at - now).total_seconds() // 60)
    if minutes <= 0:
        return "即将发出"
    days, hours = minutes // 1440, minutes % 1440 // 60
    if days:
        return f"还有 {days} 天 {hours} 小时"
    return f"还有 {hours} 小时 {minutes % 60} 分" if hours else f"还有 {minutes} 分"
