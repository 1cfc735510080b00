"""台账: everything sent and not sent, one message with all that befell it, and what a person decides of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from reminder.access.rights import Right
from reminder.calendars.lunar import FIRST_YEAR, LAST_YEAR
from reminder.ledger.records import HandDecision, Transport
from reminder.ledger.shown import Mark, mark_of
from reminder.recording.sending import decide_sending
from reminder.recording.view import Refused
from reminder.views.delivery import mail_html, sent
from reminder.views.ledger import (
    OWN_ITEMS,
    STATUS_TEXT,
    TRANSPORT_TEXT,
    Line,
    Wanted,
    every_line,
    page,
    receiver_title,
)
from reminder.views.look import Look
from reminder.web.console.ask import Ask, Method, Route
from reminder.web.console.mail import mail_frame

ANY = "all"
"""Both ways of sending; without a word it is the one in force."""
COLUMNS = (
    "计划时间", "方式", "事项", "期次", "收件人", "通道", "主题", "决定", "结果", "次数", "消息编号",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for, and what of it could not be understood."""

    wanted: Wanted
    problems: tuple[str, ...]
    pairs: Mapping[str, str]


def show(ask: Ask) -> Response:
    """Lines, newest first, by filter."""
    asked = _asked(ask.query, ask.look)
    after, before = _mark(ask.query.get("after", "")), _mark(ask.query.get("before", ""))
    found = page(ask.look, asked.wanted, after, before)
    return ask.page(
        "ledger",
        found=found,
        wanted=asked.wanted,
        problems=asked.problems,
        transport=ask.query.get("transport", "") or str(ask.look.transport),
        newest=_address(asked.pairs),
        newer=_address(asked.pairs, before=_text_of(found.newer)) if found.newer else "",
        older=_address(asked.pairs, after=_text_of(found.older)) if found.older else "",
        export=_address(asked.pairs, path="ledger/export.csv"),
        narrowed=bool(asked.pairs),
        items=_items(ask.look),
        people=_people(ask.look),
        channels=list(ask.look.edition.plan.channels),
        statuses=STATUS_TEXT,
        transports=TRANSPORT_TEXT,
        first_page=after is None and before is None,
    )


def export(ask: Ask) -> Response:
    """The filtered lines as CSV: UTF-8 with a mark, no cell that an office program would calculate."""
    wanted = _asked(ask.query, ask.look).wanted
    name = f"ledger-{ask.look.today}.csv"
    return StreamingResponse(
        _csv(every_line(ask.look, wanted)),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def one(ask: Ask, refused: str = "", status: int = 200) -> Response:
    """A message: its tries, its text, what can be decided."""
    found = sent(ask.look, ask.params["delivery"])
    if found is None:
        raise HTTPException(404)
    formatted = found.text is not None and mail_html(ask.look, found.leaf.id) is not None
    return ask.page(
        "delivery", status, sent=found, formatted=formatted, refused=refused, Decision=HandDecision
    )


def mail(ask: Ask) -> Response:
    """The formatted part of a mail, for its frame."""
    html = mail_html(ask.look, ask.params["delivery"])
    if html is None:
        raise HTTPException(404)
    return mail_frame(html)


def decide(ask: Ask) -> Response:
    """Send again, leave it, or hold it for arrived."""
    delivery = ask.params["delivery"]
    found = sent(ask.look, delivery)
    if found is None:
        raise HTTPException(404)
    try:
        decision = HandDecision(ask.form.get("action", ""))
    except ValueError:
        return one(ask, "请用页面上的按钮；未作更改", 422)
    look = ask.look
    try:
        if found.text is None:
            raise Refused("这条消息含不在您查看范围内的内容，由有权限的人决定；未作更改")
        decide_sending(look.ledger, look.plan_id, delivery, decision, look.user.id, look.now, look.zone)
    except Refused as error:
        return one(ask, str(error), 422)
    return ask.redirect(f"ledger/{delivery}", said=f"sending-{decision}")


def _asked(query: Mapping[str, str], look: Look) -> Asked:
    problems: list[str] = []
    days: dict[str, date | None] = {}
    for name, title in (("from", "起"), ("to", "止")):
        text = query.get(name, "").strip()
        try:
            days[name] = _day(text) if text else None
        except ValueError:
            days[name] = None
            problems.append(f"“{title}”的日期“{text[:20]}”看不懂，写作 2026-06-30；没有按它筛选")
    since, until = days["from"], days["to"]
    if since and until and until < since:
        since, until = until, since
    status = query.get("status", "")
    if status and status not in STATUS_TEXT:
        problems.append(f"没有“{status[:20]}”这种结果；没有按它筛选")
        status = ""
    way = query.get("transport", "")
    transport = (
        None
        if way == ANY
        else Transport(way)
        if way in {each.value for each in Transport}
        else look.transport
    )
    wanted = Wanted(
        since,
        until,
        query.get("item", "").strip(),
        query.get("person", "").strip(),
        query.get("channel", "").strip(),
        status,
        transport,
    )
    names = ("from", "to", "item", "person", "channel", "status", "transport")
    pairs = {name: query[name].strip() for name in names if query.get(name, "").strip()}
    return Asked(wanted, tuple(problems), pairs)


def _day(text: str) -> date:
    """A day of the years that the calendar knows, as the interface takes them."""
    day = date.fromisoformat(text)
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(text)
    return day


def _address(pairs: Mapping[str, str], path: str = "ledger", **more: str) -> str:
    every = {**pairs, **more}
    return path + (f"?{urlencode(every)}" if every else "")


def _text_of(mark: Mark) -> str:
    return f"{mark.planned_at.isoformat()}~{mark.alarm}~{mark.claim}"


def _mark(text: str) -> Mark | None:
    """A place in the lines, from an address; None for what is none."""
    parts = text.split("~")
    try:
        return mark_of(parts[0], int(parts[1]), int(parts[2]))
    except (ValueError, IndexError):
        return None


def _items(look: Look) -> list[tuple[str, str]]:
    return [(item.id, item.spec.title) for item in look.items] + list(OWN_ITEMS.items())


def _people(look: Look) -> list[tuple[str, str]]:
    plan = look.edition.plan
    groups = [
        (receiver, receiver_title(look, receiver))
        for receiver in (f"group:{name}" for name, config in plan.channels.items() if not config.personal)
    ]
    return [(person.id, person.name) for person in plan.directory.people] + groups


def _csv(lines: Iterable[Line]) -> Iterator[bytes]:
    yield b"\xef\xbb\xbf" + _row(COLUMNS)
    for line in lines:
        yield _row(
            (
                f"{line.planned_at:%Y-%m-%d %H:%M}",
                "试运行" if line.rehearsal else "正式",
                line.title,
                line.occurrence,
                line.receiver,
                line.channel,
                line.subject,
                line.decision,
                f"{line.state}（试运行，不作凭据）" if line.rehearsal else line.state,
                str(line.attempts or ""),
                " ".join(line.deliveries),
            )
        )


def _row(cells: Iterable[str]) -> bytes:
    text = io.StringIO(newline="")
    # What begins so would be taken for a formula.
    csv.writer(text).writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return text.getvalue().encode("utf-8")


ROUTES = (
    Route(Method.GET, "/ledger", Right.READ, show),
    Route(Method.GET, "/ledger/export.csv", Right.READ, export),
    Route(Method.GET, "/ledger/{delivery}", Right.READ, one),
    Route(Method.GET, "/ledger/{delivery}/mail", Right.READ, mail),
    Route(Method.POST, "/ledger/{delivery}", Right.OPERATE, decide),
)
