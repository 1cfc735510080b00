"""Whether an RFC 5545 rule is one that a plan can live by.

python-dateutil accepts more than a daily agenda can use, does not ask whether a
value is in its range (a ninth Tuesday of a month is an ``IndexError`` when it is
walked, or another day), and some rules send it into an endless search
(``INTERVAL=0``; a 30th of February looked for day by day until the year 9999).  So
every value is read and the rule is tried here, within bounds, before anything
else walks it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from datetime import date, datetime, time

from dateutil.rrule import rrule, rrulestr

from reminder.plan.fields import did_you_mean

FREQUENCIES = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
PARTS = [
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "BYMONTH",
    "BYMONTHDAY",
    "BYDAY",
    "BYSETPOS",
    "BYYEARDAY",
    "BYWEEKNO",
    "WKST",
]
_NUMBERS = {"BYMONTH": 12, "BYMONTHDAY": 31, "BYYEARDAY": 366, "BYWEEKNO": 53, "BYSETPOS": 366}
"""The greatest value of each; but for months they may be counted from the end."""
_NOT_WITH = {
    "BYWEEKNO": ("DAILY", "WEEKLY", "MONTHLY"),
    "BYYEARDAY": ("DAILY", "WEEKLY", "MONTHLY"),
    "BYMONTHDAY": ("WEEKLY",),
}
"""What RFC 5545 forbids, and python-dateutil looks for week by week until the year 9999."""
_DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


def rule_fault(text: str, start: date) -> tuple[str, str, str] | None:
    """What is wrong with a rule counted from ``start``: found, allowed, hint; None if it may stand."""
    parts, fault = _parts(text)
    if fault is not None:
        return fault
    frequency = parts.get("FREQ", "")
    if frequency not in FREQUENCIES:
        found = f"FREQ 是“{frequency}”" if frequency else "规则没有 FREQ"
        return found, "FREQ 可用：" + "、".join(FREQUENCIES), did_you_mean(frequency, FREQUENCIES)
    for name in ("INTERVAL", "COUNT"):
        if name in parts and not re.fullmatch(r"[1-9]\d{0,3}", parts[name]):
            return f"{name} 是“{parts[name]}”", f"{name} 应为 1–9999 的整数", ""
    if "UNTIL" in parts and not re.fullmatch(r"\d{8}", parts["UNTIL"]):
        return f"UNTIL 是“{parts['UNTIL'][:20]}”", "UNTIL 只写日期，如 20261231", ""
    if "COUNT" in parts and "UNTIL" in parts:
        return "COUNT 与 UNTIL 同时写了", "RFC 5545 只许写其一：多少次，或到哪一天为止", ""
    return _value_fault(parts) or _try(text, start)


def _value_fault(parts: Mapping[str, str]) -> tuple[str, str, str] | None:
    """The first value that RFC 5545 (section 3.3.10) does not know."""
    for name, frequencies in _NOT_WITH.items():
        if name in parts and parts["FREQ"] in frequencies:
            fitting = "、".join(each for each in FREQUENCIES if each not in frequencies)
            return f"{name} 与 FREQ={parts['FREQ']} 连用", f"{name} 只用于 FREQ={fitting}", ""
    for name, most in _NUMBERS.items():
        signed = name != "BYMONTH"
        for value in _values(parts, name):
            if not _is_number(value, most, signed=signed):
                allowed = f"{name} 应为 1 至 {most}" + (f" 或 -{most} 至 -1" if signed else "") + " 的整数"
                return f"{name} 里有“{value[:20]}”", f"{allowed}，以英文逗号分隔", ""
    if (first := parts.get("WKST", "MO")) not in _DAYS:
        return f"WKST 是“{first[:20]}”", "WKST 可用：" + "、".join(_DAYS), did_you_mean(first, _DAYS)
    for value in _values(parts, "BYDAY"):
        number, day = value[:-2], value[-2:]
        if day not in _DAYS:
            allowed = "BYDAY 可用：" + "、".join(_DAYS) + "，前面可写第几个，如 2TU、-1FR"
            return f"BYDAY 里有“{value[:20]}”", allowed, did_you_mean(value, _DAYS)
        if number and (fault := _ordinal_fault(parts, value, number)):
            return fault
    return None


def _ordinal_fault(parts: Mapping[str, str], value: str, number: str) -> tuple[str, str, str] | None:
    """The second Tuesday is one of a month or of a year, and no month has a sixth."""
    if parts["FREQ"] not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in parts:
        found = f"BYDAY 里有“{value[:20]}”，是第几个星期几"
        return found, "第几个只用于 FREQ=MONTHLY 或 YEARLY，且没有 BYWEEKNO", "请只写星期几"
    most = 5 if parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts else 53
    if _is_number(number, most, signed=True):
        return None
    return f"BYDAY 里有“{value[:20]}”", f"第几个应为 1 至 {most}，或从末尾数起的 -{most} 至 -1", ""


def _values(parts: Mapping[str, str], name: str) -> list[str]:
    return parts[name].split(",") if name in parts else []


def _is_number(text: str, most: int, *, signed: bool) -> bool:
    pattern = r"[+-]?[0-9]{1,3}" if signed else r"[0-9]{1,3}"
    return re.fullmatch(pattern, text) is not None and 1 <= abs(int(text)) <= most


def _parts(text: str) -> tuple[dict[str, str], tuple[str, str, str] | None]:
    allowed = "写作 FREQ=MONTHLY;BYDAY=2TU，各部分用英文分号分隔，可用：" + "、".join(PARTS)
    if re.search(r"[；＝，：]", text):
        return {}, ("规则里有全角符号", allowed, "请改为英文分号、等号和逗号")
    parts: dict[str, str] = {}
    for piece in text.upper().removeprefix("RRULE:").split(";"):
        name, equals, value = (each.strip() for each in piece.partition("="))
        if not equals or not value:
            return {}, (f"规则中的“{piece[:40]}”不完整", allowed, "")
        if name in ("BYHOUR", "BYMINUTE", "BYSECOND"):
            return {}, (f"规则里有 {name}", "规则只定日子", "时刻请写在 at")
        if name.startswith("DTSTART"):
            return {}, ("规则里有 DTSTART", "规则从计划的首日（plan.from）起算", "请删去 DTSTART")
        if name not in PARTS:
            return {}, (f"规则里有“{name[:40]}”", allowed, did_you_mean(name, PARTS))
        if name in parts:
            return {}, (f"规则里 {name} 写了两次", allowed, "")
        parts[name] = value
    return parts, None


def _try(text: str, start: date) -> tuple[str, str, str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # COUNT beside UNTIL: whichever comes first
            rule = rrulestr(text, dtstart=datetime.combine(start, time.min))
            if not isinstance(rule, rrule):
                return "规则不是单独一条 RRULE", "只写一条规则", ""
            lasting = rule.replace(dtstart=_late_twin(start), count=None, until=None)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError):
        return f"规则“{text[:60]}”不成立", "写作 FREQ=MONTHLY;BYDAY=2TU（RFC 5545）", "请检查各部分的值"
    try:
        first = next(iter(lasting), None)
    except (ValueError, OverflowError):  # it ran into the end of the calendar
        first = None
    if first is None:
        return f"规则“{text[:60]}”没有任何一天", "", "请检查 INTERVAL、BYMONTH、BYMONTHDAY、BYDAY 是否相配"
    return None


def _late_twin(start: date) -> datetime:
    """The same day of the last year that has the same weekdays and leap years ahead of it.

    A rule that never happens is searched for until the year 9999.  Begun there,
    the search ends at once, with the same answer: the calendar repeats itself
    every 28 years within a century.
    """
    weekday = date(start.year, 1, 1).weekday()
    year = next(
        year
        for year in range(9991, 9963, -1)
        if year % 4 == start.year % 4 and date(year, 1, 1).weekday() == weekday
    )
    return datetime(year, start.month, start.day)  # noqa: DTZ001 - dateutil's rules are local time


def skipped_days(text: str) -> list[int]:
    """Days of the month in the rule that some of its months do not have (RFC 5545 skips those)."""
    parts, _ = _parts(text)
    days = [int(each) for each in re.findall(r"(?<![-\d])\d+", parts.get("BYMONTHDAY", ""))]
    months = [int(each) for each in re.findall(r"\d+", parts.get("BYMONTH", ""))] or list(range(1, 13))
    lengths = {2: 28, 4: 30, 6: 30, 9: 30, 11: 30}
    return [day for day in days if any(lengths.get(month, 31) < day for month in months)]
