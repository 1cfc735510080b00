"""From the plan's channels to adapters: the one place that knows every kind."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path

from reminder.channels.base import Channel
from reminder.channels.email import EmailAdapter
from reminder.channels.errors import ChannelSettingError
from reminder.channels.outbox import OutboxChannel
from reminder.channels.wecom_app import WecomAppAdapter
from reminder.channels.wecom_robot import WecomRobotAdapter
from reminder.plan.channels import ChannelConfig, EmailChannel, WecomAppChannel

_WHAT = {"email": "邮箱密码或授权码", "wecom_robot": "机器人 webhook 的 key", "wecom_app": "应用的 secret"}
"""What the secret of each kind is."""


def build_channel(
    config: ChannelConfig,
    *,
    secret: Callable[[str], str | None],
    office_mailbox: str,
    outbox: Path | None = None,
    zone: tzinfo | None = None,
    context: ssl.SSLContext | None = None,
) -> Channel:
    """The adapter of a channel; with ``outbox``, one that writes there and sends nothing.

    ``secret`` gives a secret's value by its name, or None.  The outbox needs no
    secrets, so none is asked for.  Raises ``ChannelSettingError`` for a missing
    secret or an unsafe setting, ``HeaderError`` for a sender that is no mailbox.
    """
    value = None if outbox is not None or config.secret is None else _secret(config, config.secret, secret)
    channel: Channel
    if isinstance(config, EmailChannel):
        channel = EmailAdapter(config, password=value, office_mailbox=office_mailbox, context=context)
    elif isinstance(config, WecomAppChannel):
        channel = WecomAppAdapter(config, secret=value, context=context)
    else:
        channel = WecomRobotAdapter(config, key=value, context=context)
    return channel if outbox is None else OutboxChannel(channel, outbox, zone)


def _secret(config: ChannelConfig, name: str, secret: Callable[[str], str | None]) -> str:
    # A file written by an editor ends with a line break, which is no part of the secret.
    value = (secret(name) or "").strip()
    if not value:
        what = _WHAT[config.kind]
        raise ChannelSettingError(
            f"通道“{config.id}”缺少密钥 {name}（{what}）；"
            f"请设置环境变量 {name}，或在密钥目录中放一个名为 {name} 的文件，其中只写密钥本身"
        )
    return value
