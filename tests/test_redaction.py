"""Secrets leave no trace in text, whatever form they took on their way."""

from __future__ import annotations

import base64
import json
import re
import time
from urllib.parse import quote, quote_plus

from hypothesis import example, given
from hypothesis import strategies as st

from reminder.redaction import MASK, Redactor

SECRETS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=6, max_size=40).filter(
    lambda text: text.strip() == text and text.strip("*.: ") != ""
)


def _decodes_to(text: str, secret: str) -> bool:
    """Whether any run of base64 in the text still holds the secret."""
    for run in text.replace("-", "+").replace("_", "/").split():
        core = run.strip("=")
        for cut in range(4):
            piece = core[cut:]
            piece = piece[: len(piece) - (1 if len(piece) % 4 == 1 else 0)]
            try:
                octets = base64.b64decode(piece + "=" * (-len(piece) % 4), validate=True)
            except ValueError:
                continue
            if secret.encode() in octets:
                return True
    return False


@given(SECRETS, st.binary(max_size=20), st.binary(max_size=20))
@example("canary-Zq7password", b"\0jgdw@example.com\0", b"")
@example("口令口令口令", b"\0a", b"b")
def test_base64_is_masked_whatever_the_secret_was_joined_to(secret: str, before: bytes, after: bytes) -> None:
    """AUTH PLAIN joins user and password, Basic joins them with a colon: each shifts the letters."""
    redact = Redactor([secret])
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        wrapped = encode(before + secret.encode() + after).decode()
        assert _decodes_to(wrapped, secret)
        assert not _decodes_to(redact(f"AUTH PLAIN {wrapped} done"), secret)


@given(SECRETS, st.text(max_size=10))
@example("p\"a\\s's/w+rd 密&=%", "x")
def test_escaped_and_quoted_forms_are_masked(secret: str, around: str) -> None:
    """As URLs, JSON and repr write them, one inside another as well."""
    redact = Redactor([secret])
    forms = [
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        re.sub(r"%..", lambda match: match[0].lower(), quote(secret, safe="")),
    ]
    forms += [json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret), repr(secret.encode())]
    forms += [json.dumps(json.dumps(secret)), json.dumps({"a": repr(secret)}, ensure_ascii=False)]
    for form in forms:
        text = redact(f"{around} {form} {around}")
        assert MASK in text
        if secret not in around * 2:
            assert secret not in text.replace(MASK, "")


def test_what_is_no_secret_stays() -> None:
    """Short words are not taken for one, and an ordinary text comes back as it was."""
    redact = Redactor(["abc", None, "", "hunter2-long"], shortest=4)
    assert (
        redact("abc 二季度活动开展情况报送 dGVzdA== /cgi-bin/webhook")
        == "abc 二季度活动开展情况报送 dGVzdA== /cgi-bin/webhook"
    )
    assert redact("hunter2-long") == MASK
    assert Redactor()("anything") == "anything"


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    """One may be part of another."""
    assert Redactor(["secret-word", "secret-word-and-more"])("secret-word-and-more") == MASK


def test_all_of_a_run_goes_and_nothing_beside_it() -> None:
    """What stands next to the secret in a run are some of its bits; what stands outside is text."""
    run = base64.b64encode(b"\0user\0canary-password\0tail").decode()
    assert Redactor(["canary-password"])(f"334 {run}; 535 no") == f"334 {MASK}; 535 no"


def test_long_texts_cost_little() -> None:
    """A mail of a megabyte, one endless run of base64, in well under a second."""
    redact = Redactor(["canary-password", "another-secret-of-some-length"])
    text = base64.b64encode(bytes(range(256)) * 4096).decode()
    started = time.monotonic()
    assert redact(text) == text
    assert redact(text + base64.b64encode(b"canary-password").decode()) == MASK
    assert time.monotonic() - started < 2
