"""The shipped templates: every text, in every phase, read and kept as golden files.

Write the golden files anew with ``GOLDEN=write``, and read what changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reminder.messages.context import Request, masked
from reminder.messages.message import Message
from reminder.messages.render import LAYOUT_NAMES, Templates

GOLDEN = Path(__file__).parent / "golden"
FOLDER = Path(__file__).parents[2] / "message_templates"
ZONE = ZoneInfo("Asia/Shanghai")
PHASES = ("before", "day", "after")
OF_ITEMS = (
    "festival",
    "festival-close",
    "festival-prompt",
    "gate",
    "general",
    "inspection",
    "lecture",
    "matter",
    "missing-list",
    "monthly",
    "report",
    "spot-check",
    "talk",
    "window",
)

ON_A_SET_DAY = ("gate", "matter", "spot-check")
"""Their day was registered or published: nothing about it is expected."""

FORBIDDEN = (
    "！", "!", "收到请回复", "逾期", "催办", "责令", "快乐", "一律不得", "聚餐", "聚会", "新征程", "二十大", "十九大",
    "喜迎", "〔", "号文", "特此通知", "务必", "必须",
)  # fmt: skip
"""Words that are too harsh, tied to a year, wider than the rules, or that imitate a formal document."""

Facts = Callable[..., dict[str, Any]]


def whole(templates: Templates, *named: tuple[str, dict[str, Any]]) -> Message:
    """The whole message of one or several sections."""
    layout = {"owes": False} | {key: value for key, value in named[0][1].items() if key in LAYOUT_NAMES}
    return templates.message([templates.section(name, context) for name, context in named], layout)


def agrees_with_golden(name: str, message: Message) -> None:
    text = f"{message.subject}\n----\n{message.text}---- markdown\n{message.markdown}"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


class WellFormed(HTMLParser):
    """Fails on tags that do not match, and collects what a mail should not contain."""

    VOID = frozenset(("meta", "br"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.styles = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.styles += ";".join(value or "" for name, value in attrs if name == "style")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def is_sound_html(html: str) -> None:
    parser = WellFormed()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    assert parser.tags.isdisjoint(
        {"script", "img", "link", "iframe", "style", "table", "form", "a", "object"}
    )
    assert parser.attributes <= {"style", "charset", "name", "content", "lang"}
    assert "url(" not in parser.styles
    assert "http" not in html
    assert "//" not in html


def is_tidy(message: Message) -> None:
    assert "\n" not in message.subject
    assert 0 < len(message.subject) <= 60
    for text in (message.text, message.markdown, message.html):
        assert not re.search(r"[ \t]+$", text, re.MULTILINE)
        assert "\n\n\n" not in text
        assert "None" not in text
        assert "{{" not in text
    assert not [word for word in FORBIDDEN if word in message.subject + message.text + message.markdown]


def test_the_shipped_folder_has_no_problems_and_these_templates(templates: Templates) -> None:
    assert templates.names() == tuple(sorted([*OF_ITEMS, "approval", "notice", "private"]))
    assert set(templates.files()) >= {"_layout/mail.html.j2", "talk/words.j2", "wording.yaml"}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", OF_ITEMS)
def test_each_template_says_what_its_phase_needs(
    name: str, phase: str, templates: Templates, facts: Facts
) -> None:
    message = whole(templates, (name, facts(name, phase)))
    is_tidy(message)
    is_sound_html(message.html)
    agrees_with_golden(f"{name}-{phase}", message)


@pytest.mark.parametrize("name", ["元旦", "春节", "清明", "劳动节", "端午", "中秋", "国庆", "国庆中秋"])
def test_each_festival_has_a_text_of_its_own(
    name: str, templates: Templates, facts: Facts, festivals: Callable[..., dict[str, Any]]
) -> None:
    feast = festivals(name)
    context = facts("festival", festival=feast, today=feast["break_first"] - timedelta(days=2))
    message = whole(templates, ("festival", context))
    is_tidy(message)
    agrees_with_golden(f"festival-{name}", message)


LINK = "https://djw.example.com/lianjie/d/PLACEHOLDER-OF-A-TOKEN"


@pytest.mark.parametrize("name", ["talk", "window", "report"])
def test_who_owes_is_shown_one_link_and_asked_to_tell_nobody(
    name: str, templates: Templates, facts: Facts
) -> None:
    message = whole(templates, (name, facts(name, "after", owes=True, link=LINK)))
    is_tidy(message)
    for text in (message.text, message.html, message.markdown):
        assert text.count(LINK) == 1
        assert "办结后点此登记" in text
        assert "此链接只供本人使用，请勿转发" in text
        assert "日期告知" not in text
    assert f'<a href="{LINK}"' in message.html
    assert f"[办结后点此登记]({LINK})" in message.markdown
    agrees_with_golden(f"{name}-after-link", message)


@pytest.mark.parametrize("name", ["talk", "window", "report"])
def test_without_a_link_who_owes_is_asked_to_tell(name: str, templates: Templates, facts: Facts) -> None:
    message = whole(templates, (name, facts(name, "before", owes=True)))
    is_tidy(message)
    is_sound_html(message.html)
    for text in (message.text, message.html, message.markdown):
        assert "办结后请告知机关党委（机关党委办公室）。" in text
    agrees_with_golden(f"{name}-before-tell", message)


def test_a_break_shared_by_two_festivals_has_its_text_in_either_order(
    templates: Templates, facts: Facts, festivals: Callable[..., dict[str, Any]]
) -> None:
    feast = festivals("国庆中秋")
    swapped = {**feast, "name": "中秋国庆", "names": ["中秋", "国庆"]}
    today = feast["break_first"] - timedelta(days=2)
    texts = {
        whole(templates, ("festival", facts("festival", festival=each, today=today))).text
        for each in (feast, swapped)
    }
    assert len(texts) == 1
    assert "国庆节、中秋节将至" in texts.pop()


def test_an_unpublished_break_is_expected_and_has_no_makeup_days(
    templates: Templates, facts: Facts, festivals: Callable[..., dict[str, Any]]
) -> None:
    feast = festivals("国庆", provisional=True)
    context = facts("festival", festival=feast, today=date(2026, 9, 29), provisional=True)
    message = whole(templates, ("festival", context))
    assert "预计10月1日至7日放假" in message.text
    assert "以国务院办公厅通知为准" in message.text
    assert "正常上班" not in message.text
    agrees_with_golden("festival-provisional", message)


def test_makeup_days_that_are_over_are_not_announced(
    templates: Templates, facts: Facts, festivals: Callable[..., dict[str, Any]]
) -> None:
    context = facts("festival", festival=festivals("国庆"), today=date(2026, 9, 29))
    message = whole(templates, ("festival", context))
    assert "9月20日" not in message.text
    assert "10月10日（星期六）正常上班" in message.text


def test_a_festival_of_the_offices_own_gets_the_general_text_and_no_break(
    templates: Templates, facts: Facts, festivals: Callable[..., dict[str, Any]]
) -> None:
    day = date(2026, 10, 18)
    own = {"name": "重阳", "names": ["重阳"], "days": [{"name": "重阳", "date": day}]}
    feast = {**festivals("中秋"), **own, "break_first": day, "break_last": day, "break_days": 1}
    message = whole(templates, ("festival", facts("festival", festival=feast, today=date(2026, 10, 16))))
    assert "重阳节将至，日期为10月18日（星期日）。" in message.text
    assert "放假" not in message.text


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", OF_ITEMS)
def test_provisional_late_bare_and_group_messages_hold_for_every_template(
    name: str, phase: str, templates: Templates, facts: Facts, festivals: Callable[..., dict[str, Any]]
) -> None:
    usual = facts(name, phase)
    late = {"late": True, "planned": usual["today"] - timedelta(days=1)}
    feast = festivals("中秋", provisional=True) if usual["festival"] else None
    message = whole(
        templates, (name, facts(name, phase, provisional=True, cells=[], alarm=late, festival=feast))
    )
    is_tidy(message)
    assert "预计" in message.text or (name, phase) == ("festival", "after") or name in ON_A_SET_DAY
    assert "预计" not in message.text or name not in ON_A_SET_DAY
    assert "现补发" in message.text
    group = whole(templates, (name, facts(name, phase, receiver={"name": "工作群", "kind": "group"})))
    is_tidy(group)
    assert "您好" not in group.text
    assert "工作群" not in group.text
    bare = whole(templates, (name, facts(name, phase, festival=None)))
    is_tidy(bare)


def test_a_talk_is_private_and_asks_for_the_date_only(templates: Templates, facts: Facts) -> None:
    message = whole(templates, ("talk", facts("talk")))
    assert "谈话内容不用登记" in message.text
    group = whole(templates, ("talk", facts("talk", receiver={"kind": "group"})))
    for name in ("新闻科科长", "廉政谈话"):
        assert name in message.text
        assert name not in group.subject + group.text + group.html + group.markdown


def test_an_inspection_is_not_named_in_a_subject_or_a_group(templates: Templates, facts: Facts) -> None:
    mine = whole(templates, ("inspection", facts("inspection")))
    group = whole(templates, ("inspection", facts("inspection", receiver={"kind": "group"})))
    digest = whole(templates, ("inspection", facts("inspection")), ("window", facts("window")))
    assert "检查" in mine.text
    assert (
        "检查" not in mine.subject + digest.subject + group.subject + group.text + group.html + group.markdown
    )
    assert digest.subject == "今日提醒 2 项：廉政风险评估"


ESCALATING = [
    each
    for each in OF_ITEMS
    if each not in ("festival", "festival-close", "missing-list", "gate", "matter", "spot-check")
]
"""All but the word to all, its close, the list, and those of events and draws, which ask nobody above for anything."""
UNITS = {"cells": [{"label": "新闻科"}, {"label": "第二党支部"}]}
PAIRS = {"cells": [{"label": "副部长（理论）与理论科科长"}, {"label": "副部长（新闻）与新闻科科长"}]}
COUNT_ONLY: dict[str, Any] = {"cells": [], "count": 3, "hidden": True}
SUPERIOR, HEAD, DEPUTY = ({"reader": each} for each in ("superior", "head", "deputy"))

READ_BY: dict[str, tuple[str, str, dict[str, Any]]] = {
    # golden: template, phase, and what is different from the obligor's own message
    "report-after-superior": ("report", "after", {**UNITS, "alarm": SUPERIOR}),
    "report-after-superior-again": ("report", "after", {**UNITS, "alarm": {**SUPERIOR, "repetition": 3}}),
    "report-after-head": ("report", "after", {"cells": UNITS["cells"][:1], "alarm": HEAD}),
    "report-before-deputy": ("report", "before", {"alarm": DEPUTY, "deputy_for": ["理论科副科长"]}),
    "window-after-superior": ("window", "after", {**UNITS, "alarm": SUPERIOR}),
    "lecture-after-superior": ("lecture", "after", {"cells": [{"label": "网络科科长"}], "alarm": SUPERIOR}),
    "talk-after-superior": ("talk", "after", {**PAIRS, "alarm": SUPERIOR}),
    "talk-after-hidden": ("talk", "after", {**COUNT_ONLY, "alarm": SUPERIOR}),
    "talk-before-deputy": ("talk", "before", {**PAIRS, "alarm": DEPUTY, "deputy_for": ["副部长（理论）"]}),
    "inspection-after-hidden": ("inspection", "after", {**COUNT_ONLY, "alarm": SUPERIOR}),
    "missing-list-after-hidden": ("missing-list", "after", {**COUNT_ONLY, "item": {"private": True}}),
    "missing-list-after-names": ("missing-list", "after", {**PAIRS, "item": {"private": True}}),
}


@pytest.mark.parametrize("name", sorted(READ_BY))
def test_superiors_heads_and_deputies_read_what_is_theirs_to_do(
    name: str, templates: Templates, facts: Facts
) -> None:
    template, phase, changes = READ_BY[name]
    message = whole(templates, (template, facts(template, phase, **changes)))
    is_tidy(message)
    is_sound_html(message.html)
    agrees_with_golden(name, message)


@pytest.mark.parametrize("name", ESCALATING)
def test_a_superior_reads_exactly_what_is_open_and_once_more_that_it_is_once_more(
    name: str, templates: Templates, facts: Facts
) -> None:
    """Whatever the template, and with counts in place of names for whoever may not know them."""
    again = {**SUPERIOR, "repetition": 2}
    message = whole(templates, (name, facts(name, "after", **UNITS, alarm=again)))
    is_tidy(message)
    assert "（1）新闻科\n（2）第二党支部" in message.text
    assert "再次提请关注（第2次）" in message.text
    counted = whole(templates, (name, facts(name, "after", **COUNT_ONLY, alarm=SUPERIOR)))
    is_tidy(counted)
    assert "尚有3" in counted.text
    assert "不列名单" in counted.text


@pytest.mark.parametrize("name", [each for each in OF_ITEMS if each != "festival"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_deputy_reads_first_for_whom_they_act(
    name: str, phase: str, templates: Templates, facts: Facts
) -> None:
    """In every template but the word to all, which is nobody's matter."""
    message = whole(templates, (name, facts(name, phase, deputy_for=["办公室主任", "理论科科长"])))
    is_tidy(message)
    for form in (message.text, message.html, message.markdown):
        assert "（您代办公室主任和理论科科长办理）" in form


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", OF_ITEMS)
def test_over_the_internet_every_private_matter_reads_the_same(
    name: str, phase: str, templates: Templates, facts: Facts
) -> None:
    """Whichever template it has: the variables themselves no longer say what it is."""
    told = facts(name, phase, **PAIRS, item={"private": True}, occurrence={"due": date(2026, 9, 30)})
    section = templates.section("private", masked({**told, "added_later": told["item"]["title"]}))
    assert section.title == ""
    assert "added_later" not in masked({**told, "added_later": told["item"]["title"]})
    everything = section.subject + section.text + section.html + section.markdown
    for word in (
        told["item"]["title"],
        told["occurrence"]["label"],
        told["item"]["clause"],
        "科",
        "谈",
        "检查",
    ):
        assert word not in everything
    message = whole(templates, ("private", masked(facts("talk", phase))))
    is_tidy(message)
    is_sound_html(message.html)
    agrees_with_golden(f"private-{phase}", message)


def test_a_private_title_is_in_no_digests_subject(templates: Templates, facts: Facts) -> None:
    """Neither in full on the office's own network, nor as the least over the internet."""
    for private in (("talk", facts("talk")), ("private", masked(facts("talk")))):
        message = whole(templates, private, ("window", facts("window")))
        assert message.subject == "今日提醒 2 项：廉政风险评估"


def test_a_missing_list_gives_the_count_alone_to_whoever_may_not_know_more(
    templates: Templates, facts: Facts
) -> None:
    message = whole(templates, ("missing-list", facts("missing-list", "after", **COUNT_ONLY)))
    assert "尚有3项" in message.text
    assert "（1）" not in message.text
    assert message.subject == "活动开展情况报送（2026年第三季度）：3项尚未登记"


def test_several_sections_are_one_message_with_headings_in_the_order_given(
    templates: Templates, facts: Facts
) -> None:
    named = [
        ("report", facts("report", provisional=True)),
        ("window", facts("window")),
        ("monthly", facts("monthly")),
    ]
    message = whole(templates, *named)
    is_tidy(message)
    is_sound_html(message.html)
    agrees_with_golden("digest", message)
    assert message.text.count("机关党委\n2026年9月23日") == 1


def test_a_digests_subject_stays_short_and_names_each_title_once(templates: Templates, facts: Facts) -> None:
    long = [
        ("window", facts("window", item={"title": f"第{number}项名称很长很长的工作任务"}))
        for number in range(9)
    ]
    subject = whole(templates, *long).subject
    assert subject.startswith("今日提醒 9 项：第0项")
    assert subject.endswith("…")
    assert len(subject) == 60
    twice = whole(templates, *[("window", facts("window"))] * 2).subject
    assert twice == "今日提醒 2 项：廉政风险评估"


def test_a_lecture_is_announced_to_its_audience(templates: Templates, facts: Facts) -> None:
    context = facts("lecture", cells=[], alarm={"id": "notice"}, item={"title": "部领导廉政党课"})
    message = whole(templates, ("lecture", context))
    assert message.subject == "部领导廉政党课：9月30日（星期三）17:00"
    assert "请安排好工作，按时参加" in message.text


def test_full_facts_are_all_shown(templates: Templates, facts: Facts) -> None:
    item = {
        "brief": "梳理风险点。\n定出措施。",
        "done_when": "清单已登记。",
        "units": ["办公室", "理论科", "新闻科"],
    }
    context = facts("window", item=item, office={"phone": "0000-0000000"})
    message = whole(templates, ("window", context))
    is_sound_html(message.html)
    for form in (message.text, message.html, message.markdown):
        for text in (
            "梳理风险点。\n定出措施。",
            "清单已登记。",
            "办公室、理论科和新闻科",
            "0000-0000000",
            "通知二（三）3（建议安排）",
        ):
            assert text in form


def test_a_notice_of_the_system_needs_no_item(templates: Templates, facts: Facts) -> None:
    base = {key: value for key, value in facts("general").items() if key in LAYOUT_NAMES}
    notice = {"title": "2027年放假安排尚未录入", "lines": ["第一行。", "第二行。"], "remedy": ""}
    section = templates.section("notice", {**base, "notice": notice})
    assert (section.subject, section.text, section.title) == (notice["title"], "第一行。\n\n第二行。", "")


FESTIVAL_TEXT = "理论科科长：\n\n您好。\n\n中秋节将至。9月25日至27日放假，共3天。\n\n机关党委\n2026年9月24日"
FIRST_REQUEST = Request(
    title="节日廉政提醒（2026年中秋节）",
    goes_at=datetime(2026, 9, 24, 9, 30, tzinfo=ZONE),
    late=False,
    useful_until=datetime(2026, 9, 24, 17, tzinfo=ZONE),
    changed=False,
    people=36,
    to="邮件36人，群“全体人员群”",
    submitter="机关党委干事",
    code="506e3291",
    receiver="理论科科长",
    subject="中秋节廉洁过节提醒",
    text=FESTIVAL_TEXT,
    differences=("办公室主任、新闻科科长等35个收件人：除称呼外，文字完全相同",),
)
REQUESTS = {
    "approval": FIRST_REQUEST,
    "approval-again": replace(
        FIRST_REQUEST, changed=True, late=True, submitter="", deputy_for=("办公室主任",)
    ),
    "approval-confined": replace(
        FIRST_REQUEST,
        title="一项工作事项",
        to="邮件1人",
        receiver="",
        subject="",
        text="",
        differences=(),
        hidden=True,
        rehearsal=True,
        link="https://djw.example.com/a/x",
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_says_what_is_sent_to_whom_when_and_how_to_say_yes_or_no(
    name: str, templates: Templates, facts: Facts
) -> None:
    layout = {key: value for key, value in facts("general").items() if key in LAYOUT_NAMES}
    layout |= {"today": date(2026, 9, 22), "receiver": {**layout["receiver"], "name": "办公室主任"}}
    request = REQUESTS[name]
    section = templates.section("approval", {**layout, "approval": asdict(request)})
    message = templates.message([section], layout)
    is_sound_html(re.sub(r"</?a\b[^>]*>", "", message.html))
    assert re.findall(r'href="([^"]*)"', message.html) == ([request.link] if request.link else [])
    assert len(message.subject) <= 60
    assert not [word for word in FORBIDDEN if word in message.subject + message.text + message.markdown]
    agrees_with_golden(name, message)


def test_no_forbidden_word_stands_in_any_template_or_phrase() -> None:
    for path in FOLDER.rglob("*"):
        if path.suffix == ".yaml":
            lines = [
                line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")
            ]
            text = "\n".join(lines)
        elif path.suffix == ".j2":
            text = re.sub(
                r"\{[{%#].*?[}%#]\}|<!DOCTYPE", "", path.read_text(encoding="utf-8"), flags=re.DOTALL
            )
        else:
            continue
        assert not [word for word in FORBIDDEN if word in text], path


def test_prohibitions_name_the_breach_and_not_the_deed(wording: Any) -> None:
    """吃喝, 收送 and 操办 are forbidden only where they break a rule."""
    entries = [wording.terms["general"], *wording.terms["festivals"].values()]
    for sentence in (sentence for entry in entries for sentence in entry["refrain"]):
        assert sentence.startswith("不"), sentence
        for deed in ("吃喝", "收送", "操办", "发放"):
            assert deed not in sentence or f"违规{deed}" in sentence, sentence
        assert "宴请" not in sentence or "可能影响公正执行公务的宴请" in sentence, sentence
        assert "节礼" not in sentence or "不用公款购买、赠送" in sentence, sentence


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", ["matter", "gate"])
def test_a_private_matter_names_a_code_a_day_and_whom_to_ask(
    name: str, phase: str, templates: Templates, facts: Facts
) -> None:
    """Neither the step nor the clause it stands under; nothing of it in a digest's subject."""
    section = templates.section(name, facts(name, phase))
    said = section.subject + section.text + section.html + section.markdown
    assert "任前-2026-03" in section.subject
    assert section.title == ""
    for hidden in ("考试", "谈话", "对照检查", "二（三）4"):
        assert hidden not in said


def test_each_rung_of_a_random_check_asks_for_its_own_step(templates: Templates, facts: Facts) -> None:
    for rung, words in (
        ("findings", "请提出检查结果"),
        ("rectification", "请查验问题是否整改到位"),
        ("due+1wd", "请核对检查记录"),
    ):
        section = templates.section("spot-check", facts("spot-check", "after", alarm={"id": rung}))
        assert words in section.text
    without = templates.section("spot-check", facts("spot-check", "day", drawn=""))
    assert "单位" not in without.text


@pytest.mark.parametrize("name", ["matter", "gate", "spot-check"])
def test_a_group_learns_nothing_of_a_private_matter(name: str, templates: Templates, facts: Facts) -> None:
    group = {"id": "group:g", "name": "工作群", "kind": "group", "named": True}
    section = templates.section(name, facts(name, "day", receiver=group))
    assert section.text == "有一项工作安排，请有关同志查看本人邮件。"
