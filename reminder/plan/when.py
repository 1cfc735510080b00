"""Kinds of when: festivals, periods, windows, days, rules, events, draws (``when:`` of an item)."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from reminder.plan.base import Model
from reminder.plan.fields import (
    Date,
    Due,
    DueKind,
    DueRule,
    Identifier,
    Integer,
    Line,
    LunarDay,
    TimeOfDay,
    WindowDay,
    Workdays,
    did_you_mean,
    fault,
    one_of,
    shown,
)

DEFAULT_DUE_TIME = time(17, 0)
CalendarDay = date
"""The same type under a name that the field ``date:`` does not hide."""


class FestivalsWhen(Model):
    """Once at each named festival of each year; breaks that touch are one break."""

    festivals: tuple[Identifier, ...] = Field(min_length=1)
    at: TimeOfDay = DEFAULT_DUE_TIME


class EveryWhen(Model):
    """Once in each period of the plan."""

    every: Annotated[str, one_of(["month", "quarter", "half-year", "year"], "周期")]
    due: Due = DueRule(DueKind.LAST_WORKDAY)
    at: TimeOfDay = DEFAULT_DUE_TIME

    @model_validator(mode="after")
    def _month_day_needs_year(self) -> EveryWhen:
        if self.due.kind is DueKind.MONTH_DAY and self.every != "year":
            raise fault(f"截止 {self.due} 是一年中的一天，而周期是 {self.every}", "月日只用于 every: year")
        return self


class Window(Model):
    """From one day to another: each year (``06-15``) or once (``2026-06-15``)."""

    opens: WindowDay
    closes: WindowDay

    @model_validator(mode="after")
    def _ordered(self) -> Window:
        if isinstance(self.opens, date) != isinstance(self.closes, date):
            raise fault("opens 与 closes 写法不一", "都写 06-15（每年），或都写 2026-06-15（仅当年）")
        if isinstance(self.opens, date) and isinstance(self.closes, date) and self.closes < self.opens:
            raise fault(f"closes（{self.closes}）早于 opens（{self.opens}）", "closes 不早于 opens")
        return self


class WindowWhen(Model):
    """Once in each window.  A yearly window may reach over the new year."""

    window: Window
    at: TimeOfDay = DEFAULT_DUE_TIME


class DatesWhen(Model):
    """On the days given."""

    date: Date | None = None
    dates: tuple[Date, ...] = ()
    at: TimeOfDay = DEFAULT_DUE_TIME

    @property
    def days(self) -> tuple[CalendarDay, ...]:
        """Every day, in order, each once."""
        return tuple(sorted({*self.dates, *([self.date] if self.date else [])}))


class LunarWhen(Model):
    """Once in each lunar year, on a day of an ordinary (not leap) month."""

    lunar: LunarDay
    at: TimeOfDay = DEFAULT_DUE_TIME


class RruleWhen(Model):
    """By a recurrence rule of RFC 5545 §3.3.10, counted from the plan's first day."""

    rrule: Line
    at: TimeOfDay = DEFAULT_DUE_TIME


class EventWhen(Model):
    """Whenever an event of this name is registered."""

    event: Identifier
    due_workdays: Workdays | None = None
    """Working days from the event to the due date; none: the event's own day."""
    at: TimeOfDay = DEFAULT_DUE_TIME


class DrawSpec(Model):
    """A random working day in each period, for some of a set of units."""

    per: Annotated[str, one_of(["month", "quarter", "half-year", "year"], "周期")]
    times: Integer = 1
    from_: Line | None = Field(None, alias="from")


class DrawWhen(Model):
    """On a day drawn by lot."""

    draw: DrawSpec
    at: TimeOfDay = DEFAULT_DUE_TIME


WHEN_KINDS = ["festivals", "every", "window", "date", "dates", "lunar", "rrule", "event", "draw"]


def _when_kind(value: Any) -> str | None:
    if isinstance(value, dict):
        found = [kind for kind in WHEN_KINDS if kind in value]
        return f"<{'dates' if found[0] == 'date' else found[0]}>"
    return f"<{_WHEN_OF_CLASS[type(value)]}>"


def _one_kind(value: Any) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, Model):
            return value
        raise fault(f"此处是{shown(value)}", "when 下写一种周期：" + "、".join(WHEN_KINDS))
    found = [kind for kind in WHEN_KINDS if kind in value]
    if len(found) == 1 or found == ["date", "dates"]:
        return value
    if not found:
        near = next((hint for key in value if (hint := did_you_mean(str(key), WHEN_KINDS))), "")
        raise fault("没有写是哪一种周期", "可用：" + "、".join(WHEN_KINDS), near)
    raise fault("同时写了 " + "、".join(found), "只能写一种周期")


When = Annotated[
    Annotated[FestivalsWhen, Tag("<festivals>")]
    | Annotated[EveryWhen, Tag("<every>")]
    | Annotated[WindowWhen, Tag("<window>")]
    | Annotated[DatesWhen, Tag("<dates>")]
    | Annotated[LunarWhen, Tag("<lunar>")]
    | Annotated[RruleWhen, Tag("<rrule>")]
    | Annotated[EventWhen, Tag("<event>")]
    | Annotated[DrawWhen, Tag("<draw>")],
    Discriminator(_when_kind),
    BeforeValidator(_one_kind),
]
"""Tags in angle brackets appear in pydantic's error paths and never in YAML."""


_WHEN_OF_CLASS: dict[type, str] = {
    FestivalsWhen: "festivals",
    EveryWhen: "every",
    WindowWhen: "window",
    DatesWhen: "dates",
    LunarWhen: "lunar",
    RruleWhen: "rrule",
    EventWhen: "event",
    DrawWhen: "draw",
}
