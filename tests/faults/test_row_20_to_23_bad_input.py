"""Rows 20 to 23: bombs, misleading values, bombs in templates and headers with breaks, under the whole daemon."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.amounts import cases
from tests.editions import TEMPLATES
from tests.harness.office import CLERK, Office, items, usage
from tests.harness.process import wait_for
from tests.plans import at, item_yaml

NINE = at("2026-06-10 09:00")
NEXT_DAY = at("2026-06-11 09:00")
MAIL = "  via:\n    - mail\n"
SECONDS = 20
"""In which a bad file is refused on shared cores, the rest of the plan read and checked included;
how fast the reading alone is stands in tests/test_source.py."""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Running since eight, with one reminder at nine."""
    with Office(tmp_path, items(1, via=MAIL)) as made:
        made.adopt()
        made.daemon.start()
        yield made


def replaced(office: Office, old: str, new: str) -> bytes:
    """The plan file with one thing in it changed."""
    text = (office.daemon.schedules / "plan.yaml").read_text("utf-8")
    assert old in text
    return text.replace(old, new).encode()


def refused(office: Office, name: str, data: bytes) -> str:
    """Save and reload a file; the words with which the daemon refuses it, the old plan staying in force."""
    path = office.daemon.schedules / name
    before = path.read_bytes() if path.exists() else None
    said = office.daemon.log.read_text().count("plan refused")
    began = time.monotonic()
    path.write_bytes(data)
    office.daemon.signal(signal.SIGHUP)
    wait_for(lambda: office.daemon.log.read_text().count("plan refused") > said, "the refusal")
    assert time.monotonic() - began < SECONDS
    words = office.daemon.log.read_text().rpartition("plan refused")[2]
    assert "plan_refused" in office.health
    assert office.daemon.alive
    if before is None:
        path.unlink()
    else:
        path.write_bytes(before)
    return words


def still_sends(office: Office) -> None:
    """The reminder of nine goes out, once, by the plan of eight."""
    office.set(NINE)
    wait_for(lambda: office.states("n0000", "mail") == {"p-office": "accepted"}, "the reminder")
    assert [each.recipient for each in office.smtp.messages].count("office@example.com") == 1


BOMBS = {
    "aliases": (b"a: &a [x,x]\n" + b"".join(b"a%d: &a%d [*a,*a]\n" % (n, n) for n in range(9000)), "锚点"),
    "depth": (b"items: " + b"[" * 100_000, "嵌套"),
    "size": (b"a: b\n" * 2_000_000, "文件超过 5 MiB"),
    "many lists": (b"[" + b"[]," * 1_000_000, "more.yaml:1:"),
}


def test_row_20_bombs_are_refused_at_once_with_file_and_line(office: Office) -> None:
    """Each in a file of its own beside the plan: named within seconds and 100 MiB, the old plan stays."""
    wait_for(lambda: office.health, "the first look")
    before = usage(office)["memory"]
    for name, (data, word) in BOMBS.items():
        words = refused(office, "more.yaml", data)
        assert "more.yaml" in words, name
        assert word in words, (name, words[:400])
        assert usage(office)["memory"] - before < 100 * 1024, name
    still_sends(office)


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        (
            "  title: 测试计划\n",
            "  title: 测试计划\n  title: 另一个\n",
            "plan.yaml:4:3",
            "键“title”重复；首次出现在第 3 行第 3 列",
        ),
        ("      at: 23:59\n", "      at: 1439\n", "plan.yaml:", "“1439”不是时刻"),
        ("      - mail\n", "      - NO\n", "plan.yaml:", "“NO”"),
        ("    - person:p-clerk\n", "    - &x person:p-clerk\n", "plan.yaml:", "锚点“&x”"),
    ],
)
def test_row_21_what_yaml_would_turn_into_something_else_is_refused(
    office: Office, old: str, new: str, place: str, words: str
) -> None:
    """Duplicate keys, numbers for times, NO for a channel: named with their place as they were written."""
    said = refused(office, "plan.yaml", replaced(office, old, new))
    assert place in said
    assert words in said
    still_sends(office)


def test_row_21_a_word_that_yaml_knows_stays_the_word(tmp_path: Path) -> None:
    """A title ``NO`` and one ``12:30`` arrive as they were written."""
    plan = [each.replace("title: 事项", "title: NO 12:30 010 事项") for each in items(1, via=MAIL)]
    with Office(tmp_path, plan) as office:
        office.adopt()
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: office.smtp.messages, "the reminder")
        (arrival,) = office.arrivals()
        assert "NO 12:30 010 事项n0000" in arrival.text


BOMB = """\
{% if occurrence.due.day == 11 and item.id == "bomb" %}
{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}
{% endif %}
{% if occurrence.due.day == 11 and item.id == "hole" %}{{ festival.name }}{% endif %}
"""
"""Nothing on the tenth, so that the check of the plan, which looks at the first occurrence, lets it pass."""


def test_row_22_a_bomb_and_a_hole_stop_their_items_and_no_other(tmp_path: Path) -> None:
    """On the eleventh: two items are recorded as failed and told, the third goes out within seconds."""
    templates = tmp_path / "templates"
    shutil.copytree(TEMPLATES, templates)
    file = templates / "general" / "mail.txt.j2"
    file.write_text(BOMB + file.read_text("utf-8"), "utf-8")
    rung = "- from: due\n  days: 0\n  to:\n    - person:p-office\n    - person:p-theory\n" + MAIL
    plan = [
        item_yaml(name, "dates:\n  - 2026-06-10\n  - 2026-06-11\nat: 23:59", rung, "alone: true")
        for name in ("bomb", "good", "hole")
    ]
    with Office(
        tmp_path, plan, NINE + timedelta(hours=1), environment={"REMINDER_TEMPLATES": str(templates)}
    ) as office:
        office.adopt()
        office.set(NEXT_DAY - timedelta(minutes=1))
        office.daemon.start()
        wait_for(lambda: office.health, "the first look")
        began = time.monotonic()
        office.set(NEXT_DAY)
        wait_for(lambda: len(told(office, "事项good（2026年6月11日）")) == 2, "the good one")
        assert time.monotonic() - began < 25  # one text stopped after two seconds, and not one a receiver
        wait_for(lambda: office.notices(), "the word to the admin")
        for name in ("bomb", "hole"):
            found = {(each.receiver, each.decision, each.reason) for each in office.daemon.entries(item=name)}
            assert {each for each in found if each[1] != "suppress"} == {
                ("p-office", "fail", "template"),
                ("p-theory", "fail", "template"),
            }, name
        (notice,) = office.notices()
        assert "有4条提醒未能发出" in notice
        assert (
            "事项bomb（2026年6月11日）：templates/general: 模板在 2 秒内没有处理完，已停止；"
            "请检查循环、宏和重复替换是否没有尽头" in notice
        )
        assert "事项hole（2026年6月11日）：templates/general/mail.txt.j2:4:" in notice
        assert "事项good" not in notice
        assert told(office, "事项good（2026年6月11日）") == ["office@example.com", "theory@example.com"]
        assert [told(office, f"事项{name}（") for name in ("bomb", "hole")] == [[], []]


def told(office: Office, mark: str) -> list[str]:
    """Who got a reminder with this in it."""
    return sorted(each.receiver for each in office.arrivals() if mark in each.text and each.receiver != CLERK)


BREAKS = {"CR": "\r", "LF": "\n", "NUL": "\0", "U+2028": "\u2028"}


@pytest.mark.parametrize("name", BREAKS)
def test_row_23_a_break_in_what_becomes_a_header_is_refused_at_load(office: Office, name: str) -> None:
    """In a title, written as an escape: the plan is refused with its line, the old one stays."""
    escape = {"CR": "\\r", "LF": "\\n", "NUL": "\\0", "U+2028": "\\u2028"}[name]
    changed = replaced(office, "title: 事项n0000", f'title: "事项{escape}Bcc: x@example.com"')
    words = refused(office, "plan.yaml", changed)
    assert "plan.yaml:19:12: " in words
    assert f"控制字符 U+{ord(BREAKS[name]):04X}" in words
    still_sends(office)


@pytest.mark.parametrize("name", cases(BREAKS, ["LF", "U+2028"]))
def test_row_23_a_break_in_an_address_is_refused_at_send(tmp_path: Path, name: str) -> None:
    """Put into the ledger behind the loader's back: not one byte of it reaches the server."""
    with Office(tmp_path, items(2, via=MAIL)) as office:
        office.adopt()
        office.smtp.misbehave("rcpt", "reply", "450 4.2.1 later", times=1)
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: office.ended("n0000", "mail"), "the first try")
        office.daemon.stop()
        address = f"office@example.com>{BREAKS[name]}RCPT TO:<x@example.com"
        with sqlite3.connect(office.daemon.data / "ledger.sqlite3") as ledger:
            ledger.execute("UPDATE deliveries SET address = ?", (address,))
        ledger.close()
        office.set(NINE + timedelta(minutes=5))
        office.daemon.start()
        wait_for(lambda: office.states("n0000", "mail") == {"p-office": "failed"}, "the refusal")
        *_, last = office.tries("n0000", "mail")
        assert (last.outcome, last.code) == ("permanent", "address")
        wait_for(lambda: office.states("n0001", "mail") == {"p-office": "accepted"}, "the next reminder")
        assert {each.recipient for each in office.smtp.messages} <= {
            "office@example.com",
            "clerk@example.com",
        }
        assert not any("x@example.com" in each for each in office.smtp.commands)
