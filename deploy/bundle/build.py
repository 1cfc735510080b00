"""Build the archive from which an office without internet installs.

``make bundle`` runs it; it needs the tools of the ``build`` group and a package
index, whichever pip is set up for here.  What it takes is the last commit, so
that neither an office's own plan nor a half-made change of the working tree
gets into an archive; ``--source`` takes a tree as it stands.

The same commit, locks and Python build the same bytes: members are sorted, their
times are the commit's, owners and modes are fixed.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")
NEWEST_GLIBC = 28
"""A wheel that wants a glibc above 2.28 is not taken: that is what Kylin V10, UOS 20 and RHEL 8 have."""
OLDEST_GLIBC = 5
_LEGACY_GLIBC = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
SOURCE_ONLY = frozenset({"tyme4py"})
"""Published without wheels; built here, which only pure Python allows for every machine at once."""
FIXED_TIME = 1580601600
"""Where neither a commit nor SOURCE_DATE_EPOCH says when: what hatchling takes, 2020-02-02."""

PARTS = ("reminder", "schedules", "message_templates", "docs", "deploy")
FILES = (
    *("README.md", "README.zh-CN.md", "CHANGELOG.md", "pyproject.toml"),
    *("requirements.lock", "requirements-build.lock"),
)
_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+?))? \\?\n"
    r"(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)


class BuildError(Exception):
    """The archive cannot be built; the text says why, in Chinese."""


@dataclass(frozen=True)
class Pin:
    """One package of a lock with the SHA-256 sums (hexadecimal) it may have."""

    name: str
    version: str
    marker: str | None
    hashes: frozenset[str]

    def wanted(self, python: str) -> bool:
        """Whether it is installed on CPython for Linux."""
        environment = {
            "python_version": python,
            "python_full_version": f"{python}.0",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "os_name": "posix",
        }
        return self.marker is None or Marker(self.marker).evaluate(environment)

    def line(self, hashes: Iterable[str]) -> str:
        marker = f" ; {self.marker}" if self.marker else ""
        sums = " \\\n".join(f"    --hash=sha256:{each}" for each in sorted(hashes))
        return f"{self.name}=={self.version}{marker} \\\n{sums}\n"


def read_lock(text: str) -> list[Pin]:
    """Every pin of a lock, in its order."""
    return [
        Pin(
            canonicalize_name(match["name"]),
            match["version"],
            match["marker"],
            frozenset(re.findall(r"sha256:([0-9a-f]{64})", match["hashes"])),
        )
        for match in _PIN.finditer(text)
    ]


def platforms(machine: str) -> list[str]:
    """Platform tags that are taken, the oldest glibc first: the wheel that runs in most places wins."""
    found = []
    for minor in range(OLDEST_GLIBC, NEWEST_GLIBC + 1):
        found.append(f"manylinux_2_{minor}_{machine}")
        if minor in _LEGACY_GLIBC:
            found.append(f"{_LEGACY_GLIBC[minor]}_{machine}")
    return found


def tags(python: str, machine: str) -> frozenset[Tag]:
    """Everything that pip would install there."""
    version = tuple(int(part) for part in python.split("."))
    interpreter = f"cp{version[0]}{version[1]}"
    places = platforms(machine)
    return frozenset(
        [
            *cpython_tags(version, [interpreter], platforms=places),
            *compatible_tags(version, interpreter, platforms=places),
        ]
    )


def glibc_of(wheel: str) -> int:
    """The lowest minor version of glibc 2 that a wheel runs with; 0 if it asks for none."""
    lowest = []
    for tag in parse_wheel_filename(wheel)[3]:
        if tag.platform == "any":
            return 0
        modern = re.match(r"manylinux_2_(\d+)_", tag.platform)
        legacy = [minor for minor, name in _LEGACY_GLIBC.items() if tag.platform.startswith(f"{name}_")]
        lowest += [int(modern[1])] if modern else legacy
    if not lowest:
        raise BuildError(f"{wheel} 不是 Linux（glibc）用的 wheel")
    return min(lowest)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- fetching and building wheels ----------------------------------------------


def run_pip(*words: str, time: int) -> None:
    """pip of this environment; its own words are shown only when it fails."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(time), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        umask=0o022,
    )
    if done.returncode:
        raise BuildError(f"pip {words[0]} 没有成功：\n{done.stdout}{done.stderr}")


def fetch(pins: Sequence[Pin], python: str, machine: str, into: Path, time: int) -> None:
    """Download the wheels of one Python on one machine; what is there already is not fetched again."""
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch, "wanted.txt")
        wanted.write_text(
            "".join(
                pin.line(pin.hashes) for pin in pins if pin.name not in SOURCE_ONLY and pin.wanted(python)
            )
        )
        places = [word for each in platforms(machine) for word in ("--platform", each)]
        interpreter = ["--implementation", "cp", "--python-version", python]
        abis = [word for each in (f"cp{python.replace('.', '')}", "abi3", "none") for word in ("--abi", each)]
        run_pip(
            *("download", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"),
            *(*interpreter, *abis, *places, "--dest", str(into), "--requirement", str(wanted)),
            time=time,
        )


def build_source_only(pins: Sequence[Pin], into: Path, time: int) -> None:
    """Wheels of what is published as source, with the pinned tools; pure Python or not at all."""
    for pin in pins:
        if pin.name in SOURCE_ONLY:
            with tempfile.TemporaryDirectory() as scratch:
                wanted = Path(scratch, "wanted.txt")
                wanted.write_text(pin.line(pin.hashes))
                run_pip(
                    *("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-cache-dir"),
                    *("--require-hashes", "--wheel-dir", scratch, "--requirement", str(wanted)),
                    time=time,
                )
                (wheel,) = Path(scratch).glob("*.whl")
                if not wheel.name.endswith("-none-any.whl"):
                    raise BuildError(f"{wheel.name} 不是纯 Python 的，不能在这里替别的机器构建")
                shutil.copy(wheel, into / wheel.name)


def build_project(source: Path, into: Path, time: int) -> Path:
    """The project's own wheel."""
    with tempfile.TemporaryDirectory() as scratch:
        run_pip(
            *("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-cache-dir"),
            *("--wheel-dir", scratch, str(source)),
            time=time,
        )
        (wheel,) = Path(scratch).glob("reminder-*.whl")
        return Path(shutil.copy(wheel, into / wheel.name))


def fetch_pip(pins: Sequence[Pin], wheels: Path, time: int) -> Path:
    """pip itself, which runs from its wheel: many systems take it out of their Python."""
    (pin,) = (each for each in pins if each.name == "pip")
    wheel = wheels / f"pip-{pin.version}-py3-none-any.whl"
    if not wheel.exists():
        fetch([pin], PYTHONS[0], MACHINES[0], wheels, time)
    if sha256_of(wheel) not in pin.hashes:
        raise BuildError(f"{wheel.name} 的校验和不在 requirements-build.lock 中：请删除 {wheel}")
    return wheel


# -- what is in the archive ----------------------------------------------------


def choose(pins: Sequence[Pin], folder: Path, targets: Sequence[tuple[str, str]]) -> dict[str, list[Path]]:
    """The wheels of each package that the targets install, by its name.

    Raises :class:`BuildError` for a package that has none for one of them.
    """
    names = [each.name for each in sorted(folder.glob("*.whl"))]
    parsed = [(name, *parse_wheel_filename(name)) for name in names]
    chosen: dict[str, set[str]] = {pin.name: set() for pin in pins}
    for python, machine in targets:
        fitting = tags(python, machine)
        for pin in pins:
            if not pin.wanted(python):
                continue
            found = [
                name
                for name, project, version, _, wheel_tags in parsed
                if project == pin.name and str(version) == pin.version and wheel_tags & fitting
            ]
            if not found:
                raise BuildError(f"{pin.name} {pin.version} 没有 Python {python}、{machine} 用的 wheel")
            chosen[pin.name].add(min(found, key=lambda name: (glibc_of(name), name)))
    return {name: [folder / each for each in sorted(found)] for name, found in chosen.items() if found}


def manifest_of(facts: Sequence[tuple[str, str]]) -> str:
    """Lines ``key value``, which a shell reads as easily as a person."""
    return "".join(f"{key} {value}\n" for key, value in facts)


def lowest_glibc(wheels: Iterable[Path], targets: Sequence[tuple[str, str]]) -> int:
    """The minor version of glibc 2 below which one of the targets lacks a wheel."""
    names = [each.name for each in wheels]
    return max(
        glibc_of(name)
        for python, machine in targets
        for name in names
        if parse_wheel_filename(name)[3] & tags(python, machine)
    )


def files_below(folder: Path) -> Iterator[Path]:
    """Regular files, sorted; what editors, systems and Python leave behind is passed over."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith((".", "~$")) or part == "__pycache__" for part in parts)
        if path.is_file() and not hidden and path.suffix != ".pyc" and not path.name.endswith("~"):
            yield path


def copy_tree(source: Path, target: Path) -> None:
    for path in files_below(source):
        into = target / path.relative_to(source)
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, into)


def version_of(source: Path) -> str:
    return _found(r'^version = "([0-9A-Za-z.+-]+)"$', source / "pyproject.toml")


def schema_of(source: Path) -> str:
    """The shape of the ledger that this version writes."""
    return _found(r'^HEAD = "(\d+)"$', source / "reminder/ledger/schema.py")


def _found(pattern: str, path: Path) -> str:
    match = re.search(pattern, path.read_text("utf-8"), re.MULTILINE)
    if match is None:
        raise BuildError(f"{path} 里没有找到 {pattern}")
    return match[1]


def lay_out(
    source: Path, wheels: Path, folder: Path, targets: Sequence[tuple[str, str]], commit: str, time: int
) -> None:
    """Everything that is in the archive, below ``folder``."""
    version = version_of(source)
    pins = read_lock((source / "requirements.lock").read_text("utf-8"))
    (folder / "wheels").mkdir(parents=True)
    own = build_project(source, folder / "wheels", time)
    chosen = choose(pins, wheels, targets)
    built: list[str] = []
    lock = [
        "# 离线安装用：每个 wheel 的校验和。由 deploy/bundle/build.py 从 requirements.lock 生成。\n",
        Pin("reminder", version, None, frozenset()).line([sha256_of(own)]),
    ]
    for pin in pins:
        sums = {sha256_of(each): each.name for each in chosen.get(pin.name, ())}
        if pin.name in SOURCE_ONLY:
            built += sums.values()
        elif strangers := sums.keys() - pin.hashes:
            raise BuildError(
                f"{'、'.join(sums[each] for each in strangers)} 的校验和不在 requirements.lock 中"
            )
        if sums:
            lock.append(pin.line(sums))
    (folder / "requirements.lock").write_text("".join(lock), "utf-8")
    for each in chosen.values():
        for wheel in each:
            shutil.copyfile(wheel, folder / "wheels" / wheel.name)
    (folder / "tools").mkdir()
    pip = fetch_pip(read_lock((source / "requirements-build.lock").read_text("utf-8")), wheels, time)
    shutil.copyfile(pip, folder / "tools" / pip.name)
    for name in ("schedules", "message_templates"):
        copy_tree(source / name, folder / "samples" / name)
    copy_tree(source / "docs", folder / "docs")
    copy_tree(source / "deploy", folder / "deploy")
    shutil.rmtree(folder / "deploy/bundle")
    shutil.copyfile(source / "deploy/bundle/install.sh", folder / "install.sh")
    for name in ("README.md", "README.zh-CN.md", "CHANGELOG.md"):
        shutil.copyfile(source / name, folder / name)
    packed = sorted((folder / "wheels").iterdir())
    facts = [
        ("name", "reminder"),
        ("version", version),
        ("schema", schema_of(source)),
        ("commit", commit),
        ("python", " ".join(dict.fromkeys(python for python, _ in targets))),
        ("machine", " ".join(dict.fromkeys(machine for _, machine in targets))),
        ("glibc", f"2.{lowest_glibc(packed, targets)}"),
        *(("built-here", name) for name in sorted([own.name, *built])),
        *(("wheel", each.name) for each in packed),
    ]
    (folder / "MANIFEST").write_text(manifest_of(facts), "utf-8")
    sums_of = [f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in files_below(folder)]
    (folder / "SHA256SUMS").write_text("".join(sums_of), "utf-8")


def pack(folder: Path, target: Path, time: int) -> None:
    """One gzipped tar with ``folder`` at its top; the same for the same files, whenever it is made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.part")
    with (
        scratch.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=time) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in [folder, *sorted(folder.rglob("*"))]:
            info = tarfile.TarInfo((Path(folder.name) / path.relative_to(folder)).as_posix())
            info.mtime = time
            info.uname = info.gname = "root"
            if path.is_dir():
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            else:
                data = path.read_bytes()
                info.size, info.mode = len(data), 0o755 if path.suffix == ".sh" else 0o644
                tar.addfile(info, io.BytesIO(data))
    scratch.replace(target)


# -- the command ---------------------------------------------------------------


def git(*words: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, check=True).stdout


def last_commit(into: Path) -> tuple[str, int]:
    """Lay out the last commit; its id and its time (seconds since the epoch)."""
    try:
        commit, when = git("log", "-1", "--format=%H %ct").decode().split()
        archive = git("archive", "--format=tar", "HEAD", "--", *PARTS, *FILES)
        dirty = git("status", "--porcelain", "--", *PARTS, *FILES).decode().splitlines()
    except (OSError, subprocess.CalledProcessError):
        raise BuildError("这里不是 git 仓库：请用 --source . 按现有文件构建") from None
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(into, filter="data")
    if dirty:
        print(f"注意：有 {len(dirty)} 处修改没有提交，不会进入安装包（如 {dirty[0].split()[-1]}）")
    return commit, int(when)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="构建离线安装包")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="放在哪个文件夹（默认 dist）")
    parser.add_argument("--python", action="append", choices=PYTHONS, help="只装入这个版本的 wheel，可多次")
    parser.add_argument("--machine", action="append", choices=MACHINES, help="只装入这种机器的 wheel，可多次")
    parser.add_argument("--source", type=Path, help="按这个文件夹现有的文件构建，不用最后一次提交")
    parser.add_argument("--wheels", type=Path, help="wheel 存放处，留着下次用（默认用后即删）")
    return parser.parse_args()


def build(given: argparse.Namespace, scratch: Path) -> Path:
    """Build the archive; where it lies."""
    commit, when = "-", FIXED_TIME
    source = scratch / "source"
    if given.source is None:
        source.mkdir()
        commit, when = last_commit(source)
    else:
        source = Path(given.source).resolve()
    time = int(os.environ.get("SOURCE_DATE_EPOCH") or when)
    pythons, machines = given.python or PYTHONS, given.machine or MACHINES
    targets = [(python, machine) for python in pythons for machine in machines]
    wheels = given.wheels or scratch / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    pins = read_lock((source / "requirements.lock").read_text("utf-8"))
    for python, machine in targets:
        try:
            choose([pin for pin in pins if pin.name not in SOURCE_ONLY], wheels, [(python, machine)])
        except BuildError:
            print(f"取 Python {python}、{machine} 用的 wheel……", flush=True)
            fetch(pins, python, machine, wheels, time)
    build_source_only(pins, wheels, time)
    name = f"reminder-{version_of(source)}-bundle"
    lay_out(source, wheels, scratch / name, targets, commit, time)
    target = Path(given.out) / f"{name}.tar.gz"
    pack(scratch / name, target, time)
    return target


def main() -> int:
    given = options()
    try:
        with tempfile.TemporaryDirectory(prefix="reminder-bundle-") as scratch:
            target = build(given, Path(scratch))
    except BuildError as error:
        print(f"没有构建成安装包：{error}", file=sys.stderr)
        return 1
    digest = sha256_of(target)
    target.with_name(f"{target.name}.sha256").write_text(f"{digest}  {target.name}\n", "utf-8")
    print(f"安装包：{target}（{target.stat().st_size / 2**20:.1f} MB）")
    print(f"SHA-256：{digest}（随包另行告知安装的人，供其核对）")
    return 0


if __name__ == "__main__":
    sys.exit(main())
