"""The READMEs' ``console`` blocks: find them, carry them out, write them anew.

``python -m tests.packaging.console FILE…`` (``make readme``) replaces what the
commands print.  A line ``…`` stands for any lines; such an output is left alone.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.packaging.dockerfile import ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANY = "…"


@dataclass(frozen=True)
class Example:
    """One command after ``$`` and the lines shown below it."""

    command: str
    shown: tuple[str, ...]


def code_blocks(text: str) -> list[tuple[str, str]]:
    """Language and text of every fenced block."""
    return [(match[1], match[2]) for match in FENCE.finditer(text)]


def examples(text: str) -> Iterator[Example]:
    """Every command of the ``console`` blocks, in order."""
    for language, block in code_blocks(text):
        if language == "console":
            yield from _split(block)


def _split(block: str) -> Iterator[Example]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *shown = part.rstrip("\n").split("\n")
        yield Example(command, tuple(shown))


def scene(folder: Path) -> Path:
    """A folder in which the shipped plan is, as in the source folder; nothing else is there."""
    for name in ("schedules", "message_templates"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def carry_out(command: str, folder: Path) -> tuple[str, ...]:
    """What a ``reminder`` command prints, without spaces at line ends.

    Raises ``CalledProcessError`` if it fails.
    """
    name, *words = shlex.split(command)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("REMINDER_")}
    done = subprocess.run(
        [str(Path(sys.executable).parent / name), *words],
        cwd=folder,
        env=clean | {"REMINDER_LISTEN": "off"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return tuple(lines)


def agrees(shown: tuple[str, ...], printed: tuple[str, ...]) -> bool:
    """Whether what is shown is what was printed; ``…`` stands for any lines."""
    pattern = "".join(r"(?:.*\n)*?" if line == ANY else re.escape(line) + r"\n" for line in shown)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None


def refreshed(text: str, printed: dict[str, tuple[str, ...]]) -> str:
    """The text with every command's output replaced by what it printed."""

    def block(match: re.Match[str]) -> str:
        if match[1] != "console":
            return match[0]
        lines: list[str] = []
        for each in _split(match[2]):
            output = each.shown if ANY in each.shown else printed[each.command]
            lines += [f"$ {each.command}", *output]
        return "\n".join(["```console", *lines, "```"])

    return FENCE.sub(block, text)


def main(files: list[Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = scene(Path(folder))
        commands = [each.command for each in examples(files[0].read_text("utf-8"))]
        printed = {command: carry_out(command, place) for command in commands}
    for file in files:
        file.write_text(refreshed(file.read_text("utf-8"), printed), "utf-8")


if __name__ == "__main__":
    main([Path(each) for each in sys.argv[1:]])
