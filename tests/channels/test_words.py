"""A server's words, fit to be kept."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.channels.smtp_outcomes import Stage, verdict
from reminder.channels.words import KEPT_CHARACTERS, Scrubber, decoded

SECRET = "p@ss/w+rd & 密"


@given(st.text(), st.sampled_from([SECRET, quote(SECRET), quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode()]), st.text())  # fmt: skip
def test_a_secret_is_gone_in_every_form_wherever_it_stands(before: str, form: str, after: str) -> None:
    """Also where the cut falls into it; one short line is left."""
    text = Scrubber([None, "", SECRET])(before * 40 + form + after)
    assert form not in text
    assert len(text) <= KEPT_CHARACTERS
    assert len(text.splitlines()) <= 1


def test_a_secret_at_the_cut_leaves_no_half() -> None:
    """Scrubbed first, cut afterwards."""
    assert "secre" not in Scrubber(["secret-word"])("x" * (KEPT_CHARACTERS - 6) + "secret-word")


def test_words_in_an_old_encoding_are_readable() -> None:
    """Some domestic servers answer in GBK; no octet is an error."""
    assert decoded("发送过于频繁".encode("gbk")) == "发送过于频繁"
    assert decoded(b"\xff\xfe ok").endswith(" ok")


@pytest.mark.parametrize(
    "words",
    [
        "Ip frequency limited",
        "Domain frequency limited.",
        "too many messages from your address",
        "Sending rate limit exceeded",
        "daily sending quota exceeded",
        "发送过于频繁，请稍后再试",
        "MI:STC 163 smtp",
        "RP:QRC 163 smtp",
    ],
)
@pytest.mark.parametrize("code", [450, 550, 554])
def test_a_rate_limit_is_transient_whatever_its_number(code: int, words: str) -> None:
    """Chinese providers answer 550 and 554 to what only needs time."""
    row = verdict(Stage.REPLY, code, words)
    assert row.kind == "transient"
    assert (row.retry_after or 0) >= 60


@pytest.mark.parametrize(
    "words", ["mailbox quota exceeded", "user unknown", "DT:SPM", "not the same as before"]
)
def test_other_refusals_stay_permanent(words: str) -> None:
    """A full mailbox is no rate limit."""
    assert verdict(Stage.RCPT, 552, words).kind == "permanent"
