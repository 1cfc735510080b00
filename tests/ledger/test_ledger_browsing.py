"""Lines page by page, one message as people look at it, and what failed put up once more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import AttemptEnd, DeliveryState, Refusal, Settlement, Transport
from reminder.ledger.shown import EntryFilter

FAILED, ACCEPTED = DeliveryState.FAILED, DeliveryState.ACCEPTED


def fill(ledger: Ledger, sample: Any, count: int = 9) -> None:
    """Alarms at three instants, three claims each; every third alarm sends nothing."""
    for number in range(count):
        key = f"k{number:02}"
        sends = number % 3 != 0
        claims = (
            tuple(sample.claim(f"p{each}", message=f"m-{key}-{each}") for each in range(3)) if sends else ()
        )
        made = tuple(
            sample.delivery(f"{key}-{each}", message=f"m-{key}-{each}", receiver=f"p{each}")
            for each in range(3 if sends else 0)
        )
        decision = {} if sends else {"decision": "suppress", "reason": "nothing-open"}
        alarm = sample.alarm(
            key, item=f"i{number % 2}", planned_at=sample.at(hours=number % 3), claims=claims, **decision
        )
        ledger.settle(sample.plan, sample.live, Settlement((alarm,), made), sample.now)


def end(ledger: Ledger, sample: Any, delivery: str, state: DeliveryState, **changes: Any) -> None:
    number = ledger.spool.begin(sample.plan, delivery, sample.now)
    assert isinstance(number, int)
    assert ledger.spool.finish_many(
        sample.plan, [AttemptEnd(delivery, number, sample.now, "x", state, "550", "no", **changes)]
    )


def test_a_page_of_failures_is_filled_though_the_newest_failed_only_in_part(
    ledger: Ledger, sample: Any
) -> None:
    """A message stands where its least advanced part stands: of many candidates few may be lines."""
    for number in range(12):
        whole = number < 3
        key = f"k{number:02}"
        claim = sample.claim(message=f"m-{key}")
        parts = tuple(
            sample.delivery(f"{key}-{part}", message=f"m-{key}", part=part, parts=2) for part in (1, 2)
        )
        alarm = sample.alarm(key, planned_at=sample.at(hours=number), claims=(claim,))
        ledger.settle(sample.plan, sample.live, Settlement((alarm,), parts), sample.now)
        for part in (1, 2) if whole else (1,):
            end(ledger, sample, f"{key}-{part}", FAILED)
    found = ledger.book.entries(sample.plan, EntryFilter(status="failed"))
    assert [each.alarm for each in found] == ["k02", "k01", "k00"]
    pages = [ledger.book.entries(sample.plan, EntryFilter(status="failed", limit=1))]
    while page := ledger.book.entries(
        sample.plan, EntryFilter(status="failed", limit=1, after=pages[-1][-1].mark)
    ):
        pages.append(page)
    assert [each for page in pages for each in page] == found
    first = ledger.book.entries(sample.plan, EntryFilter(status="failed", limit=2, before=found[-1].mark))
    assert first == found[:2]


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"item": "i1"},
        {"receiver": "p2"},
        {"status": "pending"},
        {"status": "suppress"},
        {"items": frozenset({"i0"})},
        {"but_keys": ("k04", "k05")},
        {"transport": Transport.LIVE},
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_are_the_whole_list_forward_and_back(
    ledger: Ledger, sample: Any, wanted: dict[str, Any], limit: int
) -> None:
    fill(ledger, sample)
    whole = ledger.book.entries(sample.plan, EntryFilter(**wanted))
    assert whole
    found, after = [], None
    while page := ledger.book.entries(sample.plan, EntryFilter(**wanted, after=after, limit=limit)):
        found += page
        after = page[-1].mark
    assert found == whole
    back, before = [], whole[-1].mark
    while page := ledger.book.entries(sample.plan, EntryFilter(**wanted, before=before, limit=limit)):
        back = page + back
        before = page[0].mark
    assert back == whole[:-1]


def test_a_mark_that_is_no_longer_there_still_divides_the_list(ledger: Ledger, sample: Any) -> None:
    fill(ledger, sample)
    whole = ledger.book.entries(sample.plan, EntryFilter())
    mark = whole[4].mark
    ledger.settle(
        sample.plan, sample.live, Settlement((sample.alarm("new", planned_at=sample.at(days=9)),)), sample.now
    )
    assert ledger.book.entries(sample.plan, EntryFilter(after=mark)) == whole[5:]


def test_every_status_finds_the_same_lines_as_looking_at_each(ledger: Ledger, sample: Any) -> None:
    fill(ledger, sample)
    end(ledger, sample, "k01-0", FAILED)
    end(ledger, sample, "k02-1", ACCEPTED)
    end(ledger, sample, "k04-2", ACCEPTED, refused=(Refusal("p2", "x", "y"),))
    whole = ledger.book.entries(sample.plan, EntryFilter())
    for status in (*DeliveryState, "suppress", "send", "miss"):
        expected = [each for each in whole if status in (each.state, each.decision)]
        assert ledger.book.entries(sample.plan, EntryFilter(status=status)) == expected, status


def test_a_leaf_says_what_a_message_was_made_for_and_how_it_fared(ledger: Ledger, sample: Any) -> None:
    fill(ledger, sample)
    end(ledger, sample, "k01-0", FAILED)
    ledger.spool.put_up(sample.plan, "k01-0", by="p-clerk", now=sample.now)
    leaf = ledger.book.leaf(sample.plan, "k01-0")
    assert leaf is not None
    assert (leaf.state, leaf.attempts, leaf.receiver) == (DeliveryState.PENDING, 1, "p0")
    assert [(made.alarm, made.receiver) for made in leaf.made] == [("k01", "p0")]
    assert [(each.author, each.decision) for each in leaf.resolutions] == [("p-clerk", "resend")]
    assert ledger.book.leaf(sample.plan, "unknown") is None
    assert ledger.book.made_for(sample.plan, sample.live, {"m-k01-0", "none"}) == {"m-k01-0": list(leaf.made)}
    assert ledger.book.letter_text(sample.plan, sample.live, ["none", "k01"]) == ledger.book.text_of(
        sample.plan, "k01-0"
    )
    assert ledger.book.letter_text(sample.plan, sample.live, ["none"]) is None


def test_only_what_failed_is_put_up_and_once(ledger: Ledger, sample: Any) -> None:
    ledger.settle(sample.plan, sample.live, sample.message("d1", expires_at=sample.at(hours=1)), sample.now)
    assert not ledger.spool.put_up(sample.plan, "d1", by="x", now=sample.now)
    end(ledger, sample, "d1", FAILED)
    assert not ledger.spool.put_up(sample.plan, "d1", by="x", now=sample.at(hours=1))
    assert ledger.spool.put_up(sample.plan, "d1", by="x", now=sample.now)
    assert not ledger.spool.put_up(sample.plan, "d1", by="x", now=sample.now)
    assert [each.id for each in ledger.spool.due(sample.plan, sample.live, sample.now, limit=9)] == ["d1"]
    end(ledger, sample, "d1", ACCEPTED)
    assert not ledger.spool.put_up(sample.plan, "d1", by="x", now=sample.now)


def test_what_is_left_is_taken_over_by_no_chain(ledger: Ledger, sample: Any) -> None:
    ledger.settle(sample.plan, sample.live, sample.message("d1"), sample.now)
    assert not ledger.spool.leave(sample.plan, "d1", by="x", now=sample.now)
    end(ledger, sample, "d1", FAILED)
    since = sample.now - timedelta(days=1)
    assert ledger.unreached(sample.plan, sample.live, since)
    assert ledger.spool.leave(sample.plan, "d1", by="x", now=sample.now)
    assert not ledger.spool.leave(sample.plan, "d1", by="x", now=sample.now)
    assert not ledger.unreached(sample.plan, sample.live, since)
    assert ledger.spool.put_up(sample.plan, "d1", by="x", now=sample.now)


def test_the_settled_of_some_keys_are_those_recorded(ledger: Ledger, sample: Any) -> None:
    fill(ledger, sample, 3)
    keys = {f"k{number:02}" for number in range(600)}
    assert ledger.settled_of(sample.plan, sample.live, keys) == {"k00", "k01", "k02"}
    assert ledger.settled_of(sample.plan, Transport.OUTBOX, keys) == set()
    assert ledger.settled_of(sample.plan, sample.live, ()) == set()


@pytest.mark.parametrize("few", [0, 1, 500])
@pytest.mark.parametrize("limit", [1, 100])
def test_what_was_sent_in_one_message_with_others_is_found_however_much_of_it_there_is(
    ledger: Ledger, sample: Any, few: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name where there is little of it, and else in the order of time; without any, nothing is."""
    monkeypatch.setattr("reminder.ledger.lines._FEW_ALARMS", few)
    fill(ledger, sample)
    merged = EntryFilter(status="merge", limit=limit)
    assert ledger.book.entries(sample.plan, merged) == []
    for number in (1, 2):
        claims = (
            sample.claim("p1", message=f"digest-{number}", decision="merge"),
            sample.claim("p2", message=f"alone-{number}"),
        )
        made = [
            sample.delivery(each, message=each, receiver="p1")
            for each in (f"digest-{number}", f"alone-{number}")
        ]
        alarm = sample.alarm(f"merged-{number}", planned_at=sample.at(hours=number), claims=claims)
        ledger.settle(sample.plan, sample.live, Settlement((alarm,), tuple(made)), sample.now)
    found = [line.alarm for line in ledger.book.entries(sample.plan, merged)]
    assert found == ["merged-2", "merged-1"][:limit]
    sent = ledger.book.entries(sample.plan, EntryFilter(status="send"))
    assert {line.decision for line in sent} == {"send"}
    assert len(sent) == 6 * 3 + 2
    assert ledger.book.entries("another", merged) == []
