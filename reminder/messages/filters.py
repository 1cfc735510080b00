"""What templates may do with dates, lists and people's words.

Dates are shown as a Chinese office writes them: no spaces around numerals, no
leading zeros in days, and the year wherever it is not the reader's own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

_WEEKDAYS = "一二三四五六日"

# What starts markup in the WeCom robot's markdown, and the full-width sign that
# reads the same and starts none.  There is no escape sign in that subset, and
# since nothing is left to replace, doing it twice changes nothing.
_MARKDOWN_SIGNS = str.maketrans(
    {"<": "＜", ">": "＞", "[": "［", "]": "］", "*": "＊", "`": "｀", "#": "＃", "\\": "＼"}
)
_ENTITY = re.compile(r"&(?=#?\w+;)")


def date_cn(value: date, today: date | None = None) -> str:
    """``9月25日``; with the year if ``today`` is given and lies in another."""
    text = f"{value.month}月{value.day}日"
    return text if today is None or today.year == value.year else f"{value.year}年{text}"


def date_full(value: date) -> str:
    """``2026年9月25日``."""
    return f"{value.year}年{value.month}月{value.day}日"


def weekday_cn(value: date) -> str:
    """``星期五``."""
    return f"星期{_WEEKDAYS[value.weekday()]}"


def day_cn(value: date, today: date | None = None) -> str:
    """``9月25日（星期五）``; the year as in :func:`date_cn`."""
    return f"{date_cn(value, today)}（{weekday_cn(value)}）"


def range_cn(first: date, last: date, today: date | None = None) -> str:
    """``9月25日至27日``, ``9月30日至10月8日``, one day alone; years when they differ."""
    start = date_full(first) if first.year != last.year else date_cn(first, today)
    if first == last:
        return start
    if first.year != last.year:
        return f"{start}至{date_full(last)}"
    return f"{start}至{last.day}日" if first.month == last.month else f"{start}至{date_cn(last)}"


def time_cn(value: datetime | time) -> str:
    """``17:00``, in the zone the value carries."""
    return value.strftime("%H:%M")


def join_cn(values: Iterable[object], last: str = "和") -> str:
    """``甲``, ``甲和乙``, ``甲、乙和丙``; ``last`` stands before the last one."""
    texts = [str(value) for value in values]
    return last.join(["、".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else "".join(texts)


def md(value: object) -> str:
    """Words of a person, made harmless in WeCom markdown: no mention, link, heading or colour.

    Signs that would start markup become their full-width twins.  A bare address
    of a web page stays as it is: it says itself where it leads.
    """
    return _ENTITY.sub("＆", str(value).translate(_MARKDOWN_SIGNS))


def line(value: object) -> str:
    """On one line: every run of white space, line breaks included, is one space."""
    return _like(value, " ".join(str(value).split()))


def compact(value: str) -> str:
    """Without blank lines and indentation: rows written apart in a template, shown together."""
    return _like(value, "\n".join(text.strip() for text in str(value).splitlines() if text.strip()))


def flow(value: str) -> str:
    """Template text broken over several lines, joined as Chinese is: with nothing between."""
    return _like(value, re.sub(r"\s*\n\s*", "", str(value).strip()))


def shorten(value: object, length: int) -> str:
    """At most ``length`` characters; what is longer ends with ``…``."""
    text = str(value)
    return _like(value, text if len(text) <= length else text[: length - 1].rstrip("、，；：") + "…")


def sentence_end(value: object) -> str:
    """Without its final full stop or semicolon, so that the template may set its own."""
    return _like(value, str(value).rstrip().rstrip("。；;."))


def _like(value: object, text: str) -> str:
    """Marked safe if ``value`` was: what a macro made is not escaped a second time."""
    return Markup(text) if isinstance(value, Markup) else text  # noqa: S704 - as safe as it was


@pass_context
def variant(context: Context, *texts: str) -> str:
    """One of several wordings: the first, unless ``variants`` is on.

    Then the occurrence's id chooses (its SHA-256 modulo the number of texts), so
    that every form, receiver and retry of one occurrence reads the same.
    """
    if not texts:
        raise ValueError("variant() needs at least one text")
    if context.get("variants") is not True or not (occurrence := context.get("occurrence")):
        return texts[0]
    identity = str(context.environment.getattr(occurrence, "id"))
    return texts[int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") % len(texts)]


FILTERS: Mapping[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        date_cn,
        date_full,
        weekday_cn,
        day_cn,
        range_cn,
        time_cn,
        join_cn,
        md,
        line,
        compact,
        flow,
        shorten,
        sentence_end,
    )
}
