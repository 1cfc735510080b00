"""Read a Dockerfile and a .dockerignore as far as this project writes them."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Instruction:
    """One instruction: its word, its ``--flags``, and the rest as it stands."""

    word: str
    flags: dict[str, str]
    rest: str

    @property
    def words(self) -> list[str]:
        """The arguments: of the exec form (JSON), else split as a shell would."""
        return json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)


@dataclass
class Stage:
    """From one ``FROM`` to the next."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[Instruction]:
        return [each for each in self.instructions if each.word == word]

    def last(self, word: str) -> Instruction:
        """The instruction of that word which is in force.  Raises ``IndexError`` if there is none."""
        return self.all(word)[-1]

    @property
    def environment(self) -> dict[str, str]:
        pairs = [pair for each in self.all("ENV") for pair in each.words]
        return dict(pair.split("=", 1) for pair in pairs)


def read_dockerfile(text: str) -> list[Stage]:
    """The stages, in order; comments and continued lines are undone."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        flags = {}
        while match := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
            flags[match[1]] = match[2]
            rest = rest[match.end() :]
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name))
        else:
            stages[-1].instructions.append(Instruction(word, flags, rest))
    return stages


def ignored(path: str, text: str) -> bool:
    """Whether a .dockerignore keeps a path (relative to the context) from the builder.

    The last pattern that matches the path or a folder above it decides; ``**/``
    stands for any depth, none included.
    """
    parts = path.split("/")
    prefixes = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    found = False
    for line in text.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        keep = pattern.startswith("!")
        pattern = pattern.lstrip("!").strip("/")
        if any(_matches(prefix, pattern) for prefix in prefixes):
            found = not keep
    return found


def _matches(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatchcase(path.rpartition("/")[2], pattern[3:])
    return path.count("/") == pattern.count("/") and fnmatch.fnmatchcase(path, pattern)
