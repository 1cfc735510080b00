"""The strict YAML reader: what it takes as what, where it says things stand, what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reminder.source import Source, composer, parse_source, read_source


@pytest.fixture(params=["CSafeLoader", "SafeLoader"], autouse=True)
def parser(request: pytest.FixtureRequest) -> Iterator[None]:
    """Everything holds with libyaml and with the pure parser."""
    before = composer._LOADER
    if "bomb" in request.node.name and request.param == "SafeLoader":
        pytest.skip("the pure parser is a fallback; its speed is not promised")
    composer._LOADER = getattr(yaml, request.param)
    yield
    composer._LOADER = before


def read(text: str) -> Source:
    return parse_source(text.encode(), "f.yaml")


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read(text).problems]


def test_every_scalar_is_text_except_plain_true_and_false_and_nothing() -> None:
    text = "at: 12:30\ncountry: NO\noctal: 010\non: off\nyes: True\ndate: 2026-01-01\nnil: null\ntilde: ~\n"
    text += 'yes-really: true\nno-really: false\nquoted: "true"\nempty:\nblank: ""\nfloat: 1e3\n'
    assert read(text).problems == ()
    assert read(text).value == {
        "at": "12:30",
        "country": "NO",
        "octal": "010",
        "on": "off",
        "yes": "True",
        "date": "2026-01-01",
        "nil": "null",
        "tilde": "~",
        "yes-really": True,
        "no-really": False,
        "quoted": "true",
        "empty": None,
        "blank": "",
        "float": "1e3",
    }


def test_chinese_punctuation_inside_prose_is_ordinary_text() -> None:
    title = "“明纪律、强作风、促廉政”机关廉洁教育活动"
    text = f"title: {title}\nbrief: 一、学习：读书，讨论；二、谈话（半年一次）【必办】\n"
    assert read(text).problems == ()
    assert read(text).value["title"] == title


def test_positions_count_characters_from_one() -> None:
    text = "项目:\n  - 名称: 甲\n    清单: [一, 二]\n    空:\n"
    found = read(text)
    assert str(found.position(("项目", 0, "名称"))) == "f.yaml:2:9"
    assert str(found.key_position(("项目", 0, "名称"))) == "f.yaml:2:5"
    assert str(found.position(("项目", 0, "清单", 1))) == "f.yaml:3:13"
    assert str(found.key_position(("项目", 0, "清单"))) == "f.yaml:3:5"
    assert found.position(("项目", 0, "空")).line == 4


def test_a_position_is_that_of_the_deepest_node_on_the_path() -> None:
    found = read("items:\n  - when:\n      every: month\n")
    assert str(found.position(("items", 0, "when", "<every>", "every"))) == "f.yaml:3:14"
    assert str(found.position(("items", 0, "when", "<every>", "due"))) == "f.yaml:3:7"
    assert str(found.position(("items", 7))) == "f.yaml:2:3"
    assert str(found.key_position(("items", 0, "title"))) == "f.yaml:2:5"
    assert str(read("").position(("items",))) == "f.yaml:1:1"


def test_an_empty_file_is_empty_and_not_wrong() -> None:
    for text in ("", "\n\n", "# 只有说明\n", "---\n...\n", "\ufeff"):
        assert (read(text).value, read(text).problems, read(text).broken) == (None, (), False)


def test_windows_files_with_mark_and_carriage_returns_are_fine() -> None:
    found = parse_source("\ufeffid: 甲\r\nlist:\r\n  - 乙\r\n...\r\n".encode(), "f.yaml")
    assert found.value == {"id": "甲", "list": ["乙"]}
    assert found.problems == ()
    assert found.complete_mark
    assert str(found.position(("id",))) == "f.yaml:1:5"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("a: 1\n...", True),
        ("a: 1\n...\n\n", True),
        ("a: 1\n... \n", True),
        ("a: 1\n", False),
        ("a: 1\n..", False),
        ("a: 1\n ...\n", False),
        ("a: 1...\n", False),
        ("a: 1\n...\n# 尾注\n", False),
    ],
)
def test_a_file_is_marked_whole_by_its_last_line(text: str, whole: bool) -> None:
    assert read(text).complete_mark is whole


def test_the_first_of_two_equal_keys_counts_and_the_second_is_named() -> None:
    text = "items:\n  - id: a\n    标题: 一\n    标题:\n      - 二\n    clause: c\n"
    assert read(text).value == {"items": [{"id": "a", "标题": "一", "clause": "c"}]}
    assert problems(text) == [
        "f.yaml:4:5: 键“标题”重复；首次出现在第 3 行第 5 列；请删去其一；列表的各项须以“- ”开头"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x 1\n", "锚点“&x”"),
        ("a: *x\n", "别名“*x”"),
        ("a: !!int 1\n", "标签"),
        ("a: ! 1\n", "标签"),
        ("a: !custom\n  b: c\n", "标签"),
        ("- &x\n  - *x\n", "锚点“&x”"),
        ("<<: 1\n", "合并键"),
        ("a: 1\n---\nb: 2\n", "多个文档"),
        ("a: 1\n...\nb: 2\n", "结束行“...”之后"),
        ("%YAML 1.1\n---\na: 1\n", "YAML 指令"),
        ("# 说明\n%TAG ! !\n---\na: 1\n", "YAML 指令"),
        ("[a, b]: c\n", "键是一个列表或映射"),
        ("{a: b}: c\n", "键是一个列表或映射"),
        ("? - a\n: b\n", "键是一个列表或映射"),
        ('"": b\n', "键是空的"),
        ("*x : b\n", "别名“*x”"),
        ('"a\\u2028b": c\n', "控制字符 U+2028"),
        ('a: "\\0"\n', "控制字符 U+0000"),
        ("a: \x07\n", "不可见字符 U+0007"),
        ("a: b\u200bc\n", "不可见字符 U+200B"),
        ("a: b\u2029c\n", "不可见字符 U+2029"),
        ("a: b\x85c\n", "不可见字符 U+0085"),
        ("a: \0\n", "空字符"),
    ],
)
def test_what_a_plan_does_not_need_is_refused_at_its_place(text: str, said: str) -> None:
    found = read(text).problems
    assert said in " ".join(str(problem) for problem in found)
    assert all(problem.position.line >= 1 and problem.position.column >= 1 for problem in found)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            "标题: 廉政教育\n".encode("gbk"),
            "f.yaml:1:1: 文件不是 UTF-8 编码，疑为 GBK（ANSI）；请用编辑器另存为 UTF-8",
        ),
        ("id: a\ntitle: 镕基\n".encode("gb18030"), "f.yaml:2:8: 文件不是 UTF-8 编码，疑为 GBK"),
        ("标题: 廉政\n".encode("utf-16"), "f.yaml:1:1: 文件不是 UTF-8 编码，而是 UTF-16"),
        ("a: 廉政".encode()[:-1], "f.yaml:1:5: 文件末尾的一个汉字不完整；文件可能没有写完"),
        (b"a: 1\nb: \xff\xff\n", "f.yaml:2:4: 文件不是 UTF-8 编码的文本"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "f.yaml:1:1: 文件不是 UTF-8 编码的文本"),
        (b"PK\x03\x04\0\0\0\0", "f.yaml:1:5: 文件里有空字符（NUL）"),
    ],
)
def test_a_file_in_another_encoding_is_called_by_its_name(data: bytes, said: str) -> None:
    found = parse_source(data, "f.yaml")
    assert found.broken
    assert [str(problem)[: len(said)] for problem in found.problems] == [said]


def test_slips_are_named_wherever_they_stand_once_the_file_cannot_be_read() -> None:
    text = (
        "items:\n  - id：a\n    title: 甲\n\tclause: 一\n    when:\n    　every: month\n  －id: b\n  - 'x\n"
    )
    assert [(line.split(": ")[0], line.split(": ")[1]) for line in problems(text)] == [
        ("f.yaml:2:7", "键后用了全角冒号“：”；请改为英文冒号加空格“"),
        ("f.yaml:4:1", "用了制表符（Tab）缩进；请改为空格，每级两个"),
        ("f.yaml:6:5", "行首用了全角空格或不间断空格；请改为英文半角空格缩进"),
        ("f.yaml:7:3", "列表记号是全角横线；请改为英文减号加一个空格“- ”"),
        ("f.yaml:8:5", "引号只有开头，本行没有结尾；请在值的末尾补上英文引号 '"),
    ]


def test_prose_in_block_scalars_and_audience_terms_are_not_slips() -> None:
    text = (
        "brief: |\n  注意：\n  　　第一段，开头空两格\n  note：正文\nto:\n  - unit:办公室\nat: 09:00\nx: [\n"
    )
    assert [problem.position.line for problem in read(text).problems] == [8]


def test_a_file_that_is_not_there_or_not_a_file_is_a_problem(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    assert "文件不存在" in str(read_source(tmp_path / "none.yaml").problems[0])
    assert "不是普通文件" in str(read_source(tmp_path / "pipe.yaml").problems[0])
    assert "不是普通文件" in str(read_source(tmp_path / "folder.yaml").problems[0])


def test_a_file_is_read_under_the_name_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("a: [\n", encoding="utf-8")
    assert read_source(tmp_path / "p.yaml", name="计划.yaml").problems[0].position.file == "计划.yaml"
    assert read_source(tmp_path / "p.yaml").problems[0].position.file == str(tmp_path / "p.yaml")


def test_a_file_full_of_problems_is_cut_short() -> None:
    found = read("a: 1\n" * 5000)
    assert len(found.problems) <= composer.MAX_PROBLEMS + 2
    assert "其余从略" in " ".join(str(problem) for problem in found.problems)


_LEAVES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), min_size=1).map(str.strip)
_VALUES = st.recursive(
    _LEAVES.filter(bool) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.from_regex(r"[a-z一-龥]{1,8}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(_VALUES)
def test_what_is_written_as_yaml_reads_back_the_same(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True, default_style=None)
    expected = yaml.load(text, Loader=yaml.BaseLoader)
    found = read(text)
    if not found.problems:
        assert _as_text(found.value) == expected


def _as_text(value: object) -> object:
    if isinstance(value, dict):
        return {key: _as_text(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_text(each) for each in value]
    return str(value).lower() if isinstance(value, bool) else "" if value is None else value


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    found = parse_source(data, "f.yaml")
    assert found.value is None or not found.broken


@given(st.text(st.sampled_from("a-:?[]{},&*!|>'\"%@`#<~ \t\n\r：，“”－　1甲.\\"), max_size=60))
def test_no_mixture_of_signs_makes_it_raise(text: str) -> None:
    found = read(text)
    assert found.broken <= bool(found.problems)
    assert all(problem.position.line >= 1 for problem in found.problems)


BOMBS = {
    "brackets": "b'[' * 100_000",
    "braces": "b'{a: ' * 100_000",
    "dashes": "b'- ' * 100_000",
    "indents": "b''.join(b' ' * n + b'- a:\\n' for n in range(0, 3000, 2))",
    "aliases": "b'a: &a [x,x]\\n' + b''.join(b'a%d: &a%d [*a,*a]\\n' % (n, n) for n in range(9000))",
    "many_nodes": "b'- a\\n' * 1_300_000",
    "many_lists": "b'[' + b'[],' * 1_700_000",
    "many_maps": "b'- a:\\n' * 800_000",
    "many_keys": "b''.join(b'k%d: v\\n' % n for n in range(300_000))",
    "many_equal_keys": "b'a: 1\\n' * 800_000",
    "many_tag_directives": "b''.join(b'%%TAG !a%d! x\\n' % n for n in range(200_000))",
    "directives_after_the_end": "b'--- a\\n...\\n' + b''.join(b'%%TAG !a%d! x\\n' % n for n in range(200_000))",
    "one_long_word": "b'a' * 5_000_000",
    "one_long_quote": "b'\"' + b'a\\n' * 2_500_000",
    "newlines": "b'\\n' * 5_000_000",
    "tabs": "b'\\t' * 5_000_000",
    "spaces_in_a_quote_without_end": "b'a: \"' + b' ' * 2_000_000 + b'x\\n'",
    "quoted_members_that_end_wrongly": "b'- \\'a\\'\\n' * 390_000 + b'x: y\\n'",
    "members_that_end_wrongly": "b'\\n- a\\n' * 390_000 + b'x: y\\n'",
    "too_large": "b'a: b\\n' * 2_000_000",
    "nothing_but_nul": "bytes(5_000_000)",
    "colons": "b'a:' * 2_000_000",
}


def test_a_bomb_costs_no_more_than_a_large_honest_file() -> None:
    """Under a second of CPU on a quiet machine, and 100 MiB; one child takes them all.

    The child would be killed by its limits, or die in the C parser, and say where.
    """
    script = """
        import resource, sys, time, yaml
        from reminder import source
        from reminder.source import composer

        def peak():
            line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
            return int(line.split()[1]) / 1024

        composer._LOADER = yaml.CSafeLoader
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
        resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
        for line in sys.stdin:
            name, _, expression = line.partition(" ")
            data = eval(expression)
            open("/proc/self/clear_refs", "w").write("5")
            before, started = peak(), time.process_time()
            found = source.parse_source(data, "bomb.yaml")
            print(name, time.process_time() - started, peak() - before, len(found.problems), flush=True)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        input="".join(f"{name} {expression}\n" for name, expression in BOMBS.items()),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    measured = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, *_ in measured] == list(BOMBS)
    for name, seconds, mebibytes, count in measured:
        assert float(seconds) < 2.5, name  # shared cores: the promise is one second
        assert float(mebibytes) < 100, name
        assert int(count) or name in ("one_long_word", "newlines"), name
