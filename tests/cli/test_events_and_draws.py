"""``reminder event`` and ``reminder draw`` as a clerk calls them, beside a daemon on a clock of its own."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from freezegun import freeze_time
from typer.testing import CliRunner

from reminder.agenda.draws import candidate_days, day_chosen, unit_chosen
from reminder.calendars.periods import Period, PeriodKind
from reminder.cli import entry
from reminder.cli.machine import draw_findings
from reminder.errors import ReminderError, UsageError
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.recording.events import Events
from reminder.settings import Settings
from reminder.sweep.seeds import Seed, SeedFile, SeedsInMemory
from reminder.sweep.sweeper import Sweeper
from tests.editions import ROOT, TEMPLATES, edition_of, remembering
from tests.harness.process import DaemonProcess, wait_for
from tests.plans import CALENDAR, ON_DUE_DAY, SHANGHAI, at, day, item_yaml, plan_of, write_plan

app = entry.app
STEP = "private: true\nduty:\n  each: person\n  gate: true\n  of:\n    - person:p-clerk\ntemplate: matter"
STEPS = (
    "- id: registered\n  from: opens\n  workdays: 0\n  to: owing\n- from: due\n  workdays: -5\n  to: owing"
)
CHECK = item_yaml(
    "check",
    "draw:\n  per: quarter\n  from: group:机关各科室",
    "- id: drawn\n  from: due\n  workdays: 0\n  to:\n    - person:p-leader\n    - person:p-clerk",
    "private: true\ntemplate: spot-check",
)
ITEMS = (
    item_yaml("talk", "event: appointment", STEPS, STEP),
    item_yaml("exam", "event: appointment", STEPS, STEP),
    CHECK,
    item_yaml("plain", "date: 2026-12-01", ON_DUE_DAY),
)
TODAY = datetime.now(SHANGHAI).date()
HEAD_SPAN = ("from: 2026-01-01\n  until: 2026-12-31", f"from: 2026-01-01\n  until: {TODAY.year + 1}-12-31")
SOON = TODAY + timedelta(days=30)
CODE = "任前-2026-03"


class Desk:
    """A plan folder and a data folder, and the command run in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.schedules, self.data = folder / "schedules", folder / "var"
        write_plan(self.schedules, *ITEMS)
        plan = self.schedules / "plan.yaml"
        plan.write_text(plan.read_text().replace(*HEAD_SPAN))
        self.data.mkdir()

    def with_ledger(self) -> Desk:
        Ledger.open(self.data / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=datetime.now(UTC)).close()
        return self

    def run(self, *words: str, code: int = 0) -> str:
        """What it prints, or the words of the refusal for another code."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("REMINDER_")}
        where = {
            "REMINDER_SCHEDULES": str(self.schedules),
            "REMINDER_TEMPLATES": str(TEMPLATES),
            "REMINDER_DATA": str(self.data),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-m", "reminder", *words],
            env=environment | where,
            cwd=self.data,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def call(self, *words: str) -> str:
        """The same in this process: what it prints; what it raises comes out, also an exit code."""
        where = ["--schedules", str(self.schedules), "--templates", str(TEMPLATES)]
        data = [] if "--data" in words else ["--data", str(self.data)]
        result = CliRunner().invoke(app, [*words, *where, *data], catch_exceptions=False)
        if result.exit_code:
            raise Exit(result.exit_code, result.output)
        return result.output

    def json(self, *words: str) -> list[dict[str, object]]:
        found = json.loads(self.call(*words, "--format", "json"))
        return found if isinstance(found, list) else [found]


class Exit(Exception):
    """The command ended with another code than 0, having printed something."""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path).with_ledger()


# ---- event


def test_an_event_is_registered_listed_moved_and_cancelled(desk: Desk) -> None:
    """Each command in a process of its own."""
    said = desk.run("event", "appointment", "--on", str(SOON), "--subject", CODE, "--by", "分管副部长")
    assert said.startswith(f"已登记：appointment {CODE}，{SOON}。由此启动 2 项：")
    assert "机关党委办公室干事" in said
    assert "二步未齐备，缺2步" in desk.run("event", "list")
    later = SOON + timedelta(days=7)
    where = ("appointment", "--subject", CODE)
    moved = desk.run(
        "event", "move", *where, "--on", str(later), "--reason", "会议改期", "--by", "机关党委办公室"
    )
    assert moved.startswith(f"已改期：appointment {CODE}，{later}。")
    off = desk.run("event", "cancel", *where, "--reason", "另有安排", "--by", "机关党委办公室")
    assert off == f"已取消 appointment {CODE}（原定 {later}），此后不再提醒。\n"
    assert "已取消：另有安排" in desk.call("event", "list")


def test_it_says_which_reminders_go_out_at_once(desk: Desk) -> None:
    """A Monday afternoon: the rung of nine o'clock is past."""
    with freeze_time("2026-11-23 06:30:00"):
        said = desk.call("event", "appointment", "--on", "2026-12-22", "--subject", CODE, "--by", "x")
    assert "登记即发、12-15" in said


def test_a_running_daemon_takes_a_registration_up_by_itself(tmp_path: Path) -> None:
    """A Monday afternoon of its clock: told within a tick; called off, it is never told again."""
    desk = Desk(tmp_path)
    monday, act = at("2026-11-23 14:30"), {"by": "p-clerk"}
    with DaemonProcess(desk.schedules, desk.data) as process:
        process.set_clock(monday)
        process.start()
        process.set_clock(monday + timedelta(minutes=5))
        with process.ledger() as ledger:
            events = Events(ledger, edition_of(plan_of(*ITEMS)))
            events.register("appointment", CODE, day("2026-12-22"), now=monday + timedelta(minutes=5), **act)
        wait_for(lambda: {e.state for e in process.entries(item="exam")} == {"accepted"}, "the mail")
        with process.ledger() as ledger:
            events = Events(ledger, edition_of(plan_of(*ITEMS)))
            now = monday + timedelta(minutes=10)
            events.cancel("appointment", CODE, reason="另有安排", now=now, **act)
        process.set_clock(at("2026-12-22 12:00"))
        wait_for(lambda: "2026-12-22" in (desk.data / "health.json").read_text(), "a tick on the day")
        told = {entry.alarm for item in ("talk", "exam") for entry in process.entries(item=item)}
        assert told == {f"talk/{CODE}#registered", f"exam/{CODE}#registered"}
        assert process.stop() == 0


def test_doctor_looks_at_who_may_read_the_seeds(desk: Desk) -> None:
    """And never at what they say."""
    settings = Settings(schedules=desk.schedules, templates=TEMPLATES, data=desk.data)
    edition = edition_of(plan_of(*ITEMS))

    def found() -> tuple[str, str]:
        (finding,) = draw_findings(edition, settings)
        return finding.state, finding.found

    assert found() == ("good", "种子在守护进程启动时生成")
    SeedFile(settings.draws).add(Seed("check", "2026Q2", sha256(b"7").digest()))
    assert found()[0] == "good"
    settings.draws.chmod(0o644)
    state, words = found()
    assert (state, "可预知抽查的日期和单位" in words) == ("warn", True)
    assert sha256(b"7").hexdigest() not in words
    assert list(draw_findings(edition_of(plan_of(ITEMS[0])), settings)) == []


def test_a_post_and_a_name_stand_for_the_person_in_the_record(desk: Desk) -> None:
    """An office that is not in the directory is recorded as it is written."""
    for number, by in enumerate(("分管副部长", "p-leader", "机关党委办公室")):
        desk.call("event", "appointment", "--on", str(SOON), "--subject", f"任前-{number}", "--by", by)
    assert [row["registered_by"] for row in desk.json("event", "list")] == [
        "p-leader",
        "p-leader",
        "机关党委办公室",
    ]


def test_the_same_registration_again_ends_well_and_says_so(desk: Desk) -> None:
    assert desk.call("event", "list") == "还没有登记任何事件；计划中的事件名：appointment。\n"
    words = ("event", "appointment", "--on", str(SOON), "--subject", CODE, "--by", "x")
    (first,) = desk.json(*words)
    assert (first["new"], [each["item"] for each in first["starts"]]) == (True, ["talk", "exam"])  # type: ignore[attr-defined]
    assert desk.call(*words).startswith("此前已经登记，未作更改")
    assert len(desk.json("event", "list")) == 1


def test_what_was_registered_stands_on_the_agenda_and_is_simulated(desk: Desk, tmp_path: Path) -> None:
    desk.call("event", "register", "appointment", "--on", str(SOON), "--subject", CODE, "--by", "x")
    span = ("--from", str(TODAY), "--to", str(SOON + timedelta(days=1)))
    keys = [row["alarm"] for row in desk.json("agenda", *span, "--item", "talk")]
    assert keys == [f"talk/{CODE}#registered", f"talk/{CODE}#due-5wd"]
    shown = desk.call("preview", "talk")
    assert f"主题：待办事项提醒（{CODE}）" in shown
    assert "事项talk" not in shown
    said = desk.run("simulate", *span, "--data", str(tmp_path / "played"))
    assert f"已带入台账中登记的事件：{CODE}。" in said
    assert list((tmp_path / "played" / "outbox").rglob("*p-clerk*"))


def test_a_simulation_never_waits_for_the_disk(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it writes is there, and is written again if the power goes."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    folder = tmp_path / "played"
    desk.call("simulate", "--from", "2026-03-01", "--to", "2026-06-30", "--data", str(folder))
    assert [path for path in (folder / "outbox").rglob("*") if path.is_file()]
    assert synced == []


def test_what_nobody_registered_is_previewed_as_an_example(desk: Desk) -> None:
    for item in ("talk", "check"):
        assert desk.call("preview", item).startswith("示例：尚未登记或公布")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("appointmnt", "--on", str(SOON), "--subject", CODE, "--by", "x"), 1, "是否想写“appointment”？"),
        (("appointment", "--on", "2026-01-05", "--subject", CODE, "--by", "x"), 1, "可登记今天及以后的日期"),
        (("appointment", "--on", str(SOON), "--subject", "王小明", "--by", "x"), 1, "“王小明”像是姓名"),
        (("appointment", "--on", str(SOON), "--subject", CODE), 2, "请用 --by 写明由谁办理"),
        (("appointment", "--on", "20260520", "--subject", CODE, "--by", "x"), 2, "日期写作 2026-06-30"),
        (("cancel", "appointment", "--subject", CODE, "--reason", "y", "--by", "x"), 1, "没有登记过"),
        (("move", "appointment", "--subject", CODE, "--on", str(SOON), "--by", "x"), 1, "没有登记过"),
    ],
)
def test_a_refusal_says_what_is_possible_and_changes_nothing(
    words: tuple[str, ...], code: int, said: str, desk: Desk
) -> None:
    with pytest.raises(ReminderError, match=said) as caught:
        desk.call("event", *words)
    assert caught.value.exit_code == code
    assert desk.json("event", "list") == []


def test_a_past_date_is_refused_as_a_clerk_sees_it(desk: Desk) -> None:
    said = desk.run("event", "appointment", "--on", "2026-01-05", "--subject", CODE, "--by", "x", code=1)
    assert said.startswith(f"2026-01-05 已经过去（今天是 {TODAY}），不能登记：可登记今天及以后的日期")
    assert "缺少 --on" in desk.run("event", "appointment", "--subject", CODE, code=2)


def test_without_a_ledger_a_command_says_what_to_do_first(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for words in (("event", "list"), ("draw", "list"), ("draw", "verify")):
        with pytest.raises(ReminderError, match="请先用 reminder run 启动一次"):
            desk.call(*words)
    assert list(desk.data.iterdir()) == []


# ---- draw


def chosen(seed: Seed, committed: str) -> tuple[date, str]:
    plan = plan_of(*ITEMS)
    period = Period(PeriodKind.QUARTER, 2026, 2)
    drawn = day_chosen(
        seed.value, "check", "2026Q2", candidate_days(period, day(committed), plan.head, CALENDAR), (), 1
    )
    assert drawn is not None
    return drawn, unit_chosen(seed.value, "check", "2026Q2", ("办公室", "理论科"), ())


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[tuple[Desk, DaemonProcess]]:
    """A desk, and a daemon on its folders that begins on the last day of the first quarter."""
    desk = Desk(tmp_path)
    with DaemonProcess(desk.schedules, desk.data) as process:
        process.set_clock(at("2026-03-31 08:00"))
        yield desk, process


def test_a_draw_is_committed_to_kept_secret_published_and_verified(
    beside: tuple[Desk, DaemonProcess],
) -> None:
    """The whole life of a lot; before its day no output of any command names it."""
    desk, process = beside
    seed = Seed("check", "2026Q2", sha256(b"7").digest())
    drawn, unit = chosen(seed, "2026-03-31")
    SeedFile(desk.data / "keys" / "draws.json").add(seed)
    process.start()
    wait_for(lambda: len(desk.json("draw", "list")) == 2, "both commitments")
    process.set_clock(at(f"{drawn} 08:58"))
    wait_for(lambda: f"{drawn}T00:5" in (desk.data / "health.json").read_text(), "a tick on the day")
    span = ("--from", "2026-04-01", "--to", "2026-06-30")
    outputs = [
        desk.run("agenda", *span),
        desk.call("agenda", *span, "--format", "json"),
        desk.run("draw", "list"),
        desk.call("draw", "list", "--format", "json"),
        desk.run("draw", "verify"),
        desk.call("draw", "verify", "check", "2026Q2", "--format", "json"),
        desk.call("ledger"),
        desk.call("event", "list"),
    ]
    health = json.loads((desk.data / "health.json").read_text())
    for text in (*outputs, process.log.read_text(), str(health["next"])):
        assert unit not in text
        assert f"{drawn}T09" not in text
        assert f"{drawn} 09" not in text
        assert seed.value.hex() not in text
    assert "未公布" in outputs[0]
    assert outputs[4].splitlines() == [
        f"事项check（2026年第{quarter}季度）：未公布" for quarter in ("一", "二", "三")
    ]
    (hidden,) = [row for row in json.loads(outputs[1]) if row["item"] == "check"]
    assert (hidden["unpublished"], hidden["at"], hidden["due"]) == (True, None, None)
    process.set_clock(at(f"{drawn} 09:00"))
    wait_for(lambda: len(list((desk.data / "outbox").rglob("*.eml"))) >= 2, "the inspectors' mails")
    names = sorted(path.name.split("-mail-")[1][:8] for path in (desk.data / "outbox").rglob("*.eml"))
    assert names == ["p-clerk-", "p-leader"]
    said = desk.run("draw", "verify", "check", "2026Q2")
    assert said.splitlines()[0] == f"事项check（2026年第二季度）：{drawn} {unit}"
    assert f"  种子 {seed.value.hex()}" in said
    assert "结论：相符" in said
    assert "不符" not in said
    (row,) = desk.json("draw", "verify", "check", "2026Q2")
    assert (row["passed"], row["day"], row["unit"]) == (True, str(drawn), unit)
    assert [row["occurrence"] for row in desk.json("agenda", *span, "--item", "check")] == ["check/2026Q2"]
    assert process.stop() == 0


class Drawn:
    """A ledger in which the second quarter's lot came out, made without a process."""

    def __init__(self, desk: Desk) -> None:
        self.seed = Seed("check", "2026Q2", sha256(b"7").digest())
        self.day, self.unit = chosen(self.seed, "2026-03-31")
        seeds = SeedsInMemory([self.seed])
        start = at("2026-03-31 08:00")
        with Ledger.open(desk.data / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=start) as ledger:
            edition = edition_of(plan_of(*ITEMS))
            sweeper = Sweeper(ledger, edition, remembering(), Transport.OUTBOX, start, seeds)
            for instant in (start, at(f"{self.day} 09:00")):
                sweeper.sweep(instant)


@pytest.mark.parametrize("field", ["seed", "unit", "drawn", "commitment"])
def test_a_forged_ledger_does_not_verify(field: str, tmp_path: Path) -> None:
    """One value changed in the file, behind everybody's back."""
    desk = Desk(tmp_path)
    drawn = Drawn(desk)
    assert "结论：相符" in desk.call("draw", "verify", "check", "2026Q2")
    other = {
        "seed": sha256(b"8").hexdigest(),
        "unit": {"办公室": "理论科", "理论科": "办公室"}[drawn.unit],
        "drawn": str(CALENDAR.before(drawn.day, 1)),
        "commitment": sha256(b"9").hexdigest(),
    }[field]
    kind = "draw-commit" if field == "commitment" else "draw-publish"
    with closing(sqlite3.connect(desk.data / "ledger.sqlite3")) as connection:
        query = "UPDATE happenings SET detail = json_set(detail, ?, ?) WHERE kind = ? AND key LIKE 'check/2026Q2%'"
        assert connection.execute(query, (f"$.{field}", other, kind)).rowcount == 1
        connection.commit()
    with pytest.raises(Exit) as caught:
        desk.call("draw", "verify", "check", "2026Q2")
    assert caught.value.args[0] == 1
    assert "结论：不符" in caught.value.args[1]


def test_what_was_never_committed_to_is_met_with_what_there_is(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    Drawn(desk)
    for words, said in (
        (("chek",), "任务“chek”没有随机抽取；可用：check；是否想写“check”？"),
        (("check", "2026Q4"), "期次“2026Q4”没有承诺；可用：2026Q1、2026Q2、2026Q3"),
        (("check", "第二季度"), "“第二季度”不是时段"),
    ):
        with pytest.raises(UsageError, match=said):
            desk.call("draw", "verify", *words)


def test_before_any_commitment_there_is_nothing_to_verify(desk: Desk) -> None:
    assert desk.call("draw", "list").startswith("还没有任何承诺")
    with pytest.raises(ReminderError, match="还没有任何承诺"):
        desk.call("draw", "verify")


def test_a_simulation_draws_with_seeds_of_its_own(desk: Desk, tmp_path: Path) -> None:
    """The office's file is neither read nor written; what it drew can be verified."""
    SeedFile(desk.data / "keys" / "draws.json").add(Seed("check", "2026Q2", sha256(b"7").digest()))
    before = (desk.data / "keys" / "draws.json").read_bytes()
    played = ("--data", str(tmp_path / "played"))
    said = desk.run("simulate", "--from", "2026-03-31", "--to", "2026-06-30", *played)
    assert "随机抽取用的是模拟的种子，所抽日期和单位与正式抽取无关。" in said
    assert (desk.data / "keys" / "draws.json").read_bytes() == before
    shown = desk.call("draw", "verify", "check", "2026Q2", *played)
    assert "结论：相符" in shown
    assert sha256(b"7").hexdigest() not in shown
