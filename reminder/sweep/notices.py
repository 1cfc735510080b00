"""What the admins are told without anybody having planned it.

A notice is an alarm of its own in the ledger (item ``notice``), so that it is
claimed once, delivered like any other message and stands in the record.  Its
key says what it is about: the same trouble is not told twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from reminder.agenda.alarms import Alarm
from reminder.agenda.difference import Difference
from reminder.agenda.instants import zone_of
from reminder.agenda.policy import Action, Reason
from reminder.channels.base import Channel, Recipient
from reminder.check import Edition, days_until_end
from reminder.ledger.records import NewAlarm, NewClaim, NewDelivery, Settlement, Transport
from reminder.messages.context import Addressee, layout_context
from reminder.messages.message import Message
from reminder.plan.channels import EmailChannel
from reminder.plan.directory import Person
from reminder.plan.model import Plan
from reminder.recording.transfers import Handover, lines_of
from reminder.sweep.freeze import freeze, message_identity
from reminder.sweep.shares import address_of

NOTICE_ITEM = "notice"
NOTICE_TEMPLATE = "notice"
ARRANGEMENT_EVERY_DAYS = 7
"""While next year's arrangement is missing, the admins are told once a week."""
PLAN_ENDS_DAYS = (60, 30, 14, 7, 3, 1)
"""Days before the plan's end on which the admins are told of it."""
NOTICE_USEFUL = timedelta(days=7)
LINES_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell the admins.  ``key`` is its identity in the ledger."""

    key: str
    title: str
    lines: tuple[str, ...]
    remedy: str = ""


def standing_notices(edition: Edition, today: date) -> Iterator[Notice]:
    """What follows from calendar and plan alone on a given day.

    From 1 November on, that next year's official arrangement is missing; from
    60 days before it, that the plan ends.  The keys hold the day on which each
    is said, so that asking every day says it only on those.
    """
    missing = edition.calendar.missing_year(today)
    if missing is not None:
        since = date(missing - 1, 11, 1) if missing > today.year else date(missing, 1, 1)
        turn = (today - since).days // ARRANGEMENT_EVERY_DAYS
        yield Notice(
            f"notice/arrangement-{missing}#{turn}",
            f"{missing}年放假安排尚未录入",
            (
                f"系统中还没有{missing}年的官方放假调休安排，该年日期暂按法定节假日推算，标为“预计”，不含调休上班日。",
                "国务院办公厅通知公布后请及时录入，提醒日期将自动重算，已发出的不会重发。",
            ),
            "录入方法：将通知全文存为文本文件，执行 reminder calendar import 文件名。",
        )
    left = days_until_end(edition.plan, today)
    threshold = min((days for days in PLAN_ENDS_DAYS if left <= days), default=None)
    if threshold is not None:
        until = edition.plan.head.until
        ended = left < 0
        yield Notice(
            f"notice/plan-ends-{until}#{'ended' if ended else threshold}",
            f"计划{'已于' if ended else '将于'}{until}到期",
            (
                f"计划“{edition.plan.head.title}”的截止日期为{until}，"
                + (
                    "已经到期，到期后不再产生新的任务。"
                    if ended
                    else f"还有{left}天，到期后不再产生新的任务。"
                ),
            ),
            "请拟定下一年度计划：执行 reminder plan new-year 生成草稿，核对日期与名册后启用。",
        )


PRIVATE_MATTER = "一项非公开事项"


def called(alarm: Alarm) -> str:
    """How admins are told of an alarm; of a private one only that it is private: a notice is a mail like any."""
    if alarm.item.spec.private:
        return PRIVATE_MATTER
    return f"{alarm.item.spec.title}（{alarm.occurrence.label}）"


def notice_of(kind: str, title: str, lines: Sequence[str], remedy: str) -> Notice:
    """A notice about something that happened; its key is made from its words."""
    digest = hashlib.sha256("\n".join([title, *lines]).encode()).hexdigest()[:16]
    return Notice(f"notice/{kind}#{digest}", title, tuple(lines), remedy)


def moved_notice(moves: Difference) -> Notice:
    """To the admins: which reminders a new plan or calendar puts on another day."""
    lines = [
        f"{called(each.alarm)}：{each.before:%Y-%m-%d %H:%M} → {each.alarm.at:%Y-%m-%d %H:%M}"
        for each in moves.moved
    ]
    remedy = "已发出的提醒不会重发；如有疑问请核对日历与计划。"
    return notice_of("moved", f"{len(lines)}条提醒的日期有变动", lines[:LINES_SHOWN], remedy)


def handover_notice(handed: Sequence[Handover]) -> Notice:
    """What a changed directory hands over, before it takes effect; of private items only how many."""
    lines = lines_of(handed)
    more = [f"……共{len(lines)}行，其余见 reminder duties transfers"] if len(lines) > LINES_SHOWN else []
    remedy = "如与实际不符，请在生效之前改正名册。离任的请给任职写 until（最后一天），不要删去原来的行；已有的记录一律保留。"
    return notice_of("handover", "名册变动引起的职责交接", [*lines[:LINES_SHOWN], *more], remedy)


@dataclass(frozen=True, slots=True)
class Letter:
    """Something to tell some persons that is no reminder of the plan.

    ``item`` and ``key`` are its identity in the ledger; ``say`` renders it for
    one of them on a channel; ``useful_until`` is aware.
    """

    item: str
    key: str
    say: Callable[[Addressee, str], Message]
    useful_until: datetime


def settle_notice(
    notice: Notice,
    edition: Edition,
    channels: Mapping[str, Channel],
    transport: Transport,
    now: datetime,
    *,
    avoid: Collection[str] = (),
    groups: bool = False,
) -> Settlement:
    """Freeze a notice for every admin on the first personal channel that reaches them, mail first.

    A channel of ``avoid`` (it is paused) is taken only if there is no other;
    ``groups`` lets a group robot come before that.  With no admins in the plan
    the notice is recorded and reaches nobody; the log and ``doctor`` say so.
    """
    plan = edition.plan
    today = now.astimezone(zone_of(plan.head.timezone)).date()
    admins = plan.directory.people_meant(plan.head.admins, today) if plan.head.admins else ()
    return settle_letter(
        Letter(NOTICE_ITEM, notice.key, lambda to, _: notice_message(notice, to, edition, now), now + NOTICE_USEFUL),
        admins, edition, channels, transport, now, avoid=avoid, groups=groups,
    )  # fmt: skip


def settle_letter(
    letter: Letter,
    people: Sequence[Person],
    edition: Edition,
    channels: Mapping[str, Channel],
    transport: Transport,
    now: datetime,
    *,
    avoid: Collection[str] = (),
    groups: bool = False,
) -> Settlement:
    """Freeze a letter for every one of ``people`` on the first personal channel that reaches them, mail first.

    ``avoid`` and ``groups`` as in :func:`settle_notice`.
    """
    plan = edition.plan
    claims: list[NewClaim] = []
    deliveries: list[NewDelivery] = []
    recipients: dict[str, tuple[Addressee, str, str]] = {}
    for person in people:
        route = _route(person, plan, avoid, groups=groups)
        if route is None:
            claims.append(NewClaim(person.id, "-", Action.FAIL, Reason.NO_ADDRESS))
            continue
        addressee, channel_id, address = route
        recipients[f"{addressee.id}|{channel_id}"] = addressee, channel_id, address
    for key, (addressee, channel_id, address) in recipients.items():
        identity = message_identity(plan.id, transport, [f"{letter.key}|{key}"])
        claims.append(NewClaim(addressee.id, channel_id, Action.SEND, Reason.DUE, identity))
        deliveries += freeze(
            letter.say(addressee, channel_id),
            Recipient(addressee.id, addressee.name, address),
            channels[channel_id],
            plan,
            identity,
            now=now,
            planned_at=now,
            expires_at=letter.useful_until,
        )
    action = Action.SEND if deliveries else Action.SUPPRESS if not claims else Action.FAIL
    reason = Reason.DUE if deliveries else Reason.NOBODY if not claims else Reason.NO_ADDRESS
    alarm = _alarm(letter.key, letter.item, now, action, reason, tuple(claims))
    return Settlement((alarm,), tuple(deliveries))


def notice_alarm(
    notice: Notice, at: datetime, decision: Action, reason: Reason, claims: tuple[NewClaim, ...] = ()
) -> NewAlarm:
    """A notice as the ledger records it, planned and due at the same instant."""
    return _alarm(notice.key, NOTICE_ITEM, at, decision, reason, claims)


def _alarm(
    key: str, item: str, at: datetime, decision: Action, reason: Reason, claims: tuple[NewClaim, ...]
) -> NewAlarm:
    occurrence, _, rung = key.partition("#")
    return NewAlarm(key, item, occurrence, rung, at, at, decision, reason, claims)


def _route(
    person: Person, plan: Plan, avoid: Collection[str], *, groups: bool
) -> tuple[Addressee, str, str] | None:
    """To whom, over which channel and to which address a notice for an admin goes."""
    personal = [name for name, config in plan.channels.items() if config.personal]
    personal.sort(key=lambda name: not isinstance(plan.channels[name], EmailChannel))
    reaching = [(name, address) for name in personal if (address := address_of(person, plan.channels[name]))]
    himself = Addressee(person.id, person.name, "person")
    for name, address in reaching:
        if name not in avoid:
            return himself, name, address
    for name, config in plan.channels.items():
        if groups and not config.personal and name not in avoid:
            return Addressee(f"group:{name}", getattr(config, "name", None) or name, "group"), name, name
    return (himself, *reaching[0]) if reaching else None


@dataclass(frozen=True, slots=True)
class Told:
    """Whom notices reach, over which channel, at which address; empty for an admin without one."""

    person: Person
    channel: str
    address: str


def told_of_trouble(plan: Plan, on: date) -> tuple[Told, ...]:
    """Every admin of a day, and how a notice reaches them while no channel is paused."""
    found = []
    for person in plan.directory.people_meant(plan.head.admins, on) if plan.head.admins else ():
        route = _route(person, plan, (), groups=False)
        found.append(Told(person, route[1], route[2]) if route is not None else Told(person, "", ""))
    return tuple(found)


def notice_message(notice: Notice, addressee: Addressee, edition: Edition, now: datetime) -> Message:
    """Render a notice for one person; raises ``ReminderError`` if its template fails."""
    context = {
        **layout_context(edition.plan, addressee, (), edition.wording, now),
        "notice": {"title": notice.title, "lines": list(notice.lines), "remedy": notice.remedy},
    }
    sections = [edition.templates.section(NOTICE_TEMPLATE, context)]
    return edition.templates.message(
        sections, layout_context(edition.plan, addressee, sections, edition.wording, now)
    )
