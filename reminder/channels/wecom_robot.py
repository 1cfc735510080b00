"""A WeCom group robot: one post for a whole group, through its webhook.

The payload is the JSON body, and holds no key: it is frozen in the ledger and
written to the outbox.  Limits are in bytes of UTF-8.
"""

from __future__ import annotations

import json
import re
import ssl
from urllib.parse import quote, urlsplit

from reminder.channels.base import Outcome, OutcomeKind, Parcel, Recipient, Stamp
from reminder.channels.deadline import is_loopback
from reminder.channels.errors import ChannelSettingError, ContentError
from reminder.channels.http import HttpClient, HttpError
from reminder.channels.wecom_outcomes import PORTAL_SECONDS, classify
from reminder.channels.words import Scrubber
from reminder.messages.limits import size, split_bytes
from reminder.messages.message import Message
from reminder.plan.channels import WecomRobotChannel

CONTENT_BYTES = 4096
"""Of ``markdown.content``."""
_MOST_PARTS = 99
_NUMBER = "（{part}/{parts}）\n"
_USERID = re.compile(r"[A-Za-z0-9_.@-]{1,64}")

_REASONS = {
    "timeout": "超过总时限",
    "dns": "找不到服务器，请核对 base_url 和网络",
    "connect": "连不上服务器，请核对 base_url 和网络",
    "tls": "加密连接未建立，请核对服务器证书",
    "connection": "连接中断",
    "too-long": "答复过长，已停止读取",
}


class WecomRobotAdapter:
    """The ``wecom_robot`` channel; safe to use from several threads."""

    suffix = ".json"

    def __init__(
        self,
        config: WecomRobotChannel,
        *,
        key: str | None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Raises ``ChannelSettingError`` for a base URL that would give the key away."""
        self.id = config.id
        self._base_url = _checked(config)
        self._key = key
        self._mention = config.mention
        self._seconds = float(config.timeout_seconds)
        self._client = HttpClient(context=context)
        self._words = Scrubber([key])

    def compose(self, message: Message, to: Recipient, stamp: Stamp) -> tuple[bytes, ...]:  # noqa: ARG002
        """The posts of a message, each within the limit, numbered if there are several.

        Mentions stand at the end of the last.  A post has no identity and
        no date of its own, so ``stamp`` leaves no trace.  Raises ``ContentError``
        for an empty or endless text, or a userid that is none.
        """
        text = message.markdown.replace("\r\n", "\n").replace("\r", "\n").strip()
        if not text:
            raise ContentError(f"通道“{self.id}”：消息正文为空；请检查模板的企业微信文本")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise ContentError(f"通道“{self.id}”：消息正文里有残缺的字符，无法发送；请检查模板") from None
        if self._mention and to.mentions:
            text += "\n\n" + "".join(_mention(userid) for userid in to.mentions)
        return tuple(
            json.dumps(
                {"msgtype": "markdown", "markdown": {"content": part}},
                ensure_ascii=False,
                separators=(",", ":"),
            ).encode("utf-8")
            for part in _numbered(text, CONTENT_BYTES)
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
            return self._failed(error)
        return classify(reply, self._words)

    def probe(self) -> Outcome:
        """Ask the host for anything at all, without the key: reachable, and its certificate good."""
        try:
            reply = self._client.get(f"{self._base_url}/", seconds=self._seconds)
        except HttpError as error:
            return Outcome(OutcomeKind.TRANSIENT, error.reason, _REASONS[error.reason])
        return Outcome(OutcomeKind.ACCEPTED, f"http {reply.status}", "服务器可以连上，未发送消息")

    def close(self) -> None:
        self._client.close()

    @staticmethod
    def _failed(error: HttpError) -> Outcome:
        detail = _REASONS[error.reason]
        if error.sent and error.reason != "too-long":
            return Outcome(OutcomeKind.UNCERTAIN, error.reason, f"{detail}；消息已全部发出，是否收下不明")
        # A reply of 64 KiB and more is a web page of something in between, which did not pass the post on.
        return Outcome(
            OutcomeKind.TRANSIENT, error.reason, detail, PORTAL_SECONDS if error.reason == "tls" else None
        )


def _checked(config: WecomRobotChannel) -> str:
    """The base URL without a trailing slash."""
    where = f"通道“{config.id}”的 base_url“{config.base_url}”"
    try:
        parts = urlsplit(config.base_url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise ChannelSettingError(f"{where}不是网址；应如 https://wecom.example.com") from None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise ChannelSettingError(f"{where}不合要求；应为 https:// 加主机名，不含用户名、? 和 #")
    if parts.scheme == "http" and not is_loopback(host):
        raise ChannelSettingError(
            f"{where}未加密，密钥会在网络上明文传送；请改用 https://（http 只允许用于本机）"
        )
    return config.base_url.rstrip("/")


def _mention(userid: str) -> str:
    if not _USERID.fullmatch(userid):
        raise ContentError(
            f"“{userid[:40]}”不是企业微信账号（userid）；只含字母、数字和 . - _ @，请核对通讯录的 wecom"
        )
    return f"<@{userid}>"


def _numbered(text: str, limit: int) -> tuple[str, ...]:
    """The parts of a text, each with its number, which counts in the limit."""
    if size(text) <= limit:
        return (text,)
    room = limit - size(_NUMBER.format(part=_MOST_PARTS, parts=_MOST_PARTS))
    parts = split_bytes(text, room)
    if len(parts) > _MOST_PARTS:
        raise ContentError(f"消息正文过长：要分成 {len(parts)} 条，最多 {_MOST_PARTS} 条；请精简模板")
    return tuple(_NUMBER.format(part=n, parts=len(parts)) + part for n, part in enumerate(parts, start=1))
