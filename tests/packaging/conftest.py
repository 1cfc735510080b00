"""The image without a container: the Dockerfile's own commands, under a scratch root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.dockerfile import ROOT, Instruction, Stage, ignored, read_dockerfile

NOBODY = 65534
FOLDERS = "opt|src|data|wheels|run"
"""Top folders of the image that are mapped into the scratch root."""
FITS = "import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"


def as_other_user() -> dict[str, Any]:
    """Arguments of ``subprocess`` that leave root behind; none when root is not there to leave."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


@dataclass(frozen=True)
class Image:
    """What the final stage would hold, laid out under ``root``."""

    root: Path
    final: Stage
    wheel_names: tuple[str, ...]

    def inside(self, text: str) -> str:
        """Absolute paths of the image, as they lie under the scratch root."""
        return re.sub(rf"(?<![\w./-])/({FOLDERS})(?=[/:\s]|$)", rf"{self.root}/\1", text)

    @property
    def environment(self) -> dict[str, str]:
        """Exactly what the image sets: nothing of the developer's environment comes along."""
        return {name: self.inside(value) for name, value in self.final.environment.items()} | {
            "LANG": "C.UTF-8"
        }

    @property
    def data(self) -> Path:
        return Path(self.inside(self.final.environment["REMINDER_DATA"]))

    def entry(self, *words: str) -> list[str]:
        """The entry point with these words, found as the image's PATH finds it."""
        (name,) = self.final.last("ENTRYPOINT").words
        command = shutil.which(name, path=self.environment["PATH"])
        assert command is not None
        assert command.startswith(str(self.root)), "the command is the image's own, not this machine's"
        return [command, *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the entry point as the image's user would."""
        return subprocess.run(
            self.entry(*words),
            env=self.environment,
            cwd=self.data,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **as_other_user(),
        )


@pytest.fixture(scope="session")
def stages() -> list[Stage]:
    return read_dockerfile((ROOT / "Dockerfile").read_text("utf-8"))


@pytest.fixture(scope="session")
def image(stages: list[Stage]) -> Iterator[Image]:
    build, final = stages
    root = Path(tempfile.mkdtemp(prefix="reminder-image-"))
    try:
        root.chmod(0o755)
        layout = Image(root, final, ())
        _build(build, layout, _interpreter(root))
        (wheel,) = (root / "wheels").glob("reminder-*.whl")
        names = tuple(zipfile.ZipFile(wheel).namelist())
        for each in final.all("COPY"):
            if "from" not in each.flags:
                _copy(each, layout, root)
        # What the final stage does not copy, it does not have.
        kept = {Path(layout.inside(each.words[-1])) for each in final.all("COPY")}
        for folder in ("src", "wheels", "opt/build"):
            assert not any(path.is_relative_to(root / folder) for path in kept)
            shutil.rmtree(root / folder)
        _lock_up(root, layout.data)
        yield Image(root, final, names)
    finally:
        _unlock(root)
        shutil.rmtree(root)


def _interpreter(scratch: Path) -> str:
    """A Python that the other user may run as well: root's own often lies in root's home."""
    found = [sys._base_executable, *(f"/usr/{at}bin/python3" for at in ("local/", ""))]  # type: ignore[attr-defined]
    for each in found:
        try:
            probe = subprocess.run(
                [each, "-c", FITS], cwd=scratch, capture_output=True, check=False, **as_other_user()
            )
        except OSError:
            continue
        if probe.returncode == 0:
            return each
    pytest.skip("no Python 3.11 to 3.13 (with venv) that another user than root may run")


def _build(stage: Stage, layout: Image, interpreter: str) -> None:
    work = layout.root
    for each in stage.instructions:
        if each.word == "WORKDIR":
            work = Path(layout.inside(each.rest))
            work.mkdir(parents=True, exist_ok=True)
        elif each.word == "COPY":
            _copy(each, layout, work)
        elif each.word == "RUN":
            command = re.sub(r"^python\b", interpreter, layout.inside(each.rest))
            done = subprocess.run(
                ["sh", "-euc", command], cwd=work, capture_output=True, text=True, timeout=300, check=False
            )
            assert done.returncode == 0, f"{each.rest}\n{done.stdout}{done.stderr}"


def _copy(instruction: Instruction, layout: Image, work: Path) -> None:
    """Copy from the context what .dockerignore lets through, by Docker's rules for targets."""
    rules = (ROOT / ".dockerignore").read_text("utf-8")
    *sources, last = instruction.words
    target = work / layout.inside(last)
    for source in sources:
        path = ROOT / source
        files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
        for file in files:
            if ignored(file.relative_to(ROOT).as_posix(), rules):
                continue
            into = target / file.relative_to(path) if path.is_dir() else target
            if last.endswith("/"):
                into = target / file.name
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, into)


def _lock_up(root: Path, data: Path) -> None:
    """Read-only for everybody; only the data folder belongs to the user who runs."""
    for folder, _, files in os.walk(root, topdown=False):
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o555 if os.access(path, os.X_OK) and path.parent.name == "bin" else 0o444)
        Path(folder).chmod(0o555)
    data.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(data, NOBODY, NOBODY)


def _unlock(root: Path) -> None:
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(0o755)
