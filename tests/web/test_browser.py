"""The page in a real browser: a phone's size, scripts off, fingers and keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reminder.agenda.facts import DutyAction
from tests.harness.browser import Browser
from tests.plans import DIRECTORY
from tests.web.conftest import ABSENT, NOW, REPORT, STUDY, TALK, Served

LEAST_CONTRAST = 4.5
"""WCAG 2.2 §1.4.3, for text of any size."""
LEAST_TARGET = 44.0
"""CSS pixels, WCAG 2.2 §2.5.5."""


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


def test_a_finger_marks_a_talk_done_with_scripts_off(
    served: Served, browser: Browser, tmp_path: Path
) -> None:
    browser.open(
        "data:text/html,<p>off</p><noscript>, truly</noscript><script>document.body.textContent='on'</script>"
    )
    assert browser.text() == "off, truly"
    address = served.address(served.personal("p-leader"))
    browser.open(address)
    assert "理论科科长" not in browser.text()
    browser.tap(browser.find("button[value=show]")[0])
    assert "理论科科长" in browser.text()
    browser.tap(browser.find("button[value=done]")[1])
    assert browser.url == address
    browser.picture(tmp_path / "done.png")
    assert "已记录" in browser.text()
    assert "2026年6月10日办结（2026年6月10日由分管副部长登记）" in browser.text()
    (event,) = served.events("talk/2026", "p-leader/p-theory")
    assert (event.action, event.by, event.on) == (DutyAction.DONE, "p-leader", NOW.date())
    browser.open(address)
    assert browser.find("button[value=done]") == []
    browser.tap(browser.find("button[value=show]")[0])
    assert len(browser.find("button[value=done]")) == 1
    assert len(served.events("talk/2026", "p-leader/p-theory")) == 1


def test_a_date_that_has_not_come_is_refused_where_it_was_typed(served: Served, browser: Browser) -> None:
    browser.open(served.address(served.personal("p-office")))
    browser.write(browser.find("input[name=note]")[0], "两篇")
    date_field = browser.find("input[type=date]")[0]
    browser.devtools("DOM.setAttributeValue", nodeId=date_field, name="value", value="2026-06-30")
    browser.tap(browser.find("button[value=done]")[0])
    assert "请核对：办结日期 2026-06-30 还没有到" in browser.text()
    assert served.events("report/2026", "办公室") == ()
    assert browser.spoken(browser.find("[role=alert]")[0])[0] == "alert"
    kept = browser.attributes(browser.find("input[type=date]")[0])
    assert kept["value"] == "2026-06-30"
    assert kept["aria-invalid"] == "true"
    assert browser.attributes(browser.find("input[name=note]")[0])["value"] == "两篇"


def test_keys_alone_are_enough_and_go_from_top_to_bottom(served: Served, browser: Browser) -> None:
    browser.open(served.address(served.personal("p-office")))
    order: list[str] = []
    while "暂缓提醒" not in order:
        browser.press("Tab")
        role, name = browser.focused()
        if role != "spinbutton" and "date picker" not in name:  # the parts of a date field
            order.append(name)
        assert len(order) < 10
    assert order == ["说明（可不填）", "已于此日办结", "安排在此日办理", "暂缓提醒"]
    browser.open(served.address(served.personal("p-office")))
    while browser.focused() != ("button", "已于此日办结"):
        browser.press("Tab")
    browser.press("Enter", leads_on=True)
    assert "已记录" in browser.text()
    assert len(served.events("report/2026", "办公室")) == 1


def test_a_screen_reader_is_told_what_everything_is(served: Served, browser: Browser) -> None:
    browser.open(served.address(served.personal("p-leader")))
    browser.tap(browser.find("button[value=show]")[0])
    html = browser.attributes(browser.find("html")[0])
    assert html["lang"] == "zh-CN"
    viewport = browser.attributes(browser.find("meta[name=viewport]")[0])["content"]
    assert "user-scalable" not in viewport
    assert "maximum-scale" not in viewport
    assert [browser.spoken(node) for node in browser.find("h1")] == [("heading", "办结登记")]
    assert len(browser.find("main")) == len(browser.find("header")) == len(browser.find("footer")) == 1
    unfold(browser)
    fields = browser.find("input:not([type=hidden])")
    assert [browser.spoken(node)[1] for node in fields] == ["日期", "日期", "在这一天之前不再提醒"]
    names = [browser.spoken(node)[1] for node in browser.find("form")]
    assert len(set(names)) == len(names) == 3
    assert all(browser.spoken(node)[1] for node in browser.find("button, summary"))
    ids = [browser.attributes(node)["id"] for node in browser.find("[id]")]
    assert len(set(ids)) == len(ids)


def unfold(browser: Browser) -> None:
    """Open what is folded away, as a tap on its line does."""
    for node in browser.find("details"):
        browser.devtools("DOM.setAttributeValue", nodeId=node, name="open", value="")


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = [int(each) / 255 for each in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_of_contrast_is_the_standard_s() -> None:
    white = "rgb(255, 255, 255)"
    assert contrast("rgb(0, 0, 0)", white) == pytest.approx(21)
    assert contrast("rgb(119, 119, 119)", white) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_word_can_be_read_by_day_and_by_night(tmp_path: Path, dark: bool) -> None:
    """With all that can stand on a page: confirmed, refused, filled in for others, put off."""
    with (
        Served(tmp_path, REPORT, STUDY, TALK, directory=DIRECTORY + ABSENT) as served,
        Browser(dark=dark) as browser,
    ):
        address = served.address(served.personal("p-liaison"))
        browser.open(address)
        browser.tap(browser.find("button[value=done]")[0])
        seen = browser.colours()
        field = browser.find("input[type=date]")[0]
        browser.devtools("DOM.setAttributeValue", nodeId=field, name="value", value="2020-01-01")
        browser.tap(browser.find("button[value=done]")[0])
        browser.picture(tmp_path / "refused.png")
        seen += browser.colours()
        browser.open(served.address("nothing"))
        seen += browser.colours()
        said = " ".join(text for text, _, _ in seen)
        for words in ("已记录", "没有登记", "由您代填", "已办结", "链接无效或已过期", "暂缓提醒"):
            assert words in said
        faint = {
            (text, colour, behind)
            for text, colour, behind in seen
            if contrast(colour, behind) < LEAST_CONTRAST
        }
        assert faint == set()
        assert len({behind for _, _, behind in seen}) > 3


@pytest.mark.parametrize("width", [320, 390, 820])
def test_nothing_reaches_over_the_edge_and_every_target_is_a_finger_s(tmp_path: Path, width: int) -> None:
    long = REPORT.replace("事项report", "机关" * 60).replace("报送材料收到并确认。", "https://" + "a" * 200)
    with (
        Served(tmp_path, long, TALK) as served,
        Browser(width=width) as browser,
    ):
        for person in ("p-office", "p-leader"):
            browser.open(served.address(served.personal(person)))
            assert browser.page_size()[0] <= width
            for node in browser.find("button[value=show]"):
                assert browser.size(node)[1] >= LEAST_TARGET
                browser.tap(node)
            unfold(browser)
            assert browser.page_size()[0] <= width
            for node in browser.find("button, summary, input:not([type=hidden])"):
                assert browser.size(node)[1] >= LEAST_TARGET
