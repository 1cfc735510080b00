"""A WeCom app: messages to persons, a thousand receivers in one request.

The payload is the JSON body.  It holds no token, so that a retry is the same
to the byte and the service's duplicate check knows it again; the token travels
in the query.  The service cuts a text of more than 2048 bytes without a word,
so it is split here.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from reminder.channels.base import Outcome, OutcomeKind, Parcel, Recipient, Stamp
from reminder.channels.deadline import Budget, DeadlineExceeded, monotonic
from reminder.channels.errors import ContentError
from reminder.channels.http import HttpClient, HttpError
from reminder.channels.route import Peer, Route
from reminder.channels.wecom import (
    PORTAL_SECONDS,
    REASONS,
    Scrub,
    answer_of,
    body,
    checked_base_url,
    checked_text,
    checked_userid,
    no_reply,
    numbered,
)
from reminder.channels.wecom_app_outcomes import STALE_TOKEN_ERRCODES, failed, sent
from reminder.channels.words import Scrubber
from reminder.messages.message import Message
from reminder.plan.channels import WecomAppChannel

CONTENT_BYTES = 2048
"""Of ``markdown.content`` and ``text.content``; more is cut off by the service."""
RECEIVERS_AT_ONCE = 1000
SEPARATOR = "|"
"""Between the userids of one request, and so of a batch's address."""
_LEAST_MARGIN_SECONDS = 300.0
"""A token is renewed this long before it ends, so that it does not end on its way."""
_TOKEN_STEP = "取得访问凭证时："  # noqa: S105 - words for people


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    renew_at: float
    """Seconds on the monotonic clock."""


class _TokenCache:
    """The app's one token: asked for by one thread while the others wait for it."""

    def __init__(self) -> None:
        self._token: _Token | None = None
        self._lock = threading.Lock()
        self._words = Scrubber([])

    def take(
        self, client: HttpClient, url: str, scrub: Scrub, budget: Budget, stale: str | None
    ) -> str | Outcome:
        """A token that is not ``stale``, within the budget; or why there is none."""
        if not self._lock.acquire(timeout=budget.remaining()):
            raise DeadlineExceeded("deadline exceeded")
        try:
            held = self._token
            if held is not None and held.value != stale and monotonic() < held.renew_at:
                return held.value
            self._token = None
            found = _fetch(client, url, scrub, budget)
            if isinstance(found, Outcome):
                return found
            self._token = found
            self._words = Scrubber([found.value, held.value if held else None])
            return found.value
        finally:
            self._lock.release()

    def scrub(self, words: str) -> str:
        return self._words(words)


def _fetch(client: HttpClient, url: str, scrub: Scrub, budget: Budget) -> _Token | Outcome:
    try:
        reply = client.get(url, seconds=budget.remaining())
    except HttpError as error:
        return no_reply(error, harmless=True)
    answered = answer_of(reply, scrub)
    if isinstance(answered, Outcome):
        return answered
    errcode, answer = answered
    if errcode != 0:
        return failed(errcode, answer, scrub, _TOKEN_STEP)
    value, lasts = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(value, str) or not value or not isinstance(lasts, int) or lasts <= 0:
        return Outcome(OutcomeKind.TRANSIENT, "reply", f"{_TOKEN_STEP}答复里没有凭证或有效期")
    return _Token(value, monotonic() + lasts - min(_LEAST_MARGIN_SECONDS, lasts / 2))


class WecomAppAdapter:
    """The ``wecom_app`` channel; safe to use from several threads."""

    suffix = ".json"
    secret_mark = ""
    """Changes with the secret; set by whoever builds the channel."""
    batch = RECEIVERS_AT_ONCE

    def __init__(
        self,
        config: WecomAppChannel,
        *,
        secret: str | None,
        context: ssl.SSLContext | None = None,
        route: Route | None = None,
    ) -> None:
        """``route`` is where it may connect; default: as the channel's own settings say.

        Raises ``ChannelSettingError`` for a base URL that would give the secret away."""
        self.id = config.id
        self._base_url = checked_base_url(config.id, config.base_url)
        self._corpid = config.corpid
        self._agentid = config.agentid
        self._format = config.format
        self._duplicate_check = config.duplicate_check_seconds
        self._secret = secret
        self._seconds = float(config.timeout_seconds)
        self._client = HttpClient(context=context, route=route or Route.of(config))
        self._words = Scrubber([secret])
        self._tokens = _TokenCache()

    def compose(self, message: Message, to: Recipient, stamp: Stamp) -> tuple[bytes, ...]:  # noqa: ARG002
        """The messages, each within the limit, numbered if there are several.

        ``to.address`` is one userid or up to a thousand, joined by ``|``.  A
        message has no identity and no date of its own, so ``stamp`` leaves no
        trace.  Raises ``ContentError`` for an empty or endless text, too many
        receivers, or a userid that is none.
        """
        userids = to.address.split(SEPARATOR)
        if len(userids) > RECEIVERS_AT_ONCE:
            raise ContentError(
                f"通道“{self.id}”：一次有 {len(userids)} 个收件人，最多 {RECEIVERS_AT_ONCE} 个"
            )
        touser = SEPARATOR.join(checked_userid(each) for each in userids)
        said = f"{message.subject}\n\n{message.text}" if self._format == "text" else message.markdown
        return tuple(
            body(
                {
                    "touser": touser,
                    "msgtype": self._format,
                    "agentid": self._agentid,
                    self._format: {"content": part},
                    "enable_duplicate_check": 1,
                    "duplicate_check_interval": self._duplicate_check,
                }
            )
            for part in numbered(checked_text(self.id, said), CONTENT_BYTES)
        )

    def with_token(self, payload: bytes, placeholder: bytes, token: Callable[[], bytes]) -> bytes:
        """The request with the token in place of the placeholder; neither has a sign that JSON escapes."""
        return payload.replace(placeholder, token()) if placeholder in payload else payload

    def send(self, parcel: Parcel) -> Outcome:
        """Try once, within the channel's total deadline, the token's renewal included."""
        if not self._secret:
            return Outcome(OutcomeKind.TRANSIENT, "secret", "应用密钥未设置，未尝试发送", PORTAL_SECONDS)
        budget = Budget(self._seconds)
        try:
            answered = self._post(parcel.payload, budget, None)
        except DeadlineExceeded:
            # Waiting for the token used it up: nothing was sent.
            return Outcome(OutcomeKind.TRANSIENT, "timeout", REASONS["timeout"])
        if isinstance(answered, Outcome):
            return answered
        errcode, answer = answered
        if errcode == 0:
            return sent(answer, _userids(parcel.payload), self._scrub)
        return failed(errcode, answer, self._scrub)

    def probe(self) -> Outcome:
        """Ask for a token: shows whether host, company, secret and trusted address are right."""
        if not self._secret:
            return Outcome(OutcomeKind.TRANSIENT, "secret", "应用密钥未设置")
        try:
            token = self._tokens.take(
                self._client, self._token_url(), self._words, Budget(self._seconds), None
            )
        except DeadlineExceeded:
            return Outcome(OutcomeKind.TRANSIENT, "timeout", REASONS["timeout"])
        if isinstance(token, Outcome):
            return token
        return Outcome(OutcomeKind.ACCEPTED, "errcode 0", "已取得访问凭证，未发送消息")

    @property
    def peer(self) -> Peer | None:
        """Whom the last request reached; the proxy, if there is one."""
        return self._client.peer

    def close(self) -> None:
        self._client.close()

    def _post(
        self, payload: bytes, budget: Budget, stale: str | None
    ) -> tuple[int, dict[str, Any]] | Outcome:
        """The service's answer to the payload; a token it refuses is replaced once."""
        token = self._tokens.take(self._client, self._token_url(), self._words, budget, stale)
        if isinstance(token, Outcome):
            return token
        url = f"{self._base_url}/cgi-bin/message/send?access_token={quote(token, safe='')}"
        try:
            reply = self._client.post(
                url, payload, content_type="application/json; charset=utf-8", seconds=budget.remaining()
            )
        except HttpError as error:
            return no_reply(error)
        answered = answer_of(reply, self._scrub)
        if stale is None and not isinstance(answered, Outcome) and answered[0] in STALE_TOKEN_ERRCODES:
            return self._post(payload, budget, token)
        return answered

    def _token_url(self) -> str:
        corpid, secret = quote(self._corpid, safe=""), quote(self._secret or "", safe="")
        return f"{self._base_url}/cgi-bin/gettoken?corpid={corpid}&corpsecret={secret}"

    def _scrub(self, words: str | bytes) -> str:
        return self._tokens.scrub(self._words(words))


def _userids(payload: bytes) -> list[str]:
    return str(json.loads(payload)["touser"]).split(SEPARATOR)
