"""The daemon as a process: real signals, real files, real servers on loopback."""

from __future__ import annotations

import email
import email.policy
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from tests.editions import ROOT
from tests.harness.process import DaemonProcess, wait_for
from tests.plans import ON_DUE_DAY, at, item_yaml, write_plan
from tests.servers.certificates import authority
from tests.servers.smtp import SmtpStub
from tests.servers.wecom import WecomSimulator

NINE = at("2026-06-10 09:00")
ITEM = item_yaml("x", "date: 2026-06-10", ON_DUE_DAY)
MORE = item_yaml("y", "date: 2026-06-10", ON_DUE_DAY.replace("p-office", "p-theory"))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[DaemonProcess]:
    """A daemon, not yet started, a minute before nine."""
    write_plan(tmp_path / "schedules", ITEM)
    process = DaemonProcess(tmp_path / "schedules", tmp_path / "data")
    process.set_clock(NINE - timedelta(minutes=1))
    with process:
        yield process


def outbox(process: DaemonProcess) -> list[Path]:
    return sorted((process.data / "outbox").rglob("*.eml"))


def test_at_the_hour_the_message_lies_in_the_outbox(office: DaemonProcess) -> None:
    """Nothing a minute before; when the clock strikes, the mail as it would have been sent."""
    office.start()
    time.sleep(1.5)
    assert outbox(office) == []
    office.set_clock(NINE)
    wait_for(lambda: len(outbox(office)) == 1, "the mail")
    message = email.message_from_bytes(outbox(office)[0].read_bytes(), policy=email.policy.default)
    assert message["To"] == "办公室主任 <office@example.com>"
    assert "事项x" in message["Subject"]
    wait_for(lambda: [entry.state for entry in office.entries(item="x")] == ["accepted"], "the outcome")
    assert office.stop() == 0


def test_jumps_of_the_clock_are_noticed_and_nothing_is_sent_twice(office: DaemonProcess) -> None:
    """Two hours ahead, then back before the hour, then on again: one message."""
    office.start()
    office.set_clock(NINE + timedelta(hours=2))
    wait_for(lambda: len(outbox(office)) == 1, "the mail", 10)
    office.set_clock(NINE - timedelta(hours=1))
    time.sleep(1.5)
    office.set_clock(NINE + timedelta(minutes=5))
    time.sleep(1.5)
    assert len(outbox(office)) == 1
    assert [entry.late for entry in office.entries(item="x")] == [True]


def test_a_changed_plan_is_taken_up_without_a_restart(office: DaemonProcess) -> None:
    """A saved file comes into force by itself once it has been still for two seconds."""
    office.start()
    write_plan(office.schedules, ITEM, MORE)
    wait_for(lambda: "plan reloaded" in office.log.read_text(), "the reload")
    office.set_clock(NINE)
    wait_for(lambda: len(outbox(office)) == 2, "both mails")


def test_a_bad_plan_leaves_the_old_one_running_and_says_so(office: DaemonProcess) -> None:
    """The error is logged with its place, the admin gets a mail, the old reminder goes out."""
    office.start()
    (office.schedules / "plan.yaml").write_text("plan:\n  id: test\n  titel: 错\n...\n", "utf-8")
    wait_for(lambda: "plan refused" in office.log.read_text(), "the refusal")
    office.set_clock(NINE)
    wait_for(lambda: [each.state for each in office.entries(item="x")] == ["accepted"], "the old plan's mail")
    wait_for(lambda: [each.state for each in office.entries(item="notice")] == ["accepted"], "the notice")
    (notice,) = office.entries(item="notice")
    assert notice.receiver == "p-clerk"
    health = json.loads((office.data / "health.json").read_text("utf-8"))
    assert health["plan_refused"] is True


def test_a_file_cut_short_is_not_taken_for_a_smaller_plan(office: DaemonProcess) -> None:
    """It parses, but it lacks the line ``...`` it had: the old plan stays."""
    write_plan(office.schedules, ITEM, MORE)
    office.start()
    whole = (office.schedules / "plan.yaml").read_bytes()
    (office.schedules / "plan.yaml").write_bytes(whole[: whole.index(b"  - id: y")])
    wait_for(lambda: "plan refused" in office.log.read_text(), "the refusal")
    office.set_clock(NINE)
    wait_for(lambda: len(office.entries(item="y")) == 1, "the second item's mail")


def test_sighup_reloads_at_once(office: DaemonProcess) -> None:
    """An operator need not wait for the file to come to rest."""
    office.start()
    write_plan(office.schedules, ITEM, MORE)
    office.signal(signal.SIGHUP)
    wait_for(lambda: "plan reloaded" in office.log.read_text(), "the reload")


def test_a_second_daemon_on_the_same_data_is_refused(office: DaemonProcess) -> None:
    """It says who holds the folder and what to do, and ends with exit code 2."""
    office.start()
    command = [sys.executable, "-m", "reminder", "run", "--data", str(office.data)]
    command += ["--schedules", str(office.schedules), "--templates", str(ROOT / "message_templates")]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 2
    assert f"进程号 {office.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def live_office(tmp_path: Path, stack: ExitStack) -> tuple[DaemonProcess, SmtpStub, WecomSimulator]:
    """A daemon gone live with a TLS mail server and a WeCom robot on loopback."""
    smtp = stack.enter_context(SmtpStub(tls="implicit", accounts={"jgdw": "s3cret-canary"}))
    robot = stack.enter_context(WecomSimulator(keys=("robot-canary",)))
    channels = f"""\
channels:
  - id: mail
    kind: email
    host: localhost
    port: {smtp.port}
    username: jgdw
    secret: SMTP_PASSWORD
    from: 机关党委 <jgdw@example.com>
  - id: group
    kind: wecom_robot
    secret: ROBOT_KEY
    base_url: {robot.base_url}
"""
    both = ON_DUE_DAY + "  via:\n    - mail\n    - group\n"
    write_plan(tmp_path / "schedules", item_yaml("x", "date: 2026-06-10", both), channels=channels)
    ca = tmp_path / "ca.pem"
    authority().cert_pem.write_to_path(str(ca))
    environment = {"SSL_CERT_FILE": str(ca), "SMTP_PASSWORD": "s3cret-canary", "ROBOT_KEY": "robot-canary"}
    process = stack.enter_context(DaemonProcess(tmp_path / "schedules", tmp_path / "data", environment))
    process.set_clock(NINE - timedelta(minutes=1))
    process.go_live(NINE - timedelta(minutes=2))
    return process, smtp, robot


def test_mail_over_tls_and_a_robot_post_survive_a_kill_in_between(tmp_path: Path) -> None:
    """Killed while the servers hang, started again: each arrives, with the same Message-ID."""
    with ExitStack() as stack:
        office, smtp, robot = live_office(tmp_path, stack)
        smtp.misbehave("mail", "hang", times=1)
        robot.misbehave("hang", times=1)
        office.start()
        office.set_clock(NINE)
        wait_for(lambda: any(c.startswith("MAIL") for c in smtp.commands), "the attempt to send mail")
        wait_for(lambda: len(robot.requests) == 1, "the attempt to post")
        office.kill()
        assert smtp.messages == []
        office.set_clock(NINE + timedelta(minutes=1))
        office.start()
        wait_for(lambda: len(smtp.messages) == 1, "the mail")
        wait_for(lambda: len(robot.posts) == 1, "the post")
        wait_for(lambda: {e.state for e in office.entries(item="x")} == {"accepted"}, "both outcomes")
        message = email.message_from_bytes(smtp.messages[0].content, policy=email.policy.default)
        assert smtp.messages[0].encrypted
        assert smtp.messages[0].user == "jgdw"
        assert smtp.messages[0].recipient == "office@example.com"
        assert message["Reply-To"] == "jgdw@example.com"
        assert "<@office>" in robot.posts[0].content
        assert office.stop() == 0
        with office.ledger() as ledger:
            states = [
                attempt.outcome
                for entry in office.entries(item="x", channel="mail")
                for delivery in entry.deliveries
                for attempt in ledger.book.attempts_of("test", delivery)
            ]
        assert states == ["uncertain", "accepted"]
        everything = office.log.read_text() + (office.data / "ledger.sqlite3").read_bytes().decode("latin-1")
        assert "canary" not in everything


def test_a_refused_mail_is_tried_again_and_the_servers_words_are_kept(tmp_path: Path) -> None:
    """451 now, accepted later: two attempts, one message, the same bytes."""
    with ExitStack() as stack:
        office, smtp, _ = live_office(tmp_path, stack)
        smtp.misbehave("dot", "reply", "451 MI:SFQ try later", times=1)
        office.start()
        office.set_clock(NINE)
        wait_for(lambda: any(e.attempts for e in office.entries(item="x", channel="mail")), "the first try")
        wait_for(lambda: office.entries(item="x", channel="mail")[0].last_code != "", "its outcome")
        (entry,) = office.entries(item="x", channel="mail")
        assert entry.state == "pending"
        assert "MI:SFQ" in entry.last_detail
        office.set_clock(NINE + timedelta(minutes=50))
        wait_for(lambda: len(smtp.messages) == 1, "the mail")


def test_terminated_in_mid_send_it_finishes_what_is_being_sent(tmp_path: Path) -> None:
    """SIGTERM while the server thinks: the daemon waits for its answer, then stops with 0."""
    with ExitStack() as stack:
        office, smtp, _ = live_office(tmp_path, stack)
        smtp.misbehave("dot", "reply", "250 OK", times=1)
        office.start()
        office.set_clock(NINE)
        wait_for(lambda: any(c.startswith("MAIL") for c in smtp.commands), "the attempt")
        assert office.stop() == 0
        wait_for(lambda: len(smtp.messages) == 1, "the mail")
        assert [entry.state for entry in office.entries(item="x", channel="mail")] == ["accepted"]
