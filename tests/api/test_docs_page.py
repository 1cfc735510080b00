"""The interface's description as a page: everything that may be called, readable without scripts."""

from __future__ import annotations

import re

from reminder.access.rights import Role
from reminder.web.api.app import description
from tests.harness.console import Served, User, text_of


def test_every_call_and_every_shape_is_on_the_page(served: Served) -> None:
    html = served.log_in("p-office", Role.VIEWER).get("/api/docs").text
    text = text_of(html)
    found = description()
    for path, methods in found["paths"].items():
        for method, call in methods.items():
            assert f"{method.upper()} {path}" in text
            assert call["summary"] in text
            assert call["description"] in text
            for each in call.get("parameters", ()):
                assert each["description"] in text, (path, each["name"])
    for schema in found["components"]["schemas"].values():
        for name in schema["properties"]:
            assert f"<code>{name}</code>" in html


def test_every_link_of_its_contents_leads_somewhere(served: Served) -> None:
    html = served.log_in("p-office", Role.VIEWER).get("/api/docs").text
    marks = set(re.findall(r' id="([^"]+)"', html))
    for target in re.findall(r'href="#([^"]+)"', html):
        assert target in marks, target


def test_it_loads_nothing_from_elsewhere_and_needs_no_script(served: Served) -> None:
    html = served.log_in("p-office", Role.VIEWER).get("/api/docs").text
    assert not re.search(r'(src|href)="(https?:)?//', html)
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert " style=" not in html
    assert len(html.encode()) < 100_000


def test_it_is_for_whoever_may_come_in(served: Served) -> None:
    assert User(served.url).get("/api/docs").url == f"{served.url}/login"


def test_everything_in_the_description_has_words(served: Served) -> None:
    """In Chinese, or it would be no help to those who read it."""
    for path, methods in description()["paths"].items():
        for call in methods.values():
            for words in (
                call["summary"],
                call["description"],
                *(each["description"] for each in call.get("parameters", ())),
            ):
                assert re.search(r"[\u4e00-\u9fff]", words), (path, words)
