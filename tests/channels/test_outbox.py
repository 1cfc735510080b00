"""The outbox: exact bytes, whole files, names that say what they are."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminder.channels.base import OutcomeKind, Parcel, Recipient, Stamp
from reminder.channels.email import EmailAdapter
from reminder.channels.outbox import OutboxChannel, _word
from reminder.messages.message import Message
from tests.channels.conftest import AT, SHANGHAI, parcel


@pytest.fixture
def outbox(mail: Callable[..., EmailAdapter], tmp_path: Path) -> OutboxChannel:
    return OutboxChannel(mail(SimpleNamespace(port=25)), tmp_path, SHANGHAI)


def test_exactly_the_bytes_that_would_have_been_sent(
    outbox: OutboxChannel, tmp_path: Path, message: Message, to: Recipient, stamp: Stamp
) -> None:
    """Under the local day and time at which the alarm was due; the outcome says where."""
    (payload,) = outbox.compose(message, to, stamp)
    outcome = outbox.send(parcel(payload))
    assert (outcome.kind, outcome.code) == (OutcomeKind.ACCEPTED, "outbox")
    assert outcome.detail == "2026-06-30/0900-mail-lilun-head-d-1.eml"
    assert (tmp_path / outcome.detail).read_bytes() == payload


def test_an_instant_in_utc_is_filed_under_the_local_day(outbox: OutboxChannel) -> None:
    """17:30 in UTC is half past one of the next morning in Shanghai."""
    late = Parcel("d", "r", "", b"x", datetime(2026, 6, 30, 17, 30, tzinfo=UTC))
    assert outbox.send(late).detail == "2026-07-01/0130-mail-r-d.eml"


def test_a_repeat_replaces_its_own_file_and_leaves_nothing_else(
    outbox: OutboxChannel, tmp_path: Path
) -> None:
    """A retry after a kill makes no second message."""
    for payload in (b"first", b"second"):
        outbox.send(parcel(payload))
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file.read_bytes() == b"second"


def test_names_that_no_file_may_have_are_told_apart(outbox: OutboxChannel, tmp_path: Path) -> None:
    """Slashes, dots and endless ids stay inside the outbox, each its own file."""
    receivers = [
        "../../etc/passwd",
        "..",
        "",
        "a/b",
        "a_b",
        "a\0b",
        "科长" * 100,
        "科长" * 101,
        "理论科 科长",
    ]
    details = [outbox.send(Parcel("d", receiver, "", b"x", AT)).detail for receiver in receivers]
    assert len(set(details)) == len(receivers)
    for detail in details:
        path = (tmp_path / detail).resolve()
        assert path.is_file()
        assert path.parent == tmp_path / "2026-06-30"
        assert len(path.name.encode()) <= 255


@given(st.text(max_size=80), st.text(max_size=80))
def test_different_words_make_different_names(one: str, other: str) -> None:
    """And none reaches out of its folder or hides."""
    assert (_word(one) == _word(other)) == (one == other)
    for word in (_word(one), _word(other)):
        assert re.fullmatch(r"[^/\0.][^/\0]*", word)


def test_a_folder_that_cannot_be_written_is_a_failure_and_no_crash(
    mail: Callable[..., EmailAdapter], tmp_path: Path
) -> None:
    """A full disk or a lost mount: later, with the reason, and no half file."""
    (tmp_path / "outbox").write_text("a file where the folder should be")
    outcome = OutboxChannel(mail(SimpleNamespace(port=25)), tmp_path / "outbox").send(parcel(b"x"))
    assert (outcome.kind, outcome.code) == (OutcomeKind.TRANSIENT, "outbox")
    assert "写不了发件箱" in outcome.detail


def test_a_write_that_fails_midway_leaves_the_old_file_and_no_litter(
    outbox: OutboxChannel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new content appears whole or not at all."""
    outbox.send(parcel(b"old"))

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    outcome = outbox.send(parcel(b"new"))
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert "磁盘已满" in outcome.detail
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file.read_bytes() == b"old"


def test_closing_closes_the_inner_channel(tmp_path: Path) -> None:
    """Whatever it holds."""
    closed: list[bool] = []
    inner: Any = SimpleNamespace(id="x", suffix=".json", close=lambda: closed.append(True))
    OutboxChannel(inner, tmp_path).close()
    assert closed == [True]


@pytest.mark.parametrize("durable", [True, False])
def test_only_what_has_to_last_waits_for_the_disk(
    durable: bool, mail: Callable[..., EmailAdapter], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file and its folder; a simulation's files are whole as well, and nobody waits for them."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    outbox = OutboxChannel(mail(SimpleNamespace(port=25)), tmp_path, SHANGHAI, durable=durable)
    outcome = outbox.send(parcel(b"x"))
    assert (tmp_path / outcome.detail).read_bytes() == b"x"
    assert len(synced) == (2 if durable else 0)
