"""Rows 14, 15, 17, 18, 19: clocks that jump, a daemon that stands still, bursts, and plans in mid-write."""

from __future__ import annotations

import signal
import time
from datetime import timedelta
from pathlib import Path

from reminder.ledger.records import Transport
from tests.amounts import amount, report
from tests.harness.office import Office, items
from tests.harness.process import wait_for
from tests.plans import at

NINE = at("2026-06-10 09:00")
MAIL = "  via:\n    - mail\n"


def test_row_14_jumps_forwards_and_backwards_fire_nothing_twice(tmp_path: Path) -> None:
    """+2 h: what came due is sent within seconds. -1 h: silence. Then on: the rest."""
    with Office(tmp_path, items(6, minutes=30)) as office:
        office.adopt()
        office.set(NINE - timedelta(minutes=1))
        office.daemon.start()
        office.set(NINE + timedelta(hours=2))
        begun = time.monotonic()
        wait_for(
            lambda: len(office.smtp.messages) == len(office.robot.posts) == 5, "what came due in the jump"
        )
        assert time.monotonic() - begun < 15  # noticed within 5 s, on a shared machine
        office.set(NINE + timedelta(hours=1))
        time.sleep(2)
        assert len(office.smtp.messages) == 5
        office.set(NINE + timedelta(hours=3))
        report = office.judge(NINE + timedelta(hours=3))
        assert report.clean, report
        assert report.excused == []


def test_row_15_stopped_over_the_hour_it_makes_up_for_it(tmp_path: Path) -> None:
    """SIGSTOP before nine, SIGCONT two minutes after: late, once, nothing lost."""
    with Office(tmp_path, items(2)) as office:
        office.adopt()
        office.set(NINE - timedelta(seconds=5))
        office.daemon.start()
        office.daemon.signal(signal.SIGSTOP)
        time.sleep(1)
        office.set(NINE + timedelta(minutes=2))
        office.daemon.signal(signal.SIGCONT)
        report = office.judge(NINE + timedelta(minutes=2))
        assert report.clean, report


def test_row_17_a_thousand_alarms_of_one_second_are_all_claimed_and_sent(tmp_path: Path) -> None:
    """Under the running daemon: claimed together, none missed, none merged away."""
    count = amount(1000, 60)
    with Office(tmp_path, items(count, minutes=0, via=MAIL)) as office:
        office.adopt()
        office.daemon.start()
        wait_for((office.daemon.data / "health.json").exists, "the first look")
        office.set(NINE - timedelta(seconds=1))
        with office.daemon.ledger() as ledger:
            wait_for(lambda: len(ledger.settled("test", Transport.LIVE)) == count, "all claims", 120)
            claimed = (office.now() - NINE).total_seconds()
            decisions = ledger.book.counts("test", Transport.LIVE)
        history = office.judge(NINE + timedelta(minutes=1), patience=300)
        sent = (max(office.smtp.messages.times) - NINE).total_seconds()  # type: ignore[attr-defined]
        assert decisions.get("miss", 0) == 0
        assert history.clean, history
        assert history.excused == []
        assert len(office.smtp.messages) == count
    report(
        f"{count} alarms due in one second: all claimed {claimed:.1f} s after it, "
        f"all sent after {sent:.1f} s, none missed"
    )


def test_row_18_reloads_at_the_due_instant_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """The plan is rewritten and reloaded over and over while its alarms come due."""
    reloads = amount(1000, 20)
    count = amount(30, 10)
    plan = items(count, via=MAIL)
    with Office(tmp_path, plan) as office:
        office.adopt()
        office.set(NINE - timedelta(minutes=1))
        office.daemon.start()
        for number in range(reloads):
            office.write([*plan, f"  # {number}\n"])
            office.set(NINE + timedelta(minutes=count * (number + 1) // reloads))
            office.daemon.signal(signal.SIGHUP)
            time.sleep(0.12)
        office.set(NINE + timedelta(minutes=count + 1))
        report = office.judge(NINE + timedelta(minutes=count))
        # On a busy machine a reload may meet the next files half-written, and says so: that is row 19.
        report.extras = [each for each in report.extras if "未予采用" not in each.text]
        assert report.clean, report
        assert report.excused == []


def test_row_19_a_half_written_plan_is_never_the_plan(tmp_path: Path) -> None:
    """Cut anywhere and reloaded at once: the old plan stays, and its reminders go out."""
    plan = items(3, via=MAIL)
    with Office(tmp_path, plan) as office:
        office.adopt()
        office.daemon.start()
        file = office.daemon.schedules / "plan.yaml"
        whole = file.read_bytes()
        cuts = range(1, len(whole) - 5, amount(1, len(whole) // 25))
        for cut in cuts:
            file.write_bytes(whole[:cut])
            office.daemon.signal(signal.SIGHUP)
            time.sleep(0.15)
        wait_for(lambda: office.daemon.log.read_text().count("plan refused") >= 1, "a refusal")
        assert "plan reloaded" not in office.daemon.log.read_text()
        office.set(NINE + timedelta(minutes=5))
        report = office.judge(NINE + timedelta(minutes=3))
        assert [each for each in report.extras if each.receiver != "clerk@example.com"] == []
        assert report.lost == report.repeated == report.duplicates == []
