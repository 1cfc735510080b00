"""Ladders: what ``ladder:`` and ``remind:`` of an item come to, rung by rung."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reminder.errors import Problem, Severity
from reminder.plan.fields import DueKind, OnDay
from reminder.plan.model import DEFAULT_ALARM_TIME, Anchor, ItemSpec, Rung, RungSpec
from reminder.plan.place import Place
from reminder.plan.sections import Entry
from reminder.plan.via import Route
from reminder.plan.when import DrawWhen, EventWhen, EveryWhen, FestivalsWhen, WindowWhen

DEFAULT_TEMPLATE = "general"
SHORT_MONTH = 28
"""The last day that every month has."""


@dataclass(slots=True)
class LadderBook:
    """The plan's named ladders, resolved once for all items that share them.

    Rungs depend on an item only through its channels and its template, so ten
    thousand items on three ladders hold a handful of rungs.
    """

    ladders: Mapping[str, Sequence[Entry[RungSpec]]]
    default_via: tuple[Route, ...]
    _made: dict[object, tuple[Rung, ...]] = field(default_factory=dict)
    """Rungs by what they are made of: items that are reminded alike have the same ones."""

    def rungs_of(self, spec: ItemSpec) -> tuple[Rung, ...]:
        """The ladder's rungs, then the item's own."""
        via, template = spec.via or self.default_via, spec.template or DEFAULT_TEMPLATE
        key = (spec.ladder, spec.remind, via, template)
        rungs = self._made.get(key)
        if rungs is None:
            entries = self.ladders.get(spec.ladder, ()) if spec.ladder is not None else ()
            written = (*(entry.value for entry in entries), *spec.remind)
            rungs = tuple(rung for each in written for rung in rungs_from(each, via, template))
            self._made[key] = rungs
        return rungs


def rungs_from(spec: RungSpec, via: tuple[Route, ...], template: str) -> Iterator[Rung]:
    """The rungs of one entry: one for each offset.

    A rung's id is the explicit one (with the offset behind it, if there are
    several) or made of anchor and offset: ``due-3wd``, ``due+0wd``,
    ``opens-2d``, ``day-15``.
    """
    anchor = Anchor(spec.from_) if spec.from_ is not None else None
    for workdays, days, suffix in _offsets(spec):
        several = suffix and len(spec.workdays or spec.days or ()) > 1
        if spec.id is not None:
            rung_id = spec.id + suffix if several else spec.id
        else:
            rung_id = f"{anchor}{suffix}" if suffix else str(spec.on_day)
        yield Rung(
            id=rung_id,
            was=tuple(each + suffix if several else each for each in spec.was),
            anchor=anchor,
            workdays=workdays,
            days=days,
            on_day=spec.on_day,
            at=spec.at or DEFAULT_ALARM_TIME,
            to=spec.to,
            via=spec.via or via,
            template=spec.template or template,
            repeat=spec.repeat,
            condition=spec.if_,
        )


def _offsets(spec: RungSpec) -> Iterator[tuple[int | None, int | None, str]]:
    """Working days, calendar days, and how the offset is written in an id."""
    if spec.on_day is not None:
        yield None, None, ""
    for offset in spec.workdays or ():
        yield offset, None, f"{offset:+d}wd"
    for offset in spec.days or ():
        yield None, offset, f"{offset:+d}d"


def check_rungs(entry: Entry[ItemSpec], book: LadderBook, rungs: Sequence[Rung]) -> Iterator[Problem]:
    """Rungs that cannot be told apart, or that count from what the item does not have."""
    spec, place = entry.value, entry.place
    yield from _check_ids(spec, place, rungs)
    if spec.ladder is not None:
        for shared in book.ladders.get(spec.ladder, ()):
            yield from _check_fit(spec, place, ("ladder",), shared.value, f"阶梯“{spec.ladder}”有一档：")
    for index, own in enumerate(spec.remind):
        yield from _check_fit(spec, place, ("remind", index), own, "")


def _check_ids(spec: ItemSpec, place: Place, rungs: Sequence[Rung]) -> Iterator[Problem]:
    if len({name for rung in rungs for name in (rung.id, *rung.was)}) == sum(
        1 + len(rung.was) for rung in rungs
    ):
        return
    seen: set[str] = set()
    where: tuple[str, ...] = ("remind",) if spec.remind else ("ladder",)
    for name in (rung.id for rung in rungs):
        if name in seen:
            found = f"有两档提醒的编号都是“{name}”"
            yield place.problem(where, found, "同一事项各档的编号不能相同", "请删去一档，或给其中一档写 id")
        seen.add(name)
    for name in (former for rung in rungs for former in rung.was):
        if name in seen:
            yield place.problem(where, f"was 里的“{name}”与另一档提醒的编号相同", "", "请删去 was，或改编号")
        seen.add(name)


def _check_fit(
    spec: ItemSpec, place: Place, loc: tuple[str | int, ...], rung: RungSpec, lead: str
) -> Iterator[Problem]:
    own = not lead
    if rung.from_ is not None and (fault := anchor_fault(rung.from_, spec)):
        found, allowed = fault
        yield place.problem((*loc, "from") if own else loc, lead + found, allowed)
    if isinstance(spec.when, DrawWhen) and any(
        each < 0 for each in (*(rung.workdays or ()), *(rung.days or ()))
    ):
        found = f"{lead}在抽中之日以前提醒"
        yield place.problem(loc, found, "抽取的事项只在抽中当日（0）及以后提醒，此前谁也不得知情")
    if rung.on_day is None:
        return
    if not isinstance(spec.when, EveryWhen | WindowWhen):
        found = f"{lead}on_day: {_day_text(rung.on_day)}，而本项没有周期"
        allowed = "on_day 只用于 every 和 window；其他事项用 workdays 或 days"
        yield place.problem((*loc, "on_day") if own else loc, found, allowed)
    elif rung.on_day.kind is DueKind.DAY and rung.on_day.day > SHORT_MONTH:
        found = f"{lead}on_day: {rung.on_day.day}，有的月份没有这一天"
        allowed = "没有的月份取当月最后一天"
        yield place.problem((*loc, "on_day") if own else loc, found, allowed, "", Severity.WARNING)


def _day_text(day: OnDay) -> str:
    return str(day.day) if day.kind is DueKind.DAY else day.kind.value


def anchor_fault(anchor: str, spec: ItemSpec) -> tuple[str, str] | None:
    """What is wrong with counting from ``anchor`` in this item, and what may be used."""
    if anchor == Anchor.BREAK and not isinstance(spec.when, FestivalsWhen):
        return "从 break（放假）起算，而本项不是节日事项", "break 只用于 when: festivals；可用 due、opens"
    if isinstance(spec.when, DrawWhen) and anchor not in (Anchor.DUE, Anchor.OPENS):
        return f"从 {anchor} 起算，而抽取的事项只有抽中之日", "可用 due（抽中之日）"
    if anchor == Anchor.EVENT and not isinstance(spec.when, EventWhen):
        return "从 event（事件）起算，而本项不是事件事项", "event 只用于 when: event；可用 due、opens"
    if anchor in (Anchor.PERIOD_START, Anchor.PERIOD_END) and not isinstance(spec.when, EveryWhen):
        return (
            f"从 {anchor} 起算，而本项没有固定周期",
            "period-start、period-end 只用于 when: every；可用 due、opens",
        )
    return None
