"""Tell the admins what went wrong for good: failed, expired, refused, unknown, paused.

The ledger remembers every trouble until it was told.  What is alike (kind,
channel, the server's code) is told together, and at most once an hour: a
hundred refused addresses are one notice and not a hundred.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from reminder.agenda.instants import zone_of
from reminder.check import Edition
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import PauseKind, Trouble, TroubleKind
from reminder.sweep.notices import NOTICE_ITEM, Notice
from reminder.sweep.sweeper import Sweeper

log = logging.getLogger(__name__)

AGAIN_AFTER = timedelta(hours=1)
LINES_SHOWN = 20

_WHAT = {
    TroubleKind.FAILED: "{count}条消息发送失败（{code}）",
    TroubleKind.EXPIRED: "{count}条消息直到失效也没有发出",
    TroubleKind.UNCERTAIN: "{count}条消息不知是否送达，等待人工决定",
    TroubleKind.REFUSED: "{count}名收件人被服务器拒收（{code}）",
    TroubleKind.PAUSED: "已暂停发送（{code}）",
}
_REMEDY = {
    TroubleKind.FAILED: "请按服务器原话更正地址或设置，必要时人工通知。查看：reminder ledger --status failed --attempts。",
    TroubleKind.EXPIRED: "这些消息已不再有用，不会补发；请人工通知。查看：reminder ledger --status expired --attempts。",
    TroubleKind.UNCERTAIN: "请向收件人核实，再执行 reminder resolve 消息编号 --by 姓名，"
    "并加上 --arrived（已收到）、--resend（重发）或 --drop（不再发）。",
    TroubleKind.REFUSED: "同一条消息的其他人不受影响。请核对这些人的账号，必要时人工通知。",
}
_KEPT = "待发的消息都保留着，没有发出，恢复后在有效期内自动补发。"
_RESUME = "执行 reminder channel resume {channel} --by 姓名"
_PAUSED_REMEDY = {
    PauseKind.DEAD: "请按服务器原话更换密钥或更正设置，系统会自动发现并恢复；没有换密钥而问题已解决的，"
    + _RESUME
    + "。",
    PauseKind.LOGIN: "请更正密码或授权码，系统会自动发现并恢复；密码没有错的，每半小时自动再试一次，也可"
    + _RESUME
    + "。",
    PauseKind.THROTTLED: "发送过于频繁，到时自动恢复，不必处理；经常如此的，请在 channels.yaml 中限制 per_hour 或 per_day。",
}
_ENDED = "问题已解决而仍未恢复的，" + _RESUME + "。"
"""Of a pause that was over before it was told."""


def tell_troubles(ledger: Ledger, sweeper: Sweeper, now: datetime) -> int:
    """Tell what has not been told; how many notices were made.

    A trouble of a notice itself is only logged: a notice about it would go the
    same way.  A pause is told over another channel than the one that is paused.
    """
    edition, transport = sweeper.edition, sweeper.transport
    plan_id = edition.plan.id
    untold = ledger.troubles(plan_id, transport)
    if not untold:
        return 0
    groups: dict[tuple[TroubleKind, str, str], list[Trouble]] = {}
    own: list[int] = []
    for trouble in untold:
        if NOTICE_ITEM in trouble.items:
            log.error("notice not delivered", extra={"channel": trouble.channel, "detail": trouble.detail})
            own.append(trouble.id)
            continue
        groups.setdefault((trouble.kind, trouble.channel, trouble.code), []).append(trouble)
    recent = ledger.settled(plan_id, transport, now - AGAIN_AFTER)
    paused = {pause.channel: pause.kind for pause in ledger.pauses(plan_id, transport) if pause.lasting}
    done = own
    notices = 0
    for (kind, _, _), troubles in groups.items():
        notice = notice_of_troubles(troubles, edition, paused)
        subject = notice.key.partition("#")[0] + "#"
        if notice.key not in recent and any(key.startswith(subject) for key in recent):
            continue  # told within the hour: what has come since waits for the next notice
        sweeper.tell(notice, now, avoid=paused, groups=kind is TroubleKind.PAUSED)
        done += [trouble.id for trouble in troubles]
        notices += 1
    if done:
        ledger.told(plan_id, done, now)
    return notices


def notice_of_troubles(
    troubles: Sequence[Trouble], edition: Edition, paused: Mapping[str, PauseKind]
) -> Notice:
    """One notice about troubles of one kind, channel and code; its key says which they are.

    ``paused``: why channels are paused, by channel.
    """
    first = troubles[0]
    name = _channel_name(first.channel, edition)
    what = _WHAT[first.kind].format(count=len(troubles), code=first.code)
    # Told again after a crash between the notice and the mark that it was told, it is the same notice.
    told = hashlib.sha256(" ".join(str(each.id) for each in troubles).encode()).hexdigest()[:12]
    title = f"通道“{name}”{what}" if first.kind is TroubleKind.PAUSED else f"通道“{name}”有{what}"
    remedy = _REMEDY.get(first.kind, "")
    if first.kind is TroubleKind.PAUSED:
        kind = paused.get(first.channel)
        remedy = _KEPT + (_PAUSED_REMEDY[kind] if kind else _ENDED).format(channel=first.channel)
    code = first.code.replace("#", "")
    return Notice(
        f"notice/{first.kind}-{first.channel}-{code}#{told}",
        title,
        tuple(_capped(_lines(troubles, edition))),
        remedy,
    )


def _channel_name(channel: str, edition: Edition) -> str:
    return getattr(edition.plan.channels.get(channel), "name", None) or channel


def _lines(troubles: Iterable[Trouble], edition: Edition) -> list[str]:
    zone = zone_of(edition.plan.head.timezone)
    people = {person.id: person.name for person in edition.plan.directory.people}
    lines = []
    for each in troubles:
        at = f"{each.at.astimezone(zone):%Y-%m-%d %H:%M}"
        if each.kind is TroubleKind.PAUSED:
            # A group's post shows no subject: the line says it all.
            name = _channel_name(each.channel, edition)
            lines.append(f"{at} 通道“{name}”已暂停发送，服务器答复：{each.code} {each.detail}".rstrip())
            continue
        group = each.receiver.removeprefix("group:")
        whom = people.get(each.receiver, each.receiver)
        if group != each.receiver:
            whom = f"群“{_channel_name(group, edition)}”"
        text = f"{at} {whom} 《{each.subject}》"
        if each.kind is TroubleKind.UNCERTAIN:
            text += f"，消息编号 {each.delivery}"
        if each.detail:
            text += f"：{each.detail}"
        lines.append(text)
    return lines


def _capped(lines: Sequence[str]) -> list[str]:
    shown = list(lines[:LINES_SHOWN])
    if len(lines) > LINES_SHOWN:
        shown.append(f"……共{len(lines)}条，其余见台账")
    return shown
