"""From the plan's channels to adapters: the one place that knows every kind."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path

from reminder.channels.base import Channel
from reminder.channels.email import EmailAdapter
from reminder.channels.errors import ChannelSettingError
from reminder.channels.outbox import OutboxChannel
from reminder.channels.route import Route
from reminder.channels.wecom_app import WecomAppAdapter
from reminder.channels.wecom_robot import WecomRobotAdapter
from reminder.plan.channels import ChannelConfig, EmailChannel, WecomAppChannel, WecomRobotChannel

_WHAT = {"email": "邮箱密码或授权码", "wecom_robot": "机器人 webhook 的 key", "wecom_app": "应用的 secret"}
"""What the secret of each kind is."""


def build_channel(
    config: ChannelConfig,
    *,
    secret: Callable[[str], str | None],
    office_mailbox: str,
    outbox: Path | None = None,
    durable: bool = True,
    zone: tzinfo | None = None,
    authorities: str | None = None,
    context: ssl.SSLContext | None = None,
) -> Channel:
    """The adapter of a channel; with ``outbox``, one that writes there and sends nothing.

    ``secret`` gives a secret's value by its name, or None.  The outbox needs no
    secrets, so none is asked for; it waits for the disk if it is to be
    ``durable``.  ``authorities`` (PEM) are trusted besides the usual ones;
    ``context`` verifies servers in place of all of them.  Raises
    ``ChannelSettingError`` for a missing secret or an unsafe setting,
    ``HeaderError`` for a sender that is no mailbox.
    """
    live = outbox is None
    value = _secret(config, config.secret, secret) if live and config.secret is not None else None
    if context is None and authorities is not None:
        context = ssl.create_default_context()
        context.load_verify_locations(cadata=authorities)
    channel: EmailAdapter | WecomAppAdapter | WecomRobotAdapter
    if isinstance(config, EmailChannel):
        channel = EmailAdapter(config, password=value, office_mailbox=office_mailbox, context=context)
    else:
        route = Route.of(config, proxy_login=_proxy_login(config, secret) if live else None)
        if isinstance(config, WecomAppChannel):
            channel = WecomAppAdapter(config, secret=value, context=context, route=route)
        else:
            channel = WecomRobotAdapter(config, key=value, context=context, route=route)
    channel.secret_mark = _mark(value)
    return channel if outbox is None else OutboxChannel(channel, outbox, zone, durable=durable)


def _mark(secret: str | None) -> str:
    """Tells a changed secret from the one before it, in the ledger.

    Twelve bits: a change is noticed but for one in 4,096, and whoever reads them
    has learnt nothing by which a guessed secret could be confirmed.
    """
    return hashlib.sha256(secret.encode()).hexdigest()[:3] if secret else ""


def _proxy_login(
    config: WecomRobotChannel | WecomAppChannel, secret: Callable[[str], str | None]
) -> str | None:
    if config.proxy_secret is None:
        return None
    value = _secret(config, config.proxy_secret, secret, "代理的用户名和密码")
    user, colon, _password = value.partition(":")
    if not user or not colon or not value.isprintable():
        raise ChannelSettingError(
            f"通道“{config.id}”的密钥 {config.proxy_secret}（代理的用户名和密码）写法不对；"
            "应为一行 用户名:密码，中间是英文冒号"
        )
    return value


def _secret(
    config: ChannelConfig, name: str, secret: Callable[[str], str | None], what: str | None = None
) -> str:
    # A file written by an editor ends with a line break, which is no part of the secret.
    value = (secret(name) or "").strip()
    if not value:
        raise ChannelSettingError(
            f"通道“{config.id}”缺少密钥 {name}（{what or _WHAT[config.kind]}）；"
            f"请设置环境变量 {name}，或在密钥目录中放一个名为 {name} 的文件，其中只写密钥本身"
        )
    return value
