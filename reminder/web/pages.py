"""The pages as HTML: what stands on them, and in what words.

Jinja2 with autoescape over three small templates.  The style sheet stands in
the page itself, so that a phone asks once; the policy of :mod:`app` names it by
its hash.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reminder.agenda.facts import DUTY_STATE_TEXT, DutyAction, DutyState, Way
from reminder.agenda.instants import zone_of
from reminder.check import Edition
from reminder.messages.filters import date_full, time_cn, weekday_cn
from reminder.recording.recorder import LONGEST_NOTE, Row
from reminder.sweep.approvals import State, Waiting
from reminder.sweep.approving import REMARK_LENGTH
from reminder.sweep.request import named, to_whom
from reminder.web.approvals import Reading
from reminder.web.desk import Visit
from reminder.web.forms import Form

FOLDER = Path(__file__).parent / "pages"
STYLE = (FOLDER / "style.css").read_text("utf-8")
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
JUST_NOW = timedelta(minutes=2)
"""What was recorded this long ago is confirmed at the head of the page that follows."""

_environment = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_environment.globals["style"] = STYLE


@dataclass(frozen=True, slots=True)
class CellView:
    """One cell as the page shows it.  ``date`` and ``note`` are what the form holds already."""

    id: str
    label: str
    state: str
    owed: bool
    record: str
    acting: str
    date: str
    note: str
    refused: bool


@dataclass(slots=True)
class GroupView:
    """The cells of one occurrence of an item."""

    occurrence: str
    title: str
    label: str
    due: str
    past: bool
    done_when: str
    private: bool
    snoozed: str
    snooze: bool
    """Whether there is anything to be reminded of."""
    date: str
    refused: bool
    cells: list[CellView] = field(default_factory=list)


def duties_page(visit: Visit, form: Form | None = None, refused: str = "", *, unfolded: bool = False) -> str:
    """What a link opens.

    ``refused`` says why ``form``, which the page shows again, was not recorded.
    Private items are shown only ``unfolded``, to whoever pressed the button for
    it: what opens a link by GET, a scanner say, learns nothing of them.
    """
    groups: dict[str, GroupView] = {}
    folded = [] if unfolded else [row for row in visit.rows if row.item.spec.private]
    for row in visit.rows:
        if row in folded:
            continue
        group = groups.get(row.occurrence.id)
        if group is None:
            group = groups[row.occurrence.id] = _group(visit, row, form)
        group.snooze |= row.standing.owed
        group.cells.append(_cell(visit, row, form))
    context = {
        "name": visit.person.name,
        "groups": list(groups.values()),
        "folded": len(folded),
        "folded_open": sum(row.standing.owed for row in folded),
        "confirmed": [] if refused else _confirmed(visit, unfolded=unfolded),
        "refused": refused,
        "longest_note": LONGEST_NOTE,
        **_office(visit.edition),
    }
    return _environment.get_template("duties.html.j2").render(context)


def approval_page(reading: Reading, note: str = "", refused: str = "") -> str:
    """The text of a request, and what may be said of it.  ``refused`` says why ``note`` was not taken."""
    waiting, shown = reading.waiting, reading.shown
    context: dict[str, object] = {
        "name": reading.person.name,
        "refused": refused,
        "said": "",
        "text": None,
        "deputy_for": [],
        **_office(reading.edition),
    }
    if waiting is not None and shown is not None and shown.sample is not None:
        directory = reading.edition.plan.directory
        context |= {
            "said": _said(reading, waiting),
            "title": shown.title,
            "goes_at": _moment(waiting.goes_at),
            "late": reading.now >= waiting.goes_at,
            "useful_until": _moment(waiting.useful_until),
            "to": to_whom(waiting.said, reading.edition),
            "submitter": named(waiting.panel.submitter, reading.edition),
            "code": waiting.said.code,
            "receiver": shown.sample.addressee.name,
            "subject": shown.sample.message.subject,
            "text": shown.sample.message.text.strip(),
            "hidden": shown.hidden,
            "differences": shown.differences,
            "barred": reading.barred,
            "approved": waiting.state is State.APPROVED,
            "deputy_for": [
                each.name for each in waiting.panel.for_(reading.person, directory, reading.today)
            ],
            "note": note,
            "longest_remark": REMARK_LENGTH,
        }
    return _environment.get_template("approval.html.j2").render(context)


def _said(reading: Reading, waiting: Waiting) -> str:
    """Where the text stands, once somebody has spoken."""
    word = waiting.word
    if word is None:
        return ""
    zone = zone_of(reading.edition.plan.head.timezone)
    at = _moment(word.at.astimezone(zone))
    by = named(word.by, reading.edition)
    return f"{by}已于{at}批准。" if word.granted else f"{by}已于{at}退回：{word.remark}"


def _moment(at: datetime) -> str:
    return f"{date_full(at.date())}（{weekday_cn(at.date())}）{time_cn(at)}"


def message_page(edition: Edition, title: str, *lines: str) -> str:
    """A page that only says something, and whom to ask."""
    context = {"title": title, "lines": lines, **_office(edition)}
    return _environment.get_template("message.html.j2").render(context)


def _office(edition: Edition) -> dict[str, object]:
    head = edition.plan.head
    return {"plan_title": head.title, "office": head.office}


def _group(visit: Visit, row: Row, form: Form | None) -> GroupView:
    spec, occurrence = row.item.spec, row.occurrence
    snoozed = visit.snoozed_until(row)
    again = form is not None and form.action == "snooze" and form.occurrence == occurrence.id
    return GroupView(
        occurrence=occurrence.id,
        title=spec.title,
        label=occurrence.label,
        due=f"{date_full(occurrence.due)}（{weekday_cn(occurrence.due)}）{time_cn(occurrence.due_at)}",
        past=visit.now > occurrence.due_at,
        done_when=spec.done_when or "",
        private=spec.private,
        snoozed=date_full(snoozed) if snoozed is not None else "",
        snooze=False,
        date=form.on if again and form is not None else "",
        refused=again,
    )


def _cell(visit: Visit, row: Row, form: Form | None) -> CellView:
    cell, standing = row.standing.cell, row.standing
    again = (
        form is not None
        and form.action != "snooze"
        and (form.occurrence, form.cell) == (row.occurrence.id, cell.id)
    )
    return CellView(
        id=cell.id,
        label=_label(visit, row),
        state=DUTY_STATE_TEXT[standing.state],
        owed=standing.owed,
        record=_record(visit, row),
        acting=_acting(visit, row),
        date=form.on if again and form is not None else visit.today.isoformat(),
        note=form.note if again and form is not None else "",
        refused=again,
    )


def _label(visit: Visit, row: Row) -> str:
    """What the cell is called for this reader: their own duty is simply theirs."""
    cell = row.standing.cell
    if cell.id == visit.person.id:
        return "本人"
    own = any(owner.id == visit.person.id for owner in cell.owners)
    return cell.label if own else cell.title


def _acting(visit: Visit, row: Row) -> str:
    """In whose place the person acts, if not for themselves."""
    owners = row.standing.cell.owners
    if any(owner.id == visit.person.id for owner in owners):
        return ""
    if visit.role(row) is Way.LIAISON:
        return "由您代填"
    return f"由您代办（{'、'.join(owner.name for owner in owners)}外出）"


def _record(visit: Visit, row: Row) -> str:
    """What was recorded last, and by whom."""
    last = row.standing.last
    if last is None:
        return ""
    zone = zone_of(visit.edition.plan.head.timezone)
    known = visit.edition.plan.directory.person(last.by)
    by = known.name if known is not None else last.by
    said = {
        DutyState.DONE: f"{_day(last.on)}办结",
        DutyState.IN_PROGRESS: f"安排在{_day(last.on)}",
    }.get(row.standing.state, "")
    if last.action in (DutyAction.RETURN, DutyAction.WAIVE, DutyAction.REOPEN) and last.note:
        said = f"说明：{last.note}"
    filled = f"由{by}代填" if last.way is Way.LIAISON else f"由{by}登记"
    when = f"{_day(last.at.astimezone(zone).date())}{filled}"
    return f"{said}（{when}）" if said else when


def _day(day: date | None) -> str:
    return date_full(day) if day is not None else ""


def _confirmed(visit: Visit, *, unfolded: bool) -> list[str]:
    """What this person has recorded just now; of private items only ``unfolded``."""
    found = []
    shown = [row for row in visit.rows if unfolded or not row.item.spec.private]
    for row in shown:
        last = row.standing.last
        if last is not None and last.by == visit.person.id and _just_now(last.at, visit.now):
            found.append(
                f"{row.item.spec.title}（{row.occurrence.label}）{_label(visit, row)}：{_record(visit, row)}"
            )
    for snooze in visit.facts.snoozes:
        if snooze.person != visit.person.id or not _just_now(snooze.at, visit.now):
            continue
        about = [row for row in shown if snooze.occurrence in row.occurrence.recorded_under]
        if about and visit.snoozed_until(about[0]) == snooze.until:
            what = f"{about[0].item.spec.title}（{about[0].occurrence.label}）"
            found.append(f"{what}：{date_full(snooze.until)}之前不再提醒")
    return found


def _just_now(at: datetime, now: datetime) -> bool:
    return timedelta(0) <= now - at <= JUST_NOW
