"""What channels the office has.  Secrets are named here and never written here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag, model_validator

from reminder.plan.fields import AppNumber, Flag, Identifier, Integer, Line, fault, one_of
from reminder.plan.networks import Networks
from reminder.plan.sending import Sending

MOST_CONNECTIONS = 16
"""More at once look like an attack to a mail server."""
WECOM_BASE_URL = "https://qyapi.weixin.qq.com"


class EmailChannel(Sending):
    """Mail over SMTP: one message per person."""

    id: Identifier
    kind: Annotated[str, one_of(["email"], "通道类别")] = "email"
    host: Line
    port: Integer = 465
    tls: Annotated[str, one_of(["implicit", "starttls", "none"], "加密方式")] = "implicit"
    username: Line | None = None
    secret: Line | None = None
    """Name of the secret that holds the password or authorisation code."""
    from_: Line = Field(alias="from")
    """``机关党委办公室 <jgdw@example.com>`` or a bare address."""
    reply_to: Line | None = None
    """Default: the office's mailbox."""
    timeout_seconds: Integer = 60
    """Total deadline of one message, connection included."""
    connections: Integer = 4
    """To the server at once, at most; more pay only if it answers slowly and allows them."""
    allow_networks: Networks = ()
    """Networks of the office's own that the server may stand in, besides the public net."""
    ca_file: Line | None = None
    """PEM file of authorities to trust besides the usual; relative to the schedules folder."""

    @model_validator(mode="after")
    def _login_is_whole(self) -> EmailChannel:
        if (self.username is None) != (self.secret is None):
            raise fault("登录信息不全", "username 与 secret 须同时写，或都不写")
        if not 1 <= self.port <= 65535 or not 1 <= self.timeout_seconds <= 600:
            raise fault("端口或时限超出范围", "port 为 1–65535，timeout_seconds 为 1–600")
        if not 1 <= self.connections <= MOST_CONNECTIONS:
            raise fault(f"connections 为 {self.connections}", f"1–{MOST_CONNECTIONS} 的整数")
        return self

    @property
    def personal(self) -> bool:
        """Whether it reaches persons one by one (and not a group)."""
        return True

    @property
    def address_key(self) -> str:
        """The key of a person in the directory that holds the address."""
        return "mail"


class WecomRobotChannel(Sending):
    """A WeCom group robot: one post for the whole group, persons mentioned."""

    id: Identifier
    kind: Annotated[str, one_of(["wecom_robot"], "通道类别")] = "wecom_robot"
    name: Line | None = None
    """How the group is called in lists; default: the channel's id."""
    base_url: Line = WECOM_BASE_URL
    """Privately deployed editions use other hosts."""
    secret: Line
    """Name of the secret that holds the webhook key."""
    mention: Flag = True
    """Whether the persons meant are mentioned (@); never for everyone."""
    per_minute: Integer | None = 20
    """The vendor's own limit of a robot."""
    timeout_seconds: Integer = 15
    allow_networks: Networks = ()
    """Networks of the office's own that the server may stand in, besides the public net."""
    ca_file: Line | None = None
    """PEM file of authorities to trust besides the usual; relative to the schedules folder."""
    proxy: Line | None = None
    """``http://host:port`` of a proxy that the connection is tunnelled through."""
    proxy_secret: Line | None = None
    """Name of the secret that holds the proxy's ``user:password``."""

    @property
    def personal(self) -> bool:
        return False


class WecomAppChannel(Sending):
    """An app of the office's own in WeCom: messages to persons, by userid."""

    id: Identifier
    kind: Annotated[str, one_of(["wecom_app"], "通道类别")] = "wecom_app"
    base_url: Line = WECOM_BASE_URL
    """Privately deployed editions use other hosts."""
    corpid: Line
    agentid: AppNumber
    secret: Line
    """Name of the secret that holds the app's secret."""
    format: Annotated[str, one_of(["markdown", "text"], "消息格式")] = "markdown"
    """``text`` also shows in the plug-in of the public messenger, which knows no markdown."""
    duplicate_check_seconds: Integer = 1800
    """For how long the server drops a repeated identical message; at most four hours."""
    timeout_seconds: Integer = 15
    """Total deadline of one message, the token's renewal included."""
    allow_networks: Networks = ()
    """Networks of the office's own that the server may stand in, besides the public net."""
    ca_file: Line | None = None
    """PEM file of authorities to trust besides the usual; relative to the schedules folder."""
    proxy: Line | None = None
    """``http://host:port`` of a proxy that the connection is tunnelled through."""
    proxy_secret: Line | None = None
    """Name of the secret that holds the proxy's ``user:password``."""

    @property
    def personal(self) -> bool:
        return True

    @property
    def address_key(self) -> str:
        """The key of a person in the directory that holds the address."""
        return "wecom"


CHANNEL_KINDS = ["email", "wecom_robot", "wecom_app"]


def _kind(value: object) -> str | None:
    """The union's tag; None for a kind that nobody knows.  A channel without a kind is mail."""
    kind = value.get("kind", "email") if isinstance(value, dict) else getattr(value, "kind", "email")
    return f"<{kind}>" if kind in CHANNEL_KINDS else None


ChannelConfig = Annotated[
    Annotated[EmailChannel, Tag("<email>")]
    | Annotated[WecomRobotChannel, Tag("<wecom_robot>")]
    | Annotated[WecomAppChannel, Tag("<wecom_app>")],
    Discriminator(_kind),
]
