"""Months that are over leave the ledger for an archive: whole, proven, or not at all; what was said stays said."""

from __future__ import annotations

import gzip
import io
import json
import resource
import signal
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reminder.backup import months as archives
from reminder.backup.errors import BackupError
from reminder.backup.months import ArchiveDamaged, MonthsRefused, Wanted, retire, verify
from reminder.ledger import months as module
from reminder.ledger.errors import AlreadySettled
from reminder.ledger.ledger import Ledger
from reminder.ledger.months import LEAVE, PARTS, Months, Open
from reminder.ledger.proving import content_of
from reminder.ledger.records import (
    RETIRED,
    AttemptEnd,
    DeliveryState,
    HandDecision,
    LedgerKind,
    NewClaim,
    Refusal,
    Settlement,
    Transport,
)
from reminder.ledger.shown import EntryFilter
from tests.backends import Backend
from tests.plans import SHANGHAI

LIVE = Transport.LIVE
NOW = datetime(2024, 2, 10, 1, tzinfo=UTC)
DAYS = {
    "nov": datetime(2023, 11, 20, 1, tzinfo=UTC),
    "dec": datetime(2023, 12, 5, 1, tzinfo=UTC),
    # The last minute of the year by the office's clock, and the first of the next, which is still 2023 in UTC.
    "last": datetime(2023, 12, 31, 15, 59, tzinfo=UTC),
    "first": datetime(2023, 12, 31, 16, 0, tzinfo=UTC),
    "jan": datetime(2024, 1, 8, 1, tzinfo=UTC),
}


def begin_of(month: str) -> datetime:
    return datetime.fromisoformat(f"{month}-01").replace(tzinfo=SHANGHAI).astimezone(UTC)


def wanted(before: str = "2024-01", plan: str = "lianjie") -> Wanted:
    return Wanted(plan, "Asia/Shanghai", before, begin_of(before), "p-clerk", "已满保管期限")


def said(ledger: Ledger, sample: Any, key: str, at: datetime, plan: str = "lianjie", **changes: Any) -> None:
    """A message that was made at an instant, with its claim and bytes."""
    made = sample.message(key, planned_at=at, not_before=at, expires_at=at + timedelta(days=1), **changes)
    alarms = tuple(replace(each, planned_at=at, due=at) for each in made.alarms)
    ledger.settle(plan, LIVE, replace(made, alarms=alarms), at)


def ended(ledger: Ledger, key: str, at: datetime, plan: str = "lianjie", **changes: Any) -> None:
    number = ledger.spool.begin(plan, key, at)
    assert isinstance(number, int)
    end = AttemptEnd(key, number, at + timedelta(seconds=3), "accepted", DeliveryState.ACCEPTED)
    assert ledger.spool.finish_many(plan, [replace(end, **changes)])


def fill(ledger: Ledger, sample: Any) -> None:
    """Messages of three months, with a row of every table that belongs to one."""
    for key, at in DAYS.items():
        batch = (("p-a", "a@example.com"), ("p-b", "b@example.com")) if key == "dec" else ()
        said(ledger, sample, key, at, payload=f"{key} 正文".encode() * 99, receivers=batch)
        ended(ledger, key, at, refused=(Refusal("p-b", "550", "no such user"),) if batch else ())
    said(ledger, sample, "bad", DAYS["nov"])
    ended(ledger, "bad", DAYS["nov"], outcome="permanent", state=DeliveryState.FAILED, code="550")
    assert ledger.spool.leave("lianjie", "bad", by="p-clerk", now=DAYS["nov"])
    ledger.told("lianjie", [each.id for each in ledger.troubles("lianjie", LIVE)], DAYS["dec"])
    said(ledger, sample, "theirs", DAYS["nov"], "other")
    ended(ledger, "theirs", DAYS["nov"], "other")


@pytest.fixture
def kept(backend: Backend, sample: Any) -> Ledger:
    ledger = backend.open(LedgerKind.DAEMON, DAYS["nov"] - timedelta(days=30))
    fill(ledger, sample)
    return ledger


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "档案"
    folder.mkdir()
    return folder / "2023.tar.gz"


def everything(ledger: Ledger) -> dict[str, Any]:
    with ledger._storage.read() as connection:
        return {table.name: content_of(connection, table) for table in PARTS}


def rows_of(archive: Path, name: str) -> list[dict[str, Any]]:
    """As anybody may read one: with what every system has."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile(f"{name}.jsonl")
        assert member is not None
        columns, *rows = [json.loads(line) for line in member.read().decode().splitlines()]
    return [dict(zip(columns, row, strict=True)) for row in rows]


def states(ledger: Ledger, plan: str = "lianjie", **asked: Any) -> dict[str, str | None]:
    entries = ledger.book.entries(plan, EntryFilter(**asked))
    return {each.alarm.removeprefix("alarm-"): each.state for each in entries}


# -- what leaves, and what stays ---------------------------------------------------------


def test_what_was_made_before_leaves_for_the_archive_and_nothing_else(
    kept: Ledger, sample: Any, out: Path
) -> None:
    """By the office's clock; another plan's rows stay; the archive has the bytes, and who got them."""
    made, size = retire(kept, wanted(), out, NOW)
    gone = {"nov", "dec", "last", "bad"}
    assert (made.messages, size, out.stat().st_mode & 0o777) == (4, out.stat().st_size, 0o600)
    assert {each["delivery"] for each in rows_of(out, "deliveries")} == gone
    payloads = [bytes.fromhex(each["payload"]).decode() for each in rows_of(out, "contents")]
    assert "dec 正文" * 99 in payloads
    assert {each["receiver"] for each in rows_of(out, "receivers")} == {"p-a", "p-b"}
    assert [each["detail"] for each in rows_of(out, "refusals")] == ["no such user"]
    assert [each["decision"] for each in rows_of(out, "resolutions")] == ["drop"]
    assert {each["message"] for each in rows_of(out, "claims")} == {f"m-{key}" for key in gone}
    for key in ("nov", "first", "jan"):
        assert (kept.book.leaf("lianjie", key) is None) is (key in gone)
    assert kept.book.payload_of("lianjie", "jan") == "jan 正文".encode() * 99
    assert kept.book.leaf("other", "theirs") is not None
    assert kept.integrity() == []
    left = everything(kept)
    assert [left[table.name].rows for table in LEAVE] == [0, 0, 0, 0, 3, 3, 3]
    assert not list(out.parent.glob(".*"))


def test_what_was_said_is_never_said_again(kept: Ledger, sample: Any, out: Path) -> None:
    retire(kept, wanted(), out, NOW)
    for key in ("nov", "dec"):
        with pytest.raises(AlreadySettled):
            kept.settle("lianjie", LIVE, sample.message(key), NOW)
    assert kept.settled_of("lianjie", LIVE, ["alarm-nov", "alarm-jan"]) == {"alarm-nov", "alarm-jan"}
    assert kept.spool.due("lianjie", LIVE, NOW, limit=9) == []
    assert kept.spool.next_instant("lianjie", LIVE) is None


def test_lines_say_that_their_message_was_retired(kept: Ledger, out: Path) -> None:
    retire(kept, wanted(), out, NOW)
    expected = {key: "accepted" if key in ("first", "jan") else "retired" for key in (*DAYS, "bad")}
    assert states(kept) == expected
    assert set(states(kept, status="retired")) == {"nov", "dec", "last", "bad"}
    assert set(states(kept, status="accepted")) == {"first", "jan"}
    found = kept.book.outcomes_planned("lianjie", LIVE, DAYS["nov"], NOW)
    assert {each.alarm.removeprefix("alarm-"): each.state for each in found} == expected
    assert kept.book.counts("lianjie", LIVE)["accepted"] == 2


def test_it_is_recorded_who_did_it_when_why_and_where_to(kept: Ledger, out: Path) -> None:
    made, _ = retire(kept, wanted(), out, NOW)
    (recorded,) = kept.months.retirements("lianjie")
    assert recorded == made
    assert (recorded.by, recorded.reason, recorded.at) == ("p-clerk", "已满保管期限", NOW)
    assert (recorded.archive, recorded.sha256) == ("2023.tar.gz", verify(out).sha256)
    told = recorded.told("王干事", SHANGHAI)
    for part in ("2023-12 及以前", "4 条", "由王干事办理", "已满保管期限", "2023.tar.gz", recorded.sha256):
        assert part in told
    assert kept.months.retirements("other") == ()


def test_the_sums_of_the_archive_are_those_of_the_rows_in_the_ledger(kept: Ledger, out: Path) -> None:
    with kept._storage.read() as connection:
        months = Months("lianjie", None, begin_of("2024-01"))
        before = {
            table.name: content_of(connection, table, module._belongs(table, months)) for table in PARTS
        }
    made, _ = retire(kept, wanted(), out, NOW)
    assert made.tables == before == verify(out).manifest.tables
    assert all(each.rows for each in before.values())


def test_the_next_one_goes_on_where_the_last_one_ended(kept: Ledger, sample: Any, out: Path) -> None:
    """Its copies of alarms and claims begin there; a postponed claim's alarm comes along."""
    retire(kept, wanted("2023-12"), out, NOW)
    later = out.with_name("later.tar.gz")
    made, _ = retire(kept, wanted(), later, NOW)
    assert made.since == begin_of("2023-12")
    assert {each["message"] for each in rows_of(later, "claims")} == {"m-dec", "m-last"}
    assert {each["delivery"] for each in rows_of(later, "deliveries")} == {"dec", "last"}
    assert made.told("x", SHANGHAI).startswith("2023-12的消息（2 条）")
    assert [each.before for each in kept.months.retirements("lianjie")] == ["2023-12", "2024-01"]
    with pytest.raises(MonthsRefused, match=r"2024-01 之前的记录已经归档（later\.tar\.gz）"):
        retire(kept, wanted("2023-12"), out.with_name("x"), NOW)


def test_the_ledger_does_not_look_older_than_it_was(kept: Ledger, sample: Any, out: Path) -> None:
    """By its count it is told from an old copy: that never goes down, though the newest rows of a table leave."""
    for month in ("2024-01", "2024-02"):
        before = kept.holds.standing().changes
        retire(kept, wanted(month), out.with_name(f"{month}.tar.gz"), NOW)
        assert kept.holds.standing().changes > before
    assert kept.book.leaf("lianjie", "jan") is None
    said(kept, sample, "new", NOW)
    ended(kept, "new", NOW)
    assert states(kept)["new"] == "accepted"


# -- what is refused ---------------------------------------------------------------------


def pending(ledger: Ledger, sample: Any) -> None:
    said(ledger, sample, "x", DAYS["dec"])


def sending(ledger: Ledger, sample: Any) -> None:
    said(ledger, sample, "x", DAYS["dec"])
    ledger.spool.begin("lianjie", "x", DAYS["dec"])


def uncertain(ledger: Ledger, sample: Any) -> None:
    said(ledger, sample, "x", DAYS["dec"])
    ended(ledger, "x", DAYS["dec"], outcome="uncertain", state=DeliveryState.UNCERTAIN)
    tell(ledger)


def failed(ledger: Ledger, sample: Any) -> None:
    made = sample.message("x", not_before=DAYS["dec"], expires_at=NOW + timedelta(days=99))
    ledger.settle("lianjie", LIVE, made, DAYS["dec"])
    ended(ledger, "x", DAYS["dec"], outcome="permanent", state=DeliveryState.FAILED)
    tell(ledger)


def untold(ledger: Ledger, sample: Any) -> None:
    said(ledger, sample, "x", DAYS["dec"])
    ended(ledger, "x", DAYS["dec"], outcome="permanent", state=DeliveryState.FAILED)


def postponed(ledger: Ledger, sample: Any) -> None:
    claim = NewClaim("p-a", "mail", "postpone", "full", None, NOW)
    ledger.settle("lianjie", LIVE, Settlement((sample.alarm("x", claims=(claim,)),)), DAYS["dec"])


def tell(ledger: Ledger) -> None:
    ledger.told("lianjie", [each.id for each in ledger.troubles("lianjie", LIVE)], NOW)


@pytest.mark.parametrize(
    ("arrange", "what", "words"),
    [
        (pending, Open.PENDING, "1 条消息待发送"),
        (sending, Open.SENDING, "1 条消息正在发送"),
        (uncertain, Open.UNCERTAIN, "1 条消息结果不明，须先用 reminder resolve 决定"),
        (failed, Open.FAILED, "1 条消息发送失败、尚可重发"),
        (untold, Open.UNTOLD, "1 件故障尚未告知管理员"),
        (postponed, Open.POSTPONED, "1 条提醒暂缓，尚未到时"),
    ],
)
def test_what_is_not_settled_keeps_its_month_in_the_ledger(
    arrange: Callable[..., None], what: Open, words: str, kept: Ledger, sample: Any, out: Path
) -> None:
    arrange(kept, sample)
    before = everything(kept)
    assert dict(kept.months.open_matters(Months("lianjie", None, begin_of("2024-01")), NOW)) == {what: 1}
    with pytest.raises(MonthsRefused, match=words) as refused:
        retire(kept, wanted(), out, NOW)
    assert "\n" not in str(refused.value)
    assert (everything(kept), list(out.parent.iterdir())) == (before, [])
    retire(kept, wanted("2023-12"), out, NOW)  # the month before is not concerned


def test_what_failed_may_leave_once_somebody_let_it_rest(kept: Ledger, sample: Any, out: Path) -> None:
    failed(kept, sample)
    assert kept.spool.leave("lianjie", "x", by="p-clerk", now=NOW)
    assert retire(kept, wanted(), out, NOW)[0].messages == 5


def test_an_archive_that_is_there_is_not_overwritten(kept: Ledger, out: Path) -> None:
    out.write_bytes(b"somebody's")
    before = everything(kept)
    with pytest.raises(MonthsRefused, match="已经存在，没有覆盖，台账未变"):
        retire(kept, wanted(), out, NOW)
    assert (out.read_bytes(), everything(kept)) == (b"somebody's", before)


def test_months_without_a_message_are_not_archived(kept: Ledger, out: Path) -> None:
    with pytest.raises(MonthsRefused, match="2023-11 之前没有可归档的消息"):
        retire(kept, wanted("2023-11"), out, NOW)
    assert not list(out.parent.iterdir())


@contextmanager
def no_room() -> Iterator[None]:
    """No file may grow beyond a kilobyte."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_on_a_full_disk_nothing_is_removed_and_nothing_left(kept: Ledger, out: Path) -> None:
    before = everything(kept)
    with no_room(), pytest.raises(MonthsRefused, match=r"没有写成（.*没有留下文件，台账未变"):
        retire(kept, wanted(), out, NOW)
    assert (everything(kept), list(out.parent.iterdir())) == (before, [])
    with pytest.raises(MonthsRefused, match="没有写成（"):
        retire(kept, wanted(), out.with_name("nowhere") / "x", NOW)


def test_interrupted_when_the_rows_are_gone_the_archive_stays(
    kept: Ledger, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the commit is waited for: the messages are in the archive, and nowhere else."""
    real = kept._storage.write

    @contextmanager
    def write(plan_id: str) -> Iterator[Any]:
        with real(plan_id) as connection:
            yield connection
        raise KeyboardInterrupt

    monkeypatch.setattr(kept._storage, "write", write)
    with pytest.raises(KeyboardInterrupt):
        retire(kept, wanted(), out, NOW)
    assert states(kept)["dec"] == RETIRED
    assert verify(out).manifest.tables["deliveries"].rows


def test_a_folder_on_a_disk_too_small_is_refused_before_anything_is_written(
    kept: Ledger, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "SPARE_BYTES", 2**60)
    with pytest.raises(MonthsRefused, match=r"磁盘只剩 \d+ MB，归档需要 \d+ MB，没有归档，台账未变"):
        retire(kept, wanted(), out, NOW)
    assert not list(out.parent.iterdir())


def test_a_ledger_that_changes_between_archive_and_removal_keeps_its_rows(
    kept: Ledger, sample: Any, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was archived would not be what is removed."""
    given = archives.verify

    def meanwhile(path: Path) -> Any:
        found = given(path)
        said(kept, sample, "x", DAYS["dec"])
        ended(kept, "x", DAYS["dec"])
        return found

    monkeypatch.setattr(archives, "verify", meanwhile)
    with pytest.raises(MonthsRefused, match="有变动，没有移除任何记录"):
        retire(kept, wanted(), out, NOW)
    assert kept.book.leaf("lianjie", "nov") is not None
    assert not list(out.parent.iterdir())
    monkeypatch.undo()
    assert retire(kept, wanted(), out, NOW)[0].messages == 5


# -- an archive later --------------------------------------------------------------------


@pytest.fixture
def archive(kept: Ledger, out: Path) -> Path:
    retire(kept, wanted(), out, NOW)
    return out


@pytest.mark.sqlite_only("an archive is a file; what was written where makes no difference")
@pytest.mark.parametrize("kind", ["changed", "short", "long", "empty"])
def test_a_damaged_archive_is_found_wherever_the_damage_is(archive: Path, kind: str) -> None:
    whole = archive.read_bytes()
    for place in {0, 9, 40, 85, len(whole) // 2, len(whole) - 1}:
        data = bytearray(whole)
        if kind == "changed":
            data[place] ^= 4
        elif kind == "short":
            del data[place:]
        elif kind == "long":
            data.insert(place, 7)
        else:
            data.clear()
        archive.write_bytes(data)
        with pytest.raises(ArchiveDamaged, match="不是完整的归档文件") as found:
            verify(archive)
        assert "\n" not in str(found.value)
    archive.write_bytes(whole)
    assert verify(archive).manifest.plan == "lianjie"


@pytest.mark.sqlite_only("an archive is a file; what was written where makes no difference")
def test_an_archive_that_was_made_anew_with_other_rows_is_found(archive: Path, tmp_path: Path) -> None:
    """Its outer sum fits; that of a message does not, or the number of rows."""
    manifest = verify(archive).manifest
    with gzip.open(archive) as stream, tarfile.open(fileobj=io.BytesIO(stream.read())) as tar:
        members = {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]
    for name, old, new, words in (
        ("contents", b"dec".hex().encode(), b"DEC".hex().encode(), "消息内容与封存时不符"),
        ("attempts", b"\n", b"", "看不懂的行|与列名对不上|行"),
        ("claims", b'"mail",', b"", "与列名对不上"),
    ):
        changed = members[f"{name}.jsonl"].replace(old, new)
        assert changed != members[f"{name}.jsonl"]
        forged = tmp_path / "forged.tar.gz"
        tables = {**manifest.tables, name: replace(manifest.tables[name], sha256=_sum(changed))}
        listing = replace(manifest, tables=tables, sizes={**manifest.sizes, name: len(changed)})
        data = {**members, f"{name}.jsonl": changed}
        with forged.open("wb") as file:
            archives.write_archive(file, listing, lambda member, data=data: [data[member.name]])  # type: ignore[misc]
        with pytest.raises(ArchiveDamaged, match=words):
            verify(forged)


def _sum(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


@pytest.mark.sqlite_only("an archive is a file; what was written where makes no difference")
def test_an_archive_of_a_later_version_and_a_backup_are_told_apart(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = verify(archive).manifest
    monkeypatch.setattr(archives, "VERSION", 2)
    later = tmp_path / "later.tar.gz"
    with later.open("wb") as file:
        empty = replace(
            manifest,
            tables={name: replace(each, sha256=_sum(b"")) for name, each in manifest.tables.items()},
            sizes=dict.fromkeys(manifest.sizes, 0),
        )
        archives.write_archive(file, empty, lambda _: [])
    monkeypatch.undo()
    with pytest.raises(BackupError, match="由更新的版本写成（归档格式 2，本程序只认 1）"):
        verify(later)
    with pytest.raises(BackupError, match="读不到归档文件"):
        verify(tmp_path / "missing")


# -- killed ------------------------------------------------------------------------------

CHILD = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from reminder.backup import months
from reminder.ledger import months as rows
from reminder.ledger.ledger import Ledger
at, url, out, now = sys.argv[1], sys.argv[2], Path(sys.argv[3]), datetime.fromisoformat(sys.argv[4])

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if at == "written":
    months.verify = die
elif at == "removed":
    rows._record = die
elif at == "recorded":
    given = rows._record
    rows._record = lambda *each: (given(*each), die())
elif at == "named":
    months.sync_folder = die
elif at == "committed":
    given = rows.MonthsOver.retire
    from contextlib import contextmanager
    @contextmanager
    def retire(*each):
        with given(*each):
            yield
        die()
    rows.MonthsOver.retire = retire
elif at == "half":
    given = rows.Held.lines
    def lines(self, name):
        for number, line in enumerate(given(self, name)):
            if name == "contents" and out.with_name(f".{out.name}.{os.getpid()}.part").exists():
                die()
            yield line
    rows.Held.lines = lines
ledger = Ledger.open(url, kind=None, now=now, create=False)
until = datetime(2023, 12, 31, 16, tzinfo=UTC)
months.retire(ledger, months.Wanted("lianjie", "Asia/Shanghai", "2024-01", until, "x", "y"), out, now)
"""


@pytest.mark.parametrize("at", ["half", "written", "removed", "recorded", "named", "committed"])
def test_killed_in_the_middle_all_rows_are_there_or_all_are_in_the_archive(
    at: str, kept: Ledger, backend: Backend, sample: Any, out: Path, child: Callable[..., Any]
) -> None:
    before = everything(kept)
    url = backend.address(LedgerKind.DAEMON, NOW)
    assert child(CHILD, at, url, out, NOW.isoformat()).end() == -9
    if at == "committed":
        assert kept.months.retirements("lianjie")[0].sha256 == verify(out).sha256
        assert everything(kept) != before
        assert kept.book.leaf("lianjie", "nov") is None
        return
    assert (everything(kept), kept.months.retirements("lianjie")) == (before, ())
    assert out.exists() is (at == "named")
    again = out.with_name("again.tar.gz")
    made, _ = retire(kept, wanted(), again, NOW)
    assert made.messages == 4
    assert verify(again).manifest.tables == made.tables
    if at == "named":  # nobody has to wonder what is in it
        assert verify(out).manifest.tables == made.tables


def test_a_decision_about_what_is_left_goes_on_as_ever(kept: Ledger, sample: Any, out: Path) -> None:
    retire(kept, wanted(), out, NOW)
    said(kept, sample, "u", NOW)
    ended(kept, "u", NOW, outcome="uncertain", state=DeliveryState.UNCERTAIN)
    assert kept.spool.decide("lianjie", "u", HandDecision.ARRIVED, by="x", now=NOW)
    assert states(kept)["u"] == "accepted"
