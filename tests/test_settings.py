"""Settings of the page: addresses are checked where they are read."""

from __future__ import annotations

from pathlib import Path

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


def test_the_console_is_served_on_loopback_unless_told_otherwise() -> None:
    assert Settings.from_environment({}).listen == DEFAULT_LISTEN
    assert str(DEFAULT_LISTEN) == "127.0.0.1:8750"
    assert Settings.from_environment({"REMINDER_LISTEN": "off"}).listen is None
    with_url = {"REMINDER_PUBLIC_URL": "https://djw.example.com"}
    assert Settings.from_environment(with_url).listen == DEFAULT_LISTEN
    assert Settings.from_environment({**with_url, "REMINDER_LISTEN": "OFF"}).listen is None
    assert str(Settings.from_environment({"REMINDER_LISTEN": "[::1]:1"}).listen) == "[::1]:1"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", None),
        ("172.18.0.2", ["172.18.0.2/32"]),
        ("172.18.0.0/28, 2001:db8::1", ["172.18.0.0/28", "2001:db8::1/128"]),
        ("172.18.0.2，172.18.0.3、", ["172.18.0.2/32", "172.18.0.3/32"]),
    ],
)
def test_proxies_are_addresses_and_networks(given: str, kept: list[str] | None) -> None:
    found = Settings.from_environment({"REMINDER_PROXY": given}).proxy
    assert (found and [str(each) for each in found]) == kept


@pytest.mark.parametrize("given", ["proxy", "172.18.0.2/16", "0.0.0.0/0", "::/0", "172.18.0.300", "172.18.0.2 172.18.0.3"])  # fmt: skip
def test_a_proxy_that_is_nobody_or_everybody_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="REMINDER_PROXY"):
        Settings.from_environment({"REMINDER_PROXY": given})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", None),
        ("/dev/log", "/dev/log"),
        ("log.example.com", ("log.example.com", 514)),
        ("127.0.0.1:5140", ("127.0.0.1", 5140)),
        ("[::1]:514", ("::1", 514)),
        ("::1", ("::1", 514)),
    ],
)
def test_syslog_is_a_socket_or_a_server(given: str, kept: object) -> None:
    assert Settings.from_environment({"REMINDER_SYSLOG": given}).syslog == kept


@pytest.mark.parametrize("given", ["dev log", "host:0", "host:x", "host:70000", "日志:514", ":514"])
def test_a_syslog_that_is_nowhere_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="REMINDER_SYSLOG"):
        Settings.from_environment({"REMINDER_SYSLOG": given})


# -- the ledger's address --------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "shown", "password"),
    [
        ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d", None),
        ("postgresql://u:p%40w@h/d?sslmode=require", "postgresql://u@h/d", "p@w"),
        ("postgres://u@/d?host=/tmp&password=pw", "postgres://u@/d", "pw"),
        ("postgresql://u:p@w/o?r@d@h/d", "postgresql://u@h/d", "p@w/o?r@d"),
        ("sqlite:////srv/l.sqlite3", "sqlite:////srv/l.sqlite3", None),
        ("/srv/l.sqlite3", "/srv/l.sqlite3", None),
    ],
)
def test_the_ledgers_address_is_shown_without_its_password(
    given: str, shown: str, password: str | None
) -> None:
    """However it is misspelt; what is masked in logs is the password as it is used."""
    settings = Settings.from_environment({"REMINDER_DATABASE_URL": given})
    assert settings.ledger_shown == shown
    assert settings.ledger_password == password
    assert settings.ledger == given
    assert given not in repr(settings)


def test_the_ledgers_password_may_be_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of its own, in any letters; one in the address goes before it."""
    monkeypatch.delenv("DATABASE_PASSWORD", raising=False)
    (tmp_path / "DATABASE_PASSWORD").write_text("p@ss/词\n", "utf-8")
    settings = Settings(secrets=tmp_path, database_url="postgresql://u@h/d")
    assert settings.ledger == "postgresql://u:p%40ss%2F%E8%AF%8D@h/d"
    assert settings.ledger_password == "p@ss/词"
    assert settings.ledger_shown == "postgresql://u@h/d"
    own = Settings(secrets=tmp_path, database_url="postgresql://u:mine@h/d")
    assert own.ledger_password == "mine"
    assert Settings(secrets=tmp_path).ledger_password is None
