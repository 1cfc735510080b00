"""Read a table that somebody filled in: CSV in the encodings of Chinese offices, or XLSX.

Only what a cell says is taken, never a formula: the value that the office
program worked out, or a fault if there is none.  Every fault is a
:class:`~reminder.errors.Problem` with row and column, counted from 1.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from reminder.decoding import decode
from reminder.errors import PlanProblems, Position, Problem, ReminderError, system_reason

LARGEST = 5_000_000
"""Bytes of a file; a year of an office's duties takes a hundredth of it."""
LARGEST_UNPACKED = 100_000_000
MOST_ROWS = 5000
MOST_COLUMNS = 100
LAST_ROW = 100_000
"""Empty rows count here: a stray cell at the foot of a sheet is not searched for."""
HEAD_WITHIN = 10
"""The head is looked for in so many rows: a title may stand above it."""
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_ZIP = b"PK\x03\x04"

Value = str | date | float
"""A cell: text, a date, or a number.  An empty cell is empty text."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row below the head: the values of the known columns, and where they stand."""

    number: int
    values: dict[str, Value]
    columns: dict[str, int]
    file: str

    def text(self, column: str) -> str:
        """What stands there, as text."""
        value = self.values.get(column, "")
        if isinstance(value, float):
            return f"{value:g}" if not value.is_integer() else str(int(value))
        return str(value).strip()

    def problem(self, column: str, found: str, allowed: str = "", hint: str = "") -> Problem:
        """A fault of one of its cells."""
        return Problem(
            Position(self.file, self.number, self.columns.get(column, 1)), column, found, allowed, hint
        )


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows of a table, what was wrong in single cells, and the heads nobody reads."""

    lines: tuple[Line, ...]
    problems: tuple[Problem, ...]
    ignored: tuple[str, ...]


class _Formula:
    """A formula that was never worked out, or an error value."""

    def __init__(self, text: str) -> None:
        self.text = text


def read_sheet(
    path: Path, heads: dict[str, Sequence[str]], required: Sequence[str], data: bytes | None = None
) -> Sheet:
    """The rows of a file; ``heads`` are the columns with the words that may stand over each.

    ``data`` is what is in it, of a file that was sent and never stood on a disk;
    None: it is read.  Raises ``ReminderError`` for a file that is no table, and ``PlanProblems``
    for one without the columns that are ``required``.
    """
    rows = list(_rows(path, data))
    head, place = _head(rows, heads)
    missing = [column for column in required if column not in place]
    if missing:
        allowed = "第一行写列名：" + "、".join(heads)
        hint = "可用 reminder duties import --template 文件名 生成表样"
        position = Position(path.name, head, 1)
        raise PlanProblems(
            [Problem(position, "", f"没有“{column}”这一列", allowed, hint) for column in missing]
        )
    lines, problems = [], []
    for number, cells in rows:
        if number <= head:
            continue
        values: dict[str, Value] = {}
        for column, index in place.items():
            value = cells[index] if index < len(cells) else ""
            if isinstance(value, _Formula):
                found = f"“{value.text[:40]}”没有算出结果"
                hint = "请在办公软件中打开并保存，或改为直接填写"
                problems.append(Problem(Position(path.name, number, index + 1), column, found, "", hint))
                value = ""
                values[column] = value
                continue
            values[column] = value
        columns = {column: index + 1 for column, index in place.items()}
        line = Line(number, values, columns, path.name)
        if any(line.text(column) for column in place):
            lines.append(line)
    known = set(place.values())
    top = next((cells for number, cells in rows if number == head), [])
    ignored = tuple(str(cell) for index, cell in enumerate(top) if index not in known and _words(cell))
    return Sheet(tuple(lines), tuple(problems), ignored)


def _head(rows: list[tuple[int, list[Any]]], heads: dict[str, Sequence[str]]) -> tuple[int, dict[str, int]]:
    """The row with most of the column names in it, and the place of each column from 0."""
    best: tuple[int, dict[str, int]] = (1, {})
    for number, cells in rows[:HEAD_WITHIN]:
        place: dict[str, int] = {}
        for index, cell in enumerate(cells):
            for column, words in heads.items():
                if _words(cell) in words and column not in place:
                    place[column] = index
        if len(place) > len(best[1]):
            best = (number, place)
    return best


def _words(cell: Any) -> str:
    return "".join(str(cell).split()).replace("／", "/") if isinstance(cell, str) else ""


def _rows(path: Path, data: bytes | None) -> Iterator[tuple[int, list[Any]]]:
    try:
        size = path.stat().st_size if data is None else len(data)
        if data is None:
            data = path.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        raise ReminderError(f"读不了 {path}（{system_reason(error)}）：请检查文件名和权限") from None
    if size > LARGEST:
        raise ReminderError(
            f"{path} 有 {size / 1e6:.1f} MB，最大 {LARGEST // 1_000_000} MB：请只保留要登记的表"
        )
    if not data.strip():
        raise ReminderError(f"{path} 是空的")
    if data.startswith(_OLD_EXCEL):
        raise ReminderError(
            f"{path} 设有打开密码，或是旧式的 .xls、.et 文件：请在办公软件中另存为不设密码的 .xlsx"
        )
    if data.startswith(_ZIP):
        yield from _of_workbook(data, path)
    else:
        yield from _of_csv(_decoded(data, path), path)


def _too_many(path: Path) -> ReminderError:
    return ReminderError(f"{path} 超过 {MOST_ROWS} 行：请分几次登记")


# CSV (RFC 4180)


def _decoded(data: bytes, path: Path) -> str:
    text = decode(data)
    if text is not None:
        return text
    raise ReminderError(
        f"{path} 不是文字表格：可用 .xlsx，或 UTF-8、GBK、GB18030 编码的 .csv；请在办公软件中另存后再试"
    )


def _of_csv(text: str, path: Path) -> Iterator[tuple[int, list[Any]]]:
    top = "\n".join(text.splitlines()[:HEAD_WITHIN])
    delimiter = max(",\t;，", key=top.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    first = 1
    try:
        for count, cells in enumerate(reader, start=1):
            if count > MOST_ROWS + HEAD_WITHIN:
                raise _too_many(path)
            # A text cell of an office program that looked like a formula was marked with an apostrophe.
            yield first, [cell.strip().removeprefix("'") for cell in cells[:MOST_COLUMNS]]
            first = reader.line_num + 1
    except csv.Error:
        raise ReminderError(f"{path} 第 {first} 行的引号没有配对：请检查该行，或另存为 .xlsx 再试") from None


# XLSX


def _of_workbook(data: bytes, path: Path) -> Iterator[tuple[int, list[Any]]]:
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
        if unpacked > LARGEST_UNPACKED:
            raise ReminderError(f"{path} 解开后有 {unpacked // 1_000_000} MB：不是一份登记表，没有读取")
        values = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        written = load_workbook(io.BytesIO(data), read_only=True, data_only=False)
        rows = list(_of_first_sheet(values, written, path))
    except ReminderError:
        raise
    except Exception:  # a damaged file fails in as many ways as there are libraries under it
        raise ReminderError(f"{path} 不是完好的 .xlsx 文件：请在办公软件中打开，另存后再试") from None
    yield from rows


def _of_first_sheet(values: Any, written: Any, path: Path) -> Iterator[tuple[int, list[Any]]]:
    """The first sheet that is shown and has anything in it."""
    names = [sheet.title for sheet in values.worksheets if sheet.sheet_state == "visible"]
    for name in names:
        # What a program wrote as the size of a sheet need not be true.
        values[name].reset_dimensions()
        written[name].reset_dimensions()
        pairs = zip(
            values[name].iter_rows(max_col=MOST_COLUMNS),
            written[name].iter_rows(max_col=MOST_COLUMNS),
            strict=False,
        )
        found: list[tuple[int, list[Any]]] = []
        for number, (worked_out, as_written) in enumerate(pairs, start=1):
            if number > LAST_ROW:
                raise _too_many(path)
            cells = [_value(a.value, b.value) for a, b in zip(worked_out, as_written, strict=False)]
            if any(cell != "" for cell in cells):
                if len(found) > MOST_ROWS:
                    raise _too_many(path)
                found.append((number, cells))
        if found:
            yield from found
            return
    raise ReminderError(f"{path} 里没有可见的内容")


def _value(worked_out: Any, as_written: Any) -> Value | _Formula:
    if isinstance(worked_out, str) and worked_out.startswith("#"):
        return _Formula(worked_out)  # #N/A, #REF!
    if worked_out is None:
        formula = getattr(as_written, "text", as_written)  # an array formula is an object
        return _Formula(str(formula)) if formula is not None else ""
    if isinstance(worked_out, datetime):
        return worked_out.date()
    if isinstance(worked_out, bool) or not isinstance(worked_out, int | float | date):
        return str(worked_out).strip()
    return float(worked_out) if isinstance(worked_out, int | float) else worked_out
