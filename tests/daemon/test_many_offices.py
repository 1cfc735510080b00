"""Several offices in one process on one PostgreSQL: each by itself, whatever becomes of the others."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import wait
from datetime import datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest

from reminder.backup.guard import LedgerForeign
from reminder.cli.wiring import furnish
from reminder.daemon import tenant
from reminder.daemon.tenancy import Tenancy
from reminder.daemon.tenant import State
from reminder.ledger.holds import Hold, HoldReason
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.links import open_links
from reminder.settings import Settings
from reminder.status import WORKER, status_of, write_status
from tests.harness.daemon_main import ROLE
from tests.harness.office import EIGHT, items
from tests.harness.offices import Offices, lay_out_office
from tests.harness.postgres import Server, stamp
from tests.harness.process import DaemonProcess, wait_for
from tests.harness.shifted import ShiftedClock, shifted_ledger
from tests.plans import at, item_yaml

NINE = at("2026-06-10 09:00")
MINUTE = timedelta(minutes=1)
MAIL = "  via:\n    - mail\n"
RUNG = "- from: due\n  workdays: 0\n  at: 09:00\n  to: person:p-office\n" + MAIL


@pytest.fixture
def address(postgres: Server) -> Iterator[str]:
    made = postgres.new_database()
    stamp(made, LedgerKind.DAEMON, EIGHT - timedelta(hours=2))
    yield made
    postgres.drop(made)


def test_each_office_gets_its_own_messages_and_no_other(tmp_path: Path, address: str) -> None:
    """The same items, people and alarms under two plans: each mail server sees its own office alone."""
    with Offices(tmp_path, address, {"a": items(2, via=MAIL), "b": items(3, via=MAIL)}) as offices:
        offices.daemon.start()
        wait_for(lambda: offices.running == 2, "both offices")
        assert offices.troubles == {}
        for minute in range(3):
            offices.come_due(NINE + minute * MINUTE)
            wait_for(
                lambda due=minute + 1: len(offices.smtp["b"].messages) >= due,  # type: ignore[misc]
                "the message of that minute",
            )
        wait_for(lambda: len(offices.smtp["a"].messages) >= 2, "the messages of the other")
        assert set(offices.received("a")) == {"office@a.example.com"}
        assert set(offices.received("b")) == {"office@b.example.com"}
        sent = {name: {each.alarm for each in offices.entries(name, status="accepted")} for name in "ab"}
        assert sent["a"] < sent["b"]
        assert len(sent["b"]) == 3
        assert offices.daemon.stop() == 0
        assert "Traceback" not in offices.daemon.log.read_text()


def test_an_office_may_take_its_plan_from_the_ledger_and_another_from_its_folder(
    tmp_path: Path, address: str
) -> None:
    """Published with ``--office``; the office's own folder of the plan is then wanted no more."""
    with Offices(tmp_path, address, {"a": items(1, via=MAIL), "b": items(1, via=MAIL)}) as offices:
        said = offices.command(EIGHT, "plan", "push", "--by", "p-clerk", "--office", "b")
        assert said.code == 0, said
        with (offices.folder / "b" / "office.env").open("a", encoding="utf-8") as own:
            own.write("REMINDER_PLAN_FROM=ledger:plan-b\n")
        shutil.rmtree(offices.folder / "b" / "schedules")
        offices.daemon.start()
        wait_for(lambda: offices.running == 2, "both offices")
        assert offices.troubles == {}
        offices.come_due(NINE)
        for name in "ab":
            wait_for(lambda name=name: offices.received(name), f"the message of {name}")  # type: ignore[misc]
            assert set(offices.received(name)) == {f"office@{name}.example.com"}
        said = offices.command(NINE, "agenda", "--from", "2026-06-10", "--to", "2026-06-10", "--office", "b")
        assert said.out.count("事项n000") == 1


def well(offices: Offices) -> dict[str, object]:
    """What an office said of itself when nothing was wrong."""
    return {
        "at": EIGHT.isoformat(), "pid": 1, "transport": "live", "plan": "plan-spoilt", "next": None,
        "plan_refused": False, "paused": [], "page": None, "problem": "",
        "host": str(offices.daemon.data / "health.json"),
    }  # fmt: skip


def test_one_offices_bad_plan_leaves_it_on_the_old_one_and_the_others_alone(
    tmp_path: Path, address: str
) -> None:
    """A plan that is spoilt while it runs, one that never was a plan, and a folder with nothing in it: each is named."""
    with Offices(tmp_path, address, {"a": items(2, via=MAIL), "b": items(2, via=MAIL)}) as offices:
        lay_out_office(offices.folder, "spoilt", items(1, via=MAIL))
        (offices.folder / "spoilt" / "schedules" / "plan.yaml").write_text("plan: [\n")
        (offices.folder / "empty").mkdir()
        lay_out_office(offices.folder, "taken", items(1, via=MAIL))
        plan = offices.folder / "taken" / "schedules" / "plan.yaml"
        plan.write_text(plan.read_text().replace("id: plan-taken", "id: plan-a"))
        left = offices.daemon.data / "offices" / "spoilt" / "health.json"
        left.parent.mkdir(parents=True)
        write_status(left, well(offices))  # of a time when it ran
        offices.daemon.start()
        wait_for(
            lambda: offices.running == 2 and len(offices.troubles) == 3, "two that run, three that cannot"
        )
        assert "计划编号 plan-a 已由单位“a”使用" in offices.troubles["taken"]
        assert "计划有错" in offices.troubles["spoilt"]
        said = offices.command(EIGHT, "health")
        assert said.code == 0, "one office is no reason to restart all"
        assert "5 个单位，2 个在运行（2 个正式发送）" in said.out
        assert "单位 taken：计划编号 plan-a" in said.out
        assert offices.command(EIGHT, "health", "--office", "a").out.startswith("正常（正式发送）")
        said = offices.command(EIGHT, "health", "--office", "empty")
        assert said.code == 1, "it never ran"
        assert offices.troubles["empty"] in said.out + said.err
        said = offices.command(EIGHT, "health", "--office", "spoilt")
        assert said.code == 1
        assert "计划有错，尚未运行" in said.out + said.err

        bad = offices.folder / "b" / "schedules" / "plan.yaml"
        good = bad.read_text()
        bad.write_text(good.replace("timezone: Asia/Shanghai", "timezone: 上海"))
        wait_for(lambda: "b" in offices.troubles, "the refusal")
        said = offices.command(EIGHT, "health", "--office", "b")
        assert said.code == 0, "it goes on with the old one"
        assert "有一份新计划因错误未被采用" in said.out
        assert "上海" not in said.out, "who may not see the item must not read of it here"
        offices.come_due(NINE)
        wait_for(lambda: offices.received("a") and len(offices.received("b")) >= 2, "both offices' messages")
        assert "office@b.example.com" in offices.received("b"), "the old plan is in force"
        assert set(offices.received("a")) == {"office@a.example.com"}, "the others hear nothing of it"

        bad.write_text(good)
        (offices.folder / "spoilt" / "schedules" / "plan.yaml").write_text(
            good.replace("plan-b", "plan-spoilt")
        )
        wait_for(lambda: set(offices.troubles) == {"empty", "taken"} and offices.running == 3, "the mended")
        assert offices.daemon.stop() == 0


def test_a_node_that_only_sends_does_so_for_every_office_and_decides_nothing(
    tmp_path: Path, address: str
) -> None:
    """Killed in mid-batch, the node that decides leaves the rest to it; what is due after that waits for a decision."""
    last = "- from: due\n  workdays: 0\n  at: 09:30\n  to: person:p-office\n" + MAIL
    plan = [
        *(item_yaml(f"n{each}", "date: 2026-06-10\nat: 23:59", RUNG, "alone: true") for each in range(6)),
        item_yaml("last", "date: 2026-06-10\nat: 23:59", last, "alone: true"),
    ]
    with Offices(tmp_path, address, {"a": plan, "b": plan}) as offices:
        for smtp in offices.smtp.values():
            smtp.pause = 0.3
        worker = DaemonProcess(offices.folder, tmp_path / "worker", {**offices.environment, ROLE: WORKER})
        with worker:
            offices.daemon.start()
            wait_for(lambda: offices.running == 2, "both offices")
            worker.set_clock(EIGHT)
            worker.start()
            wait_for(lambda: len(troubles_of(worker)) == 2, "that it has no keys")
            assert all(
                "请从运行 reminder run 的节点复制整个 keys 文件夹" in each for each in troubles_of(worker)
            )
            assert worker.stop() == 0
            for name in "ab":
                keys = Path("offices", name, "keys")
                open_links(offices.daemon.data / keys / "links.key", f"plan-{name}")
                shutil.copytree(offices.daemon.data / keys, worker.data / keys)
            worker.start()
            wait_for(
                lambda: summary_of(worker, EIGHT).startswith("正常：2 个单位，2 个在运行"),
                "both offices there",
            )
            assert "工作节点，只发送" in summary_of(worker, EIGHT)
            worker.set_clock(NINE)
            offices.come_due(NINE)
            wait_for(lambda: all(offices.received(name) for name in "ab"), "a first message of each")
            offices.daemon.kill()
            for name in "ab":
                wait_for(lambda name=name: len(sent(offices, name)) == 6, f"all of {name}", 60)  # type: ignore[misc]
            worker.set_clock(NINE + 31 * MINUTE)
            worker.signal(signal.SIGUSR1)
            time.sleep(2)
            assert [len(sent(offices, name)) for name in "ab"] == [6, 6]
            offices.set(NINE + 31 * MINUTE)
            offices.daemon.start()
            for name in "ab":
                wait_for(lambda name=name: len(sent(offices, name)) == 7, f"the last of {name}")  # type: ignore[misc]
            assert worker.stop() == 0
            assert "Traceback" not in worker.log.read_text()


def sent(offices: Offices, name: str) -> set[str]:
    """What the office's server has had for its head, each message once."""
    letters = [each.content for each in offices.smtp[name].messages if each.recipient.startswith("office@")]
    return {message_from_bytes(each)["Message-ID"] for each in letters}


def troubles_of(node: DaemonProcess) -> list[str]:
    try:
        return list(
            json.loads((node.data / "health.json").read_text("utf-8"))["offices"]["troubles"].values()
        )
    except FileNotFoundError:
        return []


def summary_of(node: DaemonProcess, now: datetime) -> str:
    return status_of(node.data / "health.json", now).summary


def test_another_offices_files_do_not_make_an_office_run_its_plan(tmp_path: Path, address: str) -> None:
    """Copied by mistake, that plan is in force already, under its own office: here it is refused like any stranger."""
    with Offices(tmp_path, address, {"a": items(1, via=MAIL), "b": items(1, via=MAIL)}) as offices:
        offices.daemon.start()
        wait_for(lambda: offices.running == 2, "both offices")
        for file in (offices.folder / "a" / "schedules").iterdir():
            shutil.copy(file, offices.folder / "b" / "schedules")
        wait_for(lambda: "b" in offices.troubles, "the refusal")
        offices.come_due(NINE)
        wait_for(lambda: "office@b.example.com" in offices.received("b"), "what b had due")
        wait_for(lambda: "office@a.example.com" in offices.received("a"), "what a had due")
        assert offices.received("a").count("office@a.example.com") == 1
        assert offices.daemon.stop() == 0


def test_offices_led_to_another_clusters_ledger_leave_it_alone(postgres: Server, tmp_path: Path) -> None:
    """Its own nodes go on with it: nothing is accepted there, and nothing sent."""
    lay_out_office(tmp_path / "offices", "a", items(1, via=MAIL))
    clock = ShiftedClock(EIGHT)
    (tmp_path / "data").mkdir()
    states = []
    for _ in range(2):
        address = postgres.new_database()
        stamp(address, LedgerKind.DAEMON, EIGHT - timedelta(hours=2))
        settings = Settings(data=tmp_path / "data", offices=tmp_path / "offices", database_url=address)
        tenancy = Tenancy(settings, shifted_ledger(address, clock), clock, furnish)
        for _ in range(4):
            tenancy.look()
        states.append(tenancy.tenants["a"].state)
        trouble = tenancy.tenants["a"].trouble
        tenancy.close()
    with Ledger.open(address, kind=LedgerKind.DAEMON, now=EIGHT, create=False) as ledger:
        assert ledger.plan_ids() == []
        assert ledger.holds.standing().hold is None
    assert states == [State.RUNNING, State.BROKEN]
    assert "另一本台账" in trouble


def test_offices_that_cannot_run_bar_nobodys_way(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often they may be tried again, who was never tried comes first."""
    monkeypatch.setattr(tenant, "START_AGAIN_SECONDS", 0.0)
    for name in ("a", "b", "z"):
        lay_out_office(tmp_path / "offices", name, items(1, via=MAIL))
    for name in ("a", "b"):
        own = tmp_path / "offices" / name / "office.env"
        own.write_text(f"REMINDER_PLAN_FROM=ledger:plan-{name}\n")  # and none was published
    clock = ShiftedClock(EIGHT)
    settings = Settings(data=tmp_path / "data", offices=tmp_path / "offices", database_url=address)
    settings.data.mkdir()
    tenancy = Tenancy(settings, shifted_ledger(address, clock), clock, furnish)
    for _ in range(3):
        tenancy.look()
    states = {name: each.state for name, each in tenancy.tenants.items()}
    tenancy.close()
    assert states == {"a": State.BROKEN, "b": State.BROKEN, "z": State.RUNNING}


def test_where_the_ledger_is_another_clusters_no_office_begins_a_send_before_it_was_looked_after(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asks each of a thousand offices at every second: what is on its way to be sent is stopped at once."""
    for name in "ab":
        lay_out_office(tmp_path / "offices", name, items(1, via=MAIL))
    clock = ShiftedClock(EIGHT)
    settings = Settings(data=tmp_path / "data", offices=tmp_path / "offices", database_url=address)
    settings.data.mkdir()
    tenancy = Tenancy(settings, shifted_ledger(address, clock), clock, furnish)
    for _ in range(3):
        tenancy.look()
    hushed: list[str] = []
    monkeypatch.setattr(tenant.Tenant, "hush", lambda self: hushed.append(self.name))

    def foreign(*_: object, **__: object) -> None:
        raise LedgerForeign("台账", "甲", "乙", Path("high-water.json"))

    monkeypatch.setattr(tenancy._guard, "check", foreign)
    begun = tenancy.tick()
    assert hushed == ["a", "b"]
    wait(begun)
    monkeypatch.undo()
    tenancy.close()


def test_a_ledger_that_came_back_is_spoken_for_by_each_office_for_itself(
    tmp_path: Path, address: str
) -> None:
    """On hold for all; whoever confirms goes on, and nobody goes on by another's word."""
    with Offices(tmp_path, address, {"a": items(1, via=MAIL), "b": items(1, via=MAIL)}) as offices:
        offices.daemon.start()
        wait_for(lambda: offices.running == 2, "both offices")
        hold = Hold(HoldReason.RESTORED, EIGHT, EIGHT)
        with offices.ledger() as ledger:
            ledger.holds.put(hold)
        wait_for(lambda: len(offices.troubles) == 2, "the hold")
        offices.come_due(NINE)
        said = offices.command(NINE, "resume", "--nothing-sent", "--by", "张三", "--yes", "--office", "b")
        assert said.code == 0, said
        wait_for(lambda: "office@b.example.com" in offices.received("b"), "what b had due")
        wait_for(lambda: list(offices.troubles) == ["a"], "the end of the hold for b alone")
        assert [each for each in offices.received("a") if each.startswith("office@")] == []
        with offices.ledger() as ledger:
            assert ledger.holds.standing("plan-a").hold == hold
            assert ledger.holds.standing("plan-b").hold is None
        said = offices.command(NINE, "resume", "--nothing-sent", "--by", "李四", "--yes", "--office", "a")
        assert said.code == 0, said
        wait_for(lambda: "office@a.example.com" in offices.received("a"), "what a had due")
        with offices.ledger() as ledger:
            assert ledger.holds.standing().hold is None
        wait_for(lambda: offices.troubles == {}, "the end of the hold")
        assert offices.daemon.stop() == 0


def test_a_tick_with_nothing_due_asks_the_same_however_many_offices_there_are(
    postgres: Server, tmp_path: Path
) -> None:
    """Counted, not timed: the questions of a tick are those for all together and those for the one in turn."""
    asked = {}
    for count in (2, 8):
        address = postgres.new_database()
        clock = ShiftedClock(EIGHT)
        stamp(address, LedgerKind.DAEMON, EIGHT - timedelta(hours=2))
        folder = tmp_path / str(count)
        for number in range(count):
            lay_out_office(folder / "offices", f"o{number}", items(2, via=MAIL))
        settings = Settings(data=folder / "data", offices=folder / "offices", database_url=address)
        settings.data.mkdir()
        ledger = shifted_ledger(address, clock)
        tenancy = Tenancy(settings, ledger, clock, furnish)
        while any(each.state is not State.RUNNING for each in tenancy.tenants.values()):
            tenancy.look()
            assert not [each.trouble for each in tenancy.tenants.values() if each.trouble]
        for _ in range(6):  # what they wrote at their start is no news any more
            tenancy.look()
        before = ledger.statements
        for _ in range(4):
            tenancy.look()
        asked[count] = (ledger.statements - before) / 4
        tenancy.close()
        postgres.drop(address)
    assert asked[8] <= asked[2] + 3, asked
