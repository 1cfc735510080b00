"""Tables in the terminal: the layout is rich's, with which it is compared."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reminder.cli.output import print_table
from reminder.cli.table import laid_out

LETTERS = st.text(st.sampled_from("ab7 \n，节日提醒é─"), max_size=24)
CELLS = LETTERS | st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), max_size=12)


def by_rich(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str, width: int) -> str:
    table = Table(title=Text(title) if title else None, box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(width=width, file=io.StringIO())
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def printed(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str, width: int) -> str:
    lines = laid_out(columns, rows, title, width)
    blank = " " * len(lines.body[0])
    return "\n".join((*lines.title, blank, *lines.names, *lines.body, ""))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    count = draw(st.integers(1, 5))
    # Of a line end behind the last line rich makes a blank line or none: which, is left open.
    row = st.lists(CELLS.map(lambda cell: cell.rstrip("\n")), min_size=count, max_size=count)
    return draw(row), draw(st.lists(row, max_size=5))


@given(tables(), st.integers(30, 120))
def test_it_looks_as_rich_would_print_it(table: tuple[list[str], list[list[str]]], width: int) -> None:
    """With room for all, and where columns are to be narrowed and cells folded."""
    columns, rows = table
    assert printed(columns, rows, "", width) == by_rich(columns, rows, "", width)


@pytest.mark.parametrize("width", [8, 25, 40, 160])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    rows = [("2026-06-10 09:00", "quarterly-report/2026Q2#due-10wd", "请按期办理，办结后登记"), ("", "", "")]
    columns, title = ("计划时间", "提醒", "主题"), "台账，共 2 行，只列出最近 2 行，可用 --limit 增加"
    text = printed(columns, rows, title, width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert text == by_rich(columns, rows, title, width)


def test_what_would_move_the_cursor_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A server's own words may hold anything."""
    print_table(("代码",), [("5\t50\r\x08\x07",)])
    assert capsys.readouterr().out.splitlines() == ["      ", " 代码 ", " ──── ", " 5 50 ", "      "]
