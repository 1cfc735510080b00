"""From the plan's channels to adapters."""

from __future__ import annotations

from pathlib import Path

import pytest

from reminder.channels.base import OutcomeKind
from reminder.channels.build import build_channel
from reminder.channels.email import EmailAdapter
from reminder.channels.errors import ChannelSettingError
from reminder.channels.outbox import OutboxChannel
from reminder.channels.wecom_robot import WecomRobotAdapter
from reminder.plan.channels import EmailChannel, WecomRobotChannel
from tests.channels.conftest import KEY, PASSWORD, USER, parcel
from tests.servers.certificates import client_context
from tests.servers.smtp import SmtpStub
from tests.servers.wecom import WecomSimulator

MAIL = EmailChannel.model_validate(
    {
        "id": "mail",
        "host": "smtp.example.com",
        "from": "机关党委办公室 <jgdw@example.com>",
        "username": USER,
        "secret": "SMTP_PASSWORD",
    }
)
ROBOT = WecomRobotChannel.model_validate({"id": "staff-group", "secret": "ROBOT_KEY"})


def test_each_kind_gets_its_adapter() -> None:
    """With its secret, asked for by name."""
    asked: list[str] = []

    def secret(name: str) -> str:
        asked.append(name)
        return "value"

    assert isinstance(build_channel(MAIL, secret=secret, office_mailbox="jgdw@example.com"), EmailAdapter)
    assert isinstance(
        build_channel(ROBOT, secret=secret, office_mailbox="jgdw@example.com"), WecomRobotAdapter
    )
    assert asked == ["SMTP_PASSWORD", "ROBOT_KEY"]


@pytest.mark.parametrize("config", [MAIL, ROBOT])
@pytest.mark.parametrize("value", [None, "", " \n"])
def test_a_missing_secret_is_named_with_the_places_to_put_it(
    config: EmailChannel | WecomRobotChannel, value: str | None
) -> None:
    """The clerk reads which one, and where it goes."""
    with pytest.raises(ChannelSettingError) as raised:
        build_channel(config, secret=lambda name: value, office_mailbox="jgdw@example.com")
    for word in (config.id, str(config.secret), "环境变量", "密钥目录"):
        assert word in str(raised.value)


@pytest.mark.parametrize("config", [MAIL, ROBOT])
def test_the_outbox_needs_no_secret(config: EmailChannel | WecomRobotChannel, tmp_path: Path) -> None:
    """The first run on a fresh machine has none, and asks for none."""

    def secret(name: str) -> str:
        raise AssertionError(name)

    channel = build_channel(config, secret=secret, office_mailbox="jgdw@example.com", outbox=tmp_path)
    assert isinstance(channel, OutboxChannel)
    assert channel.send(parcel(b"x")).kind is OutcomeKind.ACCEPTED


def test_a_line_end_after_a_secret_is_no_part_of_it() -> None:
    """Editors end files with one."""
    with SmtpStub(tls="implicit", accounts={USER: PASSWORD}) as smtp, WecomSimulator(keys=(KEY,)) as wecom:
        mail = build_channel(
            MAIL.model_copy(update={"host": smtp.host, "port": smtp.port}),
            secret=lambda name: PASSWORD + "\r\n",
            office_mailbox="jgdw@example.com",
            context=client_context(),
        )
        robot = build_channel(
            ROBOT.model_copy(update={"base_url": wecom.base_url}),
            secret=lambda name: KEY + "\n",
            office_mailbox="jgdw@example.com",
        )
        payload = b'{"msgtype":"markdown","markdown":{"content":"x"}}'
        assert mail.send(parcel(b"Subject: x\r\n\r\n")).kind is OutcomeKind.ACCEPTED
        assert robot.send(parcel(payload)).kind is OutcomeKind.ACCEPTED
        mail.close()
        robot.close()


def test_a_changed_secret_leaves_another_mark_that_says_nothing_of_it() -> None:
    """By it a paused channel is known to have been mended; it stands in the ledger."""

    def mark(value: str) -> str:
        channel = build_channel(ROBOT, secret=lambda name: value, office_mailbox="jgdw@example.com")
        return str(channel.secret_mark)  # type: ignore[attr-defined]

    assert mark("first-key") == mark("first-key\n") != mark("second-key")
    assert len(mark("first-key")) == 3
