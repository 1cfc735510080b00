"""What is rendered once for many is, to the letter, what would have been rendered for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.messages.engine import Engine
from reminder.messages.forms import FORMS, LAYOUT, Bundle
from reminder.messages.render import Templates
from reminder.messages.shared import PLACE
from reminder.messages.unlimited import Unlimited
from tests.messages.conftest import FOLDER

READERS: tuple[dict[str, Any], ...] = (
    {"id": "p-a", "name": "办公室主任", "kind": "person", "named": True},
    {"id": "p-b", "name": "理论科科长", "kind": "person", "named": True},
    {"id": "p-c", "name": "组织科科长", "kind": "person", "named": False},
    {"id": "group", "name": "全体人员", "kind": "group", "named": True},
    {"id": "p-d", "name": "<甲> & “乙”\n#1", "kind": "person", "named": True},
    {"id": "p-e", "name": "", "kind": "person", "named": True},
)
SAYINGS = (
    "您好。",
    "{{ receiver.name }}，您好。",
    "{% if receiver.named %}{{ receiver.name }}{% endif %}您好。",
    "{{ receiver['name'] }}",
    "{{ receiver.name|upper }}",
    "{{ receiver.name|length }}",
    "{% if receiver.name == '理论科科长' %}理论科{% else %}其他{% endif %}{{ receiver.name }}",
    "{% set name = receiver.name %}{{ name|shorten(3) }}",
    "{% macro say() %}{{ receiver.name }}{% endmacro %}{{ say()|shorten(3) }}",
    "{% filter upper %}{{ receiver.name }}{% endfilter %}",
    "{% set said %}{{ receiver.name }}{% endset %}{{ said|length }}",
    "{% macro outer() %}{{ caller()|length }}{% endmacro %}{% call outer() %}{{ receiver.name }}{% endcall %}",
    "{% for each in receiver.values() %}{{ each|length if each is string else 0 }}{% endfor %}",
    "{% for receiver in [{'name': '甲'}] %}{{ receiver.name }}{% endfor %}{{ receiver.name }}",
    "{{ receiver }}",
    "{{ receiver.items()|list|length }}{% for key, value in receiver.items() %}{{ value }}{% endfor %}",
    "{{ receiver.values()|join('、') }}",
    "{{ receiver|dictsort|last|last }}",
    "{{ receiver|items|list|first|last }}",
    "{{ receiver.get('name') }}",
    "{{ receiver.copy().name }}",
    "{{ {'name': '理论科科长', 'id': 'p-b', 'kind': 'person', 'named': true} == receiver }}",
    "{{ receiver != {'id': 'p-b'} }}{{ receiver in [{'id': 'p-b', 'name': '理论科科长', 'kind': 'person', 'named': true}] }}",
    "{{ dict is defined }}{% macro all(id, name, kind, named) %}{{ name }}{% endmacro %}{{ all(**receiver) }}",
    "{{ [receiver]|map(attribute='name')|join }}",
    "{{ '{0[name]}'.format(receiver) }}{{ '{}'.format(receiver) }}",
    "{{ receiver.kind }}{% if receiver.kind == 'group' %}{{ receiver.name }}{% endif %}",
    "{{ variant('甲', '乙') }}{{ receiver.name ~ '：' }}",
)
CONTEXT: dict[str, Any] = {"item": {"id": "x", "title": "标题", "private": False}, "wording": {}}


class Counting(Unlimited):
    """Counts what is rendered."""

    made = 0

    def forms(self, bundle: Bundle, folder: str, context: Mapping[str, Any]) -> dict[str, str]:
        self.made += 1
        return super().forms(bundle, folder, context)

    def common(
        self, bundle: Bundle, folder: str, context: Mapping[str, Any], place: str
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        self.made += 1
        return super().common(bundle, folder, context, place)


def templates_saying(text: str, layout: str = "{{ sections[0].subject }}") -> tuple[Templates, Counting]:
    renderer = Counting()
    sources = {f"own/{file}": text for file in FORMS} | {f"{LAYOUT}/{file}": layout for file in FORMS}
    return Templates(Bundle("templates", sources), dict.fromkeys(sources, ""), renderer), renderer


def context_for(reader: dict[str, Any]) -> dict[str, Any]:
    return {**CONTEXT, "receiver": reader}


@pytest.mark.parametrize("text", SAYINGS)
def test_a_shared_text_says_what_the_readers_own_would(text: str) -> None:
    """Whatever a template does with its receiver, and in whichever order they come."""
    for readers in (READERS, tuple(reversed(READERS)), READERS + READERS):
        shared, _ = templates_saying(text)
        for reader in readers:
            alone, _ = templates_saying(text)
            alone._shared.of = lambda *_: None  # type: ignore[method-assign, assignment, return-value]
            assert shared.section("own", context_for(reader)) == alone.section("own", context_for(reader))


@given(st.text(), st.text(), st.sampled_from(SAYINGS))
def test_any_name_stands_in_its_place_as_if_rendered_with_it(first: str, second: str, text: str) -> None:
    """The names of a directory are its people's: quotes, signs, spaces, line breaks, nothing at all."""
    shared, _ = templates_saying(text, "{{ receiver.name }}：{{ sections[0].html }}")
    for name in (first, second):
        reader = READERS[0] | {"name": name}
        alone, _ = templates_saying(text, "{{ receiver.name }}：{{ sections[0].html }}")
        alone._shared.of = lambda *_: None  # type: ignore[method-assign, assignment, return-value]
        said = [
            each.message([each.section("own", context_for(reader))], context_for(reader))
            for each in (shared, alone)
        ]
        assert said[0] == said[1]
        assert PLACE not in said[0].text


@pytest.mark.parametrize("template", ["festival", "report", "talk", "window", "general", "monthly"])
def test_the_shipped_templates_greet_everybody_by_their_own_name(
    template: str, facts: Callable[..., dict[str, Any]]
) -> None:
    """Section and frame, for people, a group, and names that have to be escaped."""
    shared, problems = Templates.load(FOLDER, limits="none")
    assert problems == []
    alone = Templates(shared._bundle, shared._digests, shared._renderer)
    alone._shared.of = lambda *_: None  # type: ignore[method-assign, assignment, return-value]
    for reader in READERS + READERS:
        context = facts(template, receiver=reader)
        said = [each.message([each.section(template, context)], context) for each in (shared, alone)]
        assert said[0] == said[1]


def test_a_festival_s_text_is_rendered_once_for_five_hundred_people(
    facts: Callable[..., dict[str, Any]],
) -> None:
    """Section and frame: two, however many get it."""
    loaded, _ = Templates.load(FOLDER, limits="none")
    renderer = Counting()
    templates = Templates(loaded._bundle, loaded._digests, renderer)
    for number in range(500):
        context = facts("festival", receiver=READERS[0] | {"id": f"p-{number}", "name": f"科员{number}"})
        message = templates.message([templates.section("festival", context)], context)
        assert message.text.startswith(f"科员{number}：")
    assert renderer.made == 2


def test_a_text_that_is_another_for_each_is_not_kept_for_all() -> None:
    """What is kept is bounded, and nobody gets another's."""
    templates, renderer = templates_saying("{{ receiver.name|upper }}")
    for number in range(100):
        reader = READERS[0] | {"name": f"a{number}"}
        assert templates.section("own", context_for(reader)).text == f"A{number}"
    assert renderer.made == 100
    assert max(map(len, templates._shared._kept.values())) <= 16


def test_what_is_still_read_is_kept_and_what_was_read_long_ago_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept by its last reading and not by its rendering."""
    monkeypatch.setattr("reminder.messages.shared.MOST_KEYS", 2)
    templates, renderer = templates_saying("{{ item.title }}")

    def read(title: str) -> None:
        templates.section("own", context_for(READERS[0]) | {"item": {"title": title, "private": False}})

    for title in "甲乙甲丙甲":
        read(title)
    assert renderer.made == 3


def test_another_wording_or_another_fact_is_another_text() -> None:
    """Everything that the template was given counts, not only the receiver."""
    templates, _ = templates_saying("{{ item.title }}{{ wording.x }}")
    said = [
        templates.section(
            "own", context_for(READERS[0]) | {"item": {"title": title, "private": False}, "wording": {"x": x}}
        ).text
        for title in "甲乙"
        for x in "12"
    ]
    assert said == ["甲1", "甲2", "乙1", "乙2"]


def test_the_receiver_is_watched_on_every_way_to_a_field() -> None:
    """What a text depends on is told in full, and no more."""
    engine = Engine(Bundle("templates", {f"own/{file}": "{{ receiver.kind }}" for file in FORMS}))
    assert engine.common("own", context_for(READERS[0]), PLACE)["read"] == ["kind"]
    for text in (
        "{{ receiver }}",
        "{{ receiver.values()|list }}",
        "{{ receiver == 1 }}",
        "{{ receiver.copy() }}",
    ):
        engine = Engine(Bundle("templates", {f"own/{file}": text for file in FORMS}))
        assert engine.common("own", context_for(READERS[0]), PLACE)["read"] == ["id", "kind", "name", "named"]
