"""Which addresses may be connected to: the table, and the laws behind it."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.plan.networks import NEVER, is_loopback, refusal

TEN = ipaddress.ip_network("10.0.0.0/8")
EVERYTHING = tuple(ipaddress.ip_network(text) for text in ("0.0.0.0/0", "::/0"))


@pytest.mark.parametrize(
    ("address", "networks", "why"),
    [
        ("8.8.8.8", (), ""),
        ("2606:4700::1111", (), ""),
        ("10.1.2.3", (), "内网"),
        ("10.1.2.3", (TEN,), ""),
        ("192.168.1.1", (TEN,), "内网"),
        ("172.16.0.1", (), "内网"),
        ("100.64.0.1", (), "内网"),
        ("198.18.0.1", (), "内网"),
        ("fd12::1", (), "内网"),
        ("127.0.0.1", (), "本机"),
        ("::1", (), "本机"),
        ("10.255.255.255", (TEN,), "任何情况"),
        ("169.254.169.254", EVERYTHING, "任何情况"),
        ("100.100.100.200", EVERYTHING, "任何情况"),
        ("fd00:ec2::254", EVERYTHING, "任何情况"),
        ("fe80::1", EVERYTHING, "任何情况"),
        ("0.0.0.0", EVERYTHING, "任何情况"),
        ("::", EVERYTHING, "任何情况"),
        ("224.0.0.1", EVERYTHING, "任何情况"),
        ("255.255.255.255", EVERYTHING, "任何情况"),
        ("ff02::1", EVERYTHING, "任何情况"),
        # An IPv4 address in an IPv6 coat is judged as what it is.
        ("::ffff:169.254.169.254", EVERYTHING, "任何情况"),
        ("::ffff:10.1.2.3", (), "内网"),
        ("::ffff:10.1.2.3", (TEN,), ""),
        ("::ffff:127.0.0.1", (), "本机"),
        ("64:ff9b::a9fe:a9fe", EVERYTHING, "任何情况"),
        ("64:ff9b::a01:203", (), "内网"),
        ("2002:a9fe:a9fe::1", EVERYTHING, "任何情况"),
        ("2002:7f00:1::1", (), "本机"),
        ("::7f00:1", (), "本机"),
    ],
)
def test_an_address_is_judged_by_what_it_reaches(
    address: str, networks: tuple[object, ...], why: str
) -> None:
    found = refusal(ipaddress.ip_address(address), networks)  # type: ignore[arg-type]
    assert why in found
    assert bool(found) == bool(why)


@given(st.ip_addresses())
def test_naming_everything_allows_nothing_that_is_never_allowed(address: object) -> None:
    """No list of networks opens the metadata service, and no host name does."""
    refused = refusal(address, EVERYTHING, local=True)  # type: ignore[arg-type]
    if any(address in network for network in NEVER):
        assert refused


@given(st.sampled_from(NEVER), st.data())
def test_every_address_of_a_forbidden_network_is_refused(network: object, data: st.DataObject) -> None:
    address = data.draw(st.ip_addresses(network=str(network)))
    assert refusal(address, EVERYTHING, local=True)
    assert refusal(address, (network,), encrypted=False)  # type: ignore[arg-type]


def test_loopback_is_for_hosts_that_say_so() -> None:
    """A name that only resolves to this machine does not reach what listens for it alone."""
    here = ipaddress.ip_address("127.0.0.1")
    assert refusal(here, ())
    assert not refusal(here, (), local=True)
    assert not refusal(here, (ipaddress.ip_network("127.0.0.0/8"),))
    assert [is_loopback(host) for host in ("localhost", "LOCALHOST", "127.9.9.9", "[::1]", "::1")] == [
        True
    ] * 5
    assert [is_loopback(host) for host in ("localhost.example.com", "10.0.0.1", "", "0.0.0.0")] == [False] * 4


def test_in_the_clear_only_this_machine_and_named_networks() -> None:
    """A public relay never sees an unencrypted mail, unless its network is named."""
    assert "不加密" in refusal(ipaddress.ip_address("8.8.8.8"), (TEN,), encrypted=False)
    assert not refusal(ipaddress.ip_address("10.1.1.1"), (TEN,), encrypted=False)
    assert not refusal(ipaddress.ip_address("127.0.0.1"), (), local=True, encrypted=False)
