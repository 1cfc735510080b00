"""Structured logs without secrets.

Events have short English names; what belongs to them is in named fields.  Every
line passes through :data:`redactor` as finished text, so that a secret is
masked wherever it hides: in arguments, tracebacks, third-party messages.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from reminder.redaction import Redactor

SHORTEST_SECRET = 4
"""Shorter ones are not masked: they would punch holes into ordinary words."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

redactor = Redactor(shortest=SHORTEST_SECRET)
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
            # Before it is escaped, and once more for what only the escaping has put together.
            return redactor(json.dumps(_clean(fields), ensure_ascii=False, default=_text))
        head = f"{fields.pop('at')} {fields.pop('level'):7} {fields.pop('logger')}: {fields.pop('event')}"
        trace = fields.pop("trace", None)
        tail = "".join(f" {key}={_on_one_line(str(value))}" for key, value in fields.items())
        return redactor(head + tail + (f"\n{trace}" if trace else ""))


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """A record that cannot be formatted; the library would print its arguments as they are."""
        try:
            trace = traceback.format_exc(limit=-1)
            self.stream.write(redactor(f"log record lost: {record.name}: {record.msg!s}\n{trace}"))
            self.flush()
        except Exception:  # noqa: S110 - a log that cannot be written must not stop what it tells of
            pass


def _clean(value: Any) -> Any:
    """The value with every text in it redacted."""
    if isinstance(value, str):
        return redactor(value)
    if isinstance(value, Mapping):
        return {redactor(str(key)): _clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value


def _text(value: object) -> str:
    return redactor(str(value))


def _on_one_line(text: str) -> str:
    """Without line ends: an event is one line, and nothing that is told can pose as another."""
    return " | ".join(text.splitlines()) if text else text


def set_up(level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Send all logs, third parties' included, to ``stream`` (default: standard error)."""
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(_Formatter(as_json=log_format == "json"))
    # No line says from which thread, process or line of code it is: what nobody asks for is not looked up.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 (the library's documented switch for it)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their debug lines carry addresses and URLs; their warnings are welcome.
    for noisy in ("urllib3", "apscheduler", "sqlalchemy", "alembic", "uvicorn", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def guard() -> None:
    """Have the traces of a dying process, and of a dying thread, pass the redactor as well."""
    sys.excepthook = _print_redacted
    threading.excepthook = lambda args: _print_redacted(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _print_redacted(args.exc_type, args.exc_value, args.exc_traceback)


def _print_redacted(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if issubclass(kind, SystemExit | KeyboardInterrupt):
        return
    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(redactor(text))
    sys.stderr.flush()
