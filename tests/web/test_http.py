"""The page's manners over HTTP: headers, methods, limits, and what it says when something is wrong."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import socket
from pathlib import Path

import pytest

from reminder.errors import ReminderError
from reminder.ledger.ledger import Ledger
from reminder.links import LinkKeyError, Links
from reminder.web.app import HEADERS
from reminder.web.forms import FORM_TYPE, MAX_BODY
from tests.web.conftest import REPORT, STUDY, TALK, Served


def raw(served: Served, request: bytes, seconds: float = 20) -> bytes:
    """The whole answer to octets as they are given."""
    host, _, port = served.server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as sock:
        sock.sendall(request)
        answer = b""
        while chunk := sock.recv(65536):
            answer += chunk
            head, gap, body = answer.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            if gap and length and len(body) >= int(length[1]):
                break
        return answer


def post(
    served: Served, token: str, body: bytes, content_type: str = FORM_TYPE, length: int | None = None
) -> bytes:
    size = len(body) if length is None else length
    head = f"POST /d/{token} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {size}\r\n\r\n"
    return raw(served, head.encode() + body)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/d/{good}", 200),
        ("HEAD", "/d/{good}", 200),
        ("POST", "/d/{good}", 400),
        ("GET", "/d/bad", 404),
        ("PUT", "/d/{good}", 405),
        ("DELETE", "/d/{good}", 405),
        ("OPTIONS", "/d/{good}", 405),
        ("TRACE", "/d/{good}", 405),
        ("GET", "/d/{good}/", 404),
        ("GET", "/d/", 404),
        ("GET", "/", 404),
        ("GET", "/openapi.json", 404),
        ("GET", "/docs", 404),
        ("GET", "/favicon.ico", 404),
        ("GET", "/d/../d/x", 404),
        ("GET", "/robots.txt", 200),
    ],
)
def test_every_answer_carries_the_same_guards_and_no_cookie(
    served: Served, method: str, path: str, status: int
) -> None:
    host, _, port = served.server.address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.request(method, path.format(good=served.personal("p-office")))
    answer = connection.getresponse()
    body = answer.read().decode()
    assert answer.status == status
    for name, value in HEADERS.items():
        assert answer.getheader(name) == value, name
    assert answer.getheader("set-cookie") is None
    assert answer.getheader("server") is None
    assert "Traceback" not in body
    assert (body == "") == (method == "HEAD")
    connection.close()


def test_the_guards_let_in_nothing_but_the_page_s_own_style() -> None:
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert HEADERS["referrer-policy"] == "no-referrer"
    assert HEADERS["cache-control"] == "no-store"


def test_the_page_is_whole_by_itself(served: Served) -> None:
    """No script, no picture, nothing from another address; the one style sheet is the one that is let in."""
    html = served.http.get(served.address(served.personal("p-leader"))).text
    assert not re.search(r"<(script|img|link|iframe|object|embed|svg)\b|\son\w+=|javascript:|https?://", html)
    assert "style=" not in html
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in HEADERS["content-security-policy"]
    assert "url(" not in style
    assert "@import" not in style


def test_the_page_names_no_token(served: Served) -> None:
    """It is not copied out of a page, a printout or a screenshot."""
    token = served.personal("p-office")
    assert token not in served.http.get(served.address(token)).text


def test_what_people_wrote_is_text_and_never_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>'\"&{{7*7}}"
    item = REPORT.replace("报送材料收到并确认。", evil)
    with Served(tmp_path, item) as served:
        html = served.http.get(served.address(served.personal("p-office"))).text
        assert "&lt;script&gt;" in html
        assert "<script" not in html
        assert "{{7*7}}" in html


@pytest.mark.parametrize("kept", [True, False])
def test_the_page_is_found_behind_a_proxy_that_keeps_its_prefix_or_takes_it_off(
    tmp_path: Path, kept: bool
) -> None:
    with Served(tmp_path, REPORT, prefix="/dj/lianjie") as served:
        token = served.personal("p-office")
        address = served.address(token)
        if kept:
            address = address.replace("/d/", "/dj/lianjie/d/")
        form = {"action": "done", "cell": "办公室", "date": "2026-06-10"}
        form["occurrence"] = served.get(token).cells[0][0]
        answer = served.http.post(address, data=form)
        assert answer.status_code == 200
        assert answer.url == address
        assert "已记录" in answer.text


# -- forms no browser sends ----------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"action=done&action=book", FORM_TYPE),
        (b"action=done&more=1", FORM_TYPE),
        (b"action", FORM_TYPE),
        (b"a=1&b=2&c=3&d=4&e=5&f=6&g=7", FORM_TYPE),
        (b"action=%ff%fe", FORM_TYPE),
        (b"action=\xff", FORM_TYPE),
        (b'{"action":"done"}', "application/json"),
        (b"action=done", "text/plain"),
        (b'--x\r\nContent-Disposition: form-data; name="action"\r\n\r\ndone\r\n--x--\r\n', "multipart/form-data; boundary=x"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_form_of_ours_is_refused(served: Served, body: bytes, content_type: str) -> None:
    before = served.changes
    answer = post(served, served.personal("p-office"), body, content_type)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert "没有登记" in answer.decode()
    assert served.changes == before


def test_a_form_may_say_its_charset(served: Served) -> None:
    token = served.personal("p-office")
    form = served.get(token).form(served.get(token).cells[0][0], "办公室") | {"action": "done"}
    headers = {"content-type": f"{FORM_TYPE}; charset=UTF-8"}
    answer = served.http.post(served.address(token), data=form, headers=headers, allow_redirects=False)
    assert answer.status_code == 303


def test_a_body_that_is_too_long_is_refused_before_it_is_read_whole(served: Served) -> None:
    token = served.personal("p-office")
    assert post(served, token, b"x" * (MAX_BODY + 1)).startswith(b"HTTP/1.1 413 ")
    assert post(served, token, b"x" * (MAX_BODY + 1), length=10**12).startswith(b"HTTP/1.1 413 ")
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    head = f"POST /d/{token} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert raw(served, head.encode() + chunk).startswith(b"HTTP/1.1 413 ")
    served.get(token)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /d/" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /d/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /d/x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_what_is_not_http_is_turned_away_and_the_page_goes_on(served: Served, request_: bytes) -> None:
    answer = raw(served, request_ + b"\r\n\r\n")
    assert not answer or answer.startswith(b"HTTP/1.1 4")
    served.get(served.personal("p-office"))


def test_who_hangs_up_in_the_middle_of_a_form_records_nothing(served: Served) -> None:
    host, _, port = served.server.address.rpartition(":")
    token, before = served.personal("p-office"), served.changes
    with socket.create_connection((host, int(port)), timeout=20) as sock:
        head = (
            f"POST /d/{token} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM_TYPE}\r\nContent-Length: 500\r\n\r\n"
        )
        sock.sendall(head.encode() + b"action=done")
    served.get(token)
    assert served.changes == before


# -- when something is wrong with us ---------------------------------------------------


def test_a_ledger_in_trouble_is_a_matter_of_minutes_for_the_reader(tmp_path: Path) -> None:
    with Served(tmp_path, REPORT) as served:
        token = served.personal("p-office")
        lost, served.ledger = served.ledger, _Lost()  # type: ignore[assignment]
        answer = served.http.get(served.address(token))
        assert answer.status_code == 503
        assert "暂时不能登记" in answer.text
        assert "数据库" not in answer.text
        served.ledger = lost
        served.get(token)


class _Lost:
    def __getattr__(self, name: str) -> object:
        raise ReminderError("台账的文件不见了")

    def close(self) -> None:
        return


def test_a_spoilt_key_is_trouble_and_no_stranger_s_fault(served: Served) -> None:
    class Spoilt(Links):
        def read(self, *_: object) -> None:  # type: ignore[override]
            raise LinkKeyError("链接密钥是空的")

    good, served.links = served.links, Spoilt([bytes(32)], "test")
    answer = served.http.get(served.address(served.personal("p-office")))
    assert answer.status_code == 503
    assert "密钥" not in answer.text
    served.links = good


def test_a_fault_of_the_program_shows_no_trace(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("inside out")

    monkeypatch.setattr(Ledger, "facts", broken)
    answer = served.http.get(served.address(served.personal("p-office")))
    assert answer.status_code == 500
    assert "暂时不能登记" in answer.text
    assert "inside out" not in answer.text
    assert any("RuntimeError" in record.getMessage() + str(record.__dict__) for record in caplog.records)


def test_a_new_edition_is_shown_at_once(served: Served, tmp_path: Path) -> None:
    token = served.personal("p-office")
    with Served(tmp_path / "next", REPORT.replace("事项report", "情况报送"), TALK, STUDY) as other:
        served.edition = other.edition
        assert "情况报送" in served.get(token).text
