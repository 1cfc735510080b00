"""``passwd``, ``user list``, ``login log``: who may come in, and who did."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reminder.access.rights import ROLE_TEXT, Role
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
from reminder.cli.planning import edition_of
from reminder.cli.usage import Command, Group
from reminder.errors import ReminderError, UsageError

if TYPE_CHECKING:
    from reminder.check import Edition
    from reminder.ledger.ledger import Ledger

LONGEST_LINE = 1000

user_app = typer.Typer(
    cls=Group, name="user", help="网页控制台的账户。", no_args_is_help=True, add_completion=False
)
login_app = typer.Typer(
    cls=Group, name="login", help="登录日志。", no_args_is_help=True, add_completion=False
)
token_app = typer.Typer(
    cls=Group,
    name="token",
    help="程序访问接口所用的令牌：只显示一次，台账中只存校验值。",
    no_args_is_help=True,
    add_completion=False,
)
for each in (user_app, login_app, token_app):
    app.add_typer(each)

ROLES = "、".join(f"{role}（{text}）" for role, text in ROLE_TEXT.items())
ByOption = Annotated[str, typer.Option("--by", help="由谁办理（记入台账）；默认为服务器上的登录用户")]
RoleOption = Annotated[list[str] | None, typer.Option("--role", help=f"角色，可写多次：{ROLES}")]


@app.command(cls=Command)
def passwd(
    person: Annotated[str, typer.Argument(help="给谁：编号、姓名或职务", metavar="PERSON")],
    role: RoleOption = None,
    private: Annotated[
        bool | None, typer.Option("--private/--no-private", help="可否查看非公开事项（默认不可）")
    ] = None,
    disable: Annotated[bool, typer.Option("--disable", help="停用账户，立即退出登录")] = False,
    keep_password: Annotated[bool, typer.Option("--keep-password", help="只改角色，不改密码")] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="从标准输入读密码（一行），供脚本使用")] = False,
    by: ByOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """建立网页控制台的账户，或重设密码、更改角色、停用；重设后立即解除登录锁定。"""
    from reminder.access.users import Users
    from reminder.cli.desk import required_person

    if disable and (role or private is not None or stdin or keep_password):
        raise UsageError("--disable 只停用账户，不能与其他选项同用；重新启用请重设密码")
    if stdin and keep_password:
        raise UsageError("--stdin 与 --keep-password 只能写一个")
    roles = known_roles(role or ())
    with opened(data, schedules, templates, create=True) as (ledger, edition, now, today):
        holder = required_person(person, edition.plan.directory, today, "PERSON")
        author = author_or_server_user(by, edition, today)
        before = ledger.accounts.get(edition.plan.id, holder.id)
        if before is None and (disable or keep_password):
            raise UsageError(f"{holder.name}（{holder.id}）还没有账户；未作更改")
        if not disable and not holder.holds(today):
            raise UsageError(f"{holder.name}（{holder.id}）目前不在名册之内，不能登录；未作更改")
        if before is None and not roles:
            raise UsageError(
                f"{holder.name}（{holder.id}）还没有账户，请用 --role 写明角色：{ROLES}；"
                f"如 reminder passwd {holder.id} --role viewer"
            )
        if before is not None and before.disabled and keep_password:
            raise UsageError(f"{holder.name}（{holder.id}）的账户已停用；重新启用须重设密码；未作更改")
        now_roles = roles or (before.roles if before is not None else ())
        now_private = private if private is not None else before is not None and before.private
        directory = edition.plan.directory
        users = Users(ledger, edition.plan.id, lambda user: directory.belongs(user, today), last_stays=False)
        if disable or keep_password:
            users.change(holder.id, now_roles, private=now_private, disabled=disable, by=author, now=now)
        else:
            password = _password(holder.name, stdin=stdin)
            users.set_password(holder.id, password, now_roles, private=now_private, by=author, now=now)
        left = users.somebody_manages()
    name = f"{holder.name}（{holder.id}）"
    if disable:
        print(f"已停用 {name} 的账户，并使其退出登录。重新启用：reminder passwd {holder.id}")
    else:
        did = "已更改" if keep_password else ("已建立" if before is None else "已重设密码：")
        print(f"{did} {name} 的账户：{roles_text(now_roles)}{'，可查看非公开事项' if now_private else ''}。")
    print("原有登录一律失效；已记入台账。")
    if not left:
        print("注意：现在没有可用的管理员账户，网页上不能管理；请执行 reminder passwd 人员编号 --role admin")


@user_app.command("list", cls=Command)
def list_users(
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """列出账户：角色、可否查看非公开事项、是否停用、上次登录。"""
    from reminder.access.users import STATE_TEXT, state_of
    from reminder.agenda.instants import zone_of
    from reminder.cli.output import print_json, print_table

    with opened(data, schedules, templates) as (ledger, edition, _, today):
        found = ledger.accounts.every(edition.plan.id)
        last = ledger.accounts.last_logins(edition.plan.id)
    zone = zone_of(edition.plan.head.timezone)
    directory = edition.plan.directory
    states = {each.user: state_of(each, here=directory.belongs(each.user, today)) for each in found}
    if format is Format.JSON:
        print_json(
            [
                {
                    "user": each.user,
                    "name": author_name(each.user, directory),
                    "roles": list(each.roles),
                    "private": each.private,
                    "state": states[each.user].value,
                    "changed_at": each.changed_at.astimezone(zone).isoformat(),
                    "last_login": last[each.user].astimezone(zone).isoformat() if each.user in last else None,
                }
                for each in found
            ]
        )
        return
    if not found:
        print("还没有账户。建立第一个：reminder passwd 人员编号 --role admin")
        return
    rows = [
        (
            each.user,
            author_name(each.user, directory),
            roles_text(each.roles),
            "可" if each.private else "不可",
            STATE_TEXT[states[each.user]],
            f"{last[each.user].astimezone(zone):%Y-%m-%d %H:%M}" if each.user in last else "从未",
        )
        for each in found
    ]
    print_table(("编号", "姓名", "角色", "非公开事项", "情况", "上次登录"), rows, f"账户，共 {len(rows)} 个")


@login_app.command("log", cls=Command)
def login_log(
    user: Annotated[str | None, typer.Option("--user", help="只看一人（编号）")] = None,
    days: Annotated[int, typer.Option("--days", help="最近多少天", min=1, max=4000)] = 30,
    limit: Annotated[int, typer.Option("--limit", help="最多多少行", min=1, max=100_000)] = 200,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """登录日志：何时、何人、从哪里、结果。保存不少于200天。"""
    from reminder.access.login import EVENT_TEXT
    from reminder.agenda.instants import zone_of
    from reminder.cli.output import print_json, print_table

    with opened(data, schedules, templates) as (ledger, edition, now, _):
        found = ledger.accounts.events(edition.plan.id, now - timedelta(days=days), limit, user)
    zone = zone_of(edition.plan.head.timezone)
    if format is Format.JSON:
        print_json(
            [
                {
                    "at": each.at.astimezone(zone).isoformat(),
                    "user": each.user,
                    "address": each.address,
                    "event": each.event,
                }
                for each in found
            ]
        )
        return
    if not found:
        print(f"最近 {days} 天没有登录记录。")
        return
    rows = [
        (
            f"{each.at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
            each.user,
            author_name(each.user, edition.plan.directory),
            each.address,
            EVENT_TEXT[each.event],
        )
        for each in found
    ]
    more = "，只列出最近的，可用 --limit 增加" if len(rows) == limit else ""
    print_table(("时间", "用户名", "姓名", "来自", "结果"), rows, f"登录日志，最近 {days} 天{more}")


@contextmanager
def opened(
    data: Path | None, schedules: Path | None, templates: Path | None, *, create: bool = False
) -> Iterator[tuple[Ledger, Edition, datetime, date]]:
    """The daemon's ledger, made if there is none and ``create``; now, and today in the plan's zone."""
    from reminder.agenda.instants import zone_of
    from reminder.backup.guard import open_ledger
    from reminder.cli.running import writable
    from reminder.clock import SystemClock

    settings = settings_of(schedules, templates, data)
    edition = edition_of(settings)
    now = SystemClock().now()
    if create:
        writable(settings.data)
    ledger = open_ledger(settings.ledger, settings.high_water, now, create=create)
    try:
        yield ledger, edition, now, now.astimezone(zone_of(edition.plan.head.timezone)).date()
    finally:
        ledger.close()


def author_or_server_user(by: str, edition: Edition, today: date) -> str:
    """Who ``--by`` names, or the user of the server, of whom nothing else is known."""
    import getpass

    if by.strip():
        return author_of(by, edition.plan.directory, today)
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        name = "不明"
    return f"服务器用户 {name}"


def known_roles(words: list[str] | tuple[()]) -> tuple[str, ...]:
    for word in words:
        if word not in set(Role):
            raise UsageError(f"没有角色“{word}”；可用：{ROLES}")
    return tuple(sorted(set(words)))


def roles_text(roles: tuple[str, ...]) -> str:
    return "、".join(ROLE_TEXT.get(each, each) for each in roles) or "（没有角色）"


def _password(name: str, *, stdin: bool) -> str:
    """Asked for twice where nobody sees it, or one line of standard input."""
    import getpass

    if stdin:
        line = sys.stdin.readline(LONGEST_LINE).rstrip("\r\n")
        if not line:
            raise UsageError("标准输入中没有密码；未作更改")
        return line
    if not sys.stdin.isatty():
        raise UsageError("请在终端上执行，密码输入时不显示；脚本中请用 --stdin 从标准输入给出；未作更改")
    try:
        first = getpass.getpass(f"{name} 的新密码（输入时不显示）：")
        again = getpass.getpass("再输入一次：")
    except EOFError:
        raise ReminderError("没有得到密码；未作更改") from None
    if first != again:
        raise ReminderError("两次输入的密码不一样；未作更改")
    return first
