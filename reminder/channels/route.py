"""Where a channel may connect to, and whom it found there.

A name is resolved once; its addresses are judged, and the connection goes to
one that passed.  A second look-up, whose answer could be another (DNS
rebinding), never happens.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from reminder.channels.errors import ChannelSettingError
from reminder.plan.channels import ChannelConfig, EmailChannel
from reminder.plan.networks import Network, is_loopback, refusal


class ForbiddenAddress(OSError):
    """No address of a host may be connected to; the text says in Chinese which and why."""


@dataclass(frozen=True, slots=True)
class Route:
    """How far a channel's connections may reach.

    ``networks`` are the office's own, besides the public net.  ``hosts`` are
    the only ones a request may be for (None: whatever the caller asks for).
    With ``proxy`` (``http://host:port``) the proxy's address is judged in place
    of the host's, whose name this machine may not even know; ``proxy_login`` is
    ``user:password``.
    """

    networks: tuple[Network, ...] = ()
    encrypted: bool = True
    hosts: frozenset[str] | None = None
    proxy: str | None = None
    proxy_login: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, config: ChannelConfig, *, proxy_login: str | None = None) -> Route:
        """The route of a channel as the plan has it.

        Raises ``ChannelSettingError`` for a mail server that must not be talked
        to in the clear.
        """
        if isinstance(config, EmailChannel):
            clear = config.tls == "none"
            if clear and not is_loopback(config.host) and not config.allow_networks:
                raise ChannelSettingError(
                    f"通道“{config.id}”：tls 为 none，而服务器 {config.host} 不在本机；"
                    "不加密只允许用于本机（localhost、127.0.0.1）和 allow_networks 所列网段内的服务器；"
                    "请改为 implicit（465 端口）或 starttls（587 端口）"
                )
            return cls(config.allow_networks, encrypted=not clear)
        host = (urlsplit(config.base_url).hostname or "").lower()
        return cls(
            config.allow_networks, hosts=frozenset({host}), proxy=config.proxy, proxy_login=proxy_login
        )

    def chosen(self, host: str, found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Those of a host's addresses (as ``getaddrinfo`` gives them) that may be connected to.

        Raises :class:`ForbiddenAddress` if none may.
        """
        local = is_loopback(host)
        good, bad = [], ""
        for each in found:
            address = ipaddress.ip_address(str(each[4][0]).partition("%")[0])
            why = refusal(address, self.networks, local=local, encrypted=self.encrypted)
            if why:
                bad = bad or f"{host} 的地址 {address} {why}"
            else:
                good.append(each)
        if not good:
            raise ForbiddenAddress(bad or f"{host} 没有地址")
        return good


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection: its address and, under TLS, when its certificate ends."""

    address: str
    certificate_ends: datetime | None = None

    @classmethod
    def of(cls, sock: socket.socket) -> Peer:
        """Raises ``OSError`` for a connection that has gone."""
        address = str(sock.getpeername()[0]).partition("%")[0]
        details = sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None
        ends = details.get("notAfter") if details else None
        if not isinstance(ends, str):
            return cls(address)
        return cls(address, datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC))
