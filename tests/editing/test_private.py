"""What of a plan file whoever may not see private items is shown."""

from __future__ import annotations

import pytest

from reminder.editing.private import is_closed, open_lines
from reminder.editing.shelf import DocumentKind

FILE = """\
plan:
  id: test
  # 计划的说明
items:
  # 公开的一项
  - id: study
    title: 学习
    brief: |
      # 不是注释
      第一行

  # 谈话安排在年中
  - id: talk
    title: 谈话之事
    private: true
    brief: |
      与某人谈
      # 某人

    # 谈话的附注
  - id: report
    title: 报送
...
"""


def shown(text: str) -> str:
    return "\n".join(line for _, line in open_lines(text.encode()))


def closed(text: str) -> bool:
    return is_closed(DocumentKind.PLAN, text.encode())


def test_a_file_with_a_private_item_is_closed() -> None:
    assert closed(FILE)
    assert not closed(FILE.replace("private: true", "private: false"))
    assert not is_closed(DocumentKind.TEMPLATE, FILE.encode())


def test_only_public_items_are_shown_with_their_numbers() -> None:
    text = shown(FILE)
    for word in ("谈话", "talk", "某人", "private", "附注"):
        assert word not in text
    for word in ("id: test", "计划的说明", "公开的一项", "学习", "# 不是注释", "报送", "..."):
        assert word in text
    assert (21, "  - id: report") in open_lines(FILE.encode())


def test_a_private_item_at_the_end_takes_its_tail_with_it() -> None:
    text = FILE.replace("    title: 报送\n", "    title: 报送\n    private: true\n  # 附在后面的话\n")
    assert "附在后面" not in shown(text)
    assert shown(text).endswith("...")
    assert "ladders" in shown(text.replace("...\n", "ladders:\n  a: b\n...\n"))
    assert "附在后面" not in shown(text.replace("...\n", "ladders:\n  a: b\n...\n"))


@pytest.mark.parametrize(
    "text",
    [
        "items: [{id: study, title: 学习}, {id: talk, private: true}]\n",
        "items:\n  - {id: study}\n  - {id: talk, private: true}\nitems2: [\n",
        "items:\n  - id: talk\n    private: true\n   broken\n",
    ],
)
def test_where_lines_cannot_be_told_apart_nothing_is_shown(text: str) -> None:
    assert closed(text)
    assert open_lines(text.encode()) == ()


def test_what_cannot_be_read_is_closed_unless_it_can_hold_nothing_private() -> None:
    assert closed("items:\n - private: true\n  x: [")
    assert not closed("items:\n - x: [")
    assert is_closed(DocumentKind.PLAN, "items: private".encode("utf-16"))


@pytest.mark.parametrize("word", ["yes", "是", "'true'", "[]", "1"])
def test_whatever_stands_at_private_but_false_is_private(word: str) -> None:
    assert closed(f"items:\n  - id: talk\n    private: {word}\n")
