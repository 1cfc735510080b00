"""Which addresses a channel may connect to.

An office's server stands either on the public net or on a network of its own
that somebody has named (``allow_networks``).  Everything else is refused once a
name has been resolved, so that no entry of a name server, and no slip in a
file, can make the daemon talk to the machine's metadata service or to a
neighbour.  Pure: nothing here resolves a name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from reminder.plan.fields import fault, shown

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network (RFC 1122 §3.2.1.3): some systems take it for themselves
        "169.254.0.0/16",  # link-local (RFC 3927); 169.254.169.254 is most clouds' metadata service
        "100.100.100.200/32",  # the metadata service of Alibaba Cloud
        "192.0.0.192/32",  # the metadata service of Oracle Cloud
        "168.63.129.16/32",  # the platform's agent of Azure
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved (RFC 1112 §4), and the limited broadcast
        "::/128",
        "fe80::/10",  # link-local (RFC 4291 §2.5.6)
        "fd00:ec2::254/128",  # the metadata service of AWS
        "fd20:ce::254/128",  # the metadata service of Google Cloud
        "ff00::/8",  # multicast
    )
)
INTERNAL: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
"""What an organisation may number by itself: RFC 1918, RFC 6598, RFC 4193."""
WIDEST_IPV4, WIDEST_IPV6 = 8, 7
"""Prefix lengths; anything wider would name the whole net and mean nothing."""

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1
_COMPATIBLE = IPv6Network("::/96")  # RFC 4291 §2.5.5.1, deprecated


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name alone (no look-up)."""
    if host.lower() == "localhost":
        return True
    address = literal(host)
    return address is not None and _real(address).is_loopback


def literal(host: str) -> Address | None:
    """The address, if a host is written as one, with or without brackets."""
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return None


def refusal(
    address: Address, networks: Sequence[Network], *, local: bool = False, encrypted: bool = True
) -> str:
    """Why an address may not be connected to, in Chinese; empty if it may.

    ``local`` says that the host is this machine by its name alone: a name that
    merely resolves to loopback does not reach what listens only for this
    machine.  A connection that is not ``encrypted`` may go to this machine and
    to ``networks`` only.
    """
    real = _real(address)
    if any(real in network for network in NEVER) or any(_is_broadcast(real, each) for each in networks):
        return "是链路本地、云平台元数据或广播等特殊地址，任何情况下都不连接"
    if any(real in network for network in networks) or (local and real.is_loopback):
        return ""
    if real.is_loopback:
        return "是本机地址，而所写的主机名不是本机"
    if not real.is_global:
        return "是内网地址，不在 allow_networks 所列的网段内"
    return "" if encrypted else "不在 allow_networks 所列的网段内，不能不加密"


def _real(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where the system or a gateway would take it out."""
    if isinstance(address, IPv4Address):
        return address
    if (inner := address.ipv4_mapped or address.sixtofour) is not None:
        return inner
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 0xFFFF):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_broadcast(address: Address, network: Network) -> bool:
    return network.version == 4 and network.prefixlen < 31 and address == network.broadcast_address


def enclosing(address: Address) -> str:
    """The range of private addresses an address is of, as an example to write; itself if of none."""
    real = _real(address)
    return next((str(network) for network in INTERNAL if real in network), str(real))


_ALLOWED = "写作网段，如 10.0.0.0/8、192.168.1.0/24，或单个地址"


def _networks(value: object) -> tuple[Network, ...]:
    if not isinstance(value, list):
        raise fault(f"此处是{shown(value)}", "应为列表，每项一个网段，以“- ”开头")
    if not value:
        raise fault("列表是空的", "至少一个网段；没有就删去该键")
    return tuple(_network(each) for each in value)


def _network(value: object) -> Network:
    text = value.strip() if isinstance(value, str) else ""
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise fault(f"{shown(value)}不是网段", _ALLOWED, _nearest(text)) from None
    if any(network.version == each.version and network.subnet_of(each) for each in NEVER):  # type: ignore[arg-type]
        raise fault(
            f"{shown(value)}是链路本地、云平台元数据、组播或广播等特殊地址",
            "任何情况下都不连接",
            "请删去这一项",
        )
    if network.prefixlen < (WIDEST_IPV4 if network.version == 4 else WIDEST_IPV6):
        allowed = f"只列服务器所在的网段，不宽于 /{WIDEST_IPV4}（IPv6 不宽于 /{WIDEST_IPV6}）"
        raise fault(f"{shown(value)}太宽", allowed, "如 10.0.0.0/8")
    return network


def _nearest(text: str) -> str:
    try:
        return f"是否想写“{ipaddress.ip_network(text, strict=False)}”？"
    except ValueError:
        return ""


Networks = Annotated[
    tuple[Network, ...],
    BeforeValidator(_networks),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1}),
]
"""Networks in CIDR notation, none of them one that is never connected to."""
