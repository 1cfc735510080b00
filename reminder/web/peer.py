"""Who is at the other end of a request: directly, or through a reverse proxy that may be believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request

from reminder.settings import Network


@dataclass(frozen=True, slots=True)
class Peer:
    """``address`` as far as it can be believed; ``secure`` if the browser speaks TLS."""

    address: str
    secure: bool


def peer_of(request: Request, proxies: Sequence[Network] = ()) -> Peer:
    """A proxy's word is taken from this machine and from ``proxies``: anybody else could write what they like.

    Each proxy writes down whom it heard, the last one last: from the end on, the
    first address that is no proxy's is the browser's.
    """
    direct = request.client.host if request.client is not None else ""
    secure = request.url.scheme == "https"
    if not _is_proxy(direct, proxies):
        return Peer(direct, secure)
    secure = secure or request.headers.get("x-forwarded-proto", "").strip().lower() == "https"
    address = direct
    # Several lines of one header are one list.
    for said in reversed(",".join(request.headers.getlist("x-forwarded-for")).split(",")):
        try:
            address = str(ipaddress.ip_address(said.strip()))
        except ValueError:
            break
        if not _is_proxy(address, proxies):
            break
    return Peer(address, secure)


def _is_proxy(host: str, proxies: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or any(address in network for network in proxies)
