"""Settings of the page: addresses are checked where they are read."""

from __future__ import annotations

import pytest

from reminder.errors import UsageError
from reminder.settings import DEFAULT_LISTEN, Listen, Settings


def url_of(text: str) -> str | None:
    return Settings.from_environment({"REMINDER_PUBLIC_URL": text}).public_url


def listen_of(text: str) -> Listen | None:
    return Settings.from_environment({"REMINDER_LISTEN": text}).listen


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://djw.example.com", "https://djw.example.com"),
        ("https://djw.example.com/", "https://djw.example.com"),
        ("https://djw.example.com:8443/lianjie/", "https://djw.example.com:8443/lianjie"),
        ("https://djw.example.com/a/b-c_d.e~f", "https://djw.example.com/a/b-c_d.e~f"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
        ("http://127.0.0.1:8750", "http://127.0.0.1:8750"),
        ("http://localhost:8750/x", "http://localhost:8750/x"),
        ("", None),
    ],
)
def test_a_public_url_is_kept_without_its_last_slash(given: str, kept: str | None) -> None:
    assert url_of(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "djw.example.com",
        "ftp://djw.example.com",
        "https://",
        "https:///x",
        "https://用户.example.com",
        "https://djw.example.com/路径",
        "https://djw.example.com/a b",
        "https://djw.example.com/x?y=1",
        "https://djw.example.com/x?",
        "https://djw.example.com/#x",
        "https://user@djw.example.com",
        "https://user:word@djw.example.com",
        "https://djw.example.com:99999",
        "https://djw.example.com//x",
        'https://djw.example.com/"><script>',
        "https://djw.example.com/(x)",
    ],
)
def test_a_public_url_that_would_spoil_links_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="REMINDER_PUBLIC_URL"):
        url_of(given)


def test_links_are_never_sent_in_clear() -> None:
    with pytest.raises(UsageError, match="未加密"):
        url_of("http://djw.example.com/lianjie")


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        ("127.0.0.1:8750", "127.0.0.1", 8750),
        ("0.0.0.0:80", "0.0.0.0", 80),
        ("localhost:0", "127.0.0.1", 0),
        ("[::1]:8750", "::1", 8750),
    ],
)
def test_an_address_to_listen_on(given: str, host: str, port: int) -> None:
    assert listen_of(given) == Listen(host, port)


@pytest.mark.parametrize("given", ["8750", ":8750", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "::1:8750", "host:1", "127.0.0.1:70000", "[127.0.0.1]:1", "127.0.0.1:８７５０"])  # fmt: skip
def test_an_address_nobody_can_listen_on_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="REMINDER_LISTEN"):
        listen_of(given)


def test_the_page_is_served_where_messages_have_links_or_where_it_is_asked_for() -> None:
    """Nothing listens in an office that has never heard of it."""
    assert Settings.from_environment({}).listen is None
    with_url = {"REMINDER_PUBLIC_URL": "https://djw.example.com"}
    assert Settings.from_environment(with_url).listen == DEFAULT_LISTEN
    assert Settings.from_environment({**with_url, "REMINDER_LISTEN": "off"}).listen is None
    assert str(Settings.from_environment({"REMINDER_LISTEN": "[::1]:1"}).listen) == "[::1]:1"
