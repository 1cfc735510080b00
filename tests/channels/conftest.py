"""What the tests of channels share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reminder.channels.base import Channel, Parcel, Recipient, Stamp
from reminder.channels.email import EmailAdapter
from reminder.channels.wecom_app import WecomAppAdapter
from reminder.channels.wecom_robot import WecomRobotAdapter
from reminder.messages.message import Message
from reminder.plan.channels import EmailChannel, WecomAppChannel, WecomRobotChannel
from tests.servers.certificates import client_context
from tests.servers.smtp import SmtpStub
from tests.servers.wecom import WecomSimulator

SHANGHAI = ZoneInfo("Asia/Shanghai")
AT = datetime(2026, 6, 30, 9, 0, tzinfo=SHANGHAI)
PASSWORD = "canary-Zq7password"
KEY = "canary-7b1fd0c2-key"
USER = "jgdw@example.com"
APP_SECRET = "canary-app+secret/9Q"
AGENT = 1000002
MEMBERS = ("LiLun", "office", "zhang.san")


@pytest.fixture
def message() -> Message:
    return Message(
        subject="【提醒】二季度活动开展情况报送",
        text="各科室：\n请于 6 月 30 日 17:00 前报送。\n",
        html="<p>请于 6 月 30 日 17:00 前报送。</p>",
        markdown="**二季度活动开展情况报送**\n请于 6 月 30 日 17:00 前报送。",
    )


@pytest.fixture
def to() -> Recipient:
    return Recipient("lilun-head", "理论科科长", "lilun@example.com")


@pytest.fixture
def stamp() -> Stamp:
    return Stamp("<q2.lilun@example.com>", AT)


def parcel(payload: bytes, address: str = "lilun@example.com", delivery: str = "d-1") -> Parcel:
    return Parcel(delivery, "lilun-head", address, payload, AT)


@pytest.fixture
def mail() -> Iterator[Callable[..., EmailAdapter]]:
    """Builds mail adapters for a stub, and closes them."""
    built: list[Channel] = []

    def build(
        stub: Any, tls: str = "none", password: str | None = None, seconds: float = 5.0, **changes: str
    ) -> EmailAdapter:
        fields = {"id": "mail", "host": "127.0.0.1", "port": str(stub.port), "tls": tls}
        fields |= {"from": "机关党委办公室 <jgdw@example.com>"}
        if password is not None:
            fields |= {"username": USER, "secret": "SMTP_PASSWORD"}
        config = EmailChannel.model_validate(fields | changes)
        adapter = EmailAdapter(
            config, password=password, office_mailbox="jgdw@example.com", context=client_context()
        )
        adapter._seconds = seconds  # the setting knows whole seconds only, and tests must be quick
        built.append(adapter)
        return adapter

    yield build
    for adapter in built:
        adapter.close()


@pytest.fixture
def robot() -> Iterator[Callable[..., WecomRobotAdapter]]:
    """Builds robot adapters for a simulator, and closes them."""
    built: list[Channel] = []

    def build(
        simulator: WecomSimulator, key: str = KEY, seconds: float = 5.0, **changes: Any
    ) -> WecomRobotAdapter:
        fields = {"id": "staff-group", "base_url": simulator.base_url, "secret": "ROBOT_KEY"}
        config = WecomRobotChannel.model_validate(fields | changes)
        adapter = WecomRobotAdapter(config, key=key, context=client_context())
        adapter._seconds = seconds
        built.append(adapter)
        return adapter

    yield build
    for adapter in built:
        adapter.close()


@pytest.fixture
def app() -> Iterator[Callable[..., WecomAppAdapter]]:
    """Builds app adapters for a simulator, and closes them."""
    built: list[Channel] = []

    def build(
        simulator: WecomSimulator, secret: str = APP_SECRET, seconds: float = 5.0, **changes: Any
    ) -> WecomAppAdapter:
        fields = {"id": "wecom", "base_url": simulator.base_url, "secret": "WECOM_APP_SECRET"}
        fields |= {"corpid": "ww0123456789abcdef", "agentid": str(AGENT)}
        config = WecomAppChannel.model_validate(fields | changes)
        adapter = WecomAppAdapter(config, secret=secret, context=client_context())
        adapter._seconds = seconds
        built.append(adapter)
        return adapter

    yield build
    for adapter in built:
        adapter.close()


@pytest.fixture
def office() -> Iterator[WecomSimulator]:
    """A company with one app and three members."""
    with WecomSimulator(apps={AGENT: APP_SECRET}, members=MEMBERS) as simulator:
        yield simulator


@pytest.fixture
def smtp() -> Iterator[SmtpStub]:
    with SmtpStub() as stub:
        yield stub


@pytest.fixture
def wecom() -> Iterator[WecomSimulator]:
    with WecomSimulator(keys=(KEY,)) as simulator:
        yield simulator
