"""The HTTP client: what leaves it, what it logs, what the environment may not change."""

from __future__ import annotations

import logging
import traceback

import pytest

from reminder.channels.http import HttpClient, HttpError
from tests.channels.conftest import KEY
from tests.servers.wecom import Trouble, WecomSimulator


def _url(base_url: str) -> str:
    return f"{base_url}/cgi-bin/webhook/send?key={KEY}"


def _everything(error: BaseException | None) -> str:
    """An error, all it is chained to, and all their arguments."""
    text = ""
    while error is not None:
        text += "".join(traceback.format_exception(error)) + repr(error.args) + repr(vars(error))
        error = error.__context__ or error.__cause__
    return text


@pytest.mark.parametrize("do", ["drop", "drop-unread", "hang", "drip", "drip-head", "huge"])
def test_no_error_and_no_log_record_knows_the_url(do: str, caplog: pytest.LogCaptureFixture) -> None:
    """At the lowest level, with every library's logger listening, through the whole chain of causes."""
    caplog.set_level(logging.DEBUG)
    client = HttpClient()
    with WecomSimulator(Trouble(do)) as wecom, pytest.raises(HttpError) as raised:
        client.post(_url(wecom.base_url), b"x" * 100, content_type="application/json", seconds=0.3)
    client.close()
    assert KEY not in _everything(raised.value)
    assert "127.0.0.1" not in _everything(raised.value)
    assert raised.value.__context__ is None
    assert KEY not in caplog.text


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://wecom.invalid", "http://[::1", "gopher://x"])
def test_hosts_that_cannot_be_asked_leave_no_trace_of_the_url_either(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Refused, unknown, malformed, not HTTP: the texts of the libraries would quote it."""
    caplog.set_level(logging.DEBUG)
    client = HttpClient()
    with pytest.raises(HttpError) as raised:
        client.post(_url(url), b"", content_type="application/json", seconds=2)
    client.close()
    assert not raised.value.sent
    assert KEY not in _everything(raised.value) + caplog.text


def test_a_good_exchange_is_not_logged_with_its_url_either(caplog: pytest.LogCaptureFixture) -> None:
    """The connection pool would write one line a request at DEBUG."""
    caplog.set_level(logging.DEBUG)
    client = HttpClient()
    with WecomSimulator(keys=(KEY,)) as wecom:
        body = b'{"msgtype":"text","text":{"content":"x"}}'
        assert (
            client.post(_url(wecom.base_url), body, content_type="application/json", seconds=5).status == 200
        )
        client.close()
    assert len(wecom.posts) == 1
    assert KEY not in caplog.text


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy out of the environment would see the key, or swallow the post."""
    with WecomSimulator() as proxy, WecomSimulator(keys=(KEY,)) as wecom:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base_url)
        monkeypatch.delenv("no_proxy", raising=False)
        client = HttpClient()
        client.post(_url(wecom.base_url), b"{}", content_type="application/json", seconds=5)
        client.close()
    assert (len(wecom.requests), len(proxy.requests)) == (1, 0)


def test_a_compressed_body_is_not_unpacked() -> None:
    """So that 64 KiB read are 64 KiB held."""
    with WecomSimulator(Trouble("status", 200, "\x1f\x8b", headers=(("Content-Encoding", "gzip"),))) as wecom:
        client = HttpClient()
        reply = client.post(_url(wecom.base_url), b"{}", content_type="application/json", seconds=5)
        client.close()
    assert reply.body == "\x1f\x8b".encode()


def test_cookies_are_not_kept() -> None:
    """A portal's cookie has no business in the next request."""
    with WecomSimulator(Trouble("status", 200, "{}", headers=(("Set-Cookie", "a=b"),))) as wecom:
        client = HttpClient()
        client.get(wecom.base_url + "/", seconds=5)
        client.post(_url(wecom.base_url), b"{}", content_type="application/json", seconds=5)
        assert not client._session.cookies
        client.close()
