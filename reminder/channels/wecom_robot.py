"""A WeCom group robot: one post for a whole group, through its webhook.

The payload is the JSON body, and holds no key: it is frozen in the ledger and
written to the outbox.  Limits are in bytes of UTF-8.
"""

from __future__ import annotations

import ssl
from urllib.parse import quote

from reminder.channels.base import Outcome, OutcomeKind, Parcel, Recipient, Stamp
from reminder.channels.http import HttpClient, HttpError
from reminder.channels.route import Peer, Route
from reminder.channels.wecom import (
    PORTAL_SECONDS,
    body,
    checked_base_url,
    checked_text,
    checked_userid,
    no_reply,
    numbered,
)
from reminder.channels.wecom_outcomes import classify
from reminder.channels.words import Scrubber
from reminder.messages.message import Message
from reminder.plan.channels import WecomRobotChannel

CONTENT_BYTES = 4096
"""Of ``markdown.content``."""


class WecomRobotAdapter:
    """The ``wecom_robot`` channel; safe to use from several threads."""

    suffix = ".json"
    secret_mark = ""
    """Changes with the secret; set by whoever builds the channel."""

    def __init__(
        self,
        config: WecomRobotChannel,
        *,
        key: str | None,
        context: ssl.SSLContext | None = None,
        route: Route | None = None,
    ) -> None:
        """``route`` is where it may connect; default: as the channel's own settings say.

        Raises ``ChannelSettingError`` for a base URL that would give the key away."""
        self.id = config.id
        self._base_url = checked_base_url(config.id, config.base_url)
        self._key = key
        self._mention = config.mention
        self._seconds = float(config.timeout_seconds)
        self._client = HttpClient(context=context, route=route or Route.of(config))
        self._words = Scrubber([key])

    def compose(self, message: Message, to: Recipient, stamp: Stamp) -> tuple[bytes, ...]:  # noqa: ARG002
        """The posts of a message, each within the limit, numbered if there are several.

        Mentions stand at the end of the last.  A post has no identity and
        no date of its own, so ``stamp`` leaves no trace.  Raises ``ContentError``
        for an empty or endless text, or a userid that is none.
        """
        text = checked_text(self.id, message.markdown)
        if self._mention and to.mentions:
            text += "\n\n" + "".join(f"<@{checked_userid(userid)}>" for userid in to.mentions)
        return tuple(
            body({"msgtype": "markdown", "markdown": {"content": part}})
            for part in numbered(text, CONTENT_BYTES)
        )

    def send(self, parcel: Parcel) -> Outcome:
        """Try once, within the channel's total deadline, connecting included."""
        if not self._key:
            return Outcome(OutcomeKind.TRANSIENT, "secret", "机器人密钥未设置，未尝试发送", PORTAL_SECONDS)
        url = f"{self._base_url}/cgi-bin/webhook/send?key={quote(self._key, safe='')}"
        try:
            reply = self._client.post(
                url, parcel.payload, content_type="application/json; charset=utf-8", seconds=self._seconds
            )
        except HttpError as error:
            return no_reply(error)
        return classify(reply, self._words)

    def probe(self) -> Outcome:
        """Ask the host for anything at all, without the key: reachable, and its certificate good."""
        try:
            reply = self._client.get(f"{self._base_url}/", seconds=self._seconds)
        except HttpError as error:
            return no_reply(error, harmless=True)
        return Outcome(OutcomeKind.ACCEPTED, f"http {reply.status}", "服务器可以连上，未发送消息")

    @property
    def peer(self) -> Peer | None:
        """Whom the last request reached; the proxy, if there is one."""
        return self._client.peer

    def close(self) -> None:
        self._client.close()
