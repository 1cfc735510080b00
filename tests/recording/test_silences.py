"""The operator's mute: set, ended, and refused when it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reminder.agenda.facts import SilenceKind
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.recording.recorder import Refused
from reminder.recording.silences import Silences
from tests.editions import edition_of
from tests.plans import ON_DUE_DAY, at, day, item_yaml, plan_of

NOW = at("2026-06-20 10:00")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=NOW) as opened:
        yield opened


@pytest.fixture
def silences(ledger: Ledger) -> Silences:
    item = item_yaml("report", "every: month", ON_DUE_DAY, "was:\n  - bericht")
    return Silences(ledger, edition_of(plan_of(item)))


def test_a_silence_holds_to_the_end_of_its_last_day(silences: Silences) -> None:
    made = silences.add(
        SilenceKind.ITEM, "bericht", day("2026-06-30"), by="p-clerk", reason=" 换届  期间 ", now=NOW
    )
    assert (made.id, made.name, made.reason, made.by) == ("S1", "report", "换届 期间", "p-clerk")
    assert [made.holds(at(text)) for text in ("2026-06-20 09:59", "2026-06-30 23:59", "2026-07-01 00:00")] == [
        False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name", "until", "reason", "words"),
    [
        ("item", "reprot", "2026-06-30", "x", "没有事项“reprot”；是否想写“report”？；没有设置"),
        ("unit", "理伦科", "2026-06-30", "x", "没有单位“理伦科”；是否想写“理论科”？；没有设置"),
        ("person", "somebody", "2026-06-30", "x", "没有人员“somebody”；没有设置"),
        (
            "item",
            "report",
            "2026-06-19",
            "x",
            "静默至 2026-06-19 不行：可选 2026-06-20 至 2027-06-21；没有设置",
        ),
        (
            "item",
            "report",
            "2027-06-22",
            "x",
            "静默至 2027-06-22 不行：可选 2026-06-20 至 2027-06-21；没有设置",
        ),
        ("item", "report", "2026-06-30", " ", "静默须写明理由（--reason）；没有设置"),
        ("item", "report", "2026-06-30", "长" * 201, "理由写一行，最多200字；没有设置"),
    ],
)
def test_what_cannot_be_silenced_is_refused(
    silences: Silences, kind: str, name: str, until: str, reason: str, words: str
) -> None:
    with pytest.raises(Refused) as refused:
        silences.add(SilenceKind(kind), name, day(until), by="p-clerk", reason=reason, now=NOW)
    assert str(refused.value) == words
    assert silences.all() == ()


def test_of_fifty_at_once_each_has_a_number_of_its_own_and_one_lasts(
    silences: Silences, ledger: Ledger
) -> None:
    """The same silence set again is refused; another one gets the next number."""

    def one(number: int) -> str:
        last = day("2026-07-01") if number % 2 else day("2026-07-31")
        try:
            return silences.add(SilenceKind.UNIT, "理论科", last, by=f"p{number}", reason="x", now=NOW).id
        except Refused:
            return ""

    with ThreadPoolExecutor(50) as pool:
        made = [each for each in pool.map(one, range(50)) if each]
    assert sorted(made) == sorted({each.id for each in ledger.facts("test", Transport.OUTBOX).silences})
    assert len(made) in (1, 2)


def test_a_silence_that_was_ended_has_ended(silences: Silences) -> None:
    silences.add(SilenceKind.PERSON, "p-office", day("2026-06-30"), by="p-clerk", reason="x", now=NOW)
    later = at("2026-06-22 10:00")
    silences.end(" s1 ", by="p-clerk", now=later)
    (ended,) = silences.all()
    assert (ended.holds(at("2026-06-22 09:59")), ended.holds(later)) == (True, False)
    with pytest.raises(Refused, match=r"已于 2026-06-22 10:00 结束；现行的：（无）；未作更改"):
        silences.end("S1", by="p-clerk", now=at("2026-06-23 10:00"))
    again = silences.add(
        SilenceKind.PERSON,
        "p-office",
        day("2026-06-30"),
        by="p-clerk",
        reason="x",
        now=at("2026-06-23 10:00"),
    )
    assert again.id == "S2"
