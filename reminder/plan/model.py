"""What was promised: the plan, its ladders and its items.

The classes mirror the YAML one to one (``docs/plan.md`` is the reference); the
loader builds them, nothing else does.  They are frozen, compare by value and
hold no clock, no addresses and no resolved dates: a rule is kept, its date is
computed anew whenever the calendar changes.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from reminder.plan.audience import AudienceField
from reminder.plan.base import Model
from reminder.plan.fields import (
    Date,
    DayOffsets,
    DayOfPeriod,
    Days,
    Flag,
    FormerRung,
    Grace,
    Identifier,
    Integer,
    Line,
    LunarDay,
    Prose,
    SolarDay,
    TimeOfDay,
    WorkdayOffsets,
    Workdays,
    fault,
    one_of,
)
from reminder.plan.sending import QuietHours
from reminder.plan.via import Route, Via
from reminder.plan.when import When

DEFAULT_ALARM_TIME = time(9, 0)
"""When a rung names no time; one time for all, so that reminders of a day meet."""
DEFAULT_DAILY_CAP = 3
STATUTORY_FESTIVALS = ("元旦", "春节", "清明", "劳动节", "端午", "中秋", "国庆")


class Basis(enum.StrEnum):
    """Whether a timing is law or our suggestion."""

    STATED = "明"
    """The notice states it."""
    PROPOSED = "拟"
    """The notice leaves it open; the office may change it."""


class Anchor(enum.StrEnum):
    """What a rung counts from."""

    OPENS = "opens"
    MIDPOINT = "midpoint"
    DUE = "due"
    EVENT = "event"
    BREAK = "break"
    """Before counts from the break's first day, after from its last."""
    PERIOD_START = "period-start"
    PERIOD_END = "period-end"


class Office(Model):
    """Who signs the messages, and where answers go."""

    sign_off: Line
    contact: Line
    mailbox: Line
    phone: Line | None = None


class ExtraFestival(Model):
    """A festival beyond the seven statutory ones, by solar or lunar date."""

    name: Identifier
    date: SolarDay | None = None
    lunar: LunarDay | None = None

    @model_validator(mode="after")
    def _one_date(self) -> ExtraFestival:
        if (self.date is None) == (self.lunar is None):
            raise fault(
                f"节日“{self.name}”的日期不明确", "date（公历，如 03-08）与 lunar（农历，如 9/9）必写其一"
            )
        return self


class PlanHead(Model):
    """The ``plan:`` section: identity, span, office."""

    id: Identifier
    title: Line
    timezone: Line = "Asia/Shanghai"
    from_: Date = Field(alias="from")
    until: Date
    office: Office
    admins: AudienceField | None = None
    """Who is told of trouble; without it, only the log and ``doctor`` say so."""
    in_charge: AudienceField | None = None
    """The post in charge of private duties: sees names where all others see counts, and
    is where a pair's duty escalates to."""
    approvers: AudienceField | None = None
    """Who approves an escalation that concerns a leader."""
    daily_cap: Integer = DEFAULT_DAILY_CAP
    """Messages a person gets in a day at most; what is over it waits for the next working day."""
    via: Via = ()
    """Channels of items that name none."""
    quiet: QuietHours | None = None
    """Hours in which nothing is sent: what is due in them goes out at their end."""
    festivals: tuple[ExtraFestival, ...] = ()
    variants: Flag = False
    """Whether texts that have variants vary from one occurrence to the next."""

    @model_validator(mode="after")
    def _span(self) -> PlanHead:
        if self.until < self.from_:
            raise fault(f"until（{self.until}）早于 from（{self.from_}）", "until 不早于 from")
        return self


class Repeat(Model):
    """A rung that comes again until the duty is done."""

    every_workdays: Integer | None = None
    every_days: Integer | None = None
    at_most: Integer

    @model_validator(mode="after")
    def _one_step(self) -> Repeat:
        if (self.every_workdays is None) == (self.every_days is None):
            raise fault("重复的间隔不明确", "every_workdays 与 every_days 必写其一")
        step = self.every_workdays if self.every_workdays is not None else self.every_days
        if step is None or step < 1 or not 1 <= self.at_most <= 60:
            raise fault("重复的间隔或次数超出范围", "间隔至少为 1，at_most 为 1–60")
        return self


class RungSpec(Model):
    """One entry of a ladder or of ``remind:``; a list of offsets is several rungs."""

    id: Identifier | None = None
    was: tuple[FormerRung, ...] = ()
    from_: Annotated[str, one_of([each.value for each in Anchor], "起算点")] | None = Field(
        None, alias="from"
    )
    workdays: WorkdayOffsets | None = None
    days: DayOffsets | None = None
    on_day: DayOfPeriod | None = None
    at: TimeOfDay | None = None
    to: AudienceField
    via: Via = ()
    template: Identifier | None = None
    repeat: Repeat | None = None
    if_: Annotated[str, one_of(["open", "not-booked"], "条件")] | None = Field(None, alias="if")

    @model_validator(mode="after")
    def _one_offset(self) -> RungSpec:
        given = [
            n for n, v in (("workdays", self.workdays), ("days", self.days), ("on_day", self.on_day)) if v
        ]
        if self.workdays is not None and self.workdays == ():
            given.append("workdays")
        if len(given) != 1:
            found = "没有写日子" if not given else "同时写了 " + "、".join(given)
            raise fault(found, "workdays（工作日）、days（自然日）、on_day（当月某日）必写其一，且只写其一")
        if self.on_day is None and self.from_ is None:
            raise fault("没有写起算点 from", "可用：" + "、".join(each.value for each in Anchor))
        return self


MISSING_LIST = "missing-list"
"""The template that lists who still owes."""
NEXT_PERIOD = "next-period"
"""``on_rotation``: who comes within a period owes nothing for it."""
DEFAULT_GRACE_WORKDAYS = 20


class Duty(Model):
    """What each obligor owes for an occurrence."""

    each: Annotated[str, one_of(["unit", "person", "pair"], "承担方式")]
    of: Literal["supervision"] | AudienceField
    """For pairs ``supervision``: each leader × each section head they supervise."""
    by: Annotated[str, one_of(["contact", "head"], "办理人")] = "contact"
    """Who of a unit is reminded: its contact (联络员) or its head."""
    escalate_to: AudienceField | None = None
    """In place of those who supervise the unit; of a pair, in place of the plan's ``in_charge``."""
    on_rotation: Grace = DEFAULT_GRACE_WORKDAYS
    """Working days that who comes within a period has at least; or ``next-period``."""
    gate: Flag = False
    """The deed must lie on or before the due date; a later one cannot be recorded as done."""

    @model_validator(mode="after")
    def _pairs_are_supervision(self) -> Duty:
        if (self.each == "pair") != (self.of == "supervision"):
            raise fault("承担方式与对象不相配", "each: pair 只与 of: supervision 同用")
        return self


class Approval(Model):
    """A second person reads the message before it goes out."""

    by: AudienceField
    from_: Annotated[str, one_of([each.value for each in Anchor], "起算点")] = Field(alias="from")
    workdays: Workdays | None = None
    days: Days | None = None
    at: TimeOfDay = DEFAULT_ALARM_TIME
    rungs: tuple[Identifier, ...] = ()
    """Whose messages are read first; none named: those of every rung."""


class Responsible(Model):
    """责任领导 and 责任单位, as the notice names them."""

    leaders: tuple[Line, ...] = ()
    """Posts of the directory."""
    units: tuple[Line, ...] = ()
    """Units or groups of the directory."""


class ItemSpec(Model):
    """One activity of the notice, as it stands in the YAML."""

    id: Identifier
    was: tuple[Identifier, ...] = ()
    clause: Line
    basis: Annotated[str, one_of([each.value for each in Basis], "依据")]
    title: Line
    brief: Prose | None = None
    """What to do, in a sentence or two; shown in messages."""
    done_when: Prose | None = None
    """What counts as done; shown in messages."""
    responsible: Responsible = Responsible()
    private: Flag = False
    """Only persons concerned are told: no group channel, no shared digest."""
    alone: Flag = False
    """Never merged with other messages."""
    when: When
    duty: Duty | None = None
    approval: Approval | None = None
    via: Via = ()
    ladder: Identifier | None = None
    remind: tuple[RungSpec, ...] = ()
    template: Identifier | None = None
    collect_with: Identifier | None = None
    """Reported together with another item, whose messages then name this one."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One alarm of a ladder, resolved: what ``remind:`` and ``ladder:`` come to.

    ``id`` is identity together with the occurrence; time of day, receivers and
    template are not.  Exactly one of ``workdays``, ``days``, ``on_day`` is set.
    """

    id: str
    was: tuple[str, ...]
    anchor: Anchor | None
    workdays: int | None
    days: int | None
    on_day: Any  # OnDay | None; a plain annotation keeps slots and pydantic apart
    at: time
    to: AudienceField
    via: tuple[Route, ...]
    template: str
    repeat: Repeat | None = None
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """An item with its ladder resolved and its defaults filled in."""

    spec: ItemSpec
    rungs: tuple[Rung, ...]
    collects: tuple[str, ...] = ()
    """Titles of the items that are reported together with this one."""

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def ids(self) -> tuple[str, ...]:
        """The id in force first, then the former ones the ledger may hold."""
        return (self.spec.id, *self.spec.was)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file the plan came from: its name and the SHA-256 of its bytes."""

    name: str
    sha256: str
    complete_mark: bool
    """Whether it ended with the line ``...``."""


@dataclass(frozen=True)
class Plan:
    """Everything of one ``schedules/`` folder, proven whole and consistent."""

    head: PlanHead
    items: tuple[Item, ...]
    directory: Any  # reminder.plan.directory.Directory
    channels: Mapping[str, Any]  # reminder.plan.channels.ChannelConfig by id
    files: tuple[SourceFile, ...] = ()
    positions: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Where each item stands (by id), for checks that need more than the plan."""
    ca_positions: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Where the ``ca_file`` of each channel that has one stands (by the channel's id)."""

    @property
    def id(self) -> str:
        return self.head.id

    @property
    def digest(self) -> str:
        """SHA-256 over the names and contents of all files."""
        import hashlib

        text = "\n".join(f"{each.sha256} {each.name}" for each in sorted(self.files, key=lambda f: f.name))
        return hashlib.sha256(text.encode()).hexdigest()

    def item(self, item_id: str) -> Item | None:
        """The item of this id, or of this former id."""
        return self._by_id.get(item_id)

    @cached_property
    def _by_id(self) -> Mapping[str, Item]:
        """Items by every id they ever had; of two that had the same, the first."""
        return {each: item for item in reversed(self.items) for each in item.ids}
