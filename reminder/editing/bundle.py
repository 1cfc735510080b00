"""All files of a plan as one: read from an office's folders, and laid out in folders again.

The names are those of an edition's files (see :mod:`~reminder.editing.shelf`);
``ca_file/…`` are certificates that lie in the folder of the plan.  Nothing else
is taken: secrets have no name here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from reminder.calendars.yearfile import is_year_file
from reminder.check import CALENDAR_FOLDER, TEMPLATES_FOLDER, Examination, examine
from reminder.disk import sync_folder
from reminder.editing.errors import EditRefused
from reminder.editing.shelf import Shelf
from reminder.errors import Problem, errors_of, system_reason
from reminder.ledger.file_versions import digest_of
from reminder.plan.files import is_plan_file, plan_files
from reminder.plan.model import Plan
from reminder.settings import SCHEDULES, TEMPLATES
from reminder.source import MAX_BYTES

CERTIFICATES = "ca_file"
MOST_OCTETS = 64 * 1024 * 1024
"""Of all files together; a plan with its templates has less than one megabyte."""


def gather(schedules: Path, templates: Path) -> dict[str, bytes]:
    """What stands in the files of plan, calendar and templates, by name.

    Raises :class:`EditRefused` for one that cannot be read, or too much.
    """
    contents = {path.name: _read(path) for path in plan_files(schedules)[0]}
    years = schedules / CALENDAR_FOLDER
    if years.is_dir():
        found = sorted(path for path in years.iterdir() if is_year_file(path.name) and path.is_file())
        contents |= {f"{CALENDAR_FOLDER}/{path.name}": _read(path) for path in found}
    texts = sorted({*templates.glob("*/*.j2"), *templates.glob("*.yaml")})
    contents |= {
        f"{TEMPLATES_FOLDER}/{path.relative_to(templates).as_posix()}": _read(path) for path in texts
    }
    if sum(map(len, contents.values())) > MOST_OCTETS:
        raise EditRefused(
            f"{schedules} 和 {templates} 里的文件共超过 {MOST_OCTETS // 2**20} MiB，不像是计划或模板："
            "请核对文件夹"
        )
    return contents


def certificates(plan: Plan, schedules: Path) -> tuple[dict[str, bytes], list[Problem]]:
    """The certificates that lie with the plan, by name, and those that do not: a version could not carry them.

    One with an absolute path is every machine's own.  Raises :class:`EditRefused`.
    """
    found: dict[str, bytes] = {}
    problems: list[Problem] = []
    for channel in plan.channels.values():
        if channel.ca_file is None or Path(channel.ca_file).is_absolute():
            continue
        inner = PurePosixPath(channel.ca_file)
        if ".." in inner.parts:
            problems.append(
                Problem(
                    plan.ca_positions[channel.id],
                    f"channels[{channel.id}].ca_file",
                    f"{channel.ca_file} 不在计划文件夹里，不能随计划发布",
                    "计划文件夹里的文件，或每台机器上都有的绝对路径",
                    "请把证书放进计划文件夹",
                )
            )
            continue
        found[f"{CERTIFICATES}/{inner}"] = _read(schedules / inner)
    return found, problems


def examined(
    schedules: Path, templates: Path, public_url: str | None
) -> tuple[dict[str, bytes], Examination]:
    """All files as they are now, and what the gate says of exactly those.  Raises :class:`EditRefused`."""
    contents = gather(schedules, templates)
    examination = examine(schedules, templates, public_url, contents)
    if examination.edition is None:
        return contents, examination
    beside, problems = certificates(examination.edition.plan, schedules)
    problems = [*examination.problems, *problems]
    edition = None if errors_of(problems) else examination.edition
    return contents | beside, Examination(edition, tuple(problems))


def in_histories(contents: Mapping[str, bytes]) -> tuple[str, ...]:
    """Names of the files that the console shows one by one."""
    shelf = Shelf(Path(SCHEDULES), Path(TEMPLATES))
    return tuple(name for name in contents if shelf.knows(name))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise EditRefused(f"{path} 不能读取（{system_reason(error)}）") from None
    if len(content) > MAX_BYTES:
        raise EditRefused(f"{path} 超过 {MAX_BYTES // 2**20} MiB，不像是计划或模板")
    return content


def lay_out(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write all files into a new folder, on disk when this returns.  Raises ``OSError``."""
    for place in (folder, folder / SCHEDULES, folder / TEMPLATES):
        place.mkdir(mode=0o700)
    for name, content in contents.items():
        path = folder / _place(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_new(path, content)
    for place in (*(each for each in folder.rglob("*") if each.is_dir()), folder):
        sync_folder(place)


def write_new(path: Path, content: bytes) -> None:
    """A file of its owner alone that is on disk when this returns.  Raises ``OSError``, also if there is one."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def found_in(folder: Path) -> dict[str, str] | None:
    """SHA-256 by name of all that lies where a plan was laid out; None if something there cannot be of a plan."""
    try:
        return {
            _name(path.relative_to(folder)): digest_of(path.read_bytes())
            for inner in (SCHEDULES, TEMPLATES)
            for path in _files(folder / inner)
        }
    except (OSError, ValueError):
        return None


def _files(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink():
            raise ValueError(entry)
        if entry.is_dir():
            yield from _files(entry)
        else:
            yield entry


def _place(name: str) -> PurePosixPath:
    """Where a file of this name lies.  Raises ``ValueError`` for a name that leads elsewhere."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise ValueError(f"not a file of a plan: {name!r}")
    first, inner = path.parts[0], PurePosixPath(*path.parts[1:])
    if first == TEMPLATES_FOLDER:
        return PurePosixPath(TEMPLATES, inner)
    return PurePosixPath(SCHEDULES, inner if first == CERTIFICATES else path)


def _name(path: Path) -> str:
    """The name of the file that lies there, below the folder of all."""
    inner = PurePosixPath(*path.parts[1:])
    if path.parts[0] == TEMPLATES:
        return f"{TEMPLATES_FOLDER}/{inner}"
    year = len(inner.parts) == 2 and inner.parts[0] == CALENDAR_FOLDER and is_year_file(inner.name)
    return str(inner) if year or is_plan_file(str(inner)) else f"{CERTIFICATES}/{inner}"
