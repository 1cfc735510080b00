"""From the files of a folder to a plan: what is read, what is built, what keeps it out."""

from __future__ import annotations

import shutil
import time
from datetime import time as time_of_day
from pathlib import Path

import pytest
import yaml

from reminder.errors import Severity
from reminder.plan.loader import LoadResult, load_plan, load_plan_bytes
from reminder.plan.model import Plan
from tests.plans import CHANNELS, files_of

HERE = Path(__file__).parent
EXAMPLE = (HERE / "example.yaml").read_bytes()


def loaded(data: bytes = EXAMPLE) -> LoadResult:
    return load_plan_bytes({"plan.yaml": data})


def plan_of(data: bytes = EXAMPLE) -> Plan:
    result = loaded(data)
    assert result.errors == []
    assert result.plan is not None
    return result.plan


def edited(old: str, new: str) -> bytes:
    text = EXAMPLE.decode()
    assert old in text
    return text.replace(old, new, 1).encode()


def said(result: LoadResult) -> str:
    return "\n".join(str(problem) for problem in result.problems)


def test_a_whole_plan_is_loaded_from_one_file() -> None:
    plan = plan_of()
    assert [item.id for item in plan.items] == ["report", "talk", "festival", "circular", "rule", "publicity"]
    assert plan.head.office.mailbox == "jgdw@example.com"
    assert list(plan.channels) == ["mail", "staff-group"]
    assert [unit.id for unit in plan.directory.units] == ["办公室"]
    assert plan.item("old-report") is plan.items[0]


def test_an_item_has_its_ladder_first_and_then_its_own_rungs() -> None:
    report = plan_of().items[0]
    ids = ["due-10wd", "due-5wd", "due+0wd", "late", "prompt-30d", "prompt-20d"]
    assert [rung.id for rung in report.rungs] == ids


def test_rungs_on_a_day_of_the_period_are_called_by_that_day() -> None:
    plan = plan_of()
    assert [rung.id for rung in plan.items[1].rungs] == ["day-15", "last-workday"]
    assert [rung.id for rung in plan.items[2].rungs] == ["break-1wd"]


def test_defaults_come_from_the_rung_then_the_item_then_the_plan() -> None:
    plan = plan_of(edited("    title: 廉政谈话\n", "    title: 廉政谈话\n    template: talk\n"))
    ladder, own = plan.items[0].rungs[0], plan.items[0].rungs[4]
    assert (ladder.at, ladder.via, ladder.template) == (time_of_day(9, 0), ("mail",), "general")
    assert (own.at, own.via, own.template) == (time_of_day(8, 30), ("mail",), "prompt")
    assert plan.items[1].rungs[0].template == "talk"
    assert plan.items[2].rungs[0].via == ("staff-group",)


def test_an_item_knows_what_is_collected_with_it() -> None:
    plan = plan_of()
    assert plan.items[0].collects == ("活动宣传",)
    assert plan.items[-1].rungs == ()


def test_every_item_has_its_place() -> None:
    text = EXAMPLE.decode().splitlines()
    for item, position in plan_of().positions.items():
        assert text[position.line - 1] == f"  - id: {item}"
        assert position.column == 5


def test_the_digest_depends_on_names_and_contents_of_the_files() -> None:
    assert plan_of().digest == plan_of().digest
    assert plan_of(EXAMPLE + b"\n").digest != plan_of().digest
    other = load_plan_bytes({"other.yaml": EXAMPLE}).plan
    assert other is not None
    assert other.digest != plan_of().digest


def test_a_plan_may_lie_in_several_files_in_any_order(tmp_path: Path) -> None:
    head, rest = EXAMPLE.decode().split("units:\n", 1)
    (tmp_path / "b.yml").write_text(head, encoding="utf-8")
    (tmp_path / "a.yaml").write_text("units:\n" + rest, encoding="utf-8")
    result = load_plan(tmp_path)
    assert result.errors == []
    assert result.plan is not None
    assert result.plan.items == plan_of().items
    assert [(file.name, file.complete_mark) for file in result.files] == [("a.yaml", True), ("b.yml", False)]


@pytest.mark.parametrize(
    "name",
    [
        "plan - 副本.yaml",
        "plan - 副本 (2).yaml",
        "plan (1).yaml",
        "plan（2）.yaml",
        "plan - Copy.yaml",
        "plan copy.yml",
        "Copy of plan.yaml",
        "复制的plan.yaml",
        "plan.bak.yaml",
        "plan备份.yaml",
        "plan_backup.yaml",
        "plan (冲突).yaml",
    ],
)
def test_a_copy_in_the_folder_is_an_error_with_its_name(tmp_path: Path, name: str) -> None:
    shutil.copy(HERE / "example.yaml", tmp_path / "plan.yaml")
    shutil.copy(HERE / "example.yaml", tmp_path / name)
    result = load_plan(tmp_path)
    assert result.plan is None
    assert [str(each) for each in result.errors] == [
        f"{name}: 疑为副本：其中的事项会重复；请移出本文件夹，或另起文件名"
    ]


@pytest.mark.parametrize("name", ["plan-2026.yaml", "copywriting.yaml", "项目（一期）.yaml", "PLAN.YAML"])
def test_a_name_that_only_resembles_a_copy_is_read(name: str) -> None:
    assert load_plan_bytes({name: EXAMPLE}).plan is not None


@pytest.mark.parametrize(
    "name", [".plan.yaml.swp", "plan.yaml~", "plan.yaml.bak", ".plan.yaml", "notes.txt", "plan.schema.json"]
)
def test_what_editors_leave_behind_is_passed_over(tmp_path: Path, name: str) -> None:
    shutil.copy(HERE / "example.yaml", tmp_path / "plan.yaml")
    (tmp_path / name).write_bytes(b"\0 not yaml [")
    result = load_plan(tmp_path)
    assert result.plan is not None
    assert result.problems == ()


@pytest.mark.parametrize("name", ["~$plan.yaml", "plan.yaml.txt"])
def test_a_file_that_the_clerk_may_take_for_the_plan_is_a_warning(tmp_path: Path, name: str) -> None:
    shutil.copy(HERE / "example.yaml", tmp_path / "plan.yaml")
    (tmp_path / name).write_bytes(b"\0")
    result = load_plan(tmp_path)
    assert result.plan is not None
    warnings = [problem for problem in result.problems if problem.severity is Severity.WARNING]
    assert [problem.position.file for problem in warnings] == [name]


def test_sub_folders_are_not_read(tmp_path: Path) -> None:
    shutil.copy(HERE / "example.yaml", tmp_path / "plan.yaml")
    (tmp_path / "calendar").mkdir()
    (tmp_path / "calendar" / "2026.yaml").write_text("year: 2026\n", encoding="utf-8")
    assert load_plan(tmp_path).errors == []


def test_a_folder_without_plan_files_says_so(tmp_path: Path) -> None:
    assert "没有计划文件" in said(load_plan(tmp_path))
    assert "计划文件夹不存在" in said(load_plan(tmp_path / "none"))
    assert "没有计划文件" in said(load_plan_bytes({}))


def test_a_file_that_cannot_be_read_does_not_make_the_others_guilty() -> None:
    base = {path.name: path.read_bytes() for path in (HERE / "base").glob("*.yaml")}
    items = (HERE / "bad" / "date_outside_plan.yaml").read_bytes()
    result = load_plan_bytes({**base, "plan.yaml": items, "office.yaml": "units：\n  - id: [\n".encode()})
    assert {problem.position.file for problem in result.errors} == {"office.yaml"}


def test_no_plan_section_is_an_error() -> None:
    base = {"office.yaml": (HERE / "base" / "office.yaml").read_bytes()}
    assert "没有一个文件写有 plan:" in said(load_plan_bytes(base))


def test_problems_come_in_the_order_of_files_and_lines() -> None:
    result = loaded(edited("basis: 明", "basis: 令").replace("拟".encode(), "议".encode()))
    places = [problem.position for problem in result.problems]
    assert places == sorted(places)
    assert len(result.errors) > 4


def test_a_plan_in_windows_encoding_of_lines_is_the_same_plan() -> None:
    windows = b"\xef\xbb\xbf" + EXAMPLE.replace(b"\n", b"\r\n")
    assert plan_of(windows).items == plan_of().items


def test_a_plan_in_gbk_is_refused_with_the_cure() -> None:
    result = loaded(EXAMPLE.decode().encode("gbk"))
    assert result.plan is None
    assert "GBK" in said(result)
    assert "另存为 UTF-8" in said(result)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("title: 情况报送", "title: NO", "NO"),
        ("clause: 三（三）", "clause: 010", "010"),
        ("clause: 三（三）", "clause: 12:30", "12:30"),
        ("clause: 三（三）", "clause: 1e3", "1e3"),
    ],
)
def test_words_that_yaml_would_turn_into_something_else_stay_text(old: str, new: str, words: str) -> None:
    spec = plan_of(edited(old, new)).items[0].spec
    assert words in (spec.title, spec.clause)


@pytest.mark.parametrize("text", ["a\\r\\nBcc: x@example.com", "a\\u2028b", "a\\0b"])
@pytest.mark.parametrize("field", ["title: “明纪律”示例计划", "mailbox: jgdw@example.com", "name: 部长"])
def test_nothing_that_ends_up_in_a_header_may_hold_a_line_end(field: str, text: str) -> None:
    key = field.split(":", maxsplit=1)[0]
    result = loaded(edited(field, f'{key}: "{text}"'))
    assert result.plan is None
    assert "控制字符" in said(result)


def test_a_large_plan_loads_in_little_more_than_its_parsing() -> None:
    """The promise is three times PyYAML's C loader; the measure is taken in one run."""
    item = EXAMPLE.decode().split("items:\n")[1].split("  - id: talk")[0]
    text = EXAMPLE.decode().split("items:\n")[0] + "items:\n"
    text += "".join(item.replace("report", f"report-{n}") for n in range(2000))
    data = text.encode()
    started = time.process_time()
    yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    parsed = time.process_time()
    result = loaded(data)
    done = time.process_time()
    assert result.plan is not None
    assert done - parsed < 3 * (parsed - started)


def test_faults_in_two_thousand_places_are_named_without_delay() -> None:
    item = EXAMPLE.decode().split("items:\n")[1].split("  - id: talk")[0]
    text = EXAMPLE.decode().split("items:\n")[0] + "items:\n"
    text += "".join(item.replace("report", f"r-{n}").replace("季末", f"季-{n}") for n in range(2000))
    started = time.process_time()
    assert len(loaded(text.encode()).errors) == 2000
    assert time.process_time() - started < 10


@pytest.mark.parametrize("value", ["a" + " " * 100_000 + "x", "a" + " " * 100_000 + "<x", "a <" * 50_000])
def test_a_sender_of_a_hundred_thousand_signs_is_refused_without_delay(value: str) -> None:
    """A search that began anew at every space would take half a minute."""
    channels = CHANNELS.replace("from: 机关党委 <jgdw@example.com>", f'from: "{value}"')
    started = time.process_time()
    result = load_plan_bytes(files_of(channels=channels))
    assert time.process_time() - started < 3
    assert "不是邮箱地址" in said(result)
