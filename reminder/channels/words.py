"""A server's own words, fit to be kept: one line, short, without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable

from reminder.redaction import MASK, Redactor

__all__ = ["KEPT_CHARACTERS", "MASK", "Scrubber", "decoded"]

KEPT_CHARACTERS = 500


def decoded(words: bytes) -> str:
    """Bytes of a reply as text: UTF-8, else GB 18030 (domestic servers), never an error."""
    try:
        return words.decode("utf-8")
    except UnicodeDecodeError:
        return words.decode("gb18030", errors="replace")


class Scrubber:
    """Takes the given secrets out of any text, in every form in which they travel.

    A server may echo what it was told: the login's base64 (RFC 4954), or the
    URL with its key.
    """

    def __init__(self, secrets: Iterable[str | None]) -> None:
        self._redact = Redactor(secrets)

    def __call__(self, words: str | bytes) -> str:
        """``words`` on one line, at most 500 characters, each secret replaced by ``***``.

        Scrubbed before it is cut, so that the cut leaves no half of a secret.
        """
        text = self._redact(decoded(words) if isinstance(words, bytes) else words)
        text = re.sub(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).strip()
        return text if len(text) <= KEPT_CHARACTERS else text[: KEPT_CHARACTERS - 1] + "…"
