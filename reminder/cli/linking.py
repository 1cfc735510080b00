"""``link``: a person's own link, for whoever has no message to open."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

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
from reminder.cli.people import author_of
from reminder.cli.planning import edition_of
from reminder.cli.usage import Command
from reminder.errors import UsageError

if TYPE_CHECKING:
    from datetime import date

    from reminder.plan.directory import Directory, Person

DAYS, MOST_DAYS = 30, 366
NOTE_KIND = "link-made"


@app.command(cls=Command)
def link(
    person: Annotated[str, typer.Option("--person", help="给谁：编号、姓名或职务")],
    by: Annotated[str, typer.Option("--by", help="由谁生成（记入台账）")],
    days: Annotated[int, typer.Option("--days", help="多少天内有效", min=1, max=MOST_DAYS)] = DAYS,
    data: DataOption = None,
    schedules: SchedulesOption = None,
    templates: TemplatesOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """生成一人的登记链接（如联络员）：打开后可登记其本人和所代填的全部未办结事项。"""
    from reminder.agenda.instants import zone_of
    from reminder.cli.output import print_json
    from reminder.clock import SystemClock
    from reminder.ledger.ledger import Ledger
    from reminder.ledger.records import LedgerKind, Note
    from reminder.links import PATH, open_links

    settings = settings_of(schedules, templates, data)
    if settings.public_url is None:
        raise UsageError(
            "没有设置 REMINDER_PUBLIC_URL，链接无处可指；请先设为登记页面对外的网址，如 https://djw.example.com/lianjie"
        )
    edition = edition_of(settings)
    now = SystemClock().now()
    today = now.astimezone(zone_of(edition.plan.head.timezone)).date()
    directory = edition.plan.directory
    holder, author = _person(person, directory, today), author_of(by, directory, today)
    until = today + timedelta(days=days)
    token = open_links(settings.link_key, edition.plan.id).of_person(holder.id, until)
    with Ledger.open(settings.ledger, kind=LedgerKind.DAEMON, now=now) as ledger:
        detail = {"person": holder.id, "until": until.isoformat()}
        ledger.note(edition.plan.id, Note(NOTE_KIND, now, author, detail))
    url = f"{settings.public_url}{PATH}{token}"
    if format is Format.JSON:
        print_json({"person": holder.id, "name": holder.name, "until": until.isoformat(), "url": url})
        return
    print(url)
    print(
        f"{holder.name}（{holder.id}）的登记链接，有效至 {until}。持有者即可代其登记，请只交给本人；已记入台账。"
    )


def _person(text: str, directory: Directory, on: date) -> Person:
    """The one person that an id, a name or a post means on a day.

    Raises ``UsageError`` that names whom it may be.
    """
    from reminder.plan.fields import did_you_mean

    found = directory.person(author_of(text, directory, on))
    if found is None:
        names = [name for each in directory.people for name in (each.id, each.name)]
        hint = did_you_mean(text, names) or "请写编号、姓名或职务，如 --person 理论科联络员"
        raise UsageError(f"名册中没有“{text}”；{hint}")
    if not found.holds(on):
        raise UsageError(f"{found.name}（{found.id}）目前不在名册之内，不能生成链接")
    return found
