"""The account as a workbook (.xlsx): a cover, one sheet a table, printable on A4.

Every cell is text.  What begins with ``=``, ``+``, ``-`` or ``@`` in the ledger
stays the text it is: nothing a person typed is ever a formula.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, TYPE_STRING
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from reminder.errors import ReminderError
from reminder.reports.account import Account, Table
from reminder.reports.seal import LABEL, seal_of, seal_of_parts

COVER = "封面"
SUMMARY = "概况"
A4 = 9
"""Excel's number of the paper size."""
LONGEST_SHEET_NAME = 31
WIDEST = 44
"""Characters of a column; longer texts wrap."""
_NOT_IN_SHEET_NAME = re.compile(r"[\[\]:*?/\\]")
_THIN = Side(style="thin", color="999999")
_BORDER = Border(left=_THIN, right=_THIN, top=_THIN, bottom=_THIN)
_HEAD_FILL = PatternFill("solid", fgColor="E8EDF3")


class ReportDamaged(ReminderError):
    """Not a report of this program, or no longer what was written."""


def write_workbook(account: Account, path: Path) -> str:
    """Write the workbook; its seal.  Raises ``OSError``."""
    seal = seal_of(account)
    book = Workbook()
    cover = book.active
    assert cover is not None
    cover.title = COVER
    _write_cover(cover, account, seal)
    for number, table in enumerate(account.tables, start=1):
        _write_table(book.create_sheet(_sheet_name(number, table.title)), table)
    book.properties.title = account.title
    book.properties.creator = "reminder"
    scratch = path.with_name(f".{path.name}.part")
    try:
        book.save(scratch)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return seal


def _write_cover(sheet: Any, account: Account, seal: str) -> None:
    _put(sheet, 1, 1, account.title, Font(size=16, bold=True))
    row = 3
    for label, value in (*account.facts, (LABEL, seal)):
        _put(sheet, row, 1, label, Font(bold=True))
        _put(sheet, row, 2, value)
        row += 1
    row += 1
    for line in account.summary:
        _put(sheet, row, 1, SUMMARY, Font(bold=True))
        _put(sheet, row, 2, line)
        row += 1
    sheet.column_dimensions["A"].width = 14
    sheet.column_dimensions["B"].width = 90
    _page(sheet, landscape=True)


def _write_table(sheet: Any, table: Table) -> None:
    """Title, note, head, rows; the head is repeated on every printed page."""
    _put(sheet, 1, 1, table.title, Font(size=13, bold=True), wrap=False)
    _put(sheet, 2, 1, table.note, Font(color="555555"), wrap=False)
    for column, name in enumerate(table.columns, start=1):
        cell = _put(sheet, 3, column, name, Font(bold=True))
        cell.fill, cell.border = _HEAD_FILL, _BORDER
    for number, row in enumerate(table.rows, start=4):
        for column, text in enumerate(row, start=1):
            _put(sheet, number, column, text).border = _BORDER
    for column in range(1, len(table.columns) + 1):
        texts = (table.columns[column - 1], *(row[column - 1] for row in table.rows))
        widest = max(map(_width, texts), default=0)
        sheet.column_dimensions[get_column_letter(column)].width = min(WIDEST, max(6, widest + 2))
    sheet.freeze_panes = "A4"
    sheet.print_title_rows = "1:3"
    _page(sheet, landscape=True)


def _put(sheet: Any, row: int, column: int, text: str, font: Font | None = None, *, wrap: bool = True) -> Any:
    cell = sheet.cell(row, column)
    cell.value = plain(text)
    # Set after the value: openpyxl takes a text that begins with "=" for a formula.
    cell.data_type = TYPE_STRING
    cell.alignment = Alignment(vertical="top", wrap_text=wrap)
    if font is not None:
        cell.font = font
    return cell


def plain(text: str) -> str:
    """Without the control characters that no workbook can hold."""
    return ILLEGAL_CHARACTERS_RE.sub("", text)


def _width(text: str) -> int:
    """Columns a text takes: a Chinese character two."""
    return sum(2 if ord(each) > 0x2E7F else 1 for each in text)


def _page(sheet: Any, *, landscape: bool) -> None:
    sheet.page_setup.paperSize = A4
    sheet.page_setup.orientation = "landscape" if landscape else "portrait"
    sheet.page_setup.fitToWidth = 1
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.page_margins.left = sheet.page_margins.right = 0.4
    sheet.oddFooter.center.text = "第 &P 页，共 &N 页"


def _sheet_name(number: int, title: str) -> str:
    return f"{number} {_NOT_IN_SHEET_NAME.sub(' ', title)}"[:LONGEST_SHEET_NAME]


def verify_workbook(path: Path) -> tuple[str, bool]:
    """The seal that stands in a workbook, and whether its content has it.

    Raises :class:`ReportDamaged` for a file that is no such workbook.
    """
    try:
        book = load_workbook(path, read_only=False, data_only=False)
        cover = book[COVER]
        title = _text(cover.cell(1, 1).value)
        facts: list[tuple[str, str]] = []
        summary: list[str] = []
        stated = ""
        for row in cover.iter_rows(min_row=3, max_col=2, values_only=True):
            label, value = _text(row[0]), _text(row[1])
            if label == LABEL:
                stated = value
            elif label == SUMMARY:
                summary.append(value)
            elif label:
                facts.append((label, value))
        tables = [_read_table(sheet) for sheet in book.worksheets if sheet.title != COVER]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, InvalidFileException) as error:
        raise ReportDamaged(
            f"{path} 不是本程序生成的台账表格，或已损坏：请核对文件，必要时重新生成"
        ) from error
    if not stated:
        raise ReportDamaged(f"{path} 里没有内容校验码：不是本程序生成的台账表格，或已被改动")
    return stated, seal_of_parts(title, facts, summary, tables) == stated


def _read_table(sheet: Any) -> tuple[str, tuple[str, ...], list[tuple[str, ...]], str]:
    rows = list(sheet.iter_rows(values_only=True))
    columns = tuple(_text(each) for each in rows[2] if each is not None)
    body = [tuple(_text(each) for each in row[: len(columns)]) for row in rows[3:]]
    return _text(rows[0][0]), columns, body, _text(rows[1][0])


def _text(value: object) -> str:
    return "" if value is None else str(value)
