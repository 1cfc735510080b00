"""``token``: by what programs come in."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reminder.access.rights import Role
from reminder.cli.accounts import (
    ByOption,
    RoleOption,
    author_or_server_user,
    known_roles,
    opened,
    roles_text,
    token_app,
)
from reminder.cli.app import (
    DataOption,
    Format,
    FormatOption,
    SchedulesOption,
    TemplatesOption,
)
from reminder.cli.people import author_name
from reminder.cli.usage import Command

if TYPE_CHECKING:
    from reminder.access.tokens import Wanted
    from reminder.ledger.tokens import Token


@token_app.command("create", cls=Command)
def create_token(
    name: Annotated[str, typer.Argument(help="程序的名称，记入台账，如 oa-sync", metavar="NAME")],
    role: RoleOption = None,
    private: Annotated[bool, typer.Option("--private", help="可读取非公开事项")] = False,
    days: Annotated[int, typer.Option("--days", help="多少天内有效，最多366")] = 180,
    by: ByOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """生成一个令牌，只显示这一次。"""
    from reminder.access.tokens import Wanted, make
    from reminder.agenda.instants import zone_of

    roles = frozenset(Role(each) for each in known_roles(role or ["viewer"]))
    with opened(data, schedules, templates, create=True) as (ledger, edition, now, today):
        taken = frozenset(each.id for each in edition.plan.directory.people)
        wanted: Wanted = Wanted(name, roles, private, days, taken)
        shown, token = make(
            ledger, edition.plan.id, wanted, by=author_or_server_user(by, edition, today), now=now
        )
    until = token.expires_at.astimezone(zone_of(edition.plan.head.timezone))
    print(shown)
    print(
        f"令牌 {token.name}：{roles_text(token.roles)}{'，可读取非公开事项' if private else ''}，"
        f"有效至 {until:%Y-%m-%d %H:%M}。"
    )
    print("只显示这一次，请存入程序的密钥文件；用法：Authorization: Bearer 令牌。已记入台账。")
    print(f"撤销：reminder token revoke {token.name}")


@token_app.command("list", cls=Command)
def list_tokens(
    every: Annotated[bool, typer.Option("--all", help="也列出已撤销、已过期的")] = False,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """列出令牌：角色、由谁生成、有效期、上次使用；不显示令牌本身。"""
    from reminder.agenda.instants import zone_of
    from reminder.cli.output import print_json, print_table

    with opened(data, schedules, templates) as (ledger, edition, now, _):
        found = [each for each in ledger.tokens.every(edition.plan.id) if every or each.holds(now)]
    zone = zone_of(edition.plan.head.timezone)

    def shown(at: datetime | None) -> str:
        return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at is not None else "从未"

    if format is Format.JSON:
        print_json([_token_json(each, now) for each in found])
        return
    if not found:
        print("没有令牌。" if every else "没有有效的令牌。")
        return
    directory = edition.plan.directory
    rows = [
        (
            each.name,
            roles_text(each.roles),
            "可" if each.private else "不可",
            author_name(each.made_by, directory),
            shown(each.expires_at),
            shown(each.used_at),
            "已撤销" if each.revoked_at is not None else "有效" if each.holds(now) else "已过期",
        )
        for each in found
    ]
    columns = ("名称", "角色", "非公开事项", "由谁生成", "有效至", "上次使用", "情况")
    print_table(columns, rows, f"令牌，共 {len(rows)} 个")


@token_app.command("revoke", cls=Command)
def revoke_token(
    name: Annotated[str, typer.Argument(help="名称，见 reminder token list", metavar="NAME")],
    by: ByOption = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
) -> None:
    """撤销一个令牌：立即失效，不能恢复。"""
    from reminder.access.tokens import revoke

    with opened(data, schedules, templates) as (ledger, edition, now, today):
        revoke(ledger, edition.plan.id, name, by=author_or_server_user(by, edition, today), now=now)
    print(f"已撤销令牌 {name}，立即失效；已记入台账。")


def _token_json(token: Token, now: datetime) -> dict[str, Any]:
    return {
        "name": token.name,
        "roles": list(token.roles),
        "private": token.private,
        "made_at": token.made_at.isoformat(),
        "made_by": token.made_by,
        "expires_at": token.expires_at.isoformat(),
        "used_at": token.used_at.isoformat() if token.used_at else None,
        "revoked_at": token.revoked_at.isoformat() if token.revoked_at else None,
        "holds": token.holds(now),
    }
