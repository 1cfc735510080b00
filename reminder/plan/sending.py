"""How a channel is to be used, whatever kind it is: quiet hours, pace, unknown outcomes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from reminder.plan.base import Model
from reminder.plan.fields import Integer, fault, one_of, shown

_SPAN = re.compile(r"(?P<start>\d{2}:\d{2})\s*(?:[-–—~～]|至)\s*(?P<end>\d{2}:\d{2})")
_ALLOWED = "写作 21:30-07:30（起止时刻，24 小时制，可以跨过午夜）；不设静默写 none"
NEVER = "none"
INTERNET, INTRANET = "internet", "intranet"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of every day in which nothing is sent, in the plan's time zone.

    From ``start`` up to, not including, ``end``; over midnight if ``end`` is
    earlier.  Equal ones are no hours at all: a channel that is never quiet.
    """

    start: time
    end: time

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}" if self.start != self.end else NEVER


def _quiet(value: object) -> Quiet:
    if isinstance(value, Quiet):
        return value
    if not isinstance(value, str):
        raise fault(f"此处是{shown(value)}", _ALLOWED)
    text = value.strip()
    if text == NEVER:
        return Quiet(time.min, time.min)
    match = _SPAN.fullmatch(text)
    if match is None:
        raise fault(f"{shown(text)}不是静默时段", _ALLOWED)
    try:
        start, end = time.fromisoformat(match["start"]), time.fromisoformat(match["end"])
    except ValueError:
        raise fault(f"{shown(text)}里有不存在的时刻", "时刻从 00:00 到 23:59") from None
    if start == end:
        raise fault(f"静默时段{shown(text)}的起止相同", _ALLOWED, "全天静默就再也发不出消息，请改起止时刻")
    return Quiet(start, end)


QuietHours = Annotated[
    Quiet,
    BeforeValidator(_quiet),
    WithJsonSchema({"type": "string", "pattern": r"^(none|\d{2}:\d{2}\s*([-–—~～]|至)\s*\d{2}:\d{2})$"}),
]


class Sending(Model):
    """What every channel may say about how it is used."""

    network: Annotated[str, one_of([INTERNET, INTRANET], "网络")] = INTERNET
    """What the messages travel over: of a private item only the least goes over the internet."""
    uncertain: Annotated[str, one_of(["resend", "hold"], "结果不明时的做法")] = "resend"
    """A message of which nobody knows whether it arrived: send it again, or let a person decide."""
    quiet: QuietHours | None = None
    """Hours in which this channel sends nothing; default: those of the plan."""
    per_minute: Integer | None = None
    """At most so many tries a minute, retries included; default: no limit of ours."""
    per_hour: Integer | None = None
    per_day: Integer | None = None
    """In any 24 hours."""

    @model_validator(mode="after")
    def _limits_leave_something(self) -> Sending:
        for name in ("per_minute", "per_hour", "per_day"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise fault(f"{name} 是 {value}，那就一条也发不出", f"{name} 至少为 1；不限就删去这一行")
        return self
