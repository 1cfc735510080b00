"""Structured logs without secrets.

Events have short English names; what belongs to them is in named fields.  Every
line passes through :class:`Redactor` as finished text, so that a secret is
masked wherever it hides: in arguments, tracebacks, third-party messages.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST_SECRET = 4
"""Shorter ones are not masked: they would punch holes into ordinary words."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Redactor:
    """Masks known secrets in any text, also in their URL-encoded forms."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def add(self, secret: str | None) -> None:
        """Mask this from now on."""
        if secret and len(secret) >= SHORTEST_SECRET:
            self._secrets |= {secret, quote(secret, safe=""), quote_plus(secret)}

    def __call__(self, text: str) -> str:
        # The longest first: one secret may be part of another.
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text


redactor = Redactor()
"""The process's own; whoever resolves a secret registers it here."""


class _Formatter(logging.Formatter):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in _STANDARD},
        }
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        if self._as_json:
            return redactor(json.dumps(fields, ensure_ascii=False, default=str))
        head = f"{fields.pop('at')} {fields.pop('level'):7} {fields.pop('logger')}: {fields.pop('event')}"
        trace = fields.pop("trace", None)
        tail = "".join(f" {key}={value}" for key, value in fields.items())
        return redactor(head + tail + (f"\n{trace}" if trace else ""))


def set_up(level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Send all logs, third parties' included, to ``stream`` (default: standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Formatter(as_json=log_format == "json"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their debug lines carry addresses and URLs; their warnings are welcome.
    for noisy in ("urllib3", "apscheduler", "sqlalchemy", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
