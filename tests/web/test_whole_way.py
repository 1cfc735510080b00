"""From the daemon to a phone and back: a real message, its link, the page, and what comes of it."""

from __future__ import annotations

import email
import email.policy
import html
import json
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from reminder.cli.running import health
from reminder.links import PLACEHOLDER
from tests.harness.office import Office
from tests.harness.ports import a_free_port
from tests.harness.process import wait_for
from tests.plans import at, item_yaml
from tests.servers.smtp import Received
from tests.web.conftest import Shown

RUNGS = """\
- from: due
  workdays: 0
  to: owing
- id: again
  from: due
  workdays: 1
  to: owing
"""
REPORT = item_yaml(
    "report",
    "window:\n  opens: 2026-06-01\n  closes: 2026-06-10",
    RUNGS,
    "duty:\n  each: unit\n  of:\n    - unit:办公室\n    - unit:理论科",
)
NINE, NEXT = at("2026-06-10 09:00"), at("2026-06-11 09:00")


def with_page(port: int) -> dict[str, str]:
    return {
        "REMINDER_PUBLIC_URL": f"http://127.0.0.1:{port}/lianjie",
        "REMINDER_LISTEN": f"127.0.0.1:{port}",
        "REMINDER_LOG_LEVEL": "debug",
    }


def links_in(received: Received) -> tuple[str, str]:
    """The link of the plain text and that of the HTML."""
    message = email.message_from_bytes(received.content, policy=email.policy.default)
    plain, rich = (part.get_content() for part in message.iter_parts())
    (text,) = re.findall(r"http://\S+/d/\S+", plain)
    (button,) = re.findall(r'<a href="([^"]+)"', rich)
    return text, html.unescape(button)


def test_what_is_recorded_through_a_mail_s_link_ends_its_reminders(tmp_path: Path) -> None:
    """And no file of the office ever holds the token: not the ledger, not the log, not the health file."""
    port = a_free_port()
    with Office(tmp_path, [REPORT], environment=with_page(port)) as office:
        office.daemon.start()
        office.set(NINE + timedelta(seconds=1))
        wait_for(lambda: len(office.smtp.messages) == 2, "both reminders")
        found = {each.recipient: links_in(each) for each in office.smtp.messages}
        assert all(text == button for text, button in found.values())
        link = found["office@example.com"][0]
        assert link.startswith(f"http://127.0.0.1:{port}/lianjie/d/")
        shown = Shown(requests.get(link, timeout=20).text)
        ((occurrence, cell),) = shown.cells
        form = shown.form(occurrence, cell) | {"action": "done", "note": "已报送"}
        answer = requests.post(link, data=form, timeout=20)
        assert "已记录" in answer.text
        requests.get(link.replace("/d/", "/d/x"), timeout=20)
        office.set(NEXT + timedelta(seconds=1))
        wait_for(lambda: len(office.smtp.messages) == 3, "the reminder of the next day")
        assert office.smtp.messages[2].recipient == "liaison@example.com"
        assert office.daemon.stop() == 0
        assert [each.recipient for each in office.smtp.messages].count("office@example.com") == 1
        every = b"".join(path.read_bytes() for path in office.daemon.data.rglob("*") if path.is_file())
        for text, _ in found.values():
            token = text.rpartition("/")[2]
            for part in (token, token[:36], token[37:]):
                assert part.encode() not in every
        assert PLACEHOLDER.encode() in every


def test_a_try_after_a_kill_is_the_same_mail_to_the_byte(tmp_path: Path) -> None:
    """Another process, the same key: the same token."""
    with Office(tmp_path, [REPORT], environment=with_page(a_free_port())) as office:
        office.smtp.misbehave("dot", "reply", "451 later", times=2, taken=True)
        office.daemon.start()
        office.set(NINE + timedelta(seconds=1))
        wait_for(lambda: len(office.smtp.messages) == 2, "the first tries")
        office.kill()
        office.set(NINE + timedelta(minutes=30))
        office.daemon.start()
        wait_for(lambda: len(office.smtp.messages) >= 4, "the second tries")
        contents: dict[str, set[bytes]] = {}
        for each in office.smtp.messages:
            contents.setdefault(each.recipient, set()).add(each.content)
        assert {recipient: len(each) for recipient, each in contents.items()} == {
            "office@example.com": 1,
            "liaison@example.com": 1,
        }
        links_in(office.smtp.messages[0])
        assert office.daemon.stop() == 0


def test_a_page_that_cannot_be_served_holds_up_no_reminder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The health file says why, in one line; the daemon is well otherwise."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Office(tmp_path, [REPORT], environment=with_page(port)) as office:
            office.daemon.start()
            office.set(NINE + timedelta(seconds=1))
            wait_for(lambda: len(office.smtp.messages) == 2, "both reminders")
            status = json.loads((office.daemon.data / "health.json").read_text())
            assert status["problem"] == ""
            assert status["page"]["problem"].startswith(f"网页没有打开：127.0.0.1:{port} 已被")
            assert office.daemon.log.read_text().count("page not served") == 1
            assert office.daemon.stop() == 0
    file = office.daemon.data / "health.json"
    file.write_text(json.dumps(status | {"at": datetime.now(UTC).isoformat()}))
    health(office.daemon.data)  # raises if the daemon were unwell
    assert f"网页没有打开：127.0.0.1:{port}" in capsys.readouterr().out
