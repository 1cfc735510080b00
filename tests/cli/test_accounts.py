"""Who may come in, from the server's command line: passwords, roles, the login log, tokens of programs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from reminder.access.login import INITIAL_LASTS, Door, Locked, LoginRefused
from reminder.access.rights import Right, User
from reminder.access.tokens import bearer
from reminder.access.users import NOTE, Users
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.editions import ROOT, TEMPLATES
from tests.harness.command import Said, here
from tests.harness.console import anybody
from tests.plans import ON_DUE_DAY, at, item_yaml, write_plan

NOW = at("2026-06-10 09:00")
PASSWORD = "Xue-Xi-2026-lian"


class Server:
    """A machine with a plan, before anything ever ran on it."""

    def __init__(self, folder: Path) -> None:
        self.schedules, self.data = folder / "schedules", folder / "var"
        write_plan(self.schedules, item_yaml("x", "date: 2026-06-10", ON_DUE_DAY))
        directory = self.schedules / "directory.yaml"
        left = "  - id: p-left\n    name: 前任科长\n    until: 2026-01-31\n"
        directory.write_text(directory.read_text().replace("holdings:\n", left + "holdings:\n", 1))

    def __call__(self, *words: str, typed: str = "", now: datetime = NOW) -> Said:
        with mock.patch("sys.stdin", io.StringIO(typed)):
            return here(now, *words, schedules=self.schedules, data=self.data)

    def passwd(self, *words: str, password: str = PASSWORD, now: datetime = NOW) -> Said:
        return self("passwd", *words, "--stdin", typed=f"{password}\n", now=now)

    @property
    def ledger(self) -> Ledger:
        return Ledger.open(self.data / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=NOW, create=False)

    def enter(self, user: str, password: str = PASSWORD, now: datetime = NOW) -> User:
        with self.ledger as ledger:
            return Door(ledger, "test", anybody).enter(user, password, "127.0.0.1", now).user


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


# -- passwd --------------------------------------------------------------------


def test_the_first_account_is_made_as_the_login_page_says(server: Server) -> None:
    """Before the daemon ever ran; the ledger says who did it, and tells of no password."""
    said = server.passwd("p-clerk", "--role", "admin")
    assert said.code == 0, said.err
    assert "已建立 机关党委办公室干事（p-clerk） 的账户：管理员" in said.out
    assert server.enter("p-clerk").may(Right.MANAGE)
    with server.ledger as ledger:
        (note,) = ledger.notes("test", NOTE)
    assert note.author.startswith("服务器用户 ")
    assert note.detail == {
        "user": "p-clerk",
        "roles": ["admin"],
        "private": False,
        "disabled": False,
        "password": True,
        "first_password": False,
    }


def test_roles_add_up_and_private_items_are_a_right_of_their_own(server: Server) -> None:
    assert server.passwd("办公室主任", "--role", "editor", "--role", "approver", "--private").code == 0
    user = server.enter("p-office")
    assert {Right.APPROVE, Right.RECORD, Right.READ_PRIVATE} <= user.rights
    said = server(
        "passwd", "p-office", "--role", "viewer", "--no-private", "--keep-password", "--by", "p-clerk"
    )
    assert said.code == 0, said.err
    assert server.enter("p-office").rights == {Right.READ}
    with server.ledger as ledger:
        note = ledger.notes("test", NOTE)[0]
    assert (note.author, note.detail["password"]) == ("p-clerk", False)


def test_a_new_password_keeps_the_roles_and_opens_a_locked_door(server: Server) -> None:
    server.passwd("p-clerk", "--role", "admin", now=NOW - timedelta(days=1))
    for _ in range(5):
        with pytest.raises(LoginRefused):
            server.enter("p-clerk", "wrong-password")
    with pytest.raises(Locked):
        server.enter("p-clerk")
    later = NOW + timedelta(seconds=5)
    assert server.passwd("p-clerk", password="Another-2026-one", now=later).code == 0
    assert server.enter("p-clerk", "Another-2026-one", later).may(Right.MANAGE)


def test_other_roles_prolong_no_first_password_and_forget_no_failures(server: Server) -> None:
    """What is changed with ``--keep-password`` is the roles and nothing else."""
    server.passwd("p-clerk", "--role", "admin")
    with server.ledger as ledger:
        first = Users(ledger, "test").invite("p-office", ["viewer"], private=False, by="p-clerk", now=NOW)
    later = NOW + INITIAL_LASTS + timedelta(seconds=1)
    words = ("passwd", "p-office", "--role", "editor", "--keep-password")
    assert server(*words, now=later).code == 0
    with pytest.raises(LoginRefused):
        server.enter("p-office", first, later)
    for _ in range(5):
        with pytest.raises(LoginRefused):
            server.enter("p-clerk", "wrong-password")
    words = ("passwd", "p-clerk", "--role", "admin", "--role", "approver", "--keep-password")
    assert server(*words, now=NOW + timedelta(seconds=5)).code == 0
    with pytest.raises(Locked):
        server.enter("p-clerk", now=NOW + timedelta(seconds=6))


def test_an_admin_who_has_left_the_directory_is_none(server: Server) -> None:
    server.passwd("p-office", "--role", "admin")
    directory = server.schedules / "directory.yaml"
    directory.write_text(
        directory.read_text().replace("id: p-office\n", "id: p-office\n    until: 2026-06-09\n", 1)
    )
    assert "现在没有可用的管理员账户" in server.passwd("p-clerk", "--role", "viewer").out
    assert "管理员账户" not in server.passwd("p-clerk", "--role", "admin").out


def test_a_disabled_account_lets_nobody_in_until_it_has_a_new_password(server: Server) -> None:
    server.passwd("p-clerk", "--role", "admin")
    said = server("passwd", "p-clerk", "--disable")
    assert said.code == 0
    assert "现在没有可用的管理员账户" in said.out
    with pytest.raises(LoginRefused):
        server.enter("p-clerk")
    assert "重新启用须重设密码" in server("passwd", "p-clerk", "--role", "admin", "--keep-password").err
    server.passwd("p-clerk")
    assert server.enter("p-clerk").may(Right.MANAGE)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("p-nobody", "--role", "admin"), "名册中没有"),
        (("p-left", "--role", "viewer"), "目前不在名册之内"),
        (("p-clerk",), "还没有账户，请用 --role 写明角色"),
        (("p-clerk", "--role", "boss"), "没有角色“boss”；可用：viewer（查看）"),
        (("p-clerk", "--disable"), "不能与其他选项同用"),
        (("p-clerk", "--keep-password", "--role", "admin"), "只能写一个"),
    ],
)
def test_an_account_that_cannot_be_is_refused_with_what_can(
    server: Server, words: tuple[str, ...], said: str
) -> None:
    done = server.passwd(*words)
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize(
    ("password", "said"), [("short", "10至200个字符"), ("my-p-clerk-99", "用户名"), ("", "没有密码")]
)
def test_a_weak_password_makes_no_account(server: Server, password: str, said: str) -> None:
    done = server.passwd("p-clerk", "--role", "admin", password=password)
    assert done.code != 0
    assert said in done.err
    assert "还没有账户" in server("user", "list").out


def on_a_terminal(server: Server, *typed: str) -> tuple[int, str]:
    """The command on a terminal; what stands on its screen at the end."""
    ours, theirs = os.openpty()
    environment = {
        **os.environ,
        "REMINDER_SCHEDULES": str(server.schedules),
        "REMINDER_TEMPLATES": str(TEMPLATES),
        "REMINDER_DATA": str(server.data),
        "PYTHONPATH": str(ROOT),
    }
    command = [
        sys.executable,
        "-m",
        "tests.harness.command",
        NOW.isoformat(),
        "passwd",
        "p-clerk",
        "--role",
        "admin",
    ]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    screen = b""
    asked = ("新密码", "再输入一次")
    try:
        for question, line in zip(asked, typed, strict=True):
            while f"{question}" not in screen.decode("utf-8", "replace"):
                screen += os.read(ours, 1024)
            os.write(ours, f"{line}\n".encode())
        while chunk := _read(ours):
            screen += chunk
        return process.wait(60), screen.decode("utf-8", "replace")
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1024)
    except OSError:  # how a terminal ends
        return b""


def test_a_password_is_typed_twice_and_never_shown(server: Server) -> None:
    code, screen = on_a_terminal(server, PASSWORD, PASSWORD)
    assert code == 0, screen
    assert PASSWORD not in screen
    assert server.enter("p-clerk").id == "p-clerk"


def test_two_passwords_that_differ_change_nothing(server: Server) -> None:
    code, screen = on_a_terminal(server, PASSWORD, PASSWORD + "x")
    assert code == 1
    assert "两次输入的密码不一样；未作更改" in screen
    with pytest.raises(LoginRefused):
        server.enter("p-clerk")


def test_without_a_terminal_the_password_is_asked_of_nobody(server: Server) -> None:
    said = server("passwd", "p-clerk", "--role", "admin")
    assert said.code == 2
    assert "请在终端上执行" in said.err


# -- user list, login log ----------------------------------------------------------


def test_accounts_are_listed_with_what_they_may_and_when_they_were_used(server: Server) -> None:
    server.passwd("p-clerk", "--role", "admin")
    server.passwd("p-office", "--role", "auditor")
    server("passwd", "p-office", "--disable")
    server.enter("p-clerk", now=NOW + timedelta(hours=1))
    lines = server("user", "list").text.splitlines()
    assert "p-clerk 机关党委办公室干事 管理员 不可 可登录 2026-06-10 10:00" in [
        line.strip() for line in lines
    ]
    assert "p-office 办公室主任 审计（只读全部） 不可 已停用 从未" in [line.strip() for line in lines]
    found = json.loads(server("user", "list", "--format", "json").out)
    assert [(each["user"], each["state"], each["last_login"]) for each in found] == [
        ("p-clerk", "good", "2026-06-10T10:00:00+08:00"),
        ("p-office", "disabled", None),
    ]
    assert "password" not in found[0]


def test_whoever_left_the_directory_is_listed_as_such(server: Server) -> None:
    server.passwd("p-office", "--role", "viewer")
    directory = server.schedules / "directory.yaml"
    directory.write_text(
        directory.read_text().replace("id: p-office\n", "id: p-office\n    until: 2026-06-09\n", 1)
    )
    assert "不在名册，不能登录" in server("user", "list").out


def test_the_login_log_says_who_came_from_where(server: Server) -> None:
    assert "没有登录记录" in server_with_account(server)("login", "log").out
    with pytest.raises(LoginRefused):
        server.enter("p-clerk", "wrong-password")
    server.enter("p-clerk", now=NOW + timedelta(seconds=1))
    lines = [line.strip() for line in server("login", "log", now=NOW + timedelta(days=1)).text.splitlines()]
    assert "2026-06-10 09:00:01 p-clerk 机关党委办公室干事 127.0.0.1 登录成功" in lines
    assert "2026-06-10 09:00:00 p-clerk 机关党委办公室干事 127.0.0.1 登录失败" in lines
    found = json.loads(server("login", "log", "--user", "p-clerk", "--limit", "1", "--format", "json").out)
    assert [each["event"] for each in found] == ["succeeded"]
    assert "没有登录记录" in server("login", "log", "--user", "p-office").out


def server_with_account(server: Server) -> Server:
    server.passwd("p-clerk", "--role", "admin")
    return server


# -- tokens ----------------------------------------------------------------------


def test_a_token_is_shown_once_and_works_until_it_is_revoked(server: Server) -> None:
    said = server("token", "create", "oa-sync", "--role", "editor", "--days", "30", "--by", "p-clerk")
    assert said.code == 0, said.err
    shown = said.out.splitlines()[0]
    assert "令牌 oa-sync：编辑，有效至 2026-07-10 09:00" in said.out
    with server.ledger as ledger:
        user = bearer(ledger, "test", shown, NOW)
        assert user is not None
        assert user.may(Right.RECORD)
    listed = server("token", "list")
    assert "oa-sync 编辑 不可 机关党委办公室干事 2026-07-10 09:00 2026-06-10 09:00 有效" in listed.text
    assert shown not in listed.out + server("token", "list", "--format", "json").out
    assert server("token", "revoke", "oa-sync").code == 0
    with server.ledger as ledger:
        assert bearer(ledger, "test", shown, NOW) is None
    assert "没有有效的令牌" in server("token", "list").out
    assert "已撤销" in server("token", "list", "--all").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("p-clerk",), "名册中的人员编号"),
        (("oa-sync", "--role", "approver"), "审批须由人作出"),
        (("oa-sync", "--role", "boss"), "没有角色“boss”"),
        (("oa-sync", "--days", "400"), "1至366天"),
    ],
)
def test_a_token_that_would_be_a_mistake_is_not_made(
    server: Server, words: tuple[str, ...], said: str
) -> None:
    done = server_with_account(server)("token", "create", *words)
    assert done.code in (1, 2)
    assert said in done.err
    assert "没有令牌" in server("token", "list", "--all").out
