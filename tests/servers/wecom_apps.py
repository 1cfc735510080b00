"""The side of WeCom that apps talk to: tokens, members, and what it drops without a word."""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CONTENT_BYTES = 2048
RECEIVERS_AT_ONCE = 1000

Answer = dict[str, Any]


@dataclass(frozen=True)
class AppMessage:
    """What one member sees, and the exact body of the request that brought it."""

    agentid: int
    userid: str
    """As the office spells it."""
    msgtype: str
    content: str
    body: bytes
    at: float


class AppDesk:
    """One company's apps.  ``apps`` are secrets by AgentId, ``members`` the userids that exist."""

    def __init__(
        self,
        corpid: str,
        apps: dict[int, str],
        members: tuple[str, ...],
        clock: Callable[[], float],
        *,
        token_seconds: int = 7200,
        per_minute: int = 30,
        per_hour: int = 1000,
        duplicates: bool = False,
    ) -> None:
        self.corpid = corpid
        self.apps = apps
        self.members = {userid.lower(): userid for userid in members}
        self.trusted = True
        """Whether the caller's address stands in the app's list."""
        self.token_seconds = token_seconds
        self.per_minute, self.per_hour = per_minute, per_hour
        self.duplicates = duplicates
        """Whether repeats are shown, whatever the request asks for."""
        self.messages: list[AppMessage] = []
        self.dropped: list[tuple[str, str]] = []
        """(why, userid) of what the members never saw although errcode was 0."""
        self.tokens_issued = 0
        self._clock = clock
        self._tokens: dict[str, tuple[int, float]] = {}
        self._seen: dict[tuple[int, bytes], float] = {}
        self._times: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def invalidate_tokens(self) -> None:
        """As the service does when somebody else asks for one: 40014 from now on."""
        with self._lock:
            self._tokens.clear()

    def expire_tokens(self) -> None:
        """All tokens are past their time: 42001 from now on."""
        with self._lock:
            self._tokens = {token: (agent, self._clock() - 1) for token, (agent, _) in self._tokens.items()}

    def gettoken(self, query: dict[str, list[str]]) -> Answer:
        """The answer to ``gettoken``."""
        if query.get("corpid") != [self.corpid]:
            return _error(40013, "invalid corpid")
        agents = [agent for agent, secret in self.apps.items() if query.get("corpsecret") == [secret]]
        if not agents:
            return _error(40001, "invalid credential")
        if not self.trusted:
            return _error(60020, "not allow to access from your ip")
        with self._lock:
            self.tokens_issued += 1
            token = f"token-canary-{self.tokens_issued}"
            self._tokens[token] = (agents[0], self._clock() + self.token_seconds)
        return {**_error(0, "ok"), "access_token": token, "expires_in": self.token_seconds}

    def send(self, query: dict[str, list[str]], body: bytes) -> Answer:
        """The answer to ``message/send``; what it accepts is shown to the members."""
        now = self._clock()
        with self._lock:
            known = self._tokens.get(query.get("access_token", [""])[0])
            if known is None:
                return _error(40014, "invalid access_token")
            if known[1] <= now:
                return _error(42001, "access_token expired")
            if not self.trusted:
                return _error(60020, "not allow to access from your ip")
            return self._taken(known[0], body, now)

    def _taken(self, agent: int, body: bytes, now: float) -> Answer:
        try:
            message = json.loads(body.decode("utf-8"))
            msgtype, touser = message["msgtype"], message["touser"].split("|")
        except (ValueError, KeyError, TypeError, AttributeError):
            return _error(40063, "some parameters are empty")
        if msgtype not in ("text", "markdown"):
            return _error(40008, "invalid message type")
        if not isinstance(message.get("agentid"), int) or message["agentid"] != agent:
            return _error(40056, "invalid agentid")
        if len(touser) > RECEIVERS_AT_ONCE:
            return _error(40032, "invalid user list size")
        content = message.get(msgtype, {}).get("content", "")
        if not isinstance(content, str) or not content:
            return _error(44004, "empty content")
        invalid = [name.lower() for name in touser if name.lower() not in self.members]
        if len(invalid) == len(touser):
            return _error(81013, "user & party & tag all invalid")
        if not self._repeated(agent, message, body, now):
            # Longer texts are cut without a word, at a whole character.
            shown = content.encode()[:CONTENT_BYTES].decode(errors="ignore")
            for name in touser:
                if (userid := self.members.get(name.lower())) is not None:
                    self._show(AppMessage(agent, userid, msgtype, shown, body, now))
        else:
            self.dropped += [("duplicate", name) for name in touser]
        answer = _error(0, "ok")
        return {**answer, "invaliduser": "|".join(invalid)} if invalid else answer

    def _repeated(self, agent: int, message: Answer, body: bytes, now: float) -> bool:
        if self.duplicates:
            return False
        interval = message.get("duplicate_check_interval", 1800)
        last = self._seen.get((agent, body))
        self._seen[agent, body] = now
        return message.get("enable_duplicate_check") == 1 and last is not None and now - last < interval

    def _show(self, message: AppMessage) -> None:
        times = self._times[message.userid]
        while times and times[0] <= message.at - 3600:
            times.popleft()
        if sum(at > message.at - 60 for at in times) >= self.per_minute or len(times) >= self.per_hour:
            self.dropped.append(("limit", message.userid))
            return
        times.append(message.at)
        self.messages.append(message)


def _error(errcode: int, errmsg: str) -> Answer:
    return {"errcode": errcode, "errmsg": errmsg}
