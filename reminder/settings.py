"""Where things lie and how the process is set up: the environment, read once.

Every setting is a variable ``REMINDER_…``; options of the command line win over
it.  ``docs/settings.md`` lists them all, and a test holds that list complete.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reminder.errors import UsageError

LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """The process's settings.  Relative paths are relative to the working directory."""

    schedules: Path = Path("schedules")
    """REMINDER_SCHEDULES: the folder of the plan."""
    templates: Path = Path("message_templates")
    """REMINDER_TEMPLATES: the folder of the message templates."""
    data: Path = Path("var")
    """REMINDER_DATA: ledger, outbox, health file; must be writable."""
    secrets: Path | None = None
    """REMINDER_SECRETS: a folder with one file a secret; default ``data/secrets``."""
    database_url: str | None = None
    """REMINDER_DATABASE_URL: the ledger, if it is not ``data/ledger.sqlite3``."""
    heartbeat_url: str | None = None
    """REMINDER_HEARTBEAT_URL: asked once a minute, and only while the sweep makes progress."""
    log_level: str = "info"
    """REMINDER_LOG_LEVEL: debug, info, warning or error."""
    log_format: str = "text"
    """REMINDER_LOG_FORMAT: text, or json with one object a line."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read ``REMINDER_…`` variables.

        Raises ``UsageError`` for a word that is not allowed.
        """
        env = os.environ if environment is None else environment
        default = cls()
        return cls(
            schedules=Path(env.get("REMINDER_SCHEDULES") or default.schedules),
            templates=Path(env.get("REMINDER_TEMPLATES") or default.templates),
            data=Path(env.get("REMINDER_DATA") or default.data),
            secrets=Path(value) if (value := env.get("REMINDER_SECRETS")) else None,
            database_url=env.get("REMINDER_DATABASE_URL") or None,
            heartbeat_url=env.get("REMINDER_HEARTBEAT_URL") or None,
            log_level=_word(env, "REMINDER_LOG_LEVEL", LOG_LEVELS, default.log_level),
            log_format=_word(env, "REMINDER_LOG_FORMAT", LOG_FORMATS, default.log_format),
        )

    @property
    def ledger(self) -> str:
        """URL or path of the ledger."""
        return self.database_url or str(self.data / "ledger.sqlite3")

    @property
    def outbox(self) -> Path:
        return self.data / "outbox"

    @property
    def health(self) -> Path:
        return self.data / "health.json"

    @property
    def high_water(self) -> Path:
        """How far the ledger had come, kept outside of it."""
        return self.data / "high-water.json"

    @property
    def keys(self) -> Path:
        """The keys that links are derived from."""
        return self.data / "keys"

    @property
    def lock(self) -> Path:
        return self.data / "daemon.lock"


def _word(env: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = (env.get(name) or default).lower()
    if value not in allowed:
        raise UsageError(f"环境变量 {name} 的值“{value}”不可用；可用：{'、'.join(allowed)}")
    return value


def read_secret(name: str, folder: Path | None, environment: Mapping[str, str] | None = None) -> str | None:
    """A secret by its name: from the environment, else from a file of that name.

    A trailing line break of the file is not part of it.  None if there is none.
    """
    env = os.environ if environment is None else environment
    if value := env.get(name):
        return value
    if folder is not None:
        try:
            return (folder / name).read_text("utf-8").rstrip("\r\n") or None
        except (OSError, UnicodeDecodeError):
            return None
    return None
