"""When somebody leaves: what hangs on one person, and what to do about each.

Accounts, tokens, approvals, alerts, posts, mailboxes, robots and secrets, as
they stand today.  With a person, what is theirs; without, what hangs on anybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from email.utils import parseaddr

from reminder.access.rights import ROLE_TEXT
from reminder.access.users import manages
from reminder.agenda.reach import in_charge
from reminder.plan.channels import EmailChannel, WecomAppChannel, WecomRobotChannel
from reminder.plan.directory import Person
from reminder.plan.model import Plan
from reminder.settings import Settings
from reminder.sweep.notices import told_of_trouble
from reminder.views.look import Look

LEAST = 2
"""Fewer than so many managers, approvers or receivers of alerts is too few: somebody is always away."""


@dataclass(frozen=True, slots=True)
class Tie:
    """One thing that hangs on somebody: which, how it stands, what to do.  ``urgent``: nobody else is there."""

    what: str
    found: str
    remedy: str
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """The things of one kind; ``none`` is what to say where there are none."""

    title: str
    ties: tuple[Tie, ...]
    none: str = "没有。"


@dataclass(frozen=True, slots=True)
class Handover:
    """All of it; ``person`` is who leaves, or None for an overview."""

    person: Person | None
    parts: tuple[Part, ...]

    @property
    def urgent(self) -> int:
        """How many things nobody else could see to."""
        return sum(tie.urgent for part in self.parts for tie in part.ties)


BEYOND = (
    Tie("服务器的登录账户", "程序看不到", "停用离任人的系统账户和 sudo 权限，移除其 SSH 公钥"),
    Tie(
        "备份",
        "程序看不到",
        "确认备份存在哪里、谁能取到，另交一人；恢复演练一次（reminder restore 文件 --check）",
    ),
    Tie("域名、证书、反向代理", "程序看不到", "交代到期日和续办的人；到期通知改发公用邮箱"),
    Tie("邮箱与企业微信的管理权限", "程序看不到", "发信邮箱、群机器人、自建应用的管理员改为接任人"),
)
"""What no program can see, and is forgotten for that."""


def handover(look: Look, settings: Settings, person: Person | None = None) -> Handover:
    """What hangs on ``person``, or on anybody; for whoever manages."""
    parts = (
        Part("网页账户", tuple(_accounts(look, person)), "没有账户。"),
        Part("程序令牌", tuple(_tokens(look, person)), "没有有效的令牌。"),
        Part(
            "审批",
            tuple(_approvals(look, person)),
            "没有由其审批的事项。" if person else "没有须经审批的事项。",
        ),
        Part("故障通知", tuple(_alerts(look.edition.plan, look.today, person)), "不由其接收。"),
        Part("职务与代理", tuple(_posts(look, person)), "没有。"),
        Part("邮箱、机器人与密钥", tuple(_channels(look, settings, person)), "没有。"),
        Part("程序之外", BEYOND),
    )
    return Handover(person, parts)


def _accounts(look: Look, person: Person | None) -> Iterator[Tie]:
    plan = look.edition.plan
    known = look.ledger.accounts.every(plan.id)
    here = {each.user for each in known if plan.directory.belongs(each.user, look.today)}
    managers = [each.user for each in known if each.user in here and manages(each)]
    if person is None and len(managers) < LEAST:
        names = "、".join(look.name_of(each) for each in managers)
        found = f"只有 {names} 是管理员" if names else "没有可用的管理员账户"
        yield Tie("管理员", found, "执行 reminder passwd 人员编号 --role admin，至少两人", urgent=True)
    for each in known:
        if (person is not None and each.user != person.id) or each.disabled:
            continue
        roles = "、".join(ROLE_TEXT.get(role, role) for role in each.roles)
        private = "，可查看非公开事项" if each.private else ""
        left = each.user not in here
        only = managers == [each.user]
        found = f"{roles}{private}" + ("；已不在名册，不能登录" if left else "")
        remedy = f"离任时停用：reminder passwd {each.user} --disable"
        if only:
            remedy = f"先给接任人建立管理员账户，{remedy}"
            found += "；唯一的管理员"
        yield Tie(f"{look.name_of(each.user)}（{each.user}）", found, remedy, urgent=only or left)


def _tokens(look: Look, person: Person | None) -> Iterator[Tie]:
    for each in look.ledger.tokens.every(look.plan_id):
        if not each.holds(look.now) or (person is not None and each.made_by != person.id):
            continue
        until = each.expires_at.astimezone(look.zone)
        yield Tie(
            each.name,
            f"由{look.name_of(each.made_by)}生成，有效至 {until:%Y-%m-%d}",
            f"生成的人看得到令牌：换一个新的给程序，再 reminder token revoke {each.name}",
        )


def _approvals(look: Look, person: Person | None) -> Iterator[Tie]:
    plan = look.edition.plan
    audiences = [
        (item.spec.title, "该项的 approval.by ", item.spec.approval.by)
        for item in look.items
        if item.spec.approval is not None
    ]
    if plan.head.approvers is not None:
        audiences.append(("涉及部领导的提请关注", " plan.approvers ", plan.head.approvers))
    for title, place, audience in audiences:
        people = plan.directory.people_meant(audience, look.today)
        if person is not None and all(each.id != person.id for each in people):
            continue
        names = "、".join(each.name for each in people) or "目前没有人"
        alone = len(people) < LEAST
        remedy = (
            f"在{place}中另加一人，或给职务写好接任人，否则到时未获审批，不会发出"
            if alone
            else "其余的人仍可审批；职务的接任人写入 directory.yaml"
        )
        yield Tie(title, f"审批人：{names}", remedy, urgent=alone)


def _alerts(plan: Plan, on: date, person: Person | None) -> Iterator[Tie]:
    told = told_of_trouble(plan, on)
    addresses = {(each.channel, each.address.casefold()) for each in told if each.address}
    few = len(addresses) < LEAST
    if person is None and few:
        found = "没有人收得到" if not addresses else "只到一个地址"
        remedy = "plan.admins 中至少写两人，各有自己的地址"
        yield Tie("plan.admins", f"故障通知{found}", remedy, urgent=True)
    for each in told:
        if person is not None and each.person.id != person.id:
            continue
        found = f"{each.channel}：{each.address}" if each.address else "没有地址，收不到"
        remedy = "按职务写的（post:…），换人随名册；按人写的（person:…），改为接任人；接任人须有邮箱"
        yield Tie(f"{each.person.name}（{each.person.id}）", found, remedy, urgent=few or not each.address)


def _posts(look: Look, person: Person | None) -> Iterator[Tie]:
    plan, on = look.edition.plan, look.today
    directory = plan.directory
    charged = in_charge(plan, on)
    for each in directory.people:
        if each.id in charged and (person is None or each.id == person.id):
            remedy = "接任人任职之前，没有人看得到非公开事项还有谁未办；请写好接任人"
            yield Tie(
                each.name, "掌握非公开事项的名单（plan.in_charge）", remedy, urgent=len(charged) < LEAST
            )
    if person is None:
        return
    for post in directory.posts_of(person.id, on):
        alone = len(directory.holders(post, on)) < LEAST
        remedy = "在 directory.yaml 中给原任职写 until，另起一条写接任人和 from；不要删除原来的"
        yield Tie(post, "现任" + ("" if alone else "之一"), remedy, urgent=False)
    for deputy in directory.deputies:
        if deputy.holds(on) and person.id in (deputy.of, deputy.deputy):
            yield Tie(
                "代理",
                f"{look.name_of(deputy.deputy)}代{look.name_of(deputy.of)}",
                "写 until 结束，另定代理人",
            )


def _channels(look: Look, settings: Settings, person: Person | None) -> Iterator[Tie]:
    plan = look.edition.plan
    owners = _owners(plan.directory.people)
    office = plan.head.office.mailbox
    yield from _mailbox("单位邮箱（office.mailbox）", [office], owners, person)
    for channel in plan.channels.values():
        where = f"通道 {channel.id}"
        if isinstance(channel, EmailChannel):
            addresses = [channel.username or "", parseaddr(channel.from_)[1], channel.reply_to or ""]
            yield from _mailbox(f"{where}的发信邮箱", addresses, owners, person)
            kind, cure = "邮箱密码或授权码", "在邮箱后台换一个"
        elif isinstance(channel, WecomRobotChannel):
            kind, cure = (
                "群机器人的 key",
                "由现在的群主删除旧机器人、另建一个（建它的人离职，机器人可能失效）",
            )
        else:
            assert isinstance(channel, WecomAppChannel)
            kind, cure = "自建应用的 secret", "在企业微信管理后台重置"
        for secret in (channel.secret, getattr(channel, "proxy_secret", None)):
            if secret is not None:
                yield Tie(
                    f"{where}：{secret}",
                    f"{kind}，离任人可能知道",
                    f"{cure}，写入 {settings.secrets_folder / secret}；程序一秒内自动换用",
                )


def _owners(people: Sequence[Person]) -> dict[str, Person]:
    return {each.mail.casefold(): each for each in people if each.mail}


def _mailbox(
    what: str, addresses: Sequence[str], owners: dict[str, Person], person: Person | None
) -> Iterator[Tie]:
    """A mailbox of the office that is somebody's own."""
    for address in dict.fromkeys(each for each in addresses if each):
        owner = owners.get(address.casefold())
        if owner is None or (person is not None and owner.id != person.id):
            continue
        yield Tie(
            what,
            f"{address} 是{owner.name}的邮箱",
            "改用不属于个人的公用邮箱，在计划文件中更正",
            urgent=True,
        )
