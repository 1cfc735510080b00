"""Texts that are too long become several; laws and named examples."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.messages.limits import size, split_bytes

TEXTS = st.one_of(
    st.text(max_size=300),
    st.text(
        alphabet=st.sampled_from("纪律作风廉政。！？；，\n \n\nab<>@[]()*#`e\u0301\u200d👍🏽🇨🇳\u2028"), max_size=400
    ),
    st.lists(st.sampled_from(["请按时报送。", "第一段\n\n", "<@zhang>", "[台账](https://example.com/a)", "\n", "长" * 30]))
    .map("".join),
)  # fmt: skip


def _solid(text: str) -> str:
    return re.sub(r"\s+", "", text)


@given(TEXTS, st.integers(4, 200))
def test_nothing_is_lost_nothing_is_added_and_every_part_fits(text: str, limit: int) -> None:
    """The parts joined are the text without white space; none is blank or over the limit."""
    parts = split_bytes(text, limit)
    assert _solid("".join(parts)) == _solid(text)
    assert all(size(part) <= limit for part in parts)
    assert all(part == part.strip() and part for part in parts)


@given(TEXTS, st.integers(4, 200))
def test_parts_are_pieces_of_the_text_in_order(text: str, limit: int) -> None:
    """White space inside a part stays as it was."""
    at = 0
    for part in split_bytes(text, limit):
        at = text.index(part, at) + len(part)


@given(TEXTS)
def test_a_text_that_fits_stays_one(text: str) -> None:
    """Only white space around it goes."""
    assert split_bytes(text, max(4, size(text))) == ((text.strip(),) if text.strip() else ())


@given(TEXTS, st.integers(4, 60))
def test_splitting_again_changes_nothing(text: str, limit: int) -> None:
    """Each part is one part."""
    for part in split_bytes(text, limit):
        assert split_bytes(part, limit) == (part,)


@given(
    st.lists(
        st.sampled_from(["甲" * 5, "<@userid-of-nine>", "[名](https://example.com)", "**要点**"]), max_size=30
    )
)
def test_tokens_that_fit_are_never_cut(pieces: list[str]) -> None:
    """A mention, a link and a bold run come out whole."""
    parts = split_bytes("".join(pieces), 40)
    for token in ("<@userid-of-nine>", "[名](https://example.com)", "**要点**"):
        assert sum(part.count(token) for part in parts) == pieces.count(token)


def test_paragraphs_are_preferred_to_lines_and_lines_to_sentences() -> None:
    """The strongest boundary that leaves the part reasonably full wins."""
    assert split_bytes("一二三四\n\n五六\n七。八九十", 30) == ("一二三四", "五六\n七。八九十")
    assert split_bytes("一二三四\n五六。七八九十", 30) == ("一二三四", "五六。七八九十")
    assert split_bytes("一二三四。五六七八九十", 30) == ("一二三四。", "五六七八九十")
    assert split_bytes("一二三四五六七八九十百", 30) == ("一二三四五六七八九十", "百")


def test_a_closing_quotation_mark_stays_with_its_sentence() -> None:
    """The mark after 。 belongs to the part before."""
    assert split_bytes("他说“到此为止。”然后继续往下说", 27) == ("他说“到此为止。”", "然后继续往下说")


def test_a_heading_is_not_left_alone_before_a_giant_paragraph() -> None:
    """A boundary that would leave the part nearly empty is not taken."""
    first = split_bytes("题\n\n" + "长" * 100, 120)[0]
    assert first.startswith("题\n\n长")


@pytest.mark.parametrize("cluster", ["e\u0301", "👩\u200d👩\u200d👧", "👍🏽", "🇨🇳", "1\ufe0f\u20e3"])
def test_what_is_seen_as_one_character_stays_one(cluster: str) -> None:
    """Combining sequences, joined emoji, skin tones and flags are not torn."""
    limit = size(cluster) * 2 + 1
    assert split_bytes(cluster * 5, limit) == (cluster * 2, cluster * 2, cluster)


def test_a_token_longer_than_the_limit_is_cut_rather_than_lost() -> None:
    """Nothing can keep it whole."""
    parts = split_bytes("<@" + "x" * 50 + ">", 20)
    assert "".join(parts) == "<@" + "x" * 50 + ">"
    assert len(parts) == 3


def test_a_limit_below_one_character_is_refused() -> None:
    """Four bytes are the longest character."""
    with pytest.raises(ValueError, match="four bytes"):
        split_bytes("长", 3)
