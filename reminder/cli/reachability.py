"""Whether a channel can be reached: the cause when it cannot, and the cure.

The adapters say in a word or a number how far they came (``Outcome.code``);
here that becomes what an administrator can do about it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

from reminder.channels.base import Outcome, OutcomeKind
from reminder.channels.diagnosis import diagnosis
from reminder.channels.route import Peer
from reminder.cli.findings import BAD, GOOD, WARN, Finding
from reminder.plan.authorities import earliest_end
from reminder.plan.channels import ChannelConfig, EmailChannel
from reminder.plan.networks import is_loopback

ENDS_SOON = timedelta(days=30)
"""What an office needs to have a certificate renewed."""


class Probing(Protocol):
    """A channel that can be asked whether it would work."""

    @property
    def peer(self) -> Peer | None: ...

    def probe(self) -> Outcome: ...


def settings_findings(config: ChannelConfig, authorities: str | None, now: datetime) -> Iterator[Finding]:
    """What deserves a second look in how a channel is set up; ``authorities`` is its ``ca_file``."""
    what = f"通道 {config.id}"
    if isinstance(config, EmailChannel):
        if config.tls == "none" and not is_loopback(config.host):
            found = f"与 {config.host} 的连接不加密，密码和邮件内容在内网上明文传送"
            yield Finding(f"{what} 加密", WARN, found, "服务器支持时请改用 tls: starttls 或 implicit")
    elif config.proxy is not None:
        remedy = "确认该代理由本单位管理；不用时删去 proxy"
        yield Finding(f"{what} 代理", WARN, f"经代理 {config.proxy} 连接", remedy)
    if config.allow_networks:
        listed = "、".join(str(network) for network in config.allow_networks)
        remedy = "确认这些网段确属本单位；不用时删去 allow_networks"
        yield Finding(f"{what} 内网", WARN, f"许可连接内网网段 {listed}", remedy)
    if authorities is not None and (ends := earliest_end(authorities)) is not None:
        finding = _ending(f"{what} ca_file", "其中的证书", ends, now, "请换成新的根证书")
        if finding is not None:
            yield finding


def probe_findings(config: ChannelConfig, channel: Probing, now: datetime) -> Iterator[Finding]:
    """Ask the channel's server, and say what came of it."""
    what = f"通道 {config.id}"
    outcome = channel.probe()
    words = f"{outcome.code} {outcome.detail}".strip()
    peer = channel.peer
    if outcome.kind is OutcomeKind.ACCEPTED:
        yield Finding(what, GOOD, f"可用 {words}{_where(peer)}")
    else:
        cause, cure = diagnosis(config, outcome)
        yield Finding(what, BAD, f"不可用（{cause}）：{words}", cure)
    if peer is not None and peer.certificate_ends is not None:
        finding = _ending(
            f"{what} 证书", "服务器证书", peer.certificate_ends, now, "请服务器管理员在到期前换发"
        )
        if finding is not None:
            yield finding


def _where(peer: Peer | None) -> str:
    if peer is None or ipaddress.ip_address(peer.address).is_global:
        return ""
    return f"（实际连接内网地址 {peer.address}）"


def _ending(what: str, whose: str, ends: datetime, now: datetime, remedy: str) -> Finding | None:
    if ends - now > ENDS_SOON:
        return None
    if ends <= now:
        return Finding(what, BAD, f"{whose}已于 {ends:%Y-%m-%d} 到期", remedy)
    return Finding(what, WARN, f"{whose}将于 {ends:%Y-%m-%d} 到期，还有 {(ends - now).days} 天", remedy)
