"""A plan cut off, mutated or mangled: never a crash, never half a plan taken for a whole one."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from reminder.plan.loader import LoadResult, load_plan_bytes

HERE = Path(__file__).parent
EXAMPLE = (HERE / "example.yaml").read_bytes()
BASE = (HERE / "base" / "office.yaml").read_bytes()


def load(data: bytes) -> LoadResult:
    result = load_plan_bytes({"plan.yaml": data})
    assert (result.plan is None) == bool(result.errors)
    assert all(str(problem) for problem in result.problems)
    return result


def test_no_truncation_crashes_and_none_is_taken_for_the_whole() -> None:
    """Cut after every byte; many cuts parse as YAML, so the end mark decides."""
    whole = len(EXAMPLE.rstrip())
    for length in range(len(EXAMPLE)):
        result = load(EXAMPLE[:length])
        assert result.files[0].complete_mark is (length >= whole), length


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_mutation_of_lines_crashes(data: st.DataObject) -> None:
    lines = EXAMPLE.decode().splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(lines) - 1))
        other = data.draw(st.sampled_from(lines))
        match data.draw(st.sampled_from(["drop", "double", "swap", "indent", "dedent"])):
            case "drop":
                lines[index] = ""
            case "double":
                lines[index] *= 2
            case "swap":
                lines[index] = other
            case "indent":
                lines[index] = "  " + lines[index]
            case "dedent":
                lines[index] = lines[index].removeprefix("  ")
    load("".join(lines).encode())


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_mutation_of_characters_crashes(data: st.DataObject) -> None:
    text = EXAMPLE.decode()
    for _ in range(data.draw(st.integers(1, 5))):
        index = data.draw(st.integers(0, len(text) - 1))
        new = data.draw(st.sampled_from([*"：，“”－　［］\t-:[]{}&*!|>'\"%@?# \n0a\0\u2028", ""]))
        text = text[:index] + new + text[index + 1 :]
    load(text.encode())


_WORDS = st.sampled_from(
    [
        "id",
        "when",
        "every",
        "month",
        "due",
        "to",
        "everyone",
        "from",
        "-5",
        "true",
        "",
        "季末",
        "unit:办公室",
        "mail",
    ]
)
_VALUES = st.recursive(
    _WORDS | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=10,
)
_SECTIONS = st.sampled_from(
    ["plan", "items", "ladders", "units", "groups", "posts", "people", "holdings", "supervision", "channels"]
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(_SECTIONS, _VALUES, max_size=4))
def test_no_shape_of_values_crashes(sections: dict[str, object]) -> None:
    """Right keys with wrong values of every kind, beside a sound office."""
    text = json.dumps(sections, ensure_ascii=False).replace("null", "")
    result = load_plan_bytes({"plan.yaml": text.encode(), "office.yaml": BASE})
    assert (result.plan is None) == bool(result.errors)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "id",
                "was",
                "clause",
                "basis",
                "title",
                "when",
                "duty",
                "approval",
                "via",
                "ladder",
                "remind",
                "template",
                "responsible",
                "brief",
                "private",
            ]
        ),
        _VALUES,
    )
)
def test_no_shape_of_an_item_crashes(item: dict[str, object]) -> None:
    text = json.dumps(
        {"items": [{"id": "a", "clause": "一", "basis": "拟", "title": "题"} | item]}, ensure_ascii=False
    )
    head = (HERE / "base" / "head.yaml").read_bytes()
    result = load_plan_bytes({"plan.yaml": text.encode(), "head.yaml": head, "office.yaml": BASE})
    assert (result.plan is None) == bool(result.errors)
