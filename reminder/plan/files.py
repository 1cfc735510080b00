"""Which files of a ``schedules/`` folder are the plan, by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from reminder.errors import Position, Problem, Severity

_YAML = re.compile(r".+\.ya?ml", re.IGNORECASE)
_COPY = re.compile(
    r"副本|复制|备份|冲突|conflict|[ _.-]copy\b|^copy of |[ _.-]backup\b|\.(?:bak|old|orig)\b|[(（]\d+[)）]",
    re.IGNORECASE,
)
_HIDDEN_EXTENSION = re.compile(r".+\.ya?ml\.txt", re.IGNORECASE)


def plan_files(folder: Path) -> tuple[list[Path], list[Problem]]:
    """The plan files directly in a folder, in order of name, and what is wrong with the rest.

    Copies are errors, because their items would stand twice; what editors and
    office programs leave behind is passed over.
    """
    try:
        names = sorted(path.name for path in folder.iterdir() if not path.is_dir())
    except OSError:
        found = "计划文件夹不存在或不能读取"
        return [], [Problem(Position(str(folder)), "", found, "", "请检查路径和权限")]
    chosen, problems = choose(names)
    return [folder / name for name in chosen], problems


def choose(names: Sequence[str]) -> tuple[list[str], list[Problem]]:
    """Of the names in a folder, those of plan files, and what is wrong with the rest."""
    chosen: list[str] = []
    problems: list[Problem] = []
    for name in names:
        if name.startswith("."):
            continue
        if _HIDDEN_EXTENSION.fullmatch(name):
            hint = f"如是计划文件，请改名为 {name[:-4]}（先让系统显示扩展名）"
            problems.append(
                Problem(Position(name), "", "扩展名是 .txt，没有读取", "", hint, Severity.WARNING)
            )
        elif not _YAML.fullmatch(name):
            continue
        elif name.startswith("~$"):
            found, hint = "办公软件的临时文件，没有读取", "请关闭打开它的程序"
            problems.append(Problem(Position(name), "", found, "", hint, Severity.WARNING))
        elif _COPY.search(name):
            hint = "请移出本文件夹，或另起文件名"
            problems.append(Problem(Position(name), "", "疑为副本：其中的事项会重复", "", hint))
        else:
            chosen.append(name)
    return chosen, problems


def is_plan_file(name: str) -> bool:
    """Whether a file of this name, directly in the folder, would be read as a part of the plan."""
    chosen, _ = choose([name])
    return bool(chosen) and "/" not in name
