"""Why the files as they are now are not in force, and how the admins are told of it: once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reminder.errors import Problem, errors_of
from reminder.sweep.notices import Notice, notice_of

PROBLEMS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Words:
    """What a notice begins with, and what it says is to be done."""

    title: str
    remedy: str


FILES = Words(
    "计划文件有误，未予采用",
    "原计划仍在运行。请按提示修改，保存后自动重新读取；可先执行 reminder check 检查。",
)
UNREADABLE = Words(
    "台账中发布的新版计划本节点读不了，未予采用",
    "本节点仍按原计划运行。如程序版本较旧，请升级本节点；计划确有错误的，请更正后重新发布，或用 reminder plan back 退回。",
)
LACKING = Words("新计划缺少密钥，未予采用", "原计划仍在运行。密钥补齐后自动采用新计划。")
OUTDATED = Words("计划文件夹不是新计划，未予采用", "现行计划仍在各节点运行。")


def text_of(problems: Iterable[Problem]) -> str:
    """The faults, a line each."""
    return "\n".join(str(problem) for problem in errors_of(problems))


def notice_of_refusal(text: str, words: Words) -> Notice:
    """For the admins; of very many faults the first."""
    return notice_of("refused", words.title, text.splitlines()[:PROBLEMS_SHOWN], words.remedy)
