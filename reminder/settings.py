"""Where things lie and how the process is set up: the environment, read once.

Every setting is a variable ``REMINDER_…``; options of the command line win over
it.  ``docs/settings.md`` lists them all, and a test holds that list complete.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote, urlsplit

from reminder.errors import UsageError

LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")
OFF = "off"
FROM_FOLDER, FROM_LEDGER = "folder", "ledger"
SCHEDULES, TEMPLATES = "schedules", "message_templates"
"""The folders of plan and templates, by default and where a plan is laid out."""
DATABASE_PASSWORD = "DATABASE_PASSWORD"  # noqa: S105 (its name)
"""The secret that a database's address need not hold."""
_POSTGRES = re.compile(r"(?P<scheme>postgres[a-z+]*://)(?P<user>[^:@/?]+)(:(?P<password>.*))?@")
_IN_QUERY = re.compile(r"[?&]password=([^&]*)")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the page is served: an address of this machine and a port; port 0 takes any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


DEFAULT_LISTEN = Listen("127.0.0.1", 8750)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SYSLOG_PORT = 514


@dataclass(frozen=True, slots=True)
class Settings:
    """The process's settings.  Relative paths are relative to the working directory."""

    schedules: Path = Path(SCHEDULES)
    """REMINDER_SCHEDULES: the folder of the plan."""
    templates: Path = Path(TEMPLATES)
    """REMINDER_TEMPLATES: the folder of the message templates."""
    data: Path = Path("var")
    """REMINDER_DATA: ledger, outbox, health file; must be writable."""
    secrets: Path | None = None
    """REMINDER_SECRETS: a folder with one file a secret; default ``data/secrets``."""
    plan_from: str = FROM_FOLDER
    """REMINDER_PLAN_FROM: folder, or ledger with the plan that was published there; ``ledger:ID`` names the plan."""
    database_url: str | None = field(default=None, repr=False)
    """REMINDER_DATABASE_URL: the ledger, if it is not ``data/ledger.sqlite3``; may hold a password."""
    offices: Path | None = None
    """REMINDER_OFFICES: a folder whose subfolders are an office each, all on one ledger."""
    office: str | None = None
    """REMINDER_OFFICE: which of them a command is about."""
    heartbeat_url: str | None = None
    """REMINDER_HEARTBEAT_URL: asked once a minute, and only while the sweep makes progress."""
    public_url: str | None = None
    """REMINDER_PUBLIC_URL: what the links in messages begin with, without a slash at its end."""
    listen: Listen | None = DEFAULT_LISTEN
    """REMINDER_LISTEN: where console and page are served; None serves nothing."""
    proxy: tuple[Network, ...] | None = None
    """REMINDER_PROXY: where a reverse proxy may stand that is believed, besides this machine."""
    syslog: str | tuple[str, int] | None = None
    """REMINDER_SYSLOG: where the login log goes as well: a socket's path, or a host and its UDP port."""
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
            plan_from=plan_from_of(env.get("REMINDER_PLAN_FROM") or ""),
            database_url=env.get("REMINDER_DATABASE_URL") or None,
            offices=Path(value) if (value := env.get("REMINDER_OFFICES")) else None,
            office=env.get("REMINDER_OFFICE") or None,
            heartbeat_url=env.get("REMINDER_HEARTBEAT_URL") or None,
            public_url=public_url_of(env.get("REMINDER_PUBLIC_URL") or ""),
            listen=_listen(env.get("REMINDER_LISTEN") or "", default.listen),
            proxy=_proxy(env.get("REMINDER_PROXY") or ""),
            syslog=_syslog(env.get("REMINDER_SYSLOG") or ""),
            log_level=_word(env, "REMINDER_LOG_LEVEL", LOG_LEVELS, default.log_level),
            log_format=_word(env, "REMINDER_LOG_FORMAT", LOG_FORMATS, default.log_format),
        )

    @property
    def ledger(self) -> str:
        """URL or path of the ledger.  A URL may hold a password: :attr:`ledger_shown` is for people.

        A PostgreSQL address without one takes it from the secret
        ``DATABASE_PASSWORD``.
        """
        address = self.database_url or str(self.data / "ledger.sqlite3")
        found = _POSTGRES.match(address)
        if found is None or found["password"] is not None or _IN_QUERY.search(address):
            return address
        secret = read_secret(DATABASE_PASSWORD, self.secrets or self.data / "secrets")
        if secret is None:
            return address
        return f"{found['scheme']}{found['user']}:{quote(secret, safe='')}@{address[found.end() :]}"

    @property
    def ledger_password(self) -> str | None:
        """The password in :attr:`ledger`, to be masked wherever it might be printed."""
        found, asked = _POSTGRES.match(self.ledger), _IN_QUERY.search(self.ledger)
        password = asked[1] if asked is not None else found["password"] if found is not None else None
        return unquote(password) if password else None

    @property
    def ledger_shown(self) -> str:
        """:attr:`ledger` as it may be printed: without password and options, however it is misspelt."""
        address = self.database_url or str(self.data / "ledger.sqlite3")
        scheme, colon, rest = address.partition("://")
        if not colon:
            return address
        if "@" in rest:
            rest = f"{re.split('[:@/?]', rest, maxsplit=1)[0]}@{rest.rpartition('@')[2]}"
        return f"{scheme}://{rest.partition('?')[0]}"

    @property
    def secrets_folder(self) -> Path:
        """Where secrets are looked for that are not in the environment."""
        return self.secrets or self.data / "secrets"

    def secret(self, name: str) -> str | None:
        """A secret by its name; None if there is none."""
        return read_secret(name, self.secrets_folder)

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
    def link_key(self) -> Path:
        """The key that signs the links."""
        return self.keys / "links.key"

    @property
    def draws(self) -> Path:
        """The seeds of draws until their day."""
        return self.keys / "draws.json"

    @property
    def follows_ledger(self) -> bool:
        """Whether the plan is the one that was published in the ledger."""
        return self.plan_from != FROM_FOLDER

    @property
    def plan_wanted(self) -> str:
        """The id of the plan to take from the ledger; empty: the only one there."""
        return self.plan_from.partition(":")[2]

    @property
    def published(self) -> Path:
        """Where a plan that is taken from the ledger is laid out."""
        return self.data / "published"

    @property
    def published_current(self) -> Path:
        """The version in force of it: a link that is exchanged as a whole."""
        return self.published / "current"

    def laid_out(self) -> Self:
        """With the folders of the version in force, which is taken from the ledger."""
        current = self.published_current
        return replace(self, schedules=current / SCHEDULES, templates=current / TEMPLATES)

    @property
    def checked(self) -> Path:
        """Which edition was looked through whole before."""
        return self.data / "checked.json"

    @property
    def lock(self) -> Path:
        return self.data / "daemon.lock"


def _word(env: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = (env.get(name) or default).lower()
    if value not in allowed:
        raise UsageError(f"环境变量 {name} 的值“{value}”不可用；可用：{'、'.join(allowed)}")
    return value


def plan_from_of(text: str) -> str:
    word, colon, plan = text.partition(":")
    word, plan = word.lower(), plan.strip()
    if not text or (word == FROM_FOLDER and not colon):
        return FROM_FOLDER
    if word != FROM_LEDGER or (colon and not plan):
        raise UsageError(
            f"环境变量 REMINDER_PLAN_FROM 的值“{text}”不可用；可用：{FROM_FOLDER}（计划文件夹）、"
            f"{FROM_LEDGER}（台账中发布的计划），或 {FROM_LEDGER}:计划编号（台账中有几个计划时）"
        )
    return f"{word}{colon}{plan}"


def public_url_of(text: str) -> str | None:
    """``REMINDER_PUBLIC_URL`` without a slash at its end; None for no address.  Raises ``UsageError``."""
    if not text:
        return None
    where = f"环境变量 REMINDER_PUBLIC_URL 的值“{text}”"
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise UsageError(f"{where}不是网址；应如 https://djw.example.com/lianjie") from None
    local = host == "localhost" or _is_loopback(host)
    if parts.scheme == "http" and host and not local:
        raise UsageError(f"{where}未加密，链接会在网络上被人看到；请改用 https://（http 只允许用于本机）")
    plain = not (
        parts.username or parts.password or parts.query or parts.fragment or text.endswith(("?", "#"))
    )
    path = parts.path.rstrip("/")
    named = _HOST.fullmatch(host) or _is_address(host)
    if parts.scheme not in ("http", "https") or not named or not plain or not _PATH.fullmatch(path):
        raise UsageError(
            f"{where}不合要求；应为 https:// 加主机名，其后可有路径，不含空格、汉字、用户名、? 和 #，"
            "如 https://djw.example.com/lianjie"
        )
    return f"{parts.scheme}://{parts.netloc}{path}"


def _listen(text: str, default: Listen | None) -> Listen | None:
    if not text:
        return default
    if text.lower() == OFF:
        return None
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    good = bool(colon) and (host == "localhost" or (_is_address(bare) and (":" in bare) == (bare != host)))
    if not good or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise UsageError(
            f"环境变量 REMINDER_LISTEN 的值“{text}”不可用；"
            f"应为 本机地址:端口，如 {DEFAULT_LISTEN}、0.0.0.0:8750、[::1]:8750，或 {OFF}（不提供页面）"
        )
    return Listen("127.0.0.1" if host == "localhost" else bare, int(port))


def _proxy(text: str) -> tuple[Network, ...] | None:
    """Addresses and networks, with commas between them."""
    found = []
    for word in text.replace("，", ",").replace("、", ",").split(","):
        if not (word := word.strip()):
            continue
        try:
            network = ipaddress.ip_network(word)
        except ValueError:
            raise UsageError(
                f"环境变量 REMINDER_PROXY 中的“{word}”不是地址或网段；"
                "应为反向代理的地址，多个用逗号隔开，如 172.18.0.2 或 172.18.0.0/28"
            ) from None
        if not network.prefixlen:
            raise UsageError(
                f"环境变量 REMINDER_PROXY 中的“{word}”是所有地址：任何人都能冒充别处来的；"
                "请只写反向代理自己的地址，如 172.18.0.2"
            )
        found.append(network)
    return tuple(found) or None


def _syslog(text: str) -> str | tuple[str, int] | None:
    """A socket's path, or a host and its port."""
    if not text or text.startswith("/"):
        return text or None
    host, colon, port = (
        text.rpartition(":") if text.count(":") == 1 or text.startswith("[") else (text, "", "")
    )
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    named = _HOST.fullmatch(bare) or _is_address(bare)
    if not named or (colon and not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) <= 65535)):
        raise UsageError(
            f"环境变量 REMINDER_SYSLOG 的值“{text}”不可用；"
            "应为 /dev/log，或 主机:端口（UDP），如 log.example.com:514"
        )
    return bare, int(port or SYSLOG_PORT)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


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
