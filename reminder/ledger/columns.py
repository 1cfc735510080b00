"""Column types that SQLite and PostgreSQL keep alike."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Integer, String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

ISO_WIDTH = len("2026-01-01T00:00:00.000000Z")


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware on the way in, aware in UTC on the way out.

    SQLite has no type for instants, and SQLAlchemy's own ``DateTime`` stores
    09:00+08:00 there as a bare 09:00.  Kept here as ISO 8601 text of one width,
    always in UTC, so that the order of the text is the order of the instants
    and an auditor can read it with any tool.  ``TIMESTAMPTZ`` on PostgreSQL.

    Raises ``ValueError`` for a naive datetime.
    """

    impl = String(ISO_WIDTH)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        return dialect.type_descriptor(String(ISO_WIDTH))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError(f"the ledger takes only aware datetimes, not {value!r}")
        return value.astimezone(UTC) if dialect.name == "postgresql" else _as_text(value.astimezone(UTC))

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (given by name)
        if value is None:
            return None
        return value.astimezone(UTC) if isinstance(value, datetime) else _from_text(value)


@lru_cache(256)  # the rows of one transaction share a few instants
def _as_text(instant: datetime) -> str:
    # In UTC already: of two equal instants in an hour that comes twice one would be taken for the other.
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


@lru_cache(256)
def _from_text(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


RowId = BigInteger().with_variant(Integer(), "sqlite")
"""A row's number.  SQLite numbers rows by itself only for ``INTEGER PRIMARY KEY``."""

Json = JSON()
"""Small structured remarks, never asked for by content."""
