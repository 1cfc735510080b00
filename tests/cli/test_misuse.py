"""The command used wrongly, as a process: an exit code, a line in Chinese, no trace, and nothing written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from reminder.cli.app import app
from reminder.cli.entry import COMMANDS
from tests.editions import TEMPLATES
from tests.harness.commands import Commands, Done
from tests.plans import ON_DUE_DAY, item_yaml, write_plan

SPAN = "--from 2026-06-01 --to 2026-06-30"
NEEDS = {
    "agenda": SPAN,
    "preview": "x",
    "simulate": SPAN,
    "live": "--by 机关党委 --yes",
    "resolve": "n-1 --drop --by 机关党委",
    "channel resume": "mail --by 机关党委",
    "calendar": "2026",
    "workday": "2026-06-10 --before 1",
}
"""What a command has to be given before anything else can be wrong."""
OF_THE_PLAN = ("check", "agenda", "preview", "run", "simulate", "live", "plan new-year")
"""Commands that cannot do without a whole plan."""


def every_command() -> list[str]:
    """Names as they are typed, from the registered commands themselves."""
    assert COMMANDS

    def walk(command: Any, path: str) -> Iterator[str]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield path
            return
        for name, each in inner.items():
            yield from walk(each, f"{path} {name}".strip())

    return list(walk(typer.main.get_command(app), ""))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good plan, a bad one, the templates, and a file where a folder is wanted."""
    write_plan(tmp_path / "schedules", item_yaml("x", "date: 2026-06-10", ON_DUE_DAY))
    write_plan(
        tmp_path / "bad", item_yaml("x", "date: 2026-06-10", ON_DUE_DAY.replace("p-office", "p-nobody"))
    )
    (tmp_path / "message_templates").symlink_to(TEMPLATES)
    (tmp_path / "file").write_text("not a folder\n")
    (tmp_path / "notice.txt").write_text("国务院办公厅关于2025年部分节假日安排\n", "utf-8")
    return tmp_path


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything that is there, with its size and time."""
    found = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        found[str(path.relative_to(folder))] = (status.st_size, status.st_mtime_ns)
    return found


@pytest.fixture
def run(commands: Commands, folder: Path) -> Callable[..., Done]:
    """Carry a command line out in the folder; nothing may have been written, and no trace be shown."""

    def run(line: str, **environment: str) -> Done:
        before = tree(folder)
        done = commands.run(folder, *line.split(), **environment)
        assert "Traceback" not in done.out + done.err
        assert tree(folder) == before, "a misused command wrote something"
        return done

    return run


@pytest.mark.parametrize("command", every_command())
def test_an_option_that_nobody_knows_is_named_with_the_nearest(
    run: Callable[..., Done], folder: Path, command: str
) -> None:
    """Of every command there is: exit code 2, and where to read its use."""
    done = run(f"{command} {NEEDS.get(command, '')} --schedulez x")
    assert (done.code, done.out) == (2, "")
    first, second = done.err.splitlines()
    assert first.startswith("没有“--schedulez”这个选项；")
    assert second == f"用法见：reminder {command} --help"


WRONG = {
    # nothing, or no such thing
    "nosuch": "没有“nosuch”这个命令；您要写的是 schema 吗？\n用法见：reminder --help\n",
    "agend": "没有“agend”这个命令；您要写的是 agenda 吗？\n用法见：reminder --help\n",
    "plan nosuch": "没有“nosuch”这个命令；可用：adopt、back、new-year、pull、push、versions、withdraw\n用法见：reminder plan --help\n",
    "channel nosuch": "没有“nosuch”这个命令；可用：list、resume\n用法见：reminder channel --help\n",
    # something is missing
    "agenda": "缺少 --from（起始日期，如 2026-01-01）\n用法见：reminder agenda --help\n",
    "agenda --from 2026-01-01": "缺少 --to（结束日期（含当日））\n用法见：reminder agenda --help\n",
    "agenda --from": "--from 后面缺少内容\n用法见：reminder agenda --help\n",
    "simulate": "缺少 --from（起始日期）\n用法见：reminder simulate --help\n",
    "preview": "缺少 ITEM（任务编号）\n用法见：reminder preview --help\n",
    "calendar": "缺少 YEAR|import（年份，如 2026；或 import，录入一年的官方安排）\n用法见：reminder calendar --help\n",
    "calendar import": "请写明要录入的文件，如 reminder calendar import 放假通知.txt\n",
    "workday": "用法：workday 日期 --before N、workday 日期 --after N，或 workday --last-of 2023Q3\n",
    "run --data": "--data 后面缺少内容\n用法见：reminder run --help\n",
    "live": "请用 --by 写明由谁决定，将记入台账；如 reminder live --by 机关党委办公室\n",
    "live --by": "--by 后面缺少内容\n用法见：reminder live --help\n",
    "resolve": "缺少 NUMBER（消息编号（见 reminder ledger --status uncertain --attempts））\n用法见：reminder resolve --help\n",
    "resolve n-1 --by 某某": "请写明一种决定：--resend（重发）、--arrived（已核实收到）或 --drop（不再发）\n",
    "resolve n-1 --drop --resend --by 某某": "请写明一种决定：--resend（重发）、--arrived（已核实收到）或 --drop（不再发）\n",
    "resolve n-1 --drop": "请用 --by 写明由谁决定，将记入台账\n",
    "channel resume": "缺少 CHANNEL（通道编号）\n用法见：reminder channel resume --help\n",
    "channel resume mail": "请用 --by 写明由谁决定，将记入台账\n",
    "doctor --send-to": "--send-to 后面缺少内容\n用法见：reminder doctor --help\n",
    "plan new-year --out": "--out 后面缺少内容\n用法见：reminder plan new-year --help\n",
    # something is too much
    "check a b": "多出了“b”；含空格的内容请用引号括起来\n用法见：reminder check --help\n",
    "run x": "多出了“x”；含空格的内容请用引号括起来\n用法见：reminder run --help\n",
    "schema x": "多出了“x”；含空格的内容请用引号括起来\n用法见：reminder schema --help\n",
    "health x": "多出了“x”；含空格的内容请用引号括起来\n用法见：reminder health --help\n",
    "live --off=1": "--off 是开关，后面不写内容\n用法见：reminder live --help\n",
    "doctor --offline --send-to a@example.com": "--offline 不连接服务器，不能同时用 --send-to 发送测试邮件；请删去其一\n",
    # words that cannot be
    "agenda --from x --to 2026-02-02": "--from 的值“x”不是日期；日期写作 2026-06-30\n",
    "agenda --from 2026-06-31 --to 2026-07-01": "--from 的值“2026-06-31”不是日期；日期写作 2026-06-30\n",
    "agenda --from 2026-1-1 --to 2026-02-02": "--from 的值“2026-1-1”不是日期；日期写作 2026-06-30\n",
    "agenda --from 2026-02-02 --to 2026-01-01": "--to（2026-01-01）早于 --from（2026-02-02）\n",
    f"agenda {SPAN} --format xml": "--format 的值“xml”不可用；可用：table、json\n用法见：reminder agenda --help\n",
    f"agenda {SPAN} --item y": "计划中没有编号为“y”的任务；可用：x\n",
    "simulate --from 2026-01-01 --to 2026-02-30": "--to 的值“2026-02-30”不是日期；日期写作 2026-06-30\n",
    "simulate --from 2026-02-02 --to 2026-01-01": "--to（2026-01-01）早于 --from（2026-02-02）\n",
    "preview y": "计划中没有编号为“y”的任务；可用：x\n",
    "preview x --channel sms": "这次提醒不走通道“sms”；可用：mail\n",
    "preview x --alarm z": "没有“z”这次提醒；可用：due+0wd\n",
    "ledger --from xx": "--from 的值“xx”不是日期；日期写作 2026-06-30\n",
    "ledger --from 2026-02-02 --to 2026-01-01": "--to（2026-01-01）早于 --from（2026-02-02）\n",
    "ledger --limit 0": "--limit 的值“0”太小，最小为 1\n用法见：reminder ledger --help\n",
    "ledger --limit x": "--limit 的值“x”不是整数\n用法见：reminder ledger --help\n",
    "ledger --status lost": "--status 的值“lost”不可用；可用：pending、sending、accepted、failed、uncertain、expired、retired、"
    "send、merge、postpone、miss、supersede、suppress、fail\n",
    "calendar 26": "“26”不是年份；写作 reminder calendar 2026，或 reminder calendar import 文件\n",
    "calendar 1800": "1800年超出历法范围：只能计算1929年至2100年的日期，请改用范围内的日期\n",
    "calendar import nofile": "读不到文件 nofile：没有这个文件或文件夹\n",
    "calendar import schedules": "读不到文件 schedules：这是文件夹，不是文件\n",
    "workday x --before 2": "日期 的值“x”不是日期；日期写作 2026-06-30\n",
    "workday 2026-01-01 --before -1": "--before 的值“-1”太小，最小为 0\n用法见：reminder workday --help\n",
    "workday 2026-01-01 --before 1 --after 1": "用法：workday 日期 --before N、workday 日期 --after N，或 workday --last-of 2023Q3\n",
    "workday --last-of 2026Q5": "“2026Q5”不是时段：可写年（2026）、半年（2026H1、2026H2）、季度（2026Q1至2026Q4）或月（2026-05）\n",
    "doctor --send-to somebody": "--send-to：“somebody”不是邮箱地址；应含一个 @，如 name@example.com\n",
    "plan new-year x": "YEAR 的值“x”不是整数\n用法见：reminder plan new-year --help\n",
}
"""Exit code 2 and exactly these words."""


@pytest.mark.parametrize("line", WRONG)
def test_wrong_use_ends_with_2_and_says_what_is_right(
    run: Callable[..., Done], folder: Path, line: str
) -> None:
    """To standard error; standard output stays empty for whoever reads it by program."""
    done = run(line)
    assert (done.code, done.out, done.err) == (2, "", WRONG[line])


@pytest.mark.parametrize("group", ["", "plan", "channel"])
def test_a_group_without_a_command_shows_what_there_is(
    run: Callable[..., Done], folder: Path, group: str
) -> None:
    """Its help, and exit code 2."""
    done = run(group)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("用法：reminder")
    assert "命令：" in done.err


@pytest.mark.parametrize("command", OF_THE_PLAN)
def test_a_plan_with_errors_is_named_line_by_line(
    run: Callable[..., Done], folder: Path, command: str
) -> None:
    """Exit code 1; every problem with file, line, what was found, and what may stand there."""
    done = run(f"{command} {NEEDS.get(command, '')} --schedules bad")
    assert done.code == 1
    said = done.out if command == "check" else done.err
    assert re.fullmatch(r"错误 plan\.yaml:\d+:\d+: items\[x\]\.[^:]+: .*“person:p-nobody”.*；.*\n", said), (
        said
    )
    assert done.out + done.err == said


@pytest.mark.parametrize("command", OF_THE_PLAN)
@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("--schedules nowhere", "错误 nowhere: 计划文件夹不存在或不能读取；请检查路径和权限\n"),
        ("--schedules file", "错误 file: 计划文件夹不存在或不能读取；请检查路径和权限\n"),
        ("--templates nowhere", "错误 nowhere: 没有这个模板文件夹；请检查路径\n"),
        ("--templates file", "错误 file: 没有这个模板文件夹；请检查路径\n"),
    ],
)
def test_a_wrong_folder_is_one_line(
    run: Callable[..., Done], folder: Path, command: str, where: str, words: str
) -> None:
    """Not also all that is missing because of it."""
    done = run(f"{command} {NEEDS.get(command, '')} {where}")
    assert (done.code, done.out + done.err) == (1, words)


def test_a_folder_without_a_plan_says_so(run: Callable[..., Done], folder: Path) -> None:
    """An empty folder, and one of something else."""
    (folder / "empty").mkdir()
    done = run("check empty")
    assert (done.code, done.out) == (
        1,
        "错误 empty: 文件夹里没有计划文件；计划写在扩展名为 .yaml 的文件里\n",
    )


@pytest.mark.parametrize("data", ["file", "file/below", "/proc/nowhere"])
@pytest.mark.parametrize("command", ["run", "simulate"])
def test_a_data_folder_that_cannot_be_written_is_one_line(
    run: Callable[..., Done], folder: Path, command: str, data: str
) -> None:
    """What, why, and what to do; exit code 1."""
    done = run(f"{command} {NEEDS.get(command, '')} --data {data}")
    assert (done.code, done.out) == (1, "")
    assert re.fullmatch(
        rf"数据目录 {data} 不可写（[^a-z）]+）；请检查目录权限或磁盘空间，或用 --data 指定可写的目录\n",
        done.err,
    ), done.err


@pytest.mark.parametrize(
    "line",
    ["ledger", "resolve n-1 --drop --by 某某", "channel list", "channel resume mail --by 某某"],
)
def test_without_a_ledger_there_is_nothing_to_see(run: Callable[..., Done], folder: Path, line: str) -> None:
    """And none is made by looking."""
    done = run(f"{line} --data nowhere")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"没有台账 {folder}/nowhere/ledger.sqlite3：请先用 reminder run 启动一次，或核对数据目录\n"
    )


def test_without_a_daemon_health_says_so(run: Callable[..., Done], folder: Path) -> None:
    """Never run, and a file that somebody cut short."""
    done = run("health --data nowhere")
    assert (done.code, done.out) == (1, "")
    assert done.err == "没有运行状况文件 nowhere/health.json：守护进程未曾在该数据目录运行\n"
    (folder / "var").mkdir()
    (folder / "var" / "health.json").write_text('{"at": "2026-')
    done = run("health")
    assert (done.code, done.out) == (1, "")
    assert done.err == "运行状况文件 var/health.json 的内容不完整：请查看守护进程是否正常运行\n"


def test_doctor_only_looks(run: Callable[..., Done], folder: Path) -> None:
    """A data folder that is not there is not made by asking after it."""
    done = run("doctor --offline")
    assert "var 尚未建立，守护进程首次启动时建立" in done.out
    done = run("doctor --offline --data file/below")
    assert done.code == 1
    assert "file/below 不存在，也不能在" in done.out
    assert done.err == ""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "REMINDER_LOG_LEVEL",
            "loud",
            "环境变量 REMINDER_LOG_LEVEL 的值“loud”不可用；可用：debug、info、warning、error\n",
        ),
        ("REMINDER_LOG_FORMAT", "xml", "环境变量 REMINDER_LOG_FORMAT 的值“xml”不可用；可用：text、json\n"),
    ],
)
def test_a_wrong_setting_is_named_as_it_is_written(
    run: Callable[..., Done], folder: Path, name: str, value: str, words: str
) -> None:
    """Exit code 2, whatever the command."""
    done = run("check", **{name: value})
    assert (done.code, done.out, done.err) == (2, "", words)


def test_nobody_at_the_keyboard_is_no_consent(run: Callable[..., Done], folder: Path) -> None:
    """Going live asks; without an answer nothing is changed."""
    channels = "channels:\n  - id: mail\n    host: 127.0.0.1\n    port: 1\n    tls: none\n    from: a@office.gov.cn\n"
    write_plan(folder / "real", item_yaml("x", "date: 2026-06-10", ON_DUE_DAY), channels=channels)
    for file in (folder / "real").iterdir():
        file.write_text(file.read_text("utf-8").replace("example.com", "office.gov.cn"), "utf-8")
    done = run("live --by 机关党委 --schedules real")
    assert done.code == 1
    assert done.err == "没有得到回答，未作更改。如不需要询问，请加 --yes。\n"
