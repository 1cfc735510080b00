"""``reminder ledger retire`` and ``verify``: what they say, what they refuse, and what the ledger says afterwards."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from reminder.ledger.holds import Hold, HoldReason
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import (
    DeliveryState,
    LedgerKind,
    NewAlarm,
    NewClaim,
    NewDelivery,
    Settlement,
    Transport,
)
from tests.harness.command import Said, here
from tests.plans import at, item_yaml, write_plan

LIVE = Transport.LIVE
NOW = at("2026-06-20 10:00")
RUNG = "- from: due\n  workdays: 0\n  to: owing"
REPORT = item_yaml("report", "every: quarter", RUNG, "duty:\n  each: unit\n  of:\n    - role:责任单位")
BY = ("--reason", "已满保管期限", "--by", "机关党委办公室干事")


class Desk:
    """A plan with a quarterly report, and a ledger with messages of February, March and May."""

    def __init__(self, folder: Path) -> None:
        self.schedules, self.data, self.file = folder / "schedules", folder / "var", folder / "q1.tar.gz"
        write_plan(self.schedules, REPORT)
        self.data.mkdir()
        with self.ledger() as ledger:
            ledger.go_live("test", by="test", now=at("2026-01-05"))
            for key, day in (("feb", "2026-02-10"), ("mar", "2026-03-31"), ("may", "2026-05-06")):
                self.send(ledger, key, at(f"{day} 09:00"))

    def ledger(self) -> Ledger:
        return Ledger.open(self.data / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=NOW)

    def send(self, ledger: Ledger, key: str, when: datetime) -> None:
        delivery = NewDelivery(
            key, f"m-{key}", "mail", "p-office", "office@example.com", 1, 1, f"<{key}@example.com>", f"{key}之题", "文",
            b"x", when, when, when + timedelta(days=1),
        )  # fmt: skip
        claim = NewClaim("p-office", "mail", "send", "due", delivery.message)
        alarm = NewAlarm(f"report/{key}", "report", "report/2026Q1", key, when, when, "send", "due", (claim,))
        ledger.settle("test", LIVE, Settlement((alarm,), (delivery,)), when)
        assert ledger.spool.begin("test", key, when) == 1
        ledger.spool.finish("test", key, 1, when, outcome="accepted", state=DeliveryState.ACCEPTED)

    def run(self, *arguments: str) -> Said:
        return here(NOW, *arguments, schedules=self.schedules, data=self.data)

    def done(self) -> None:
        """The first quarter's report of everybody."""
        for unit in ("办公室", "理论科"):
            said = self.run("done", "report/2026Q1", unit, "--on", "2026-03-30", "--by", "p-clerk")
            assert said.code == 0, said

    def retire(self, before: str = "2026-04", *more: str) -> Said:
        return self.run("ledger", "retire", "--before", before, "--archive", str(self.file), *(more or BY))

    def refuses(self, *arguments: str, code: int = 1) -> str:
        """Its one line; no file, and everything is where it was."""
        said = self.retire(*arguments)
        assert (said.code, said.out) == (code, ""), said
        assert said.err.count("\n") == 1 or "用法见" in said.err
        assert not self.file.exists()
        with self.ledger() as ledger:
            assert [ledger.book.leaf("test", key) is None for key in ("feb", "mar", "may")] == [False] * 3
        return said.err


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_months_are_archived_and_the_ledger_says_where_they_are(desk: Desk) -> None:
    desk.done()
    said = desk.retire()
    assert (said.code, said.err) == (0, "")
    assert f"已归档：{desk.file}" in said.out
    assert "2026-04 之前的消息已移出台账；提醒和决定仍在，不会重发。" in said.out
    listed = desk.run("ledger").out
    assert "已归档" in listed
    told = "2026-03 及以前的消息（2 条）已归档并移出台账：2026-06-20 10:00 由p-clerk办理，理由：已满保管期限；档案 q1.tar.gz"
    assert told in listed.replace("\n", "")
    assert "may之题" in listed
    assert "feb之题" not in listed
    assert told not in desk.run("ledger", "--from", "2026-04-01").out.replace("\n", "")
    assert told in desk.run("ledger", "--status", "accepted").out.replace("\n", "")
    entries = json.loads(desk.run("ledger", "--format", "json").out)
    assert [each["status"] for each in entries] == ["accepted", "retired", "retired"]


def test_an_archive_is_verified_later_with_the_ledger_or_without(desk: Desk) -> None:
    desk.done()
    made = json.loads(desk.retire("2026-04", *BY, "--format", "json").out)
    said = desk.run("ledger", "verify", str(desk.file))
    assert said.code == 0
    for part in ("归档文件完好", made["sha256"], "台账记有这次归档，校验和一致", "计划 test，2026-04 之前"):
        assert part in said.out
    found = json.loads(desk.run("ledger", "verify", str(desk.file), "--format", "json").out)
    assert (found["recorded"], found["sha256"], found["tables"]["deliveries"]) == (True, made["sha256"], 2)
    assert made["tables"]["deliveries"]["removed"]
    assert not made["tables"]["claims"]["removed"]
    for file in desk.data.glob("ledger*"):
        file.unlink()
    assert "这里没有台账，无法查对" in desk.run("ledger", "verify", str(desk.file)).out
    desk.file.write_bytes(desk.file.read_bytes()[:-9])
    damaged = desk.run("ledger", "verify", str(desk.file))
    assert (damaged.code, damaged.out, damaged.err.count("\n")) == (1, "", 1)
    assert "不是完整的归档文件（校验和不符）" in damaged.err


def test_an_account_of_retired_months_says_so(desk: Desk, tmp_path: Path) -> None:
    desk.done()
    desk.retire()
    said = desk.run("report", "--from", "2026-01-01", "--to", "2026-06-19", "--out", str(tmp_path))
    assert "服务器已接收1人次，未能送出0人次。另有2人次的结果在档案中，不在台账。" in said.out


def test_what_is_not_over_or_not_done_is_refused_in_one_line(desk: Desk) -> None:
    assert "2026-04 之前开始的期次还有没有办结的：report/2026Q1（共 2 项未办结）" in desk.refuses()
    desk.done()
    assert "2026-07 之前的月份还没有过完，没有归档：--before 最晚可写 2026-06" in desk.refuses(
        "2026-07", code=2
    )
    assert "report/2026Q2" in desk.refuses("2026-06")
    assert "“2026-13”不是月份；月份写作 2024-01" in desk.refuses("2026-13", code=2)
    assert "请用 --reason 写明" in desk.refuses("2026-04", "--by", "x", code=2)
    assert "请用 --by 写明" in desk.refuses("2026-04", "--reason", "x", code=2)


def test_a_ledger_on_hold_gives_nothing_away(desk: Desk) -> None:
    desk.done()
    with desk.ledger() as ledger:
        ledger.holds.put(Hold(HoldReason.RESTORED, NOW, NOW))
    assert "台账已暂停" in desk.refuses()


def test_without_a_subcommand_it_lists_as_ever(desk: Desk) -> None:
    """And help names both subcommands."""
    assert desk.run("ledger", "--limit", "1").out.count("服务器已接收") == 1
    text = desk.run("ledger", "--help").out
    assert "retire" in text
    assert "verify" in text
