"""A canary through every way into the log: none comes out."""

from __future__ import annotations

import base64
import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from reminder import log
from reminder.log import redactor

CANARY = 'canary-"Zq7\\/密+key'
"""Quotes, a backslash and a Chinese character: what JSON and URLs escape."""
URL = f"https://wecom.example.com/cgi-bin/webhook/send?key={CANARY}"


class _Odd:
    def __repr__(self) -> str:
        return f"<Odd {CANARY}>"


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process knows the secret."""
    monkeypatch.setattr(log, "redactor", log.Redactor([CANARY]))


@contextmanager
def capturing(level: str, log_format: str) -> Iterator[io.StringIO]:
    """All logs into a text, as ``set_up`` sends them, and back to the test runner's afterwards."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, before = root.handlers[:], root.level
    try:
        log.set_up(level, log_format, stream)
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(before)


def _raise() -> None:
    try:
        raise ConnectionError(f"Max retries exceeded with url: {URL}")
    except ConnectionError as error:
        failure = ValueError("wrapped", CANARY)
        failure.add_note(f"note {CANARY}")
        raise failure from error


def _hidden(text: str) -> bool:
    forms = [CANARY, "canary-", "Zq7", json.dumps(CANARY)[1:-1], json.dumps(CANARY, ensure_ascii=False)[1:-1]]
    return not any(form in text for form in forms)


def _exception() -> None:
    try:
        _raise()
    except ValueError:
        logging.getLogger("reminder.test").exception("failed %s", CANARY)


WAYS: dict[str, Callable[[], object]] = {
    "message": lambda: logging.getLogger("reminder.test").info(f"to {URL}"),  # noqa: G004
    "arguments": lambda: logging.getLogger("reminder.test").warning("to %s with %r", URL, CANARY),
    "tuple": lambda: logging.getLogger("reminder.test").warning("args %s", (CANARY, {"key": CANARY})),
    "mapping": lambda: logging.getLogger("reminder.test").warning("%(a)s", {"a": CANARY}),
    "extra": lambda: logging.getLogger("reminder.test").info("event", extra={"url": URL, "list": [CANARY]}),
    "extra mapping": lambda: logging.getLogger("reminder.test").info("e", extra={"deep": {"a": {CANARY: 1}}}),
    "object": lambda: logging.getLogger("reminder.test").info("%s", _Odd(), extra={"odd": _Odd()}),
    "exception": _exception,
    "too few arguments": lambda: logging.getLogger("reminder.test").info("%s %s", CANARY),  # noqa: PLE1206 - wrong on purpose
    "wrong format": lambda: logging.getLogger("reminder.test").info("%d", CANARY),
    "urllib3": lambda: logging.getLogger("urllib3.util.retry").warning("Retrying after %r", URL),
    "third party debug": lambda: logging.getLogger("some.library").debug("login %s", CANARY),
    "bytes": lambda: logging.getLogger("some.library").debug("send %r", f"AUTH {CANARY}".encode()),
    "base64": lambda: logging.getLogger("smtplib").debug(
        "send: %r", b"AUTH PLAIN " + base64.b64encode(f"\0jgdw@example.com\0{CANARY}".encode())
    ),
}


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("way", WAYS)
def test_no_way_into_the_log_brings_a_secret_out(way: str, log_format: str) -> None:
    """The line itself is written all the same."""
    with capturing("debug", log_format) as stream:
        WAYS[way]()
    text = stream.getvalue()
    assert text
    assert _hidden(text)
    assert "***" in text or "log record lost" in text
    assert base64.b64encode(CANARY.encode()).decode()[4:-4] not in text


@pytest.mark.usefixtures("canary")
def test_json_lines_stay_json() -> None:
    """A mask inside a string breaks nothing; one object a line."""
    with capturing("info", "json") as stream:
        _exception()
        WAYS["extra"]()
    failed, event = (json.loads(line) for line in stream.getvalue().splitlines())
    assert failed["event"] == "failed ***"
    assert "ConnectionError" in failed["trace"]
    assert event["list"] == ["***"]


def test_what_is_told_stays_on_one_line() -> None:
    """A list of problems, or a server's words that try to pose as another event."""
    with capturing("info", "text") as stream:
        logging.getLogger("reminder.x").info(
            "refused", extra={"problems": "a.yaml:1:1: 甲\nb.yaml:2:2: 乙\u2028x"}
        )
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(" reminder.x: refused problems=a.yaml:1:1: 甲 | b.yaml:2:2: 乙 | x")


def test_a_secret_is_masked_from_the_moment_it_was_looked_up() -> None:
    """Whoever resolves a secret registers it with the process's redactor."""
    redactor.add("canary-of-this-test")
    assert redactor("key=canary-of-this-test") == "key=***"


@pytest.mark.parametrize(
    "code",
    [
        "raise ConnectionError(URL)",
        "import threading\nt = threading.Thread(target=lambda: (_ for _ in ()).throw(ValueError(URL)))\nt.start()\nt.join()",
        "class A:\n    def __del__(self):\n        raise ValueError(URL)\na = A()\ndel a",
    ],
)
def test_a_dying_process_and_a_dying_thread_tell_no_secret(code: str) -> None:
    """Their traces go to standard error without passing any logger."""
    start = f"from reminder import log\nlog.redactor.add({CANARY!r})\nlog.guard()\nURL = {URL!r}\n"
    done = subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, check=False)
    assert "Traceback" in done.stderr
    assert "Error: " in done.stderr
    assert "***" in done.stderr
    assert _hidden(done.stderr)
