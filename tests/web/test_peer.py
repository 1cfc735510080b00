"""Whose word about a browser's address is believed."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from fastapi import Request

from reminder.web.peer import Peer, peer_of

PROXIES = (ip_network("172.18.0.2/32"), ip_network("2001:db8::/64"))


def seen(direct: str, *forwarded: str, proto: str = "") -> Peer:
    headers = [(b"x-forwarded-for", each.encode("latin-1")) for each in forwarded]
    if proto:
        headers.append((b"x-forwarded-proto", proto.encode()))
    scope = {
        "type": "http",
        "scheme": "http",
        "path": "/",
        "query_string": b"",
        "server": ("127.0.0.1", 80),
        "client": (direct, 1234),
        "headers": headers,
    }
    return peer_of(Request(scope), PROXIES)


@pytest.mark.parametrize(
    ("direct", "forwarded", "address"),
    [
        ("127.0.0.1", (), "127.0.0.1"),
        ("127.0.0.1", ("192.0.2.7",), "192.0.2.7"),
        ("::1", ("2001:db8:1::7",), "2001:db8:1::7"),
        ("::ffff:127.0.0.1", ("192.0.2.7",), "192.0.2.7"),
        ("172.18.0.2", ("192.0.2.7",), "192.0.2.7"),
        ("2001:db8::5", ("192.0.2.7",), "192.0.2.7"),
        ("172.18.0.3", ("192.0.2.7",), "172.18.0.3"),  # no proxy of ours: it may say what it likes
        ("192.0.2.9", ("127.0.0.1",), "192.0.2.9"),
        (
            "172.18.0.2",
            ("10.0.0.1, 192.0.2.7",),
            "192.0.2.7",
        ),  # what the browser claimed itself does not count
        ("172.18.0.2", ("10.0.0.1", "192.0.2.7"), "192.0.2.7"),
        ("127.0.0.1", ("192.0.2.7, 172.18.0.2",), "192.0.2.7"),  # two proxies of ours, one behind the other
        ("127.0.0.1", ("unknown",), "127.0.0.1"),
        ("172.18.0.2", ("192.0.2.7, rubbish",), "172.18.0.2"),
        ("172.18.0.2", ("",), "172.18.0.2"),
        ("", ("192.0.2.7",), ""),
    ],
)
def test_an_address_is_taken_from_proxies_that_are_believed(
    direct: str, forwarded: tuple[str, ...], address: str
) -> None:
    assert seen(direct, *forwarded).address == address


def test_so_is_whether_the_browser_speaks_tls() -> None:
    """On which hangs that a cookie goes over nothing else."""
    assert seen("172.18.0.2", proto="https").secure
    assert not seen("172.18.0.2", proto="http").secure
    assert not seen("172.18.0.3", proto="https").secure
