"""``approve``, ``plan adopt``: a second pair of eyes, and who answers for the plan."""

from __future__ import annotations

from datetime import datetime, timedelta
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
from reminder.cli.people import author_name, author_of
from reminder.cli.planning import edition_of, plan_app
from reminder.cli.usage import Command
from reminder.errors import UsageError

if TYPE_CHECKING:
    from reminder.check import Edition
    from reminder.ledger.ledger import Ledger
    from reminder.plan.directory import Person
    from reminder.settings import Settings
    from reminder.sweep.approvals import Waiting

MOST_DAYS_AHEAD = 400
REHEARSING = "现为试运行，不经审批也会写入 outbox；现在作出的审批，转为正式发送后同样有效。"


@app.command(cls=Command)
def approve(
    code: Annotated[str | None, typer.Argument(help="审批编号；不写则列出待审批的内容")] = None,
    by: Annotated[str, typer.Option("--by", help="审批人：姓名、职务或编号（记入台账）")] = "",
    reject: Annotated[bool, typer.Option("--reject", help="不同意，退回")] = False,
    remark: Annotated[str, typer.Option("--remark", help="说明；退回时必写")] = "",
    show: Annotated[str | None, typer.Option("--show", help="显示这一编号的全文", metavar="CODE")] = None,
    ahead: Annotated[
        int, typer.Option("--ahead", help="也列出今后多少天内发出的", min=0, max=MOST_DAYS_AHEAD)
    ] = 0,
    all_: Annotated[bool, typer.Option("--all", help="也列出已批准、尚未发出的")] = False,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """审批将要发出的消息：列出、审阅、批准或退回。"""
    from reminder.clock import SystemClock

    settings = settings_of(schedules, templates, data)
    if code is not None and show is not None:
        raise UsageError("审批编号只写一处：审阅用 --show 编号，批准或退回直接写编号")
    if code is None and (reject or remark):
        raise UsageError("请写明退回哪一件：reminder approve 编号 --by 姓名 --reject --remark 理由")
    edition = edition_of(settings)
    now = SystemClock().now()
    with _ledger(settings, now, create=False) as ledger:
        if show is not None:
            _show(ledger, edition, show, _person(by, edition, now) if by else None, now)
        elif code is None:
            _list(ledger, edition, now, timedelta(days=ahead), decided=all_, format=format)
        else:
            _decide(ledger, edition, code, by, now, granted=not reject, remark=remark)


@plan_app.command("adopt", cls=Command)
def adopt(
    by: Annotated[str, typer.Option("--by", help="提交人：姓名、职务或编号（记入台账）")] = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """记下现在的计划、名册与模板由谁提交；文件再有改动，须重新提交。"""
    from reminder.clock import SystemClock
    from reminder.sweep.accept import accept

    settings = settings_of(schedules, templates, data)
    edition = edition_of(settings)
    now = SystemClock().now()
    author = author_of(by, edition.plan.directory, _today(edition, now))
    person = edition.plan.directory.person(author)
    if person is None:
        raise UsageError(f"名册中没有“{author}”；--by 请写名册中的人（姓名、职务或编号）")
    settings.data.mkdir(parents=True, exist_ok=True)
    with _ledger(settings, now, create=True) as ledger:
        last = ledger.last_plan(edition.plan.id)
        taken = last is not None and last.digest == edition.digest
        recorded = accept(ledger, edition, person.id, now, signed=True)
    mark = edition.digest[:12]
    if not recorded:
        print(f"现行计划（校验码 {mark}）此前已记明由{person.name}提交，未作更改。")
    else:
        print(f"已记下：计划（校验码 {mark}）由{person.name}（{person.id}）提交。")
    if not taken:
        print("这些文件尚未采用；守护进程会在几秒内读取，未运行的在下次启动时采用。")
    for title in _only_by(person, edition, now):
        print(f"注意：“{title}”的审批人只有{person.name}，提交人不能审批自己提交的内容，请另定审批人。")


def _only_by(person: Person, edition: Edition, now: datetime) -> list[str]:
    """Titles of items that nobody but this person approves."""
    plan, today = edition.plan, _today(edition, now)
    found = []
    for item in plan.items:
        if item.spec.approval is not None:
            meant = plan.directory.people_meant(item.spec.approval.by, today)
            if meant and all(each.id == person.id for each in meant):
                found.append(item.spec.title)
    return found


def _ledger(settings: Settings, now: datetime, *, create: bool) -> Ledger:
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import LedgerKind

    return Ledger.open(settings.ledger, kind=LedgerKind.DAEMON, now=now, create=create)


def _today(edition: Edition, now: datetime) -> Any:
    from reminder.agenda.instants import zone_of

    return now.astimezone(zone_of(edition.plan.head.timezone)).date()


def _person(by: str, edition: Edition, now: datetime) -> Person | None:
    directory = edition.plan.directory
    found: Person | None = directory.person(author_of(by, directory, _today(edition, now)))
    return found


def _decide(
    ledger: Ledger, edition: Edition, code: str, by: str, now: datetime, *, granted: bool, remark: str
) -> None:
    from reminder.sweep.approving import approve as give
    from reminder.sweep.request import to_whom

    who = author_of(by, edition.plan.directory, _today(edition, now))
    given = give(ledger, edition, who, code, now, granted=granted, remark=remark)
    waiting = given.waiting
    name = author_name(who, edition.plan.directory)
    submitter = author_name(waiting.panel.submitter, edition.plan.directory) or "未写明"
    if given.already:
        print(f"“{waiting.title}”此前已{'批准' if granted else '退回'}，未作更改。")
    elif granted:
        print(
            f"已批准：{waiting.title}，{_when(waiting, now)}，{to_whom(waiting.said, edition)}。"
            f"审批人：{name}；提交人：{submitter}。"
        )
    else:
        print(
            f"已退回：{waiting.title}，不会发出；理由已记入台账，并告知管理员。审批人：{name}；提交人：{submitter}。"
        )
    _note_rehearsal(ledger, edition)


def _when(waiting: Waiting, now: datetime) -> str:
    if now >= waiting.goes_at:
        return f"原定 {waiting.goes_at:%Y-%m-%d %H:%M}，守护进程会在一秒内发出"
    return f"将于 {waiting.goes_at:%Y-%m-%d %H:%M} 发出"


def _note_rehearsal(ledger: Ledger, edition: Edition) -> None:
    from reminder.ledger.records import Transport

    if ledger.transport(edition.plan.id) is Transport.OUTBOX:
        print(REHEARSING)


def _list(
    ledger: Ledger, edition: Edition, now: datetime, ahead: timedelta, *, decided: bool, format: Format
) -> None:
    from reminder.cli.output import print_json, print_table
    from reminder.sweep.approvals import STATE_TEXT, pending

    found = pending(ledger, edition, now, ahead=ahead, decided=decided)
    if format is Format.JSON:
        print_json([_json(each, edition) for each in found])
        return
    if not found:
        print("没有待审批的内容。" + ("" if ahead else "今后的内容可用 --ahead 天数 列出，提前审批。"))
        return
    rows = [
        (
            each.said.code,
            each.title,
            f"{each.goes_at:%Y-%m-%d %H:%M}",
            _asked(each),
            "、".join(person.name for person in each.panel.able) or "（无人可以审批）",
            author_name(each.panel.submitter, edition.plan.directory) or "未写明",
            STATE_TEXT[each.state] + (f"：{each.word.remark}" if each.word and each.word.remark else ""),
        )
        for each in found
    ]
    columns = ("编号", "内容", "发出时间", "提请时间", "审批人", "提交人", "状态")
    print_table(columns, rows, f"审批，共 {len(rows)} 件")
    print(
        "审阅：reminder approve --show 编号；批准：reminder approve 编号 --by 姓名；退回另加 --reject --remark 理由。"
    )
    _note_rehearsal(ledger, edition)


def _asked(waiting: Waiting) -> str:
    if waiting.asked is not None:
        return f"{waiting.asked.at.astimezone(waiting.goes_at.tzinfo):%Y-%m-%d %H:%M}"
    return f"未提请（{waiting.asks_at:%Y-%m-%d %H:%M} 提请）"


def _json(waiting: Waiting, edition: Edition) -> dict[str, Any]:
    from reminder.sweep.request import to_whom

    zone, word = waiting.goes_at.tzinfo, waiting.word
    return {
        "code": waiting.said.code,
        "digest": waiting.said.digest,
        "alarms": [alarm.key for alarm in waiting.said.alarms],
        "title": waiting.title,
        "goes_at": waiting.goes_at.isoformat(),
        "useful_until": waiting.useful_until.isoformat(),
        "asks_at": waiting.asks_at.isoformat(),
        "asked_at": waiting.asked.at.astimezone(zone).isoformat() if waiting.asked else None,
        "to": to_whom(waiting.said, edition),
        "approvers": [person.id for person in waiting.panel.able],
        "submitter": waiting.panel.submitter or None,
        "state": str(waiting.state),
        "by": word.by if word else None,
        "for": list(word.for_) if word else [],
        "remark": word.remark if word else "",
    }


def _show(ledger: Ledger, edition: Edition, code: str, viewer: Person | None, now: datetime) -> None:
    from reminder.sweep.approvals import STATE_TEXT
    from reminder.sweep.approving import find
    from reminder.sweep.request import shown_to, to_whom

    waiting = find(ledger, edition, code, now)
    plan_id = edition.plan.id
    shown = shown_to(viewer, waiting, edition, ledger.facts(plan_id, ledger.transport(plan_id)), now)
    directory = edition.plan.directory
    print(f"内容：{waiting.title}    审批编号：{waiting.said.code}    状态：{STATE_TEXT[waiting.state]}")
    print(f"发出时间：{waiting.goes_at:%Y-%m-%d %H:%M}（有效至 {waiting.useful_until:%Y-%m-%d %H:%M}）")
    print(f"发给：{to_whom(waiting.said, edition)}")
    print(
        f"审批人：{'、'.join(each.name for each in waiting.panel.able) or '（无人可以审批）'}"
        f"    提交人：{author_name(waiting.panel.submitter, directory) or '未写明'}"
    )
    assert shown.sample is not None  # everything may be shown on the office's own machine
    print(f"\n发给{shown.sample.addressee.name}的原文，批准后逐字照发：\n")
    print(f"主题：{shown.sample.message.subject}\n\n{shown.sample.message.text}")
    if shown.hidden:
        print("本事项涉及个人，姓名只发给掌握名单的岗位，这里只显示数目。")
    for difference in shown.differences:
        print(f"· {difference}")
