"""What the office has set: channels without their secrets, silences, users, logins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from reminder.access.login import EVENT_TEXT
from reminder.access.rights import ROLE_TEXT, Right, Role
from reminder.access.users import STATE_TEXT, Users, state_of
from reminder.agenda.facts import Silence, SilenceKind
from reminder.ledger.accounts import FAILED, LOCKED, Account
from reminder.ledger.records import Pause
from reminder.plan.channels import EmailChannel, WecomAppChannel, WecomRobotChannel
from reminder.recording.silences import KIND_TEXT, Silences
from reminder.sweep.proof import ENDED
from reminder.sweep.shares import address_of
from reminder.views.look import Look

LOGINS_SHOWN = 100
LONG_AGO = timedelta(days=3650)

KIND_OF_CHANNEL = {"email": "电子邮件", "wecom_robot": "企业微信群机器人", "wecom_app": "企业微信自建应用"}
_TLS = {"implicit": "连接即加密", "starttls": "先连接后加密", "none": "不加密"}
_OUTCOME = {
    "accepted": "已接收",
    "transient": "暂时没有发出",
    "permanent": "没有发出",
    "uncertain": "不知是否送达",
    "partial": "部分送达",
}


@dataclass(frozen=True, slots=True)
class SecretLine:
    """A secret by its name, and whether it is there; never what it says."""

    name: str
    present: bool


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel: what is set, whether it is paused, whom a test can go to as (id, name)."""

    id: str
    kind: str
    facts: tuple[tuple[str, str], ...]
    secrets: tuple[SecretLine, ...]
    pauses: tuple[Pause, ...]
    personal: bool
    group: str
    people: tuple[tuple[str, str], ...]

    @property
    def lacking(self) -> bool:
        """Whether a secret is missing."""
        return not all(each.present for each in self.secrets)


@dataclass(frozen=True, slots=True)
class ProofView:
    """A test message that was sent; the time in the plan's zone."""

    at: datetime
    channel: str
    receiver: str
    who: str
    outcome: str
    words: str


@dataclass(frozen=True, slots=True)
class SilenceView:
    """A silence as it is shown; ``until`` is the last moment it holds, in the plan's zone."""

    silence: Silence
    kind: str
    name: str
    since: datetime
    until: datetime
    running: bool
    by: str


@dataclass(frozen=True, slots=True)
class UserView:
    """An account as it is shown."""

    account: Account
    name: str
    roles: tuple[str, ...]
    state: str


@dataclass(frozen=True, slots=True)
class LoginView:
    """A line of the login log; the time in the plan's zone."""

    at: datetime
    user: str
    name: str
    address: str
    event: str
    bad: bool


def channels(look: Look, has_secret: Callable[[str], bool]) -> tuple[ChannelView, ...]:
    """The channels in the order of the plan."""
    pauses = [
        each
        for each in look.ledger.pauses(look.plan_id, look.transport)
        if each.lasting or each.holds(look.now)
    ]
    found = []
    for config in look.edition.plan.channels.values():
        names = [name for name in (config.secret, getattr(config, "proxy_secret", None)) if name]
        found.append(
            ChannelView(
                config.id,
                KIND_OF_CHANNEL[config.kind],
                tuple(_facts(config)),
                tuple(SecretLine(name, has_secret(name)) for name in names),
                tuple(_local(each, look) for each in pauses if each.channel == config.id),
                config.personal,
                "" if config.personal else (getattr(config, "name", None) or config.id),
                _people(look, config),
            )
        )
    return tuple(found)


def _local(pause: Pause, look: Look) -> Pause:
    until = pause.until.astimezone(look.zone) if pause.until is not None else None
    return replace(pause, since=pause.since.astimezone(look.zone), until=until)


def _people(look: Look, config: Any) -> tuple[tuple[str, str], ...]:
    if not config.personal:
        return ()
    return tuple(
        (person.id, person.name)
        for person in look.edition.plan.directory.people
        if person.holds(look.today) and address_of(person, config)
    )


def _facts(config: EmailChannel | WecomRobotChannel | WecomAppChannel) -> list[tuple[str, str]]:
    """What is set, as (name, value); nothing that is secret stands in a configuration."""
    match config:
        case EmailChannel():
            facts = [
                ("服务器", f"{config.host}:{config.port}（{_TLS[config.tls]}）"),
                ("发件人", config.from_),
                ("登录名", config.username or "不登录"),
            ]
        case WecomRobotChannel():
            facts = [("群", config.name or config.id), ("接口", config.base_url)]
        case WecomAppChannel():
            facts = [("企业与应用", f"{config.corpid} / {config.agentid}"), ("接口", config.base_url)]
    facts.append(("所在网络", "单位内网" if config.network == "intranet" else "互联网（非公开事项不写内容）"))
    if getattr(config, "proxy", None):
        facts.append(("代理", str(getattr(config, "proxy", ""))))
    if config.per_minute:
        facts.append(("限速", f"每分钟 {config.per_minute} 条"))
    return facts


def proofs(look: Look, limit: int) -> tuple[ProofView, ...]:
    """The test messages sent last."""
    notes = look.ledger.notes(look.plan_id, ENDED, limit=limit)
    return tuple(
        ProofView(
            note.at.astimezone(look.zone),
            str(note.detail.get("channel", "")),
            look.name_of(str(note.detail.get("receiver", ""))).removeprefix("group:"),
            look.name_of(note.author),
            _OUTCOME.get(str(note.detail.get("outcome", "")), ""),
            f"{note.detail.get('code', '')} {note.detail.get('detail', '')}".strip(),
        )
        for note in notes
    )


def silences(look: Look) -> tuple[SilenceView, ...]:
    """Every silence that may be seen: those in force first, then the newest first."""
    found = []
    for each in Silences(look.ledger, look.edition).all():
        if each.kind is SilenceKind.ITEM and not look.sees(look.edition.plan.item(each.name)):
            continue
        found.append(
            SilenceView(
                each,
                KIND_TEXT[each.kind],
                _silenced(look, each),
                each.since.astimezone(look.zone),
                (each.until - timedelta(minutes=1)).astimezone(look.zone),
                each.holds(look.now),
                look.name_of(each.by),
            )
        )
    found.reverse()
    return tuple(sorted(found, key=lambda each: not each.running))


def _silenced(look: Look, silence: Silence) -> str:
    if silence.kind is SilenceKind.ITEM:
        item = look.edition.plan.item(silence.name)
        return item.spec.title if item is not None else silence.name
    return look.name_of(silence.name) if silence.kind is SilenceKind.PERSON else silence.name


def may_see_users(look: Look) -> bool:
    """Accounts and logins are for whoever manages them, and for the auditor."""
    return look.user.may(Right.MANAGE) or Role.AUDITOR in look.user.roles


def users(look: Look) -> tuple[UserView, ...]:
    """The accounts, in order of user."""
    return tuple(
        UserView(
            each,
            look.name_of(each.user),
            tuple(ROLE_TEXT[Role(role)] for role in each.roles),
            STATE_TEXT[state_of(each, here=look.edition.plan.directory.belongs(each.user, look.today))],
        )
        for each in Users(look.ledger, look.plan_id).every()
    )


def logins(look: Look) -> tuple[LoginView, ...]:
    """The end of the login log, the newest first."""
    return tuple(
        LoginView(
            each.at.astimezone(look.zone),
            each.user,
            look.name_of(each.user),
            each.address,
            EVENT_TEXT.get(each.event, each.event),
            each.event in (FAILED, LOCKED),
        )
        for each in look.ledger.accounts.events(look.plan_id, look.now - LONG_AGO, LOGINS_SHOWN)
    )
