"""Draws: seeds are made and committed to in time, and a lot comes out on its day.

Nobody learns of a lot before: it is a fact, and therefore on the agenda, from
the moment on in which it is published and not earlier.  Until then only this
object knows it, and tells nobody.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from reminder.agenda.draws import (
    Upcoming,
    candidate_days,
    comes_out,
    draw_items,
    is_last,
    next_look,
    open_draws,
    periods_to_commit,
    upcoming,
)
from reminder.agenda.facts import Draw, Facts, Lot
from reminder.agenda.instants import zone_of
from reminder.calendars.periods import Period, parse_period
from reminder.check import Edition
from reminder.ledger.facts import FactKind, happening_key, lot_detail
from reminder.ledger.ledger import Ledger
from reminder.plan.model import Item
from reminder.plan.when import DrawWhen
from reminder.sweep.notices import Notice, notice_of
from reminder.sweep.seeds import Seed, Seeds, SeedsBroken, SeedsUnreadable

log = logging.getLogger(__name__)

SEED_BYTES = 32
AUTHOR = "daemon"


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one look did: whether facts were recorded, and what the admins are to be told."""

    recorded: bool = False
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class _Lost:
    """A commitment whose seed is gone, and the one in its place."""

    item: Item
    period: Period
    old: str
    new: str


class Draws:
    """The draws of one ledger.  Used by the sweeper's thread."""

    def __init__(self, ledger: Ledger, seeds: Seeds) -> None:
        self._ledger = ledger
        self._seeds = seeds
        self._seen: tuple[Edition, Facts, date] | None = None
        self._ahead: tuple[Upcoming, ...] = ()
        self._told: set[str] = set()

    def run(self, edition: Edition, facts: Facts, now: datetime) -> Drawn:
        """Commit to what lacks a commitment, publish what is due.

        When facts were recorded it is to be called again with them.  A seed
        file in trouble is told and stops nothing else.
        """
        today = now.astimezone(zone_of(edition.plan.head.timezone)).date()
        notices: list[Notice] = []
        recorded = False
        if self._seen is None or not _same(self._seen, (edition, facts, today)):
            self._ahead, self._seen = (), None
            try:
                recorded = self._look(edition, facts, today, now, notices)
                # Looked at again tomorrow, or as soon as anything is recorded.
                self._seen = (edition, facts, today)
            except SeedsUnreadable as error:  # and again at the next tick
                notices.append(_unreadable(error, today))
        for lot in self._ahead:
            if out := comes_out(lot, edition.plan, edition.calendar, now):
                recorded |= self._publish(edition, lot, out, now, notices)
        fresh = [notice for notice in notices if notice.key not in self._told]
        self._told.update(notice.key for notice in fresh)
        return Drawn(recorded, tuple(fresh))

    def next_instant(self, edition: Edition, now: datetime) -> datetime | None:
        """When a lot may come out next; for the sweeper alone, since it tells the day."""
        return min((next_look(lot, edition.plan, now) for lot in self._ahead), default=None)

    def _look(
        self, edition: Edition, facts: Facts, today: date, now: datetime, notices: list[Notice]
    ) -> bool:
        """Read the seeds, commit where a commitment is missing or has lost its seed, and reckon what is ahead."""
        items = list(draw_items(edition.plan))
        if not items:
            return False
        try:
            known = self._seeds.read()
        except SeedsBroken as error:
            notices.append(_broken(error, self._seeds.set_apart(now)))
            known = ()
        lost: list[_Lost] = []
        recorded = False
        for item, when in items:
            for period in periods_to_commit(when, edition.plan.head, today):
                draw = facts.draw_of(item.ids, period.id)
                if draw is None:
                    recorded |= bool(self._commit(edition, item, period, None, known, today, now))
                elif draw.seed is None and _seed_of(draw, known) is None:
                    new = self._commit(edition, item, period, draw, known, today, now)
                    lost += [_Lost(item, period, draw.commitment.digest, new)] if new else []
        if lost:
            notices.append(_lost(lost))
        notices += _over(edition, facts, items, known, today)
        self._ahead = tuple(_ahead(edition, facts, items, known))
        return recorded or bool(lost)

    def _commit(
        self,
        edition: Edition,
        item: Item,
        period: Period,
        draw: Draw | None,
        known: Iterable[Seed],
        today: date,
        now: datetime,
    ) -> str:
        """Record the hash of a seed that is on disk by then; the hash, or nothing if it was there already."""
        name = draw.item if draw is not None else item.id
        # One that was kept and never recorded (a crash between the two, an older ledger) will do for
        # the first commitment.  In place of a lost one only a fresh seed will: who knows who has seen it.
        spare = (each for each in known if (each.item, each.period) == (name, period.id))
        seed = next(spare, None) if draw is None else None
        if seed is None:
            seed = Seed(name, period.id, secrets.token_bytes(SEED_BYTES))
            self._seeds.add(seed)
        turn = draw.commitment.turn + 1 if draw is not None else 1
        detail = {
            "item": name,
            "period": period.id,
            "commitment": seed.digest,
            "on": today.isoformat(),
            "turn": turn,
        }
        key = happening_key(name, period.id, turn=turn)
        plan_id = edition.plan.id
        if not self._ledger.remember(plan_id, FactKind.DRAW_COMMIT, key, by=AUTHOR, detail=detail, now=now):
            return ""
        log.info("draw committed", extra={"item": name, "period": period.id, "turn": turn})
        return seed.digest

    def _publish(
        self, edition: Edition, lot: Upcoming, out: Lot, now: datetime, notices: list[Notice]
    ) -> bool:
        draw = lot.draw
        key = happening_key(draw.item, draw.period, str(out.number))
        detail = lot_detail(draw, out, lot.seed if is_last(out, draw) else None)
        recorded = self._ledger.remember(
            edition.plan.id, FactKind.DRAW_PUBLISH, key, by=AUTHOR, detail=detail, now=now
        )
        if recorded:
            log.info("draw published", extra={"item": draw.item, "period": draw.period, "number": out.number})
            if out.day is None:
                notices.append(_lapsed(lot.item, draw))
        return recorded


def _same(one: tuple[Edition, Facts, date], other: tuple[Edition, Facts, date]) -> bool:
    return one[0] is other[0] and one[1] is other[1] and one[2] == other[2]


def _seed_of(draw: Draw, known: Iterable[Seed]) -> bytes | None:
    return next((each.value for each in known if each.digest == draw.commitment.digest), None)


def _ahead(
    edition: Edition, facts: Facts, items: Iterable[tuple[Item, DrawWhen]], known: tuple[Seed, ...]
) -> Iterator[Upcoming]:
    for item, when in items:
        for draw, period in open_draws(facts, item, when):
            seed = _seed_of(draw, known)
            if seed is not None and (
                lot := upcoming(item, when, draw, period, seed, edition.plan, edition.calendar)
            ):
                yield lot


def _over(
    edition: Edition,
    facts: Facts,
    items: Iterable[tuple[Item, DrawWhen]],
    known: tuple[Seed, ...],
    today: date,
) -> Iterator[Notice]:
    """Periods that ended without a draw while the seed was lost and nothing was running."""
    for item, when in items:
        for draw, period in open_draws(facts, item, when):
            if period.last < today and _seed_of(draw, known) is None:
                days = candidate_days(period, draw.commitment.on, edition.plan.head, edition.calendar)
                if days and len(draw.lots) < when.draw.times:
                    yield _lapsed(item, draw, "种子遗失，")


# What the admins are told: never a day that is still ahead, never a unit.


def _lost(lost: list[_Lost]) -> Notice:
    lines = [
        f"{each.item.spec.title}（{each.period.label}）：承诺 {each.old[:16]}… 的种子不在种子文件中，"
        f"已另作承诺 {each.new[:16]}…，只在今天之后的工作日中抽取；原承诺作废，保留在台账中。"
        for each in lost
    ]
    return notice_of(
        "draw-seed-lost",
        f"有{len(lost)}项随机抽取的种子遗失，已重新承诺",
        lines,
        "请查明数据目录 keys 文件夹中的种子文件为何缺失，备份时请一并备份该文件夹。查看：reminder draw list。",
    )


def _broken(error: SeedsBroken, aside: str) -> Notice:
    return notice_of(
        "draw-seeds-broken",
        "随机抽取的种子文件损坏",
        [f"{error}，已移至 {aside}。"],
        "如有备份，请在守护进程停止时放回原文件；否则不必处理，已按“种子遗失”重新承诺。",
    )


def _unreadable(error: SeedsUnreadable, today: date) -> Notice:
    return notice_of(
        "draw-seeds-unreadable",
        "随机抽取暂停：种子文件不能使用",
        [f"{error}。", f"{today}：在此期间不作承诺、不抽取，其他提醒照常。"],
        "请检查数据目录 keys 文件夹的权限和磁盘空间；更正后自动恢复。",
    )


def _lapsed(item: Item, draw: Draw, why: str = "") -> Notice:
    title, label = item.spec.title, parse_period(draw.period).label
    return notice_of(
        "draw-lapsed",
        f"“{title}”（{label}）没有抽成",
        [f"{title}（{label}）：{why}抽中之日起到期末系统没有运行，本期不再抽取。"],
        "如需补查，请人工安排。查看：reminder draw list。",
    )
