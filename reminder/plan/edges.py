"""Where a channel connects to: its host, proxy and networks fit together.

Only what the file says is judged.  A name is resolved at the moment of
connecting, and its addresses are judged then, by the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from reminder.errors import Problem, Severity
from reminder.plan.addresses import SECRET_NAME, host_fault
from reminder.plan.channels import ChannelConfig, EmailChannel
from reminder.plan.fields import shown
from reminder.plan.networks import enclosing, is_loopback, literal, refusal
from reminder.plan.place import Place
from reminder.plan.sections import Entry

_PROXY = re.compile(r"http://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})/?")


def check_edges(entry: Entry[ChannelConfig]) -> Iterator[Problem]:
    """Hosts, proxy and encryption of one channel against the networks it may use."""
    channel, place = entry.value, entry.place
    if isinstance(channel, EmailChannel):
        yield from _check_mail(channel, place)
        return
    yield from _check_proxy(channel, place)
    try:
        host = urlsplit(channel.base_url).hostname or ""
    except ValueError:
        return  # named already as no base URL
    yield from _check_literal(host, channel, place, "base_url")


def _check_mail(channel: EmailChannel, place: Place) -> Iterator[Problem]:
    if host_fault(channel.host):
        return  # named already as no host
    if channel.tls != "none" or is_loopback(channel.host):
        yield from _check_literal(channel.host, channel, place, "host")
        return
    address = literal(channel.host)
    found = f"与 {channel.host} 的连接不加密"
    if not channel.allow_networks or (
        address is not None and refusal(address, channel.allow_networks, encrypted=False)
    ):
        allowed = "tls: none 只限本机（127.0.0.1、localhost）和 allow_networks 所列网段内的服务器"
        yield place.problem(("tls",), found, allowed, "请用 implicit 或 starttls")
        return
    hint = "服务器支持时请改用 starttls 或 implicit"
    yield place.problem(
        ("tls",), f"{found}，密码和邮件内容在内网上明文传送", "", hint, severity=Severity.WARNING
    )


def _check_literal(host: str, channel: ChannelConfig, place: Place, key: str) -> Iterator[Problem]:
    """A host written as an address can be judged at once."""
    address = literal(host)
    if address is None:
        return
    if why := refusal(address, channel.allow_networks, local=is_loopback(host)):
        cure = f"如确是本单位的服务器，请在 allow_networks 中写明网段，如 {enclosing(address)}"
        yield place.problem((key,), f"{host} {why}", "", "" if "任何情况" in why else cure)


def _check_proxy(channel: ChannelConfig, place: Place) -> Iterator[Problem]:
    if isinstance(channel, EmailChannel):
        return
    if channel.proxy_secret is not None:
        if not SECRET_NAME.fullmatch(channel.proxy_secret):
            yield place.problem(
                ("proxy_secret",),
                "proxy_secret 的值不是名字",
                "写名字，由大写字母、数字和下划线组成，如 PROXY_LOGIN",
                "如果写成了密码本身，请删去并立即更换该密码",
            )
        if channel.proxy is None:
            yield place.problem(("proxy_secret",), "没有写 proxy", "proxy_secret 与 proxy 一起写", "请删去")
    if channel.proxy is None:
        return
    allowed = "写作 http://主机:端口，如 http://proxy.example.com:3128"
    if "@" in channel.proxy:
        # It may hold a password: the value is not shown.
        hint = "请删去，另写 proxy_secret: 密钥的名字，其值为 用户名:密码"
        yield place.problem(("proxy",), "proxy 里有用户名或密码", allowed, hint)
    elif (match := _PROXY.fullmatch(channel.proxy)) is None or not 1 <= int(match["port"]) <= 65535:
        hint = "代理只支持 http://，其中的内容仍由 TLS 加密" if channel.proxy.startswith("https://") else ""
        yield place.problem(("proxy",), f"{shown(channel.proxy)}不是代理的地址", allowed, hint)
    elif channel.base_url.startswith("http://"):
        found = "proxy 与不加密的 base_url 不能一起用"
        yield place.problem(("proxy",), found, "经过代理的连接必须加密", "请把 base_url 改为 https://")
    else:
        yield from _check_literal(match["host"], channel, place, "proxy")
