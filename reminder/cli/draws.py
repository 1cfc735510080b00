"""``draw``: what was drawn by lot, what was committed to, and whether it was fair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from reminder.cli.app import (
    DataOption,
    Format,
    FormatOption,
    SchedulesOption,
    TemplatesOption,
    app,
    settings_of,
)
from reminder.cli.planning import UNPUBLISHED, edition_of
from reminder.cli.usage import Command, Group
from reminder.errors import ReminderError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reminder.agenda.draws import Check
    from reminder.agenda.facts import Draw, Facts, Lot
    from reminder.check import Edition

draw_app = typer.Typer(
    cls=Group,
    name="draw",
    help="随机抽取：查看承诺与结果，验证已公布的抽取。",
    no_args_is_help=True,
    add_completion=False,
)
app.add_typer(draw_app)


@draw_app.command("list", cls=Command)
def list_draws(
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """列出每期的承诺和已公布的结果；未到日子的一律为“未公布”。"""
    from reminder.agenda.instants import zone_of
    from reminder.calendars.periods import parse_period
    from reminder.cli.output import print_json, print_table

    edition, facts = _known(data, schedules, templates)
    draws = sorted(facts.draws.values(), key=lambda draw: (draw.item, draw.period))
    if format is Format.JSON:
        print_json([_draw_json(draw) for draw in draws])
        return
    if not draws:
        print("还没有任何承诺：守护进程启动后，为本期和下一期记下承诺。")
        return
    zone = zone_of(edition.plan.head.timezone)
    rows = []
    for draw in draws:
        for made in draw.commitments:
            lots = [lot for lot in draw.lots if lot.commitment == made.digest]
            replaced = made != draw.commitment
            rows.append(
                (
                    _title(draw, edition),
                    parse_period(draw.period).label,
                    made.digest,
                    f"{made.at.astimezone(zone):%Y-%m-%d %H:%M}",
                    "；".join(_lot_text(lot) for lot in lots)
                    or ("作废（种子遗失）" if replaced else UNPUBLISHED),
                )
            )
    columns = ("事项", "期次", "承诺（种子的 SHA-256）", "记于", "结果")
    print_table(columns, rows, f"随机抽取，共 {len(rows)} 行")


@draw_app.command(cls=Command)
def verify(
    item: Annotated[str | None, typer.Argument(help="任务编号；不写则全部", metavar="ITEM")] = None,
    period: Annotated[
        str | None, typer.Argument(help="期次，如 2026Q2；不写则全部", metavar="PERIOD")
    ] = None,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """验证抽取：用公布的种子重新计算，与承诺、日期、单位逐项核对。有一项不符，退出码为 1。"""
    from reminder.cli.output import print_json

    edition, facts = _known(data, schedules, templates)
    chosen = _chosen(facts, edition, item, period)
    results = [(draw, lot, list(_checks(draw, lot, edition))) for draw in chosen for lot in draw.lots]
    unpublished = [draw for draw in chosen if not draw.lots]
    if format is Format.JSON:
        print_json(
            [_verified_json(*each) for each in results]
            + [{"item": draw.item, "period": draw.period, "published": False} for draw in unpublished]
        )
    else:
        _print(results, unpublished, edition)
    if any(check.passed is False for _, _, checks in results for check in checks):
        raise typer.Exit(1)


def _known(data: Path | None, schedules: Path | None, templates: Path | None) -> tuple[Edition, Facts]:
    from reminder.clock import SystemClock
    from reminder.ledger.ledger import Ledger

    settings = settings_of(schedules, templates, data)
    edition = edition_of(settings)
    now = SystemClock().now()
    # Of either kind: what a simulation drew can be looked at and reckoned anew as well.
    with Ledger.open(settings.ledger, kind=None, now=now, create=False) as ledger:
        return edition, ledger.facts(edition.plan.id, ledger.transport(edition.plan.id))


def _chosen(facts: Facts, edition: Edition, item: str | None, period: str | None) -> list[Draw]:
    """The draws that are meant; raises ``UsageError`` that says what there is."""
    from reminder.calendars.periods import parse_period
    from reminder.plan.fields import did_you_mean

    draws = sorted(facts.draws.values(), key=lambda draw: (draw.item, draw.period))
    if item is not None:
        found = edition.plan.item(item)
        ids = found.ids if found is not None else (item,)
        known = list(dict.fromkeys(draw.item for draw in draws))
        draws = [draw for draw in draws if draw.item in ids]
        if not draws:
            hint = did_you_mean(item, known)
            raise UsageError(
                f"任务“{item}”没有随机抽取；可用：{'、'.join(known) or '（还没有）'}"
                + (f"；{hint}" if hint else "")
            )
    if period is not None:
        wanted = parse_period(period).id
        known = list(dict.fromkeys(draw.period for draw in draws))
        draws = [draw for draw in draws if draw.period == wanted]
        if not draws:
            raise UsageError(f"期次“{period}”没有承诺；可用：{'、'.join(known) or '（还没有）'}")
    if not draws:
        raise ReminderError("还没有任何承诺：守护进程启动后，为本期和下一期记下承诺。")
    return draws


def _checks(draw: Draw, lot: Lot, edition: Edition) -> Iterator[Check]:
    from reminder.agenda.draws import compared, verify
    from reminder.calendars.periods import parse_period
    from reminder.plan.when import DrawWhen

    period = parse_period(draw.period)
    yield from verify(draw, lot, period, edition.plan.head.timezone)
    item = edition.plan.item(draw.item)
    if item is not None and isinstance(item.spec.when, DrawWhen):
        yield from compared(lot, draw, item.spec.when, period, edition.plan, edition.calendar)


# What is shown

_MARK = {True: "相符", False: "不符", None: "说明"}


def _title(draw: Draw, edition: Edition) -> str:
    item = edition.plan.item(draw.item)
    return item.spec.title if item is not None else draw.item


def _lot_text(lot: Lot) -> str:
    if lot.day is None:
        return f"{lot.drawn} 未能抽取（期末前没有运行）"
    later = f"（抽中 {lot.drawn}，顺延）" if lot.day != lot.drawn else ""
    return f"{lot.day}{later} {lot.unit}".rstrip()


def _print(results: list[tuple[Draw, Lot, list[Check]]], unpublished: list[Draw], edition: Edition) -> None:
    from reminder.calendars.periods import parse_period

    for draw, lot, checks in results:
        several = f"第{lot.number}次，" if lot.times > 1 else ""
        print(f"{_title(draw, edition)}（{parse_period(draw.period).label}）：{several}{_lot_text(lot)}")
        print(f"  承诺 {lot.commitment}")
        print(f"  种子 {draw.seed.hex() if draw.seed is not None else UNPUBLISHED}")
        for check in checks:
            print(f"  [{_MARK[check.passed]}] {check.text}")
        wrong = any(check.passed is False for check in checks)
        done = draw.seed is not None
        print("  结论：" + ("不符" if wrong else "相符" if done else "待种子公布后验证"))
    for draw in unpublished:
        print(f"{_title(draw, edition)}（{parse_period(draw.period).label}）：{UNPUBLISHED}")


def _draw_json(draw: Draw) -> dict[str, Any]:
    return {
        "item": draw.item,
        "period": draw.period,
        "commitments": [
            {"commitment": made.digest, "on": made.on.isoformat(), "at": made.at.isoformat()}
            for made in draw.commitments
        ],
        "seed": draw.seed.hex() if draw.seed is not None else None,
        "lots": [_lot_json(lot) for lot in draw.lots],
    }


def _lot_json(lot: Lot) -> dict[str, Any]:
    return {
        "number": lot.number,
        "times": lot.times,
        "drawn": lot.drawn.isoformat(),
        "day": lot.day.isoformat() if lot.day is not None else None,
        "unit": lot.unit,
        "days": [day.isoformat() for day in lot.days],
        "units": list(lot.units),
        "commitment": lot.commitment,
        "published_at": lot.at.isoformat(),
    }


def _verified_json(draw: Draw, lot: Lot, checks: list[Check]) -> dict[str, Any]:
    return {
        "item": draw.item,
        "period": draw.period,
        "published": True,
        "seed": draw.seed.hex() if draw.seed is not None else None,
        **_lot_json(lot),
        "checks": [{"text": check.text, "passed": check.passed} for check in checks],
        "passed": all(check.passed is not False for check in checks) and draw.seed is not None,
    }
