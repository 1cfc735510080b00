"""What an installation refuses before it touches anything: what was found, and what to do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bundle.conftest import ME, PYTHON, Office


def tampered(top: Path) -> None:
    wheel = next((top / "wheels").glob("reminder-*.whl"))
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 1
    wheel.write_bytes(data)


def stripped(top: Path) -> None:
    next((top / "wheels").glob("sqlalchemy-*.whl")).unlink()


def enriched(top: Path) -> None:
    (top / "wheels/requests-99.0-py3-none-any.whl").write_bytes(b"")


def rewritten(top: Path) -> None:
    with (top / "samples/schedules/plan.yaml").open("a", encoding="utf-8") as file:
        file.write("# \n")


def unsealed(top: Path) -> None:
    (top / "SHA256SUMS").unlink()


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (tampered, "wheels/reminder-"),
        (stripped, "wheels/sqlalchemy-"),
        (enriched, "多出了文件：wheels/requests-99.0"),
        (rewritten, "samples/schedules/plan.yaml"),
        (unsealed, "缺少 SHA256SUMS"),
    ],
)
def test_a_harmed_archive_is_refused_with_the_file_named(
    unpacked: Path, tmp_path: Path, harm: Callable[[Path], None], named: str
) -> None:
    harm(unpacked)
    office = Office(tmp_path / "opt")
    done = office.install(unpacked / "install.sh")
    assert done.returncode == 1
    assert named in done.stderr
    assert "重新复制一份" in done.stderr
    assert not office.prefix.exists()


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(0o755)
    return path


def test_what_cannot_be_is_refused_and_nothing_is_left(unpacked: Path, tmp_path: Path) -> None:
    """One after the other on one archive: its sums are checked each time."""
    office = Office(tmp_path / "opt")
    install = unpacked / "install.sh"
    # Programs of these names come first in the search: a system that answers so.
    full = script(tmp_path / "full/df", "echo head; echo '/dev/x 9 9 1024 99% /'")
    alien = script(tmp_path / "alien/uname", '[ "$1" = -s ] && echo Linux || echo loongarch64')
    older = script(tmp_path / "older/python3", "echo 'ok 3.11 3.34.1'")
    path = os.environ["PATH"]
    cases = [
        (
            (),
            {"PYTHON": "/no/such/python"},
            "找不到所指定的 Python：/no/such/python",
            "PYTHON=/usr/bin/python3.11",
        ),
        ((), {"PYTHON": "/bin/false"}, "不合用：不能运行", "docs/install.md"),
        ((), {"PYTHON": str(older)}, "自带的 SQLite 是 3.34.1，须为 3.35.0 以上", "docs/install.md"),
        ((), {"PATH": f"{full.parent}:{path}"}, "只剩 1 MB，需要 250 MB", "--prefix"),
        ((), {"PATH": f"{alien.parent}:{path}"}, "本机是 loongarch64", "make bundle"),
        (("--data", "/srv/数据"), {}, "目录“/srv/数据”不可用", "只用字母"),
        (("--config", "/a b"), {}, "目录“/a b”不可用", "只用字母"),
        (("--rollback",), {}, "没有装好的版本", "--prefix"),
        (("--restore-backup",), {}, "只与 --rollback 同用", "--help"),
        (("--prefx", "/x"), {}, "不认识的选项 --prefx", "--help"),
        (("--user",), {}, "--user 后面缺少内容", "--help"),
    ]
    for words, more, found, remedy in cases:
        done = office.install(install, *words, **more)
        assert done.returncode == 1, (words, more, done.stdout, done.stderr)
        assert found in done.stderr, done.stderr
        assert remedy in done.stderr
        assert not office.prefix.exists(), found


def test_a_machine_without_a_python_is_told_where_it_comes_from(unpacked: Path, tmp_path: Path) -> None:
    """Every Python that was looked at is named with what is wrong with it."""
    old = script(tmp_path / "old/python3", "echo '是 cpython 3.7'")
    broken = script(tmp_path / "broken/python3.12", "exit 127")
    # This machine without its own Pythons.
    (tmp_path / "bin").mkdir()
    for path in [*Path("/usr/bin").iterdir(), *Path("/bin").iterdir()]:
        if not path.name.startswith("python") and not (tmp_path / "bin" / path.name).exists():
            (tmp_path / "bin" / path.name).symlink_to(path)
    office = Office(tmp_path / "opt")
    done = office.install(
        unpacked / "install.sh", PYTHON="", PATH=f"{old.parent}:{broken.parent}:{tmp_path / 'bin'}"
    )
    assert done.returncode == 1
    assert f"{old}：是 cpython 3.7" in done.stderr
    assert f"{broken}：不能运行" in done.stderr
    assert "python-build-standalone" in done.stderr
    assert f"tar xzf 该文件 -C {office.prefix}" in done.stderr
    assert not office.prefix.exists()


def test_a_user_who_does_not_exist_is_named_with_the_command_that_makes_one(
    unpacked: Path, tmp_path: Path
) -> None:
    """Whoever is not root installs for themselves, and the name is not asked for."""
    words = ["--prefix", str(tmp_path / "opt"), "--user", "no-such-user"]
    if os.geteuid() != 0:
        words = ["--prefix", "/proc/opt"]
    done = subprocess.run(
        ["sh", str(unpacked / "install.sh"), *words],
        env=os.environ | {"PYTHON": str(PYTHON)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    expected = "useradd --system" if os.geteuid() == 0 else f"{ME} 不能写入 /proc"
    assert expected in done.stderr


def test_two_installations_at_once_are_one_too_many(unpacked: Path, tmp_path: Path) -> None:
    """A lock whose process lives is honoured."""
    office = Office(tmp_path / "opt")
    (office.prefix / ".installing").mkdir(parents=True)
    (office.prefix / ".installing/pid").write_text(str(os.getpid()))
    done = office.install(unpacked / "install.sh")
    assert done.returncode == 1
    assert f"另一个安装正在进行（进程号 {os.getpid()}）" in done.stderr
    assert (office.prefix / ".installing/pid").exists()
    assert not list((office.prefix / "versions").iterdir())


def test_the_script_explains_itself(unpacked: Path) -> None:
    done = subprocess.run(
        ["sh", str(unpacked / "install.sh"), "--help"], capture_output=True, text=True, check=True
    )
    for option in ("--prefix", "--config", "--data", "--user", "--python", "--rollback", "--restore-backup"):
        assert option in done.stdout
