"""Loading and rendering: errors that name their place, a sandbox that holds, forms that escape."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.messages.render import LAYOUT_NAMES, TemplateError, Templates

FOUR = ("subject.j2", "mail.txt.j2", "mail.html.j2", "wecom.md.j2")
LAYOUT = {
    "subject.j2": "{{ sections[0].subject }}",
    "mail.txt.j2": "{% for section in sections %}{{ section.text }}\n{% endfor %}",
    "mail.html.j2": "{% for section in sections %}{{ section.html }}{% endfor %}",
    "wecom.md.j2": "{% for section in sections %}{{ section.subject }}|{{ section.markdown }}{% endfor %}",
}

Facts = Callable[..., dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder with the layout and one template ``own`` whose files may be given."""

    def write(body: str = "{{ item.title }}", **files: str) -> Path:
        root = tmp_path / "templates"
        for name, text in LAYOUT.items():
            (root / "_layout").mkdir(parents=True, exist_ok=True)
            (root / "_layout" / name).write_text(text, encoding="utf-8")
        (root / "own").mkdir(exist_ok=True)
        for name in FOUR:
            text = files.get(name.replace(".", "_"), body)
            (root / "own" / name).write_text(text, encoding="utf-8")
        return root

    return write


def render(root: Path, context: dict[str, Any]) -> Any:
    templates, _ = Templates.load(root)
    section = templates.section("own", context)
    return templates.message([section], {key: value for key, value in context.items() if key in LAYOUT_NAMES})


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            "第一行\n  {{ ofice.contact }}",
            (
                "templates/own/mail.txt.j2:2:6: 没有名为“ofice”的变量；可用：alarm、approval、cells、count、deputy_for、drawn、festival、hidden、item、"
                "link、notice、occurrence、office、plan、provisional、receiver、today、variants、wording；是否想写“office”？"
            ),
        ),
        ("{% if item.title %}未收尾", "templates/own/mail.txt.j2:1:4: “if”没有收尾；请补上 {% endif %}"),
        (
            "{% fro x in cells %}",
            "templates/own/mail.txt.j2:1:4: 不认识的标签“fro”；常用标签：if、else、endif、for、endfor、set",
        ),
        ("{{ “标题” }}", "templates/own/mail.txt.j2:1:4: 此处不应有全角标点““”；花括号内请改用英文标点"),
        ("{{ item.title }", "templates/own/mail.txt.j2:1:15: 此处不应有“}”"),
        (
            '{% include "own/none.j2" %}',
            (
                "templates/own/mail.txt.j2:1:13: 没有名为“own/none.j2”的模板文件；可用：_layout/mail.html.j2、"
                "_layout/mail.txt.j2、_layout/subject.j2、_layout/wecom.md.j2、own/mail.html.j2、own/mail.txt.j2、"
                "own/subject.j2、own/wecom.md.j2；是否想写“own/subject.j2”？"
            ),
        ),
    ],
)
def test_a_fault_is_found_at_load_with_its_place_and_cure(
    body: str, text: str, folder: Callable[..., Path]
) -> None:
    _, problems = Templates.load(folder("{{ item.title }}", mail_txt_j2=body))
    assert [str(problem) for problem in problems] == [text]


def test_an_unknown_filter_suggests_the_nearest(folder: Callable[..., Path]) -> None:
    (problem,) = Templates.load(folder(mail_txt_j2="{{ today|day_en }}"))[1]
    assert problem.found == "没有名为“day_en”的过滤器"
    assert problem.hint == "是否想写“day_cn”？"
    assert "weekday_cn" in problem.allowed


def test_all_faults_of_all_files_are_reported_at_once(folder: Callable[..., Path]) -> None:
    root = folder("{{ nobody }}")
    (root / "_layout" / "subject.j2").write_text("{{ item.title }}", encoding="utf-8")
    (root / "half").mkdir()
    (root / "half" / "subject.j2").write_bytes("{{ item.title }}标题".encode("gbk"))
    problems = [str(problem) for problem in Templates.load(root)[1]]
    assert len(problems) == 4 + 1 + 3 + 1
    assert (
        "templates/half: 缺少文件 mail.txt.j2；每个模板有 subject.j2、mail.txt.j2、mail.html.j2、wecom.md.j2 四个文件"
        in problems
    )
    assert "templates/half/subject.j2:1:1: 文件不是 UTF-8 编码；请另存为 UTF-8" in problems
    assert any(
        problem.startswith("templates/_layout/subject.j2:1:4: 没有名为“item”的变量") for problem in problems
    )


def test_a_missing_folder_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    templates, problems = Templates.load(tmp_path / "none")
    assert [str(problem) for problem in problems] == [f"{tmp_path / 'none'}: 没有这个模板文件夹；请检查路径"]
    assert templates.names() == ()


def test_a_missing_field_is_named_with_the_fields_there_are(
    folder: Callable[..., Path], facts: Facts
) -> None:
    root = folder(mail_html_j2="<p>\n{{ office.phon }}</p>")
    with pytest.raises(TemplateError) as caught:
        render(root, facts("general"))
    assert str(caught.value) == (
        "templates/own/mail.html.j2:2:11: 没有名为“phon”的字段；可用：contact、mailbox、phone、sign_off；是否想写“phone”？"
    )


def test_a_variable_that_is_not_given_is_an_error_even_in_markdown(
    folder: Callable[..., Path], facts: Facts
) -> None:
    context = facts("general")
    del context["festival"]
    with pytest.raises(TemplateError, match=r"wecom\.md\.j2:1:4: 没有名为“festival”的变量"):
        render(folder(wecom_md_j2="{{ festival }}"), context)


def test_an_unknown_template_suggests_the_nearest(templates: Templates, facts: Facts) -> None:
    with pytest.raises(TemplateError, match=r"没有名为“tlak”的模板；可用：.*；是否想写“talk”？"):
        templates.section("tlak", facts("talk"))
    with pytest.raises(TemplateError, match="没有名为“_layout”的模板"):
        templates.section("_layout", facts("talk"))


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ variant.__globals__ }}",
        "{{ '%s'|attr('__class__') }}",
        "{{ '{0.__class__}'.format(item) }}",
        "{{ cells.append(1) }}",
        "{{ item.update({'title': ''}) }}",
        "{{ 'x' * 100000000 }}",
        "{{ 9 ** 9 }}",
        "{% for a in range(999999999) %}x{% endfor %}",
        "{{ self.__init__ }}",
        "{{ today.__reduce__() }}",
        '{% include "../../../../etc/passwd" %}',
    ],
)
def test_the_sandbox_refuses(attack: str, folder: Callable[..., Path], facts: Facts) -> None:
    with pytest.raises(TemplateError) as caught:
        render(folder(mail_txt_j2=attack), facts("general"))
    assert "templates/own/mail.txt.j2:1:" in str(caught.value)


def test_a_template_cannot_make_text_without_end(folder: Callable[..., Path], facts: Facts) -> None:
    body = "{% for a in range(900) %}{% for b in range(900) %}x{% endfor %}{% endfor %}"
    with pytest.raises(TemplateError, match=r"own/mail\.txt\.j2: 模板生成的文字超过 200000 字；请检查循环"):
        render(folder(mail_txt_j2=body), facts("general"))


def test_a_templates_own_failure_is_told_with_its_line(folder: Callable[..., Path], facts: Facts) -> None:
    with pytest.raises(
        TemplateError, match=r"own/mail\.txt\.j2:3:1: 模板在此处无法生成文字（ZeroDivisionError"
    ):
        render(folder(mail_txt_j2="一\n二\n{{ 1 // 0 }}"), facts("general"))


def test_a_failure_in_a_part_is_told_where_the_part_stands(folder: Callable[..., Path], facts: Facts) -> None:
    root = folder(mail_txt_j2='{% import "own/words.j2" as words with context %}{{ words.body() }}')
    (root / "own" / "words.j2").write_text(
        "{% macro body() %}\n\n{{ item.titel }}{% endmacro %}", encoding="utf-8"
    )
    with pytest.raises(TemplateError, match=r"own/words\.j2:3:9: 没有名为“titel”的字段.*是否想写“title”"):
        render(root, facts("general"))


EVIL = (
    "<@all> [点此](https://evil.example) **粗** `码` <font color='warning'>红</font> &lt;b&gt; \\# # > 引用"
)


def test_a_title_cannot_mention_link_or_colour_in_markdown(templates: Templates, facts: Facts) -> None:
    context = facts("window", item={"title": EVIL, "brief": f"> {EVIL}\n# {EVIL}"})
    section = templates.section("window", context)
    layout = {key: value for key, value in context.items() if key in LAYOUT_NAMES}
    markdown = templates.message([section], layout).markdown
    assert "＜@all＞ ［点此］(https://evil.example) ＊＊粗＊＊" in markdown
    assert "<@" not in markdown
    assert "](" not in markdown
    assert "&lt;" not in markdown
    assert (
        markdown.count("<font") == markdown.count("</font>") == 2
    )  # the template's own: due date and contact
    assert not [line for line in markdown.splitlines() if line.startswith("#")]


def test_a_title_cannot_write_html_and_stays_as_it_is_in_text(templates: Templates, facts: Facts) -> None:
    section = templates.section("window", facts("window", item={"title": "<b>甲&乙</b>"}))
    assert "<b>甲" not in section.html
    assert "&lt;b&gt;甲&amp;乙&lt;/b&gt;" in section.html
    assert "&amp;amp;" not in section.html
    assert "<b>甲&乙</b>" in section.text


@given(title=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_no_title_starts_markup_of_its_own(title: str, templates: Templates, facts: Facts) -> None:
    section = templates.section("window", facts("window", item={"title": title}))
    plain = templates.section("window", facts("window", item={"title": "标题"}))
    for sign in ("<", "[", "*", "`", "#"):
        assert section.markdown.count(sign) == plain.markdown.count(sign)
    assert section.html.count("<") == plain.html.count("<")
    assert "\n" not in section.subject


def test_output_has_no_trailing_spaces_and_single_blank_lines(
    folder: Callable[..., Path], facts: Facts
) -> None:
    message = render(folder("\n\n甲  \n\n\n\n\n乙\u3000\n\n", subject_j2="甲\n乙"), facts("general"))
    assert message.text == "甲\n\n乙\n"
    assert message.subject == "甲 乙"


def test_a_message_needs_a_section(templates: Templates) -> None:
    with pytest.raises(ValueError, match="at least one section"):
        templates.message([], {})


def test_digests_change_with_their_file_alone(folder: Callable[..., Path]) -> None:
    root = folder()
    before = dict(Templates.load(root)[0].files())
    (root / "own" / "subject.j2").write_text("新", encoding="utf-8")
    after = dict(Templates.load(root)[0].files())
    assert {name for name in after if before[name] != after[name]} == {"own/subject.j2"}


def test_a_loaded_folder_does_not_follow_later_edits(folder: Callable[..., Path], facts: Facts) -> None:
    root = folder("旧")
    templates, _ = Templates.load(root)
    for name in FOUR:
        (root / "own" / name).write_text("新", encoding="utf-8")
    assert templates.section("own", facts("general")).text == "旧"


def test_variants_are_off_by_default_and_stable_for_an_occurrence(
    folder: Callable[..., Path], facts: Facts
) -> None:
    root = folder("{{ variant('甲', '乙', '丙') }}")
    templates, _ = Templates.load(root)

    def text(occurrence: str, *, variants: bool) -> str:
        section = templates.section("own", facts("general", variants=variants, occurrence={"id": occurrence}))
        assert len({section.subject, section.text, section.html, section.markdown}) == 1
        return section.text

    ids = [f"festival/{year}/中秋" for year in range(2000, 2040)]
    assert {text(each, variants=False) for each in ids} == {"甲"}
    chosen = [text(each, variants=True) for each in ids]
    assert set(chosen) == {"甲", "乙", "丙"}
    assert chosen == [text(each, variants=True) for each in ids]
    assert text("festival/2026/中秋", variants=True) == "甲"


def test_today_is_the_contexts_day(templates: Templates, facts: Facts) -> None:
    context = facts("general", today=date(2031, 1, 2))
    section = templates.section("general", context)
    assert "2026年9月30日（星期三）" in section.text
