"""Who is at the other end of a request: directly, or through a reverse proxy on this machine."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from fastapi import Request


@dataclass(frozen=True, slots=True)
class Peer:
    """``address`` as far as it can be believed; ``secure`` if the browser speaks TLS."""

    address: str
    secure: bool


def peer_of(request: Request) -> Peer:
    """A proxy's word is taken only from this machine: anybody else could write what they like.

    Of several proxies the last wrote the last address, and it is that one's word alone.
    """
    direct = request.client.host if request.client is not None else ""
    secure = request.url.scheme == "https"
    if not _is_loopback(direct):
        return Peer(direct, secure)
    secure = secure or request.headers.get("x-forwarded-proto", "").strip().lower() == "https"
    said = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    try:
        return Peer(str(ipaddress.ip_address(said)), secure)
    except ValueError:
        return Peer(direct, secure)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
