"""The account on one page (.docx, A4): what a leader reads, with the workbook's seal at its foot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Mm, Pt

from reminder.reports.account import Account, Table
from reminder.reports.seal import LABEL, seal_of
from reminder.reports.workbook import plain

FONT = "宋体"
ROWS_SHOWN = 26
"""As many rows as fit on one page beside the head and the summary."""
COLUMNS = ("条款", "事项", "应办", "按期办结", "迟办结", "过期未结", "已接收提醒", "未发提醒")

WIDTHS = (20, 58, 13, 17, 15, 17, 19, 17)
"""Of the columns, in millimetres."""


def write_document(account: Account, path: Path) -> str:
    """Write the page; the seal of the account it is about.  Raises ``OSError``."""
    seal = seal_of(account)
    document = Document()
    _page(document)
    heading = document.add_paragraph()
    heading.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _run(heading, account.title, 15, bold=True)
    for label, value in account.facts:
        line = document.add_paragraph()
        _run(line, f"{label}：", 9, bold=True)
        _run(line, value, 9)
    for text in account.summary:
        _run(document.add_paragraph(), text, 10.5)
    by_clause = account.tables[0]
    _table(document, by_clause)
    _run(document.add_paragraph(), f"{by_clause.note}逐条记录见同期台账表格。", 8)
    _run(document.add_paragraph(), f"{LABEL}：{seal}", 7)
    scratch = path.with_name(f".{path.name}.part")
    try:
        document.save(str(scratch))
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return seal


def _page(document: Any) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(18)
    section.top_margin = section.bottom_margin = Mm(12)
    style = document.styles["Normal"]
    style.font.name = FONT
    style.element.rPr.rFonts.set(qn("w:eastAsia"), FONT)
    style.paragraph_format.space_after = Pt(2)
    style.paragraph_format.space_before = Pt(0)


def _table(document: Any, by_clause: Table) -> None:
    picked = [by_clause.columns.index(name) for name in COLUMNS]
    rows = [row for row in by_clause.rows if any(row[number] != "0" for number in picked[2:])]
    table = document.add_table(rows=1, cols=len(COLUMNS))
    table.style = "Table Grid"
    table.autofit = False
    for cell, name in zip(table.rows[0].cells, COLUMNS, strict=True):
        _cell(cell, name, bold=True)
    for row in rows[:ROWS_SHOWN]:
        for cell, number in zip(table.add_row().cells, picked, strict=True):
            _cell(cell, row[number])
    for column, width in zip(table.columns, WIDTHS, strict=True):
        column.width = Mm(width)
        for cell in column.cells:
            cell.width = Mm(width)
    if len(rows) > ROWS_SHOWN:
        _run(document.add_paragraph(), f"另有{len(rows) - ROWS_SHOWN}项，见同期台账表格。", 9)


def _cell(cell: Any, text: str, *, bold: bool = False) -> None:
    paragraph = cell.paragraphs[0]
    paragraph.paragraph_format.space_after = Pt(0)
    _run(paragraph, text, 8.5, bold=bold)


def _run(paragraph: Any, text: str, size: float, *, bold: bool = False) -> None:
    run = paragraph.add_run(plain(text))
    run.font.size = Pt(size)
    run.font.bold = bold
    run.font.name = FONT
    run._element.rPr.rFonts.set(qn("w:eastAsia"), FONT)  # noqa: SLF001 - python-docx has no other way
