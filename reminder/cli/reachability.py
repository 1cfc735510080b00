"""Whether a channel can be reached: the cause when it cannot, and the cure.

The adapters say in a word or a number how far they came (``Outcome.code``);
here that becomes what an administrator can do about it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

from reminder.channels.base import Outcome, OutcomeKind
from reminder.channels.route import Peer
from reminder.cli.findings import BAD, GOOD, WARN, Finding
from reminder.plan.authorities import earliest_end
from reminder.plan.channels import ChannelConfig, EmailChannel
from reminder.plan.networks import is_loopback

ENDS_SOON = timedelta(days=30)
"""What an office needs to have a certificate renewed."""
_AUTH_CODES = ("530", "534", "535", "538", "454")

_TLS_CURES = (
    (("expired",), "服务器证书已过期，请其管理员换发；如本机时钟有误，先校时"),
    (("not yet valid",), "服务器证书尚未生效，多半是本机时钟有误，请校时"),
    (
        ("mismatch", "doesn't match", "not valid for"),
        "证书不是为 {host} 签发的，请核对主机名，应与证书上的一致",
    ),
    (
        ("self-signed", "self signed", "issuer certificate", "unable to verify"),
        "证书由本机不认识的机构签发；如是单位内部的机构，请把它的根证书（PEM）放进计划文件夹，用 ca_file 写明",
    ),
    (
        ("wrong_version", "wrong version", "unknown_protocol", "record_layer", "record layer"),
        "{port} 端口上不是这种加密方式，请核对端口{tls}",
    ),
)


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


def diagnosis(config: ChannelConfig, outcome: Outcome) -> tuple[str, str]:
    """Cause and cure of a channel that does not work, in Chinese."""
    host, port = _end_point(config)
    mail = isinstance(config, EmailChannel)
    proxied = not isinstance(config, EmailChannel) and config.proxy is not None
    whose = "代理" if proxied else "服务器"
    match outcome.code:
        case "dns":
            return "域名解析失败", (
                f"核对主机名 {host} 的写法；无误则请网络管理员检查本机的域名解析"
                f"（在本机执行 getent hosts {host} 应有结果）"
            )
        case "connect":
            return "连接不上", f"核对端口 {port}；请网络管理员确认{whose}已开启，并放行本机到 {host}:{port}"
        case "timeout":
            return (
                "没有及时答复",
                f"请网络管理员确认本机到 {host}:{port} 放行，线路通畅；{whose}繁忙时稍后再试",
            )
        case "forbidden":
            return "地址未获许可", (
                f"如 {host} 确是本单位内网的{whose}，在该通道的 allow_networks 中写明网段；"
                "否则请网络管理员检查域名解析为何指向该地址"
            )
        case "tls":
            return "加密未建立", _tls_cure(config, outcome.detail, host, port)
        case "proxy":
            return "代理不予转接", "核对 proxy；须登录的写 proxy_secret；或请代理管理员放行本机"
        case "unsupported":
            return "服务器不支持", "按所述改用另一种 tls，或请服务器管理员开启所缺的功能"
        case "connection":
            return "连接中断", f"稍后再试；总是如此，请核对端口{_tls_word(config)}，或询问服务器管理员"
        case "secret":
            return "缺少密钥", f"请设置密钥 {config.secret}"
        case code if mail and code in _AUTH_CODES:
            return "登录被拒", (
                f"核对 username（邮箱全称）和密钥 {config.secret}；"
                "许多邮箱要用授权码而不是登录密码，并须在邮箱设置中开启 SMTP"
            )
        case code if code.startswith("http "):
            return "答复异常", "核对 base_url；上网须认证的，请先认证或请网络管理员放行"
    return "服务器拒绝", "按服务器的说明处理；不明白时把这一行交给服务器管理员"


def _end_point(config: ChannelConfig) -> tuple[str, int]:
    """Host and port that this machine connects to."""
    if isinstance(config, EmailChannel):
        return config.host, config.port
    parts = urlsplit(config.proxy or config.base_url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _tls_cure(config: ChannelConfig, detail: str, host: str, port: int) -> str:
    words = detail.lower()
    if not isinstance(config, EmailChannel):
        host = urlsplit(config.base_url).hostname or host  # the certificate is the service's, not the proxy's
    for marks, cure in _TLS_CURES:
        if any(mark in words for mark in marks):
            return cure.format(host=host, port=port, tls=_tls_word(config))
    return f"核对端口{_tls_word(config)}和服务器证书；内部机构签发的证书用 ca_file 写明其根证书"


def _tls_word(config: ChannelConfig) -> str:
    return "和 tls（465 用 implicit，587 用 starttls）" if isinstance(config, EmailChannel) else ""
