"""督办 in bulk: a table that somebody filled in, shown as it was understood before anything is recorded.

Nothing is kept between the two steps: the second form carries what was
understood, and every row of it is judged once more.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath, PureWindowsPath

from fastapi import Response
from starlette.exceptions import HTTPException

from reminder.access.rights import Right
from reminder.agenda.facts import DutyAction, Way
from reminder.errors import PlanProblems, Problem, ReminderError
from reminder.ledger.facts import Effect
from reminder.recording.importing import Examined, examine_table
from reminder.recording.recorder import Actor, Entry, Recorder, Refused
from reminder.recording.sheets import LARGEST, MOST_ROWS
from reminder.recording.template import rows_of, template_bytes
from reminder.views.board import visible_edition
from reminder.web.console.ask import Ask, Method, Route

KINDS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
SHOWN = 200
"""Rows and faults that a preview lists."""
LARGEST_PACKED = 1_000_000
LARGEST_UNPACKED = 4_000_000


@dataclass(frozen=True, slots=True)
class Preview:
    """A table as it was understood."""

    name: str
    examined: Examined
    fresh: int
    packed: str


def show(ask: Ask) -> Response:
    """The form."""
    return ask.page("import", preview=None, problems=(), more=0, refused="")


def template(ask: Ask) -> Response:
    """The table to be filled in: everything that is still open."""
    kind = ask.params["kind"]
    if kind not in KINDS:
        raise HTTPException(404)
    view = Recorder(ask.look.ledger, visible_edition(ask.look)).view(ask.look.now)
    content = template_bytes(f".{kind}", rows_of(view, None, everything=True))
    return Response(
        content,
        media_type=KINDS[kind],
        headers={"content-disposition": f'attachment; filename="duties-{ask.look.today}.{kind}"'},
    )


def submit(ask: Ask) -> Response:
    """The first step shows what would be recorded, the second records it."""
    packed = ask.form.get("packed", "")
    return _record(ask, packed) if packed else _preview(ask)


def _preview(ask: Ask) -> Response:
    upload = ask.files.get("file")
    if upload is None or not upload.content:
        return _refused(ask, "请选择要登记的文件（.xlsx 或 .csv）")
    recorder, actor = _recorder(ask)
    name = PurePosixPath(PureWindowsPath(upload.name).name).name or "表格"
    try:
        examined = examine_table(Path(name), recorder, actor, ask.look.now, upload.content)
    except PlanProblems as faults:
        return _refused(ask, "", faults.problems)
    except ReminderError as error:
        return _refused(ask, str(error))
    fresh = sum(not each.already for each in examined.planned)
    entries = [each.entry for each in examined.planned if not each.already]
    preview = Preview(name, examined, fresh, _packed(entries) if entries else "")
    return ask.page("import", preview=preview, shown=SHOWN, problems=(), more=0, refused="")


def _record(ask: Ask, packed: str) -> Response:
    recorder, actor = _recorder(ask)
    try:
        found = recorder.record_all(actor, _unpacked(packed), ask.look.now)
    except Refused as error:
        return _refused(ask, f"{error}。一行也没有登记，请重新选择文件核对")
    changed = any(each.effect is Effect.RECORDED for each in found)
    return ask.redirect("duties", said="imported" if changed else "imported-before")


def _recorder(ask: Ask) -> tuple[Recorder, Actor]:
    look = ask.look
    return Recorder(look.ledger, visible_edition(look)), Actor(look.user.id, Way.IMPORT)


def _refused(ask: Ask, text: str, problems: Sequence[Problem] = ()) -> Response:
    return ask.page(
        "import",
        422,
        preview=None,
        problems=problems[:SHOWN],
        more=max(0, len(problems) - SHOWN),
        refused=text,
    )


def _packed(entries: Sequence[Entry]) -> str:
    rows = [[each.occurrence, each.cell, str(each.on or ""), each.note] for each in entries]
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(rows, ensure_ascii=False).encode())).decode()


def _unpacked(packed: str) -> list[Entry]:
    """Raises ``Refused`` for what no preview can have made."""
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.urlsafe_b64decode(packed.encode("ascii")), LARGEST_UNPACKED)
        rows = json.loads(data)
        if unpacker.unconsumed_tail or not isinstance(rows, list) or not 0 < len(rows) <= MOST_ROWS:
            raise ValueError
        return [
            Entry(str(occurrence), str(cell), DutyAction.DONE, date.fromisoformat(on), str(note))
            for occurrence, cell, on, note in rows
        ]
    except (ValueError, TypeError, zlib.error, binascii.Error, UnicodeError, RecursionError):
        raise Refused("收到的内容不完整") from None


ROUTES = (
    Route(Method.GET, "/duties/import", Right.RECORD, show),
    Route(Method.GET, "/duties/template.{kind}", Right.RECORD, template),
    Route(Method.POST, "/duties/import", Right.RECORD, submit, largest=LARGEST + LARGEST_PACKED),
)
