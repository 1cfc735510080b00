"""Each fault ends in one clear line: what happened, what was not sent, and what to do.

Read where people read: the ledger's last words, the log, the notice to the admin.
What ``doctor`` and ``health`` say is in tests/cli; rows 24 to 27 hold the ledger's.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reminder.ledger.records import Note
from tests.amounts import cases
from tests.editions import ROOT, TEMPLATES
from tests.harness.office import MEMBERS, Office, items
from tests.harness.process import wait_for
from tests.plans import at
from tests.servers.smtp import SmtpStub

NINE = at("2026-06-10 09:00")
LOGIN = {"username": "jgdw", "secret": "SMTP_PASSWORD"}
WRONG_PASSWORD = {"SMTP_PASSWORD": "wrong-word"}
KEPT = "待发的消息都保留着，没有发出，恢复后在有效期内自动补发。"


@dataclass(frozen=True)
class Fault:
    """A fault of one channel: how to bring it about, and the words it must end in."""

    channel: str
    prepare: Callable[[Office], object]
    code: str
    words: str
    logged: str
    """The end of the attempt's line in the log."""
    office: dict[str, Any] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    """What the admin reads, and over which channel; empty: nothing yet, it is tried again."""
    minutes: int = 0
    """How long it takes until somebody is told."""


def closed_port() -> int:
    with SmtpStub() as stub:
        pass
    return stub.port


def errcode(code: int, text: str, **options: Any) -> Callable[[Office], object]:
    return lambda office: office.robot.misbehave("errcode", code=code, text=text, **options)


FAULTS: dict[str, Fault] = {
    "mail server down": Fault(
        "mail",
        lambda _office: None,
        "connect",
        "连接服务器时连不上服务器，请核对 host、port 和网络：对方拒绝连接",
        "outcome=transient code=connect state=pending detail=连接服务器时连不上服务器，请核对 host、port 和网络："
        r"对方拒绝连接 next=2026-06-10T01:00:\d\d\S+",
        {"mail": {"port": closed_port()}},
    ),
    "mail server hangs": Fault(
        "mail",
        lambda office: office.smtp.misbehave("mail", "hang"),
        "timeout",
        "提交发件人时超过总时限",
        r"outcome=transient code=timeout state=pending detail=提交发件人时超过总时限 next=2026-06-10T01:00:\d\d\S+",
        {"mail": {"timeout_seconds": 1}},
    ),
    "mail login refused": Fault(
        "mail",
        lambda _office: None,
        "535",
        "登录时被拒：Error: authentication failed for jgdw *** ***",
        r"outcome=transient code=535 state=pending detail=登录时被拒：Error: authentication failed for jgdw \*\*\* \*\*\* "
        "pause=login",
        {"mail": LOGIN, "smtp": {"accounts": {"jgdw": "right"}}, "environment": WRONG_PASSWORD},
        (
            "通道“mail”已暂停发送（535）",
            "2026-06-10 09:02 通道“mail”已暂停发送，服务器答复：535 登录时被拒：Error: authentication failed for jgdw",
            (
                f"处理办法：{KEPT}请更正密码或授权码，系统会自动发现并恢复；密码没有错的，每半小时自动再试一次，"
                "也可执行 reminder channel resume mail --by 姓名。"
            ),
        ),
        2,
    ),
    "robot dead": Fault(
        "group",
        errcode(93000, "invalid webhook url"),
        "errcode 93000",
        "机器人已失效，请在群里重新添加并更换密钥：invalid webhook url",
        "outcome=permanent code=errcode 93000 state=pending "
        "detail=机器人已失效，请在群里重新添加并更换密钥：invalid webhook url pause=dead",
        {},
        (
            "通道“group”已暂停发送（errcode 93000）",
            (
                "2026-06-10 09:00 通道“group”已暂停发送，服务器答复：errcode 93000 "
                "机器人已失效，请在群里重新添加并更换密钥：invalid webhook url"
            ),
            (
                f"处理办法：{KEPT}请按服务器原话更换密钥或更正设置，系统会自动发现并恢复；"
                "没有换密钥而问题已解决的，执行 reminder channel resume group --by 姓名。"
            ),
        ),
    ),
    "robot throttled": Fault(
        "group",
        errcode(45009, "api freq out of limit"),
        "errcode 45009",
        "发送过于频繁，一分钟内不再接收：api freq out of limit",
        "outcome=transient code=errcode 45009 state=pending "
        "detail=发送过于频繁，一分钟内不再接收：api freq out of limit pause=throttled",
    ),
    "robot's post refused": Fault(
        "group",
        errcode(40058, "markdown.content exceed max length"),
        "errcode 40058",
        "参数不合法：markdown.content exceed max length",
        "outcome=permanent code=errcode 40058 state=failed detail=参数不合法：markdown.content exceed max length",
        {},
        (
            "通道“group”有1条消息发送失败（errcode 40058）",
            (
                "2026-06-10 09:00 群“group” 《事项n0000（2026年6月10日）今天截止》："
                "参数不合法：markdown.content exceed max length"
            ),
            "处理办法：请按服务器原话更正地址或设置，必要时人工通知。查看：reminder ledger --status failed --attempts。",
        ),
    ),
    "robot says something new": Fault(
        "group",
        errcode(77777, "brand new"),
        "errcode 77777",
        "没有说明过的错误码，稍后再试：brand new",
        "outcome=transient code=errcode 77777 state=pending detail=没有说明过的错误码，稍后再试：brand new "
        r"next=2026-06-10T01:0[5-6]:\d\d\S+",
    ),
    "app's secret wrong": Fault(
        "app",
        errcode(40001, "invalid credential", on="token"),
        "errcode 40001",
        "取得访问凭证时：应用的 secret 不正确，请核对 secret 指向的密钥：invalid credential",
        "outcome=permanent code=errcode 40001 state=pending "
        "detail=取得访问凭证时：应用的 secret 不正确，请核对 secret 指向的密钥：invalid credential pause=dead",
        {"app": MEMBERS},
        (
            "通道“app”已暂停发送（errcode 40001）",
            "应用的 secret 不正确，请核对 secret 指向的密钥：invalid credential",
            f"处理办法：{KEPT}请按服务器原话更换密钥或更正设置，系统会自动发现并恢复；",
        ),
    ),
    "app's address not trusted": Fault(
        "app",
        errcode(60020, "not allow to access from your ip"),
        "errcode 60020",
        "本机的出口 IP 不在应用的“企业可信IP”之内，请在企业微信管理后台添加本机的出口 IP：not allow to access from your ip",
        "outcome=permanent code=errcode 60020 state=pending detail=本机的出口 IP 不在应用的“企业可信IP”之内，"
        "请在企业微信管理后台添加本机的出口 IP：not allow to access from your ip pause=dead",
        {"app": MEMBERS},
        ("通道“app”已暂停发送（errcode 60020）", "执行 reminder channel resume app --by 姓名。"),
    ),
}
OFTEN = ("mail server hangs", "mail login refused", "robot dead", "robot throttled", "app's secret wrong")
"""Tried in every run; the others say something else in the same way."""


@pytest.mark.parametrize("name", cases(FAULTS, OFTEN))
def test_a_fault_of_a_channel_ends_in_a_clear_line(tmp_path: Path, name: str) -> None:
    """In the ledger, in the log, and to the admin if somebody has to act; other channels have sent."""
    fault = FAULTS[name]
    via = "  via:\n    - mail\n    - group\n" + ("    - app\n" if fault.channel == "app" else "")
    with Office(tmp_path, items(1, via=via), **fault.office) as office:
        office.adopt()
        fault.prepare(office)
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: office.ended("n0000", fault.channel), "the end of the attempt")
        attempt = office.ended("n0000", fault.channel)[0]
        assert (attempt.code, attempt.detail) == (fault.code, fault.words)
        other = "group" if fault.channel == "mail" else "mail"
        wait_for(lambda: set(office.states("n0000", other).values()) == {"accepted"}, "the other channel")
        lines = [
            line
            for line in office.daemon.log.read_text().splitlines()
            if "attempt delivery=" in line and f"channel={fault.channel} " in line
        ]
        assert re.search(f" number=1 {fault.logged}$", lines[0]), lines[0]
        assert " warning " in lines[0]
        if fault.minutes:
            office.set(NINE + timedelta(minutes=fault.minutes))
        if fault.told:
            told = (
                (lambda: [each.content for each in office.robot.posts if "处理办法" in each.content])
                if (fault.channel == "mail")
                else office.notices
            )
            wait_for(told, "the word to the admin")
            for words in fault.told:
                assert words in told()[0].replace("＊", "*"), told()[0]
        else:
            office.look()
            assert office.notices() == []
        assert "Traceback" not in office.daemon.log.read_text()


def test_a_torn_plan_ends_in_a_notice_with_file_and_line(tmp_path: Path) -> None:
    """What was found, that the old plan runs on, how to look again."""
    with Office(tmp_path, items(1)) as office:
        office.adopt()
        office.daemon.start()
        wait_for(lambda: office.health, "the first look")
        file = office.daemon.schedules / "plan.yaml"
        whole = file.read_bytes()
        file.write_bytes(whole.removesuffix(b"...\n"))
        office.daemon.signal(signal.SIGHUP)
        wait_for(office.notices, "the word to the admin")
        (notice,) = office.notices()
        assert "计划文件有误，未予采用" in notice
        assert (
            "plan.yaml: 文件末尾没有“...”这一行，可能没有保存完整；此文件上次生效时以“...”结尾；"
            "请补全文件，并以单独一行“...”结尾" in notice
        )
        assert (
            "处理办法：原计划仍在运行。请按提示修改，保存后自动重新读取；可先执行 reminder check 检查。"
            in notice
        )
        assert (
            "plan refused, the old one stays in force problems=plan.yaml: 文件末尾没有"
            in office.daemon.log.read_text()
        )


def test_a_missing_secret_ends_the_start_with_where_to_put_it(tmp_path: Path) -> None:
    """Live and without a secret: nothing is sent half; exit code 1 and one line."""
    with Office(tmp_path, items(1)) as office:
        command = [sys.executable, "-m", "reminder", "run", "--data", str(office.daemon.data)]
        command += ["--schedules", str(office.daemon.schedules), "--templates", str(TEMPLATES)]
        environment = {name: value for name, value in os.environ.items() if name != "ROBOT_KEY"}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            "通道“group”缺少密钥 ROBOT_KEY（机器人 webhook 的 key）；请设置环境变量 ROBOT_KEY，"
            "或在密钥目录中放一个名为 ROBOT_KEY 的文件，其中只写密钥本身\n"
        )


@pytest.mark.parametrize(("hours", "seconds"), [(2, r"7[12]\d\d\.\d"), (-1, r"-3[56]\d\d\.\d")])
def test_a_clock_that_was_set_is_logged_and_noted(tmp_path: Path, hours: int, seconds: str) -> None:
    """By how much, within seconds; the ledger keeps it for whoever wonders later."""
    with Office(tmp_path, items(1)) as office:
        office.daemon.start()
        wait_for(lambda: office.health, "the first look")
        office.look()
        office.set(office.now() + timedelta(hours=hours))
        wait_for(lambda: "clock was set" in office.daemon.log.read_text(), "the line", 10)
        (line,) = [each for each in office.daemon.log.read_text().splitlines() if "clock was set" in each]
        assert re.search(rf" warning reminder\.daemon: clock was set seconds={seconds}$", line), line

        def noted() -> list[Note]:
            with office.daemon.ledger() as ledger:
                return ledger.notes("test", "clock-set")

        wait_for(noted, "the note")
        (note,) = noted()
        assert re.fullmatch(seconds, str(note.detail["seconds"]))
