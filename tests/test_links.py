"""Tokens of links: what they say, and that nothing but the very token is one."""

from __future__ import annotations

import multiprocessing
import stat
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.links import (
    PLACEHOLDER,
    TOKEN_LENGTH,
    Grant,
    LinkKeyError,
    Links,
    Scope,
    open_links,
)
from reminder.redaction import LINK_TOKEN, MASK, Redactor

KEY, NEWER = bytes(range(32)), bytes(range(32, 64))
LINKS = Links([KEY], "test")
MESSAGE = "00112233445566778899aabbccddeeff"
TODAY = date(2026, 6, 10)
LAST = date(2026, 7, 10)
TOKEN = LINKS.of_message(MESSAGE, "p-office", LAST)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_the_same_arguments_give_the_same_token() -> None:
    """Whoever tries again sends the same bytes, also after a restart."""
    assert Links([KEY], "test").of_message(MESSAGE, "p-office", LAST) == TOKEN
    assert LINKS.of_person("p-office", LAST) == LINKS.of_person("p-office", LAST)


def test_a_token_says_its_message_its_person_and_its_last_day() -> None:
    grant = LINKS.read(TOKEN, TODAY)
    assert grant is not None
    assert (grant.scope, grant.message, grant.last_day) == (Scope.MESSAGE, MESSAGE, LAST)
    assert grant.is_for("p-office")
    assert not grant.is_for("p-theory")


def test_a_personal_token_names_no_message() -> None:
    grant = LINKS.read(LINKS.of_person("p-office", LAST), TODAY)
    assert grant is not None
    assert (grant.scope, grant.message) == (Scope.PERSON, "")
    assert grant.is_for("p-office")


def test_each_thing_a_token_is_bound_to_changes_it() -> None:
    other = "ff112233445566778899aabbccddeeff"
    tokens = {
        TOKEN,
        LINKS.of_message(other, "p-office", LAST),
        LINKS.of_message(MESSAGE, "p-theory", LAST),
        LINKS.of_message(MESSAGE, "p-office", LAST + timedelta(days=1)),
        LINKS.of_person("p-office", LAST),
        Links([NEWER], "test").of_message(MESSAGE, "p-office", LAST),
        Links([KEY], "another").of_message(MESSAGE, "p-office", LAST),
    }
    assert len(tokens) == 7


def test_a_token_holds_through_its_last_day_and_no_longer() -> None:
    assert LINKS.read(TOKEN, LAST) is not None
    assert LINKS.read(TOKEN, LAST + timedelta(days=1)) is None


def test_another_key_or_another_plan_believes_nothing() -> None:
    assert Links([NEWER], "test").read(TOKEN, TODAY) is None
    assert Links([KEY], "another").read(TOKEN, TODAY) is None


def test_no_other_letter_anywhere_is_believed() -> None:
    """Also not at the end, where base64 has bits to spare: sixty-four letters at each of eighty places."""
    assert LINKS.read(TOKEN, TODAY) is not None
    for place, letter in enumerate(TOKEN):
        for other in {*ALPHABET, ".", "=", "+", "/", "~", " ", "é"} - {letter}:
            changed = TOKEN[:place] + other + TOKEN[place + 1 :]
            assert LINKS.read(changed, TODAY) is None, (place, other)


def test_no_flipped_bit_anywhere_is_believed() -> None:
    octets = TOKEN.encode()
    for place in range(len(octets)):
        for bit in range(8):
            changed = bytearray(octets)
            changed[place] ^= 1 << bit
            assert LINKS.read(changed.decode("latin-1"), TODAY) is None


@pytest.mark.parametrize(
    "changed",
    [
        TOKEN[:-1],
        TOKEN[1:],
        TOKEN + "=",
        TOKEN + "\n",
        "\n" + TOKEN,
        TOKEN + TOKEN,
        TOKEN.upper(),
        TOKEN.replace(".", "..", 1)[:TOKEN_LENGTH],
        TOKEN.partition(".")[2] + "." + TOKEN.partition(".")[0],
        TOKEN[:10] + "!" + TOKEN[10:],
        "",
        ".",
        PLACEHOLDER,
        PLACEHOLDER[:36] + "." + PLACEHOLDER[:43],
    ],
)
def test_nothing_longer_shorter_or_otherwise_shaped_is_believed(changed: str) -> None:
    assert LINKS.read(changed, TODAY) is None


@given(st.text(max_size=120))
def test_no_text_is_an_error(text: str) -> None:
    assert LINKS.read(text, TODAY) is None


@given(
    st.binary(min_size=16, max_size=16),
    st.text(min_size=1, max_size=80),
    st.dates(date(2020, 1, 1), date(2149, 1, 1)),
)
def test_every_token_is_as_long_as_the_placeholder_and_reads_back(
    message: bytes, person: str, day: date
) -> None:
    token = LINKS.of_message(message.hex(), person, day)
    assert len(token) == TOKEN_LENGTH == len(PLACEHOLDER)
    assert LINK_TOKEN.fullmatch(token)
    grant = LINKS.read(token, day)
    assert isinstance(grant, Grant)
    assert grant.message == message.hex()
    assert grant.is_for(person)


def test_the_placeholder_is_harmless_in_every_form_of_a_message() -> None:
    assert set(PLACEHOLDER) <= set(ALPHABET) - {"_"}
    assert not LINK_TOKEN.search(PLACEHOLDER)


def test_whatever_looks_like_a_token_is_masked_in_logs() -> None:
    line = Redactor()(f"GET /d/{TOKEN} HTTP/1.1")
    assert line == f"GET /d/{MASK} HTTP/1.1"


# -- the key file ----------------------------------------------------------------


def test_the_key_is_made_at_first_use_for_its_owner_alone_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "links.key"
    token = open_links(file, "test").of_message(MESSAGE, "p-office", LAST)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert open_links(file, "test").of_message(MESSAGE, "p-office", LAST) == token
    assert [each.name for each in file.parent.iterdir()] == ["links.key"]


def _token_made_in(folder: str, barrier: object, out: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    out.put(open_links(Path(folder) / "links.key", "test").of_person("p", LAST))  # type: ignore[attr-defined]


def test_two_processes_that_come_together_make_one_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        barrier, out = context.Barrier(2), context.Queue()
        both = [context.Process(target=_token_made_in, args=(str(folder), barrier, out)) for _ in range(2)]
        for process in both:
            process.start()
        tokens = {out.get(timeout=30) for _ in both}
        for process in both:
            process.join(timeout=30)
        out.close()
        assert len(tokens) == 1
        assert [each.name for each in folder.iterdir()] == ["links.key"]


def test_a_new_last_line_signs_and_the_lines_before_it_are_believed(tmp_path: Path) -> None:
    """As operations.md tells how to change the key; taking the old line out ends the old links."""
    file = tmp_path / "links.key"
    file.write_text(KEY.hex() + "\n")
    old = open_links(file, "test").of_person("p", LAST)
    file.write_text(f"{KEY.hex()}\n{NEWER.hex()}\n")
    both = open_links(file, "test")
    assert both.read(old, TODAY) is not None
    new = both.of_person("p", LAST)
    assert new != old
    file.write_text(NEWER.hex() + "\n")
    assert open_links(file, "test").read(old, TODAY) is None
    assert open_links(file, "test").read(new, TODAY) is not None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "是空的"),
        (b"\n \n", "是空的"),
        (b"secret\n", "第 1 行不是密钥"),
        (KEY.hex().encode() + b"\nff\n", "第 2 行不是密钥"),
        (b"\xff\xfe", "内容不是密钥"),
    ],
)
def test_a_spoilt_key_file_is_never_replaced_and_says_what_to_do(
    tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "links.key"
    file.write_bytes(content)
    with pytest.raises(LinkKeyError, match=said):
        open_links(file, "test")
    assert file.read_bytes() == content


def test_a_key_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("in the way")
    with pytest.raises(LinkKeyError, match=r"路径中有一段不是文件夹|已有同名文件"):
        open_links(tmp_path / "keys" / "links.key", "test")
