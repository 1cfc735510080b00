"""Whether an item's ``when:`` can happen within its plan."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from pydantic_core import PydanticCustomError

from reminder.errors import Problem, Severity
from reminder.plan.audience import TermKind, parse_term
from reminder.plan.fields import DueKind
from reminder.plan.ladders import SHORT_MONTH
from reminder.plan.model import ItemSpec, PlanHead
from reminder.plan.names import FESTIVAL, Names
from reminder.plan.place import Place
from reminder.plan.recurrence_rules import rule_fault, skipped_days
from reminder.plan.when import DatesWhen, DrawSpec, DrawWhen, EveryWhen, FestivalsWhen, RruleWhen, WindowWhen
from reminder.source import Loc

_LONGEST = {"month": SHORT_MONTH, "quarter": 30, "half-year": 30, "year": 31}
"""The last day that the last month of every such period has: 2, 6 and 12 set it."""


class TimingChecks:
    """The checks of all items against one plan; each recurrence rule is tried once."""

    def __init__(self, names: Names, head: PlanHead) -> None:
        self._names = names
        self._head = head
        self._rules: dict[str, tuple[str, str, str] | None] = {}

    def check(self, spec: ItemSpec, place: Place) -> Iterator[Problem]:
        """Every problem and warning of the item's ``when:``."""
        match spec.when:
            case FestivalsWhen():
                yield from self._festivals(spec.when, place)
            case DatesWhen():
                yield from self._dates(spec.when, place)
            case WindowWhen():
                for name, edge in (("opens", spec.when.window.opens), ("closes", spec.when.window.closes)):
                    if isinstance(edge, date):
                        yield from self._span(edge, place, ("when", "window", name))
            case RruleWhen():
                yield from self._rrule(spec.when.rrule, place)
            case EveryWhen() if spec.when.due.kind is DueKind.DAY:
                yield from _short_months(spec.when, place)
            case DrawWhen():
                yield from self._draw(spec.when.draw, spec, place)
            case _:
                return

    def _festivals(self, when: FestivalsWhen, place: Place) -> Iterator[Problem]:
        for index, festival in enumerate(when.festivals):
            loc: Loc = ("when", "festivals", index)
            yield from self._names.check(festival, (FESTIVAL,), place, loc)
            if festival in when.festivals[:index]:
                yield place.problem(loc, f"节日“{festival}”重复", "", "请删去其一")

    def _dates(self, when: DatesWhen, place: Place) -> Iterator[Problem]:
        if when.date is not None:
            yield from self._span(when.date, place, ("when", "date"))
        for index, day in enumerate(when.dates):
            yield from self._span(day, place, ("when", "dates", index))
        if not when.days:
            yield place.problem(("when", "dates"), "dates 是空的", "至少一个日期")

    def _draw(self, draw: DrawSpec, spec: ItemSpec, place: Place) -> Iterator[Problem]:
        if not 1 <= draw.times <= 20:
            yield place.problem(("when", "draw", "times"), f"times 是 {draw.times}", "每个周期 1–20 次")
        if draw.from_ is None:
            return
        if not spec.private:
            found = "抽取单位的事项没有写 private: true"
            yield place.problem(("when", "draw", "from"), found, "抽中的单位不得事先知情，须为非公开事项")
        loc: Loc = ("when", "draw", "from")
        try:
            term = parse_term(draw.from_)
        except PydanticCustomError as error:
            context = error.context or {}
            yield place.problem(loc, context["found"], "写作 unit:单位 或 group:分组", context["hint"])
            return
        if term.excluded or term.kind not in (TermKind.UNIT, TermKind.GROUP):
            yield place.problem(loc, f"“{draw.from_}”不是单位或分组", "写作 unit:单位 或 group:分组")
            return
        yield from self._names.check_audience((term,), place, loc, draw.from_)

    def _span(self, day: date, place: Place, loc: Loc) -> Iterator[Problem]:
        head = self._head
        if not head.from_ <= day <= head.until:
            found = f"{day} 不在计划的起止日期之内，不会提醒"
            yield place.problem(loc, found, f"计划为 {head.from_} 至 {head.until}", "", Severity.WARNING)

    def _rrule(self, rule: str, place: Place) -> Iterator[Problem]:
        if rule not in self._rules:
            self._rules[rule] = rule_fault(rule, self._head.from_)
        if fault := self._rules[rule]:
            yield place.problem(("when", "rrule"), *fault)
        elif days := skipped_days(rule):
            found = "有的月份没有 " + "、".join(map(str, days)) + " 日，该月不提醒"
            yield place.problem(("when", "rrule"), found, "", "月末请写 BYMONTHDAY=-1", Severity.WARNING)


def _short_months(when: EveryWhen, place: Place) -> Iterator[Problem]:
    if when.due.day > _LONGEST[when.every]:
        found = f"due: {when.due.day}，有的周期没有这一天，取当月最后一天"
        hint = "如指月末，请写 last-day 或 last-workday"
        yield place.problem(("when", "due"), found, "", hint, Severity.WARNING)
