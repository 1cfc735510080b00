"""Whatever a client sends is a form of ours, or is refused in words; nothing else comes of it."""

from __future__ import annotations

import contextlib
from datetime import date
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.recording.recorder import Refused
from reminder.web.forms import FIELDS, FORM_TYPE, BadForm, Form, read_form


@given(st.binary(max_size=300))
def test_any_octets_are_a_form_or_are_refused(body: bytes) -> None:
    with contextlib.suppress(BadForm):
        form = read_form(FORM_TYPE, body)
        with contextlib.suppress(Refused):
            form.day()


@given(st.text(max_size=60))
def test_any_text_is_a_date_or_is_refused(text: str) -> None:
    with contextlib.suppress(Refused):
        assert isinstance(Form("done", "", "", text, "").day(), date)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.text(st.characters(exclude_categories=["Cs"]))))
def test_what_a_browser_sends_is_read_as_it_was_typed(fields: dict[str, str]) -> None:
    form = read_form(FORM_TYPE, urlencode(fields).encode()) if fields else None
    if form is not None:
        read = {"action": form.action, "occurrence": form.occurrence, "cell": form.cell, "date": form.on}
        assert {**read, "note": form.note} == {name: fields.get(name, "") for name in FIELDS}


@pytest.mark.parametrize(
    "text", ["2026-06-30", " 2026/6/30 ", "2026年6月30日", "２０２６．６．３０", "20260630"]
)
def test_dates_as_people_type_them(text: str) -> None:
    assert Form("done", "", "", text, "").day() == date(2026, 6, 30)


@pytest.mark.parametrize(
    "text", ["", "6-30", "2026-6", "30/6/2026", "2026-06-31", "0000-01-01", "2026-06-30 09:00", "二〇二六年"]
)
def test_what_is_no_date_is_refused_and_says_how_to_write_one(text: str) -> None:
    with pytest.raises(Refused, match="2026-06-30"):
        Form("done", "", "", text, "").day()
