"""Taking secrets out of text, in every form in which they travel.

A secret does not only stand in a text as it is: a URL quotes it, JSON and
``repr`` escape it, and a login over SMTP or HTTP wraps it in base64, where its
letters depend on what stands before it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "***"
LINK_TOKEN = re.compile(r"[A-Za-z0-9_-]{36}\.[A-Za-z0-9_-]{43}")
"""The shape of a link's token (``links.py``): whoever reads one can act for its person."""
_SHORTEST_CORE = 6
"""Characters of base64 that are looked for inside a longer run; fewer would meet by chance."""
_RUN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-=")


class Redactor:
    """Masks known secrets in any text, and whatever looks like the token of a link."""

    def __init__(self, secrets: Iterable[str | None] = (), *, shortest: int = 1) -> None:
        """Secrets of less than ``shortest`` characters are let pass: they would punch holes into words."""
        self._shortest = shortest
        self._forms: frozenset[str] = frozenset()
        self._cores: frozenset[str] = frozenset()
        self._plain: re.Pattern[str] | None = None
        self._wrapped: re.Pattern[str] | None = None
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str | None) -> None:
        """Mask this from now on."""
        if not secret or len(secret) < self._shortest or secret in self._forms:
            return
        self._forms |= frozenset(_forms(secret))
        self._cores |= frozenset(_cores(secret))
        self._plain, self._wrapped = _any_of(self._forms), _any_of(self._cores)

    def __call__(self, text: str) -> str:
        # Runs first: a plain form may be a part of one.
        if self._wrapped is not None:
            text = _without_runs(text, self._wrapped)
        text = LINK_TOKEN.sub(MASK, text)
        return self._plain.sub(MASK, text) if self._plain is not None else text


def _any_of(texts: Iterable[str]) -> re.Pattern[str] | None:
    # The longest first: one secret may be part of another.
    ordered = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None


def _without_runs(text: str, cores: re.Pattern[str]) -> str:
    """The text without any run of base64 that holds a core.

    All of the run goes: what stands beside the core are some bits of the
    secret, and whatever it was joined to.
    """
    kept, done = [], 0
    while (match := cores.search(text, done)) is not None:
        start, end = match.span()
        while start > done and text[start - 1] in _RUN:
            start -= 1
        while end < len(text) and text[end] in _RUN:
            end += 1
        kept += [text[done:start], MASK]
        done = end
    return "".join(kept) + text[done:]


def _forms(secret: str) -> Iterator[str]:
    """The secret itself, quoted for URLs, and escaped by JSON and ``repr``, once and twice."""
    octets = secret.encode("utf-8", "surrogatepass")
    for plain in (secret, quote(octets), quote(octets, safe=""), quote_plus(octets)):
        yield plain
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), plain)
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    escaped |= {repr(secret)[1:-1], repr(octets)[2:-1], json.dumps(repr(secret)[1:-1])[1:-1]}
    yield from escaped
    yield from (json.dumps(each, ensure_ascii=False)[1:-1] for each in escaped)
    yield base64.b64encode(octets).decode("ascii")
    yield base64.urlsafe_b64encode(octets).decode("ascii")


def _cores(secret: str) -> Iterator[str]:
    """Of its core in base64 both spellings, where it is long enough to be looked for."""
    for core in cores_in_base64(secret.encode("utf-8", "surrogatepass")):
        if len(core) >= _SHORTEST_CORE:
            yield core
            yield core.replace("+", "-").replace("/", "_")


def cores_in_base64(octets: bytes) -> Iterator[str]:
    """What base64 makes of them whatever stands around them: one for each place in a group of three."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + octets).decode("ascii").rstrip("=")
        # Characters that also hold bits of a neighbour, in front and behind.
        start = (before * 8 + 5) // 6
        whole = (before + len(octets)) * 8 // 6
        yield encoded[start:whole]
