"""Two versions of the bundle, and an office's machine without internet to install them on."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from tests.amounts import FULL
from tests.packaging.dockerfile import ROOT

ME = pwd.getpwuid(os.geteuid()).pw_name
PYTHON = Path(sys.executable).resolve()
TARGET = ("--python", f"{sys.version_info[0]}.{sys.version_info[1]}", "--machine", os.uname().machine)
"""Of the matrix, what runs here; the long run builds all of it."""
BUILDER = "deploy/bundle/build.py"
EARLIER, LATER = "0.1.1", "0.1.2"
STRANGER = "不应进入安装包"


@cache
def shut() -> tuple[str, ...]:
    """What takes the network away from a command: a network namespace of its own, where that is allowed."""
    alone = ("unshare", "--net")
    try:
        return (
            alone
            if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode == 0
            else ()
        )
    except FileNotFoundError:
        return ()


def offline() -> dict[str, str]:
    """An environment whose every way to an index ends at a closed port; beside it, nothing of this one's."""
    nowhere = "http://127.0.0.1:9"
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    proxies = {form: nowhere for name in names for form in (name, name.lower())}
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PIP_INDEX_URL": f"{nowhere}/simple", **proxies}


def version_copy(folder: Path, version: str) -> Path:
    """The source as it stands, with another version number."""
    folder.mkdir(parents=True)
    leave = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in ("reminder", "schedules", "message_templates", "docs", "deploy"):
        shutil.copytree(ROOT / name, folder / name, ignore=leave)
    for path in [*ROOT.glob("*.md"), *ROOT.glob("requirements*.lock"), ROOT / "pyproject.toml"]:
        shutil.copy(path, folder)
    for name, line in (("pyproject.toml", "version = "), ("reminder/__init__.py", "__version__ = ")):
        path = folder / name
        text, count = re.subn(
            rf'^{line}".*"$', f'{line}"{version}"', path.read_text("utf-8"), flags=re.MULTILINE
        )
        assert count == 1
        path.write_text(text, "utf-8")
    return folder


def move_schema(source: Path) -> None:
    """One more step of the ledger's shape, which changes no table."""
    path = source / "reminder/ledger/schema.py"
    text = path.read_text("utf-8")
    (head,) = re.findall(r'^HEAD = "(\d+)"$', text, re.MULTILINE)
    after = f"{int(head) + 1:04}"
    path.write_text(text.replace(f'HEAD = "{head}"', f'HEAD = "{after}"'), "utf-8")
    step = f'revision = "{after}"\ndown_revision = "{head}"\n\n\ndef upgrade() -> None:\n    pass\n'
    (source / f"reminder/ledger/migrations/versions/r{after}_next.py").write_text(step, "utf-8")


def commit(source: Path) -> None:
    """Make it a repository with one commit, and a change that is not in it."""
    git = ("git", "-C", str(source), "-c", "user.name=t", "-c", "user.email=t@example.com")
    for words in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "All")):
        subprocess.run([*git, *words], check=True, capture_output=True)
    with (source / "docs/install.md").open("a", encoding="utf-8") as file:
        file.write(STRANGER)
    (source / "schedules/private.yaml").write_text(STRANGER, "utf-8")


def build(script: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # What hides this machine's mirrors from the rest of the suite would hide them from pip as well.
    return subprocess.run(
        [sys.executable, str(script), *words], capture_output=True, text=True, timeout=900, check=False
    )


@dataclass(frozen=True)
class Bundle:
    """An archive, and what it says when it is built."""

    archive: Path
    said: str

    def unpack(self, folder: Path) -> Path:
        """Its top folder, below ``folder``."""
        with tarfile.open(self.archive) as tar:
            tar.extractall(folder, filter="data")
        (top,) = folder.iterdir()
        return top


@pytest.fixture(scope="session")
def wheels(pytestconfig: pytest.Config) -> Path:
    """Downloads are kept between runs, as pip keeps them; their sums are checked at every build."""
    return pytestconfig.cache.mkdir("bundle-wheels")


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Iterator[tuple[Bundle, Bundle]]:
    """The earlier version from a tree as it stands, the later one, with a new shape of ledger, from a commit."""
    folder = tmp_path_factory.mktemp("bundles")
    earlier = version_copy(folder / "earlier", EARLIER)
    later = version_copy(folder / "later", LATER)
    move_schema(later)
    commit(later)
    target = () if FULL else TARGET
    common = ("--wheels", str(wheels), "--out", str(folder / "dist"), *target)
    made = []
    for version, script, words in (
        (EARLIER, ROOT / BUILDER, ("--source", str(earlier))),
        (LATER, later / BUILDER, ()),
    ):
        done = build(script, *words, *common)
        assert done.returncode == 0, done.stdout + done.stderr
        made.append(Bundle(folder / "dist" / f"reminder-{version}-bundle.tar.gz", done.stdout))
    yield made[0], made[1]
    shutil.rmtree(folder)


@pytest.fixture
def unpacked(bundles: tuple[Bundle, Bundle], tmp_path: Path) -> Path:
    """The earlier version's archive, unpacked for one test."""
    return bundles[0].unpack(tmp_path / "unpacked")


@dataclass
class Office:
    """A machine without internet: where things are installed, and the commands that are given there."""

    prefix: Path
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.prefix / "var"

    @property
    def config(self) -> Path:
        return self.prefix / "etc"

    @property
    def current(self) -> str:
        """The version in use."""
        return (self.prefix / "current").readlink().name

    def words(self, script: Path, *words: str) -> list[str]:
        return [*shut(), "sh", str(script), "--prefix", str(self.prefix), "--user", ME, *words]

    def install(self, script: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run an ``install.sh`` without network."""
        return subprocess.run(
            self.words(script, *words),
            env=offline() | {"PYTHON": str(PYTHON)} | more,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def reminder(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The installed command, without network."""
        return subprocess.run(
            [*shut(), str(self.prefix / "bin/reminder"), *words],
            env=offline(),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self) -> subprocess.Popen[bytes]:
        """The daemon, once it says that it is up."""
        (self.data / "health.json").unlink(missing_ok=True)
        daemon = subprocess.Popen(
            [*shut(), str(self.prefix / "bin/reminder"), "run"],
            env=offline(),
            cwd="/",
            stdout=subprocess.PIPE,
        )
        self.daemons.append(daemon)
        wait_for((self.data / "health.json").exists, daemon)
        return daemon

    def stop(self, daemon: subprocess.Popen[bytes]) -> tuple[int, str]:
        """How it ended, and what it said."""
        daemon.send_signal(signal.SIGTERM)
        said = daemon.communicate(timeout=60)[0].decode()
        return daemon.returncode, said


def wait_for(happened: object, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Until ``happened()``; a process that ends before is a failure."""
    assert callable(happened)
    until = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < until, "it did not come so far"
        time.sleep(0.05)


def few_items(plan: Path) -> None:
    """An office that does less than the shipped plan: what follows checks its plan many times."""
    head, *items = plan.read_text("utf-8").partition("\n...")[0].split("\n  - id: ")
    kept = [each for each in items if each.startswith(("integrity-talk\n", "quarterly-report\n"))]
    assert len(kept) == 2
    plan.write_text("\n  - id: ".join([head, *kept]) + "\n...\n", "utf-8")


@pytest.fixture(scope="module")
def office(bundles: tuple[Bundle, Bundle], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The earlier version is installed; every test leaves it in use."""
    folder = tmp_path_factory.mktemp("office")
    here = Office(folder / "opt")
    done = here.install(bundles[0].unpack(folder / "unpacked") / "install.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "said").write_text(done.stdout, "utf-8")
    few_items(here.config / "schedules/plan.yaml")
    yield here
    for daemon in here.daemons:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()
    shutil.rmtree(folder)
