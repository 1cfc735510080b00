"""What ends up in a mail's header cannot begin a header of its own: refused when the plan is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from reminder.plan.loader import LoadResult, load_plan_bytes

BASE = {path.name: path.read_bytes() for path in (Path(__file__).parent / "base").glob("*.yaml")}

BREAKS = {
    "CR": "\r",
    "LF": "\n",
    "CRLF": "\r\n",
    "NUL": "\0",
    "TAB": "\t",
    "VT": "\x0b",
    "FF": "\x0c",
    "ESC": "\x1b",
    "DEL": "\x7f",
    "NEL": "\x85",
    "CSI": "\x9b",
    "LINE": "\u2028",
    "PARAGRAPH": "\u2029",
}
FIELDS = {
    "from": ("机关党委办公室 <jgdw@example.com>", "机关党委{}办公室 <jgdw@example.com>"),
    "address of from": ("机关党委办公室 <jgdw@example.com>", "机关党委办公室 <jg{}dw@example.com>"),
    "sign_off": ("sign_off: 机关党委", 'sign_off: "机关{}党委"'),
    "contact": ("contact: 机关党委办公室", 'contact: "机关党委{}办公室"'),
    "mailbox": ("mailbox: jgdw@example.com", 'mailbox: "jgdw@{}example.com"'),
    "title of the plan": ("title: 示例计划", 'title: "示例{}计划"'),
    "name of a person": ("name: 办公室主任", 'name: "办公室{}主任"'),
    "mail of a person": ("mail: bgs@example.com", 'mail: "bgs{}@example.com"'),
    "host": ("host: smtp.example.com", 'host: "smtp{}.example.com"'),
}
"""Where a text stands, and the same with a place for what does not belong there."""


def _load(field: str, inserted: str) -> LoadResult:
    plain, changed = FIELDS[field]
    if not changed.startswith(plain.partition(":")[0] + ":"):
        changed = f'"{changed}"'
    files = {
        name: text.replace(plain.encode(), changed.format(inserted).encode()) for name, text in BASE.items()
    }
    assert files != BASE
    return load_plan_bytes(files)


@pytest.mark.parametrize("field", FIELDS)
def test_the_places_are_the_right_ones(field: str) -> None:
    """With nothing inserted every one of them loads: what is refused below is refused for the character."""
    assert _load(field, "").plan is not None


@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize("field", FIELDS)
def test_an_escape_that_writes_a_break_is_refused(field: str, name: str) -> None:
    """``"\\r\\n"`` between double quotes; the problem names the place."""
    escaped = "".join(f"\\u{ord(each):04x}" for each in BREAKS[name])
    result = _load(field, escaped)
    assert result.plan is None
    assert all(problem.position.line for problem in result.errors)


@pytest.mark.parametrize(
    "name", [each for each in BREAKS if "\n" not in BREAKS[each] and "\r" not in BREAKS[each]]
)
@pytest.mark.parametrize("field", FIELDS)
def test_the_character_itself_is_refused(field: str, name: str) -> None:
    """As a file that was generated or damaged may hold it."""
    assert _load(field, BREAKS[name]).plan is None


@pytest.mark.parametrize("name", ["CR", "LF", "CRLF", "NEL", "LINE", "PARAGRAPH"])
@pytest.mark.parametrize("field", FIELDS)
def test_a_line_end_inside_quotes_never_survives_into_the_value(field: str, name: str) -> None:
    """YAML folds it to a space, or the text is refused: a break is never kept."""
    plan = _load(field, BREAKS[name]).plan
    if plan is not None:
        mail = plan.channels["mail"]
        office = plan.head.office
        values = [mail.from_, mail.host, office.sign_off, office.contact, office.mailbox, plan.head.title]
        values += [text for person in plan.directory.people for text in (person.name, person.mail or "")]
        assert not any(BREAKS[name] in value or len(value.splitlines()) > 1 for value in values)
