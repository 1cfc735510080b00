"""Many offices in one process: a folder whose subfolders are an office each, all on one ledger.

An office's folder holds what one installation has: ``schedules``,
``message_templates``, ``secrets``, and :data:`OWN_SETTINGS` with the few
settings that are its own.  What the process writes for it lies in ``offices``
of the data folder.  Everything else is the process's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reminder.errors import ReminderError, UsageError, system_reason
from reminder.settings import FROM_LEDGER, Settings, plan_from_of, public_url_of, read_secret

OWN_SETTINGS = "office.env"
"""The office's own settings, a line each: ``NAME=value``."""
DATA = "offices"
"""In the process's data folder: a folder an office."""
_OWN: dict[str, tuple[str, Callable[[str], Any]]] = {
    "REMINDER_PUBLIC_URL": ("public_url", public_url_of),
    "REMINDER_PLAN_FROM": ("plan_from", plan_from_of),
}
"""What an office may set for itself, and how it is read."""


@dataclass(frozen=True, slots=True)
class OfficeSettings(Settings):
    """The settings of one office of many; ``data`` is its own, ``host`` the data folder of its process."""

    host: Path = Path()

    def secret(self, name: str) -> str | None:
        """A secret from the office's own folder.

        The environment is the operator's, and an office could have itself be sent
        what stands there; a name with a path in it would lead into another's folder.
        """
        return read_secret(name, self.secrets_folder, {}) if Path(name).name == name else None

    @property
    def high_water(self) -> Path:
        """The ledger is all offices', and so is its mark."""
        return self.host / "high-water.json"


class OfficeSettingsError(ReminderError):
    """An office's folder, or its settings file, is not as it should be."""


def office_names(folder: Path) -> list[str]:
    """The subfolders that are offices, in order.  Raises ``OfficeSettingsError``."""
    try:
        return sorted(each.name for each in folder.iterdir() if each.is_dir() and each.name[0] not in "._")
    except OSError as error:
        raise OfficeSettingsError(
            f"单位文件夹 {folder} 读不出来（{system_reason(error)}）；请检查 REMINDER_OFFICES 和目录权限"
        ) from None


def chosen_office(settings: Settings) -> OfficeSettings:
    """The settings of the office that ``settings.office`` names.

    Raises ``UsageError`` where none is named, or none that there is.
    """
    assert settings.offices is not None
    names = office_names(settings.offices)
    if settings.office is None or settings.office not in names:
        what = (
            f"没有“{settings.office}”这个单位"
            if settings.office
            else "这里有多个单位，请用 --office 写明是哪一个"
        )
        raise UsageError(f"{what}；可用：{'、'.join(names) or f'（{settings.offices} 中还没有单位）'}")
    return settings_of_office(settings, settings.office)


def settings_of_office(settings: Settings, name: str) -> OfficeSettings:
    """What the process's settings are for one of its offices.  Raises ``OfficeSettingsError``."""
    assert settings.offices is not None
    folder = settings.offices / name
    own: dict[str, Any] = {each.name: getattr(settings, each.name) for each in fields(Settings)}
    own |= {
        "office": name,
        "host": settings.data,
        "schedules": folder / "schedules",
        "templates": folder / "message_templates",
        "secrets": folder / "secrets",
        "data": settings.data / DATA / name,
        "database_url": settings.ledger,  # with its password, which is no secret of the office
        "heartbeat_url": None,
        **_own(folder / OWN_SETTINGS),
    }
    return OfficeSettings(**own)


def host_of(settings: Settings) -> str:
    """The host name that an office's pages are asked for by, in small letters; empty where it has none."""
    return (urlsplit(settings.public_url).hostname or "") if settings.public_url else ""


def _own(file: Path) -> dict[str, Any]:
    """The office's own settings; without a public URL of its own it has none."""
    found: dict[str, Any] = {"public_url": None}
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        return found
    except (OSError, UnicodeDecodeError) as error:
        reason = system_reason(error) if isinstance(error, OSError) else "不是 UTF-8 文本"
        raise OfficeSettingsError(f"{file} 读不出来（{reason}）；请检查权限和内容") from None
    for number, line in enumerate(lines, start=1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not name or name.startswith("#"):
            continue
        if name not in _OWN or not equals:
            raise OfficeSettingsError(
                f"{file}:{number}: “{name}”不是单位自己的设置；可用：{'、'.join(_OWN)}，"
                "一行一个，如 REMINDER_PUBLIC_URL=https://djw.example.com"
            )
        field, read = _OWN[name]
        try:
            found[field] = read(value.strip("\"'"))
        except UsageError as error:
            raise OfficeSettingsError(f"{file}:{number}: {str(error).removeprefix('环境变量 ')}") from None
        if found[field] == FROM_LEDGER:  # there are several plans in it
            raise OfficeSettingsError(
                f"{file}:{number}: 台账中有各单位的计划，须写明编号，如 REMINDER_PLAN_FROM={FROM_LEDGER}:djw"
            )
    return found
