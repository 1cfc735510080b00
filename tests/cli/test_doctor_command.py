"""``reminder doctor`` and ``reminder health`` as processes: each cause is found and said with its cure."""

from __future__ import annotations

import email
import email.policy
import json
import os
import re
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import (
    AttemptEnd,
    DeliveryState,
    LedgerKind,
    NewAlarm,
    NewClaim,
    NewDelivery,
    PauseAsked,
    PauseKind,
    Settlement,
    Transport,
)
from tests.editions import TEMPLATES
from tests.harness.commands import Commands, Done
from tests.plans import ON_DUE_DAY, item_yaml, write_plan
from tests.servers.smtp import Fault, SmtpStub

PASSWORD = "canary-Zq7password"
ROW = tuple[str, str, str]
"""State, what was found, what to do."""


class Office:
    """Folders of an office, and what the command says of them."""

    def __init__(self, folder: Path, commands: Commands) -> None:
        self.folder, self.data = folder, folder / "var"
        self._commands = commands
        (folder / "message_templates").symlink_to(TEMPLATES)
        self.write(25)

    def write(self, port: int) -> None:
        """The plan's files, with a mail server on this machine."""
        channels = (
            f"channels:\n  - id: mail\n    host: 127.0.0.1\n    port: {port}\n    tls: none\n    username: jgdw\n"
            "    secret: SMTP_PASSWORD\n    timeout_seconds: 1\n    from: 机关党委 <jgdw@example.com>\n"
        )
        item = item_yaml("x", "date: 2026-06-10", ON_DUE_DAY)
        write_plan(self.folder / "schedules", item, channels=channels)

    def run(self, *arguments: str) -> Done:
        done = self._commands.run(self.folder, *arguments, SMTP_PASSWORD=PASSWORD)
        assert PASSWORD not in done.out + done.err
        assert "Traceback" not in done.out + done.err
        return done

    def doctor(self, *arguments: str) -> dict[str, ROW]:
        """Findings by what was looked at."""
        done = self.run("doctor", "--format", "json", *arguments)
        found = {
            each["what"]: (each["state"], each["found"], each["remedy"]) for each in json.loads(done.out)
        }
        assert done.code == (1 if any(state == "bad" for state, *_ in found.values()) else 0)
        return found

    def health(self, **changes: Any) -> None:
        """The daemon's last word, a second ago and well, but for the changes."""
        at = datetime.now(UTC) - timedelta(seconds=changes.pop("age", 1))
        word = {"at": at.isoformat(), "pid": os.getpid(), "transport": "live", "plan": "test", "next": None}
        word |= {"plan_refused": False, "paused": [], "problem": ""} | changes
        self.data.mkdir(exist_ok=True)
        (self.data / "health.json").write_text(json.dumps(word), "utf-8")

    def ledger(self) -> Ledger:
        self.data.mkdir(exist_ok=True)
        path = self.data / "ledger.sqlite3"
        return Ledger.open(path, kind=LedgerKind.DAEMON, now=datetime.now(UTC))

    def ended(self, key: str, state: DeliveryState, words: str, pause: PauseAsked | None = None) -> None:
        """A delivery of which one try ended so."""
        now = datetime.now(UTC)
        delivery = NewDelivery(
            key, f"m-{key}", "mail", "p-office", "office@example.com", 1, 1, f"<{key}@example.com>", "题", "文", b"x",
            now, now, now + timedelta(hours=5),
        )  # fmt: skip
        claim = NewClaim("p-office", "mail", "send", "due", delivery.message)
        alarm = NewAlarm(f"x/{key}", "x", "x/1", key, now, now, "send", "due", (claim,))
        with self.ledger() as ledger:
            if ledger.transport("test") is not Transport.LIVE:
                ledger.go_live("test", by="test", now=now)
            ledger.settle("test", Transport.LIVE, Settlement((alarm,), (delivery,)), now)
            number = ledger.spool.begin("test", key, now)
            assert isinstance(number, int)
            again = now if state is DeliveryState.PENDING else None
            code, _, detail = words.partition(" ")
            ledger.spool.finish_many(
                "test", [AttemptEnd(key, number, now, "x", state, code, detail, again, pause=pause)]
            )


@pytest.fixture
def office(tmp_path: Path, commands: Commands) -> Office:
    return Office(tmp_path, commands)


# -- a test mail ------------------------------------------------------------------


def test_a_test_mail_is_really_sent_once(office: Office) -> None:
    """To the address given, with the office's sender; taken is not delivered, and that is said."""
    with SmtpStub(accounts={"jgdw": PASSWORD}) as stub:
        office.write(stub.port)
        found = office.doctor("--send-to", "somebody@office.gov.cn")
    assert found["通道 mail"][0] == "good"
    assert found["测试邮件"] == (
        "good", "服务器已接收（250 queued）", "请到 somebody@office.gov.cn 查收；接收不等于送达",
    )  # fmt: skip
    (received,) = stub.messages
    assert (received.sender, received.recipient) == ("jgdw@example.com", "somebody@office.gov.cn")
    message = email.message_from_bytes(received.content, policy=email.policy.default)
    assert message["Subject"] == "提醒系统测试邮件"
    assert message["From"] == "机关党委 <jgdw@example.com>"
    body = message.get_body(("plain",))
    assert body is not None
    assert "这是一封测试邮件，用于检查提醒系统的发信配置，无需处理。" in body.get_content()
    assert not (office.data / "ledger.sqlite3").exists(), "outside plan and ledger"


REFUSALS: dict[str, tuple[Fault, tuple[str, str]]] = {
    "receiver": (
        Fault("rcpt", "reply", "550 5.1.1 no such user"),
        (
            "未能发出（服务器拒绝）：550 提交收件人时被拒：5.1.1 no such user",
            "按服务器的说明处理；不明白时把这一行交给服务器管理员",
        ),
    ),
    "login": (
        Fault("auth", "reply", f"535 wrong {PASSWORD}"),
        (
            "未能发出（登录被拒）：535 登录时被拒：wrong ***",
            "核对 username（邮箱全称）和密钥 SMTP_PASSWORD；许多邮箱要用授权码而不是登录密码，并须在邮箱设置中开启 SMTP",
        ),
    ),
    "hang": (
        Fault("mail", "hang"),
        (
            "未能发出（没有及时答复）：timeout 提交发件人时超过总时限",
            "请网络管理员确认本机到 127.0.0.1:{port} 放行，线路通畅；服务器繁忙时稍后再试",
        ),
    ),
    "lost": (
        Fault("dot", "drop"),
        (
            "不知是否送达：connection 等待答复时连接中断；正文已全部发出，服务器是否收下不明",
            "请到 somebody@office.gov.cn 查收；没有收到时再试一次",
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_test_mail_that_fails_says_why_and_what_to_do(office: Office, name: str) -> None:
    """Cause, the server's words without the password, the cure."""
    fault, (found, remedy) = REFUSALS[name]
    with SmtpStub(fault, accounts={"jgdw": PASSWORD}) as stub:
        office.write(stub.port)
        row = office.doctor("--send-to", "somebody@office.gov.cn")["测试邮件"]
    assert row == ("bad", found, remedy.format(port=stub.port))


def test_a_closed_port_is_found_by_the_channel_and_by_the_mail(office: Office) -> None:
    """Nobody listens: the port is named, with whom to ask."""
    with SmtpStub() as stub:
        pass
    office.write(stub.port)
    found = office.doctor("--send-to", "somebody@office.gov.cn")
    for what, how in (("通道 mail", "不可用"), ("测试邮件", "未能发出")):
        assert found[what] == (
            "bad",
            f"{how}（连接不上）：connect 连接服务器时连不上服务器，请核对 host、port 和网络：对方拒绝连接",
            f"核对端口 {stub.port}；请网络管理员确认服务器已开启，并放行本机到 127.0.0.1:{stub.port}",
        )


def test_a_missing_secret_is_named_with_where_to_put_it(office: Office, commands: Commands) -> None:
    """Nothing is sent, nothing is connected to."""
    with SmtpStub() as stub:
        office.write(stub.port)
        done = commands.run(
            office.folder, "doctor", "--format", "json", "--send-to", "somebody@office.gov.cn"
        )
        assert stub.connections == 0
    (row,) = [each for each in json.loads(done.out) if each["what"] == "测试邮件"]
    assert row["found"] == (
        "未发送：通道“mail”缺少密钥 SMTP_PASSWORD（邮箱密码或授权码）；"
        "请设置环境变量 SMTP_PASSWORD，或在密钥目录中放一个名为 SMTP_PASSWORD 的文件，其中只写密钥本身"
    )


def test_with_a_plan_in_error_no_mail_is_sent_and_that_is_said(office: Office) -> None:
    """The rest is still looked at."""
    (office.folder / "schedules" / "plan.yaml").write_text("plan:\n  id: x\n...\n", "utf-8")
    found = office.doctor("--send-to", "somebody@office.gov.cn")
    assert found["计划"][0] == "bad"
    assert found["测试邮件"] == ("bad", "未发送：计划有误，不知道发信的设置", "更正计划后再试")


# -- the daemon by its health file ------------------------------------------------

DEAD_PID = 2**22 + 1
"""More than any process of this machine has."""
HEALTH: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "well": (
        {"next": "2026-06-10T09:00:00+08:00"},
        "good",
        "正常（正式发送），下一次提醒：2026-06-10T09:00:00+08:00",
        "",
    ),
    "rehearsing": ({"transport": "outbox"}, "good", "正常（试运行），下一次提醒：近期没有", ""),
    "a channel paused": (
        {"paused": ["mail"]},
        "good",
        "正常（正式发送），下一次提醒：近期没有；通道 mail 已暂停发送（见 reminder channel list）",
        "",
    ),
    "stands still": (
        {"age": 90},
        "bad",
        r"守护进程已有 9\d 秒没有动静（进程号 \d+），其间没有发送任何提醒",
        "请重启守护进程（如 systemctl restart reminder），未发出而仍然有效的提醒会自动补发；再次发生时请把日志交给维护人员",
    ),
    "gone": (
        {"age": 3 * 3600 + 5, "pid": DEAD_PID},
        "bad",
        rf"守护进程没有运行：已有 3 小时没有动静（进程号 {DEAD_PID} 已不存在），其间没有发送任何提醒",
        "请启动它（reminder run，或 systemctl start reminder），未发出而仍然有效的提醒会自动补发",
    ),
    "clock set back": (
        {"age": -3700},
        "bad",
        r"守护进程最后一次动静（.*）晚于本机时钟 6\d 分钟：时钟倒退过，且守护进程此后没有动静",
        "请校时并重启守护进程",
    ),
    "trouble": (
        {"problem": "磁盘已满，台账 x 写不进去，本次一条也没有记：请清理磁盘，之后会自动继续"},
        "bad",
        "磁盘已满，台账 x 写不进去，本次一条也没有记：请清理磁盘，之后会自动继续",
        "",
    ),
}


@pytest.mark.parametrize("name", HEALTH)
def test_the_daemon_is_known_by_its_last_word(office: Office, name: str) -> None:
    """``doctor`` says it with the cure apart, ``health`` in one line with an exit code."""
    changes, state, found, remedy = HEALTH[name]
    office.health(**changes)
    got = office.doctor("--offline")["守护进程"]
    pattern = found if "\\d" in found or ".*" in found else re.escape(found)
    assert (got[0], got[2]) == (state, remedy)
    assert re.fullmatch(pattern, got[1]), got
    said = office.run("health")
    line = "；".join(part for part in (pattern, re.escape(remedy)) if part)
    assert re.fullmatch(line + "\n", said.out), said.out
    assert said.code == (0 if state == "good" else 1)


def test_a_refused_plan_is_a_finding_of_its_own(office: Office) -> None:
    """The daemon is well; the new plan is what somebody has to look at."""
    office.health(plan_refused=True)
    found = office.doctor("--offline")
    assert found["守护进程"][0] == "good"
    assert found["新计划"] == (
        "warn", "有错误，未被采用，原计划仍在运行", "执行 reminder check，按提示修改后保存，会自动重新读取",
    )  # fmt: skip


def test_a_daemon_that_never_ran_is_no_fault(office: Office) -> None:
    """Before the first start."""
    state, found, remedy = office.doctor("--offline")["守护进程"]
    assert (state, remedy) == ("warn", "执行 reminder run 启动")
    assert found == "没有运行状况文件 var/health.json：守护进程未曾在该数据目录运行"


# -- what waits in the ledger -----------------------------------------------------


def test_a_paused_channel_is_told_with_the_servers_words(office: Office) -> None:
    """Since when, why, what to do; and that nothing is lost."""
    pause = PauseAsked(PauseKind.DEAD, (), 1)
    office.ended("a", DeliveryState.PENDING, "93000 invalid webhook url", pause)
    state, found, remedy = office.doctor("--offline")["通道 mail 暂停"]
    assert state == "bad"
    assert re.fullmatch(
        r"自 \d{4}-\d\d-\d\d \d\d:\d\d 起暂停，待发的消息都保留着：93000 invalid webhook url", found
    ), found
    assert (
        remedy
        == "按服务器原话处理；更换了密钥会自动恢复，否则处理后执行 reminder channel resume mail --by 姓名"
    )


def test_tries_that_fail_are_told_before_anything_is_lost(office: Office) -> None:
    """A server that is up and takes nothing: no look at the channel would find that."""
    office.ended("a", DeliveryState.PENDING, "451 MI:SFQ too many")
    office.ended("b", DeliveryState.PENDING, "451 MI:SFQ too many")
    assert office.doctor("--offline")["通道 mail 重试"] == (
        "warn",
        "2 条消息还没有发出，最近一次：451 MI:SFQ too many",
        "会自动再试，直到过了有效期；经过见 reminder ledger --status pending --attempts",
    )


def test_unknown_outcomes_are_counted(office: Office) -> None:
    """They wait for a person, who is told how to decide."""
    office.ended("a", DeliveryState.UNCERTAIN, "timeout lost after the dot")
    assert office.doctor("--offline")["结果不明"] == (
        "warn",
        "1 条消息不知是否送达，等待人工决定",
        "查看 reminder ledger --status uncertain --attempts，向收件人核实后执行 reminder resolve",
    )


def test_a_ledger_that_somebody_holds_is_found(office: Office) -> None:
    """Another program has the right to write: said within seconds."""
    with office.ledger():
        pass
    rival = sqlite3.connect(office.data / "ledger.sqlite3", isolation_level=None)
    try:
        rival.execute("BEGIN IMMEDIATE")
        state, found, remedy = office.doctor("--offline")["台账写入"]
        rival.execute("ROLLBACK")
    finally:
        rival.close()
    assert state == "bad"
    assert found == f"台账 {office.data / 'ledger.sqlite3'} 一直被另一个程序占用"
    assert remedy == "请关闭正打开它的程序（数据库工具、备份、另一个 reminder），之后会自动继续"


def test_the_command_itself_says_the_same_as_the_fork(office: Office) -> None:
    """Once without any preparation: the table as people see it."""
    office.health(age=90)
    done = subprocess.run(
        [sys.executable, "-m", "reminder", "doctor", "--offline"],
        cwd=office.folder,
        env={**os.environ, "SMTP_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert " 状态   项目 " in done.stdout
    assert " 故障   守护进程 " in done.stdout
    assert PASSWORD not in done.stdout
