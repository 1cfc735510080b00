"""Rows 10 to 12: bodies that never end or are no answer, redirects inwards, hosts that are not the channel's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.harness.office import Office, items, usage
from tests.harness.process import wait_for
from tests.harness.shims import HOSTS
from tests.plans import at
from tests.servers.wecom import WecomSimulator

NINE = at("2026-06-10 09:00")
DEADLINE = {"timeout_seconds": 2}


@pytest.mark.parametrize(
    ("do", "outcome", "code", "words"),
    [
        ("drip", "uncertain", "timeout", "超过总时限；消息已全部发出，是否收下不明"),
        ("drip-head", "uncertain", "timeout", "超过总时限；消息已全部发出，是否收下不明"),
        ("huge", "transient", "too-long", "答复过长，已停止读取"),
        ("html", "transient", "reply", "答复不是企业微信的格式：<html>请登录</html>"),
    ],
)
def test_row_10_a_body_that_is_no_answer_costs_neither_time_nor_memory(
    tmp_path: Path, do: str, outcome: str, code: str, words: str
) -> None:
    """Over at the deadline, at most 64 KiB read, named in the ledger; tried again later and taken once."""
    with Office(tmp_path, items(2), group=DEADLINE) as office:
        office.adopt()
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: office.states("n0000", "group") == {"group:group": "accepted"}, "a good post")
        before = usage(office)["memory"]
        office.robot.misbehave(do, times=1)
        office.set(NINE + timedelta(minutes=1))
        wait_for(lambda: office.ended("n0001", "group") != [], "the end of the attempt")
        (attempt,) = office.tries("n0001", "group")
        assert (attempt.outcome, attempt.code, attempt.detail) == (outcome, code, words)
        assert attempt.finished_at is not None
        assert attempt.finished_at - attempt.started_at < timedelta(seconds=8)
        assert usage(office)["memory"] - before < 8 * 1024  # kilobytes; of a body of a gigabyte
        office.set(NINE + timedelta(hours=1))
        report = office.judge(NINE + timedelta(minutes=2))
        assert report.clean, report


@pytest.mark.parametrize("do", ["drip", "flood"])
def test_row_10_a_mail_server_whose_reply_never_ends_is_left(tmp_path: Path, do: str) -> None:
    """A byte now and then, or far too many: over at the deadline or the cap, nothing was sent, tried again."""
    with Office(tmp_path, items(1), mail=DEADLINE) as office:
        office.adopt()
        office.smtp.misbehave("ehlo", do, times=1)
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: office.ended("n0000", "mail") != [], "the end of the attempt")
        (attempt,) = office.tries("n0000", "mail")
        assert attempt.outcome == "transient"
        assert attempt.detail.startswith("问候时")
        assert attempt.finished_at is not None
        assert attempt.finished_at - attempt.started_at < timedelta(seconds=8)
        office.set(NINE + timedelta(hours=1))
        report = office.judge(NINE + timedelta(minutes=1))
        assert report.clean, report


def test_row_11_a_redirect_to_an_internal_address_is_not_followed(tmp_path: Path) -> None:
    """Another service of this machine is named: it hears nothing, and the ledger says what was refused."""
    with WecomSimulator() as inside, Office(tmp_path, items(1)) as office:
        office.adopt()
        office.robot.misbehave("redirect", location=f"{inside.base_url}/cgi-bin/webhook/send?key=x", times=1)
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: office.ended("n0000", "group") != [], "the end of the attempt")
        (attempt,) = office.tries("n0000", "group")
        assert (attempt.outcome, attempt.code) == ("transient", "http 302")
        assert attempt.detail == "服务器要求转向，已拒绝；请核对 base_url 和上网认证"
        office.set(NINE + timedelta(hours=1))
        report = office.judge(NINE + timedelta(minutes=1))
        assert report.clean, report
        assert inside.connections == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254"])
def test_row_12_a_host_that_resolves_inwards_is_not_connected_to(tmp_path: Path, address: str) -> None:
    """The name server gives an inner address for the robot's host: nothing is sent there, mail goes on."""
    with WecomSimulator(keys=("robot-key",), tls=True) as inside:
        host = "wecom.example.com"
        with Office(
            tmp_path,
            items(1),
            group={"base_url": f"https://{host}:{inside.port}"},
            environment={HOSTS: f"{host}={address}"},
        ) as office:
            office.adopt()
            office.set(NINE)
            office.daemon.start()
            wait_for(lambda: office.ended("n0000", "group") != [], "the end of the attempt")
            (attempt,) = office.tries("n0000", "group")
            assert (attempt.outcome, attempt.code) == ("transient", "forbidden")
            assert f"{host} 的地址 {address} " in attempt.detail
            assert "请核对 base_url、proxy 和 allow_networks" in attempt.detail
            wait_for(lambda: office.states("n0000", "mail") == {"p-office": "accepted"}, "the mail")
            assert inside.connections == 0
            assert office.robot.connections == 0


def test_row_12_a_mail_server_that_resolves_inwards_is_not_connected_to(tmp_path: Path) -> None:
    """The same for mail: no byte reaches what listens on this machine under the server's name."""
    host = "mail.example.com"
    with Office(
        tmp_path,
        items(1),
        smtp={"tls": "implicit"},
        mail={"host": host, "tls": "implicit"},
        environment={HOSTS: f"{host}=127.0.0.1"},
    ) as office:
        office.adopt()
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: office.ended("n0000", "mail") != [], "the end of the attempt")
        (attempt,) = office.tries("n0000", "mail")
        assert (attempt.outcome, attempt.code) == ("transient", "forbidden")
        assert "mail.example.com 的地址 127.0.0.1 是本机地址，而所写的主机名不是本机" in attempt.detail
        wait_for(lambda: office.states("n0000", "group") == {"group:group": "accepted"}, "the post")
        assert office.smtp.connections == 0
