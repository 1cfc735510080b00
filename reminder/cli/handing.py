"""``handover``: what hangs on one person, before that person leaves."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

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
from reminder.cli.usage import Command


@app.command(cls=Command)
def handover(
    person: Annotated[str, typer.Option("--person", help="谁离任：编号、姓名或职务；不写则看全部")] = "",
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """交接：账户、令牌、审批人、故障通知、邮箱、机器人和密钥，哪些系于一人，各怎么办。"""
    from reminder.access.rights import Role, User
    from reminder.cli.desk import recording, required_person
    from reminder.cli.output import print_json, print_table
    from reminder.views.handover import handover as look_for
    from reminder.views.look import Look

    with recording(schedules, templates, data) as (recorder, now, today):
        edition = recorder.edition
        leaving = required_person(person, edition.plan.directory, today) if person.strip() else None
        # Whoever may run this may read the data folder.
        reader = User("server", frozenset({Role.ADMIN}), private=True)
        found = look_for(
            Look(reader, edition, recorder.ledger, now), settings_of(schedules, templates, data), leaving
        )
    if format is Format.JSON:
        print_json(
            {
                "person": leaving.id if leaving is not None else None,
                "urgent": found.urgent,
                "parts": [
                    {"title": each.title, "ties": [asdict(tie) for tie in each.ties]} for each in found.parts
                ],
            }
        )
        return
    print(f"{leaving.name}（{leaving.id}）离任交接" if leaving is not None else "哪些系于一人")
    for part in found.parts:
        if not part.ties:
            print(f"\n{part.title}：{part.none}")
            continue
        rows = [("！" if tie.urgent else "", tie.what, tie.found, tie.remedy) for tie in part.ties]
        print_table(("", "内容", "现状", "怎么办"), rows, part.title)
    print(f"标“！”的 {found.urgent} 处，没有别人可以顶上，须先办。" if found.urgent else "没有只系于一人的。")
