"""Which ledger an address names: a file, or a database of PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from reminder.ledger.errors import LedgerAddressError

POSTGRES = ("postgresql://", "postgres://", "postgresql+psycopg://")
_ALLOWED = "可用：文件名、sqlite:///文件名，或 postgresql://用户@主机:端口/数据库"


def is_postgres(address: str | Path) -> bool:
    """Whether an address leads to PostgreSQL."""
    return not isinstance(address, Path) and address.lower().startswith(POSTGRES)


def postgres_url(address: str) -> str:
    """The address as libpq reads it."""
    return "postgresql://" + address.partition("://")[2]


def file_of(address: str | Path) -> Path:
    """The file that a path or a ``sqlite:///`` address names.

    Raises ``LedgerAddressError`` for anything else.  What stands in an address
    is never repeated: it may hold a password.
    """
    if isinstance(address, Path) or "://" not in address:
        return Path(address)
    if is_postgres(address):
        raise LedgerAddressError(
            "台账在 PostgreSQL 数据库中，不是文件，此命令只用于文件：请用数据库自己的工具（如 pg_dump）"
        )
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise LedgerAddressError(f"台账的地址看不懂；{_ALLOWED}") from error
    if url.get_backend_name() != "sqlite":
        raise LedgerAddressError(f"台账的地址以 {url.drivername} 开头，不能使用；{_ALLOWED}")
    if not url.database or url.database == ":memory:":
        raise LedgerAddressError("台账必须存成文件，不能只在内存里：请写文件名，或 sqlite:///文件名")
    return Path(url.database)
