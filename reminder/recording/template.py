"""A table to be filled in: every duty that is still open, with room for the date."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reminder.errors import ReminderError, UsageError, system_reason
from reminder.recording.importing import CELL, FOR_THE_READER, ITEM, NOTE, OCCURRENCE, ON
from reminder.recording.naming import meant, names_of
from reminder.recording.view import Row, View

COLUMNS = (ITEM, OCCURRENCE, CELL, *FOR_THE_READER, ON, NOTE)
_WIDTHS = (28, 34, 30, 14, 14, 40)


def rows_of(view: View, by: str | None, *, everything: bool = False) -> list[tuple[str, ...]]:
    """One row for each open cell, in order of due date; of a private item only for who may see it.

    ``everything``: of all that is in view, whoever asks.
    """
    owed = [row for row in view.rows() if row.standing.owed and (everything or view.sees(by, row))]
    owed.sort(key=lambda row: (row.standing.cell.due or row.occurrence.due, row.occurrence.id))
    return [
        (
            row.item.spec.title,
            row.occurrence.recorded_under[0],
            _name(row, view),
            str(row.standing.cell.due or row.occurrence.due),
            "",
            "",
        )
        for row in owed
    ]


def _name(row: Row, view: View) -> str:
    """What people call the cell; its id where that means several."""
    cells = [each.standing.cell for each in view.rows_of(row.item, row.occurrence)]
    named = [names_of(cell, view.edition.plan.directory, view.today) for cell in cells]
    places = meant(row.standing.cell.title, named)
    alone = len(places) == 1 and cells[places[0]].id == row.standing.cell.id
    return row.standing.cell.title if alone else row.standing.cell.id


def write_template(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Write the table as .xlsx or .csv; raises ``UsageError`` for another kind, ``ReminderError`` if it cannot."""
    kind = path.suffix.lower()
    if kind not in (".xlsx", ".csv"):
        raise UsageError(f"表样写成 .xlsx 或 .csv；“{path.name}”的扩展名是“{path.suffix or '（无）'}”")
    try:
        with path.open("xb") as file:  # never over what somebody filled in
            file.write(template_bytes(kind, rows))
    except FileExistsError:
        raise ReminderError(f"{path} 已经存在，没有覆盖：请换一个文件名") from None
    except OSError as error:
        raise ReminderError(f"写不了 {path}（{system_reason(error)}）：请检查目录和权限") from None


def template_bytes(kind: str, rows: Sequence[Sequence[str]]) -> bytes:
    """The table as ``.xlsx``, or for any other kind as CSV."""
    import io

    if kind != ".xlsx":
        return _csv(rows)
    written = io.BytesIO()
    _workbook(rows).save(written)
    return written.getvalue()


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    """UTF-8 with a mark: office programs then read the Chinese."""
    import io

    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        # What begins so would be taken for a formula.
        writer.writerow([f"'{cell}" if cell[:1] in "=+-@" and cell else cell for cell in row])
    return text.getvalue().encode("utf-8-sig")


def _workbook(rows: Sequence[Sequence[str]]) -> Any:
    from openpyxl import Workbook
    from openpyxl.cell.cell import TYPE_STRING
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "办结登记"
    for number, row in enumerate([COLUMNS, *rows], start=1):
        for index, text in enumerate(row, start=1):
            cell = sheet.cell(number, index)
            cell.value = text
            if text:
                cell.data_type = TYPE_STRING  # a text that begins with = is no formula
            if number == 1:
                cell.font = Font(bold=True)
            elif COLUMNS[index - 1] == ON:
                cell.number_format = "yyyy-mm-dd"
    for index, width in enumerate(_WIDTHS, start=1):
        sheet.column_dimensions[get_column_letter(index)].width = width
    sheet.freeze_panes = "A2"
    return book
