"""The account (台账) of a span of time: what was owed and done, what was sent, what was not and why.

Everything here is read from plan, facts and ledger; nothing is judged anew.
*Accepted* by a server is not *read* and not *done*: they stand in columns of
their own.  Of private items there are numbers only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from reminder.agenda.duties import Standing, departed, standings
from reminder.agenda.facts import DUTY_STATE_TEXT, DutyAction, DutyEvent, DutyState, Facts, state_after
from reminder.agenda.instants import zone_of
from reminder.agenda.occurrences import Occurrence, occurrences
from reminder.agenda.reasons import ACTION_TEXT, reason_text
from reminder.check import Edition
from reminder.ledger.records import DELIVERY_TEXT, RETIRED, PlanVersion
from reminder.ledger.shown import Entry
from reminder.plan.model import Item
from reminder.plan.when import FestivalsWhen

Row = tuple[str, ...]

ACCEPTED = "accepted"
_SENT = ("send", "merge")


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table of text; ``note`` says how to read it.  Empty tables have no rows."""

    title: str
    columns: Row
    rows: tuple[Row, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """What is handed in.  ``facts`` are (label, value) pairs of the head, in order."""

    title: str
    facts: tuple[tuple[str, str], ...]
    summary: tuple[str, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """What an account is made of.

    ``entries`` are the ledger's lines planned in the span, of one transport;
    ``versions`` the plan versions accepted, the newest last; ``identity`` the ledger's.
    """

    edition: Edition
    facts: Facts
    entries: Sequence[Entry]
    versions: Sequence[PlanVersion]
    identity: str
    retired: tuple[str, ...] = ()
    """What is to be said of months in the span whose messages are in an archive."""


@dataclass(frozen=True, slots=True)
class _Owed:
    """One occurrence of an item in the span, with all its cells and what left them."""

    item: Item
    occurrence: Occurrence
    standings: tuple[Standing, ...]
    left: tuple[tuple[str, tuple[DutyEvent, ...]], ...]


def account(sources: Sources, first: date, last: date, now: datetime) -> Account:
    """The account of ``first`` to ``last``, both included, as it stands at ``now`` (aware)."""
    head = sources.edition.plan.head
    zone = zone_of(head.timezone)
    local = now.astimezone(zone)
    owed = tuple(_owed(sources, first, last, now))
    tables = (
        _by_clause(sources, owed),
        *_festivals(sources, owed),
        _units(owed, _names(sources.edition)),
        _talks(owed),
        _not_sent(sources),
        _sent(sources),
    )
    rehearsal = sources.facts.rehearsal
    return Account(
        f"{head.title}　提醒台账",
        (
            ("单位", head.office.sign_off),
            ("起止日期", f"{first} 至 {last}"),
            ("编制时间", f"{local:%Y-%m-%d %H:%M}"),
            ("性质", "试运行，仅供核对，不作为发送凭证" if rehearsal else "正式发送"),
            ("计划版本", _versions(sources.versions, zone)),
            ("工作日历", _calendar(sources.edition, first, last)),
            ("台账编号", sources.identity),
            *(("已归档", each) for each in sources.retired),
        ),
        _summary(sources, owed),
        tuple(tables),
    )


def _owed(sources: Sources, first: date, last: date, now: datetime) -> Iterator[_Owed]:
    plan, calendar, facts = sources.edition.plan, sources.edition.calendar, sources.facts
    for item in plan.items:
        for occurrence in occurrences(item, plan.head, calendar, first, last, facts):
            if occurrence.opens > now.astimezone(occurrence.due_at.tzinfo).date():
                continue
            found = standings(item, occurrence, plan.directory, calendar, facts, now)
            left = departed(occurrence, (each.cell for each in found), facts)
            yield _Owed(item, occurrence, found, left)


def days_late(standing: Standing, due: date) -> int:
    """Days between the due date and the deed; 0 for one in time or not done."""
    done = standing.done_on
    return max(0, (done - (standing.cell.due or due)).days) if done is not None else 0


def _by_clause(sources: Sources, owed: Sequence[_Owed]) -> Table:
    sent = Counter(entry.item for entry in sources.entries if entry.state == ACCEPTED)
    unsent = Counter(entry.item for entry in sources.entries if _unsent(entry))
    rows = []
    for item in sources.edition.plan.items:
        mine = [each for each in owed if each.item.id == item.id]
        cells = [(standing, each.occurrence.due) for each in mine for standing in each.standings]
        done = [(standing, due) for standing, due in cells if standing.state is DutyState.DONE]
        late = sum(days_late(standing, due) > 0 for standing, due in done)
        returned = sum(
            event.action is DutyAction.RETURN for standing, _ in cells for event in standing.events
        )
        rows.append(
            (
                item.spec.clause,
                item.spec.basis,
                item.spec.title,
                "是" if item.spec.private else "",
                str(len(mine)),
                str(len(cells)),
                str(len(done) - late),
                str(late),
                str(sum(standing.state is DutyState.WAIVED for standing, _ in cells)),
                str(sum(standing.owed and not standing.overdue for standing, _ in cells)),
                str(sum(standing.overdue for standing, _ in cells)),
                str(returned),
                str(sent[item.id]),
                str(unsent[item.id]),
            )
        )
    columns = (
        "条款", "依据", "事项", "非公开", "期次", "应办", "按期办结", "迟办结", "免办", "办理中", "过期未结",
        "退回次数", "已接收提醒", "未发提醒",
    )  # fmt: skip
    note = "依据：明为通知写明，拟为本单位拟定。“已接收提醒”指邮件或企业微信服务器已接收，不等于已读或已办。"
    return Table("按条款汇总", columns, tuple(rows), note)


def _festivals(sources: Sources, owed: Sequence[_Owed]) -> Iterator[Table]:
    """Whom each festival message reached, person by person: the whole roster or each failure."""
    people = {person.id: person.name for person in sources.edition.plan.directory.people}
    for item in sources.edition.plan.items:
        if not isinstance(item.spec.when, FestivalsWhen) or item.spec.private or item.spec.duty is not None:
            continue
        mine = [each.occurrence for each in owed if each.item.id == item.id]
        entries = [entry for entry in sources.entries if entry.item == item.id and entry.receiver in people]
        if not mine or not entries:
            continue
        found: dict[tuple[str, str], str] = {}
        for entry in sorted(entries, key=lambda each: (each.state == ACCEPTED, each.planned_at)):
            found[entry.receiver or "", entry.occurrence] = _outcome(entry)
        # An occurrence that is still ahead has no column yet.
        shown = [each for each in mine if any((person, each.id) in found for person in people)]
        rows = tuple(
            (name, *(found.get((person, each.id), "未列入") for each in shown))
            for person, name in people.items()
            if any((person, each.id) in found for each in shown)
        )
        yield Table(
            f"{item.spec.title}：逐人情况", ("人员", *(each.label for each in shown)), rows,
            "每格为该人该次提醒的最终结果。",
        )  # fmt: skip


def _units(owed: Sequence[_Owed], names: Mapping[str, str]) -> Table:
    """Units × occurrences of every duty of units that is not private, in roster order."""
    rows = []
    for each in owed:
        duty = each.item.spec.duty
        if duty is None or duty.each != "unit" or each.item.spec.private:
            continue
        rows += [_cell_row(each, one.cell.label, one.events, one, names) for one in each.standings]
        rows += [_cell_row(each, names.get(cell, cell), events, None, names) for cell, events in each.left]
    columns = ("条款", "事项", "期次", "承担单位", "截止", "情况", "办结日期", "登记人", "说明")
    return Table("各单位办理情况", columns, tuple(rows), "按名册次序排列，不作排名。")


def _cell_row(
    each: _Owed,
    label: str,
    events: tuple[DutyEvent, ...],
    standing: Standing | None,
    names: Mapping[str, str],
) -> Row:
    state, last = state_after(events), events[-1] if events else None
    text = DUTY_STATE_TEXT[state]
    if standing is not None and standing.overdue:
        text = f"{text}（已过截止）"
    if standing is not None and (late := days_late(standing, each.occurrence.due)):
        text = f"{text}（迟{late}天）"
    if standing is None:
        text = f"{text}（承担者已调整）"
    done = next((event.on for event in reversed(events) if event.action is DutyAction.DONE), None)
    returned = sum(event.action is DutyAction.RETURN for event in events)
    by = ""
    if last is not None:
        by = names.get(last.by, last.by)
        by += f"（代{names.get(last.for_, last.for_)}登记）" if last.for_ else ""
    remarks = [f"退回{returned}次"] if returned else []
    remarks += [last.note] if last is not None and last.note else []
    return (
        each.item.spec.clause,
        each.item.spec.title,
        each.occurrence.label,
        label,
        str(standing.cell.due or each.occurrence.due) if standing is not None else str(each.occurrence.due),
        text,
        str(done) if done is not None and state is DutyState.DONE else "",
        by,
        "；".join(remarks),
    )


def _talks(owed: Sequence[_Owed]) -> Table:
    """Private duties as numbers: nobody's name, nobody's date."""
    rows = []
    for each in owed:
        if not each.item.spec.private or each.item.spec.duty is None:
            continue
        states = Counter(standing.state for standing in each.standings)
        rows.append(
            (
                each.item.spec.clause,
                each.item.spec.title,
                each.occurrence.label,
                str(len(each.standings)),
                str(states[DutyState.DONE]),
                str(states[DutyState.WAIVED]),
                str(sum(standing.owed for standing in each.standings)),
            )
        )
    columns = ("条款", "事项", "期次", "应办", "已办结", "免办", "未办结")
    return Table("非公开事项统计", columns, tuple(rows), "谈话、检查、任前等事项只统计数目，不列人员和日期。")


def _not_sent(sources: Sources) -> Table:
    """What did not go out, and why; of private items the numbers."""
    zone = zone_of(sources.edition.plan.head.timezone)
    names = _names(sources.edition)
    private = {item.id for item in sources.edition.plan.items if item.spec.private}
    rows = []
    hidden: Counter[tuple[str, str]] = Counter()
    for entry in sorted(sources.entries, key=lambda each: (each.planned_at, each.alarm, each.receiver or "")):
        if not _unsent(entry):
            continue
        why = _outcome(entry)
        if entry.item in private:
            hidden[entry.item, why] += 1
            continue
        rows.append(
            (
                f"{entry.planned_at.astimezone(zone):%Y-%m-%d %H:%M}",
                names.get(entry.item, entry.item),
                entry.occurrence.partition("/")[2],
                names.get(entry.receiver or "", entry.receiver or "全部"),
                entry.channel or "",
                why,
            )
        )
    rows += [
        ("", names.get(item, item), "", f"共{count}条（非公开）", "", why)
        for (item, why), count in sorted(hidden.items())
    ]
    return Table(
        "未发出的提醒及原因",
        ("计划时间", "事项", "期次", "收件人", "通道", "原因"),
        tuple(rows),
        "包括按规定不需发出的（已办结、已合并静默等）和未能发出的。",
    )


def _sent(sources: Sources) -> Table:
    """Everything a server took, line by line; private items are left out here."""
    zone = zone_of(sources.edition.plan.head.timezone)
    names = _names(sources.edition)
    private = {item.id for item in sources.edition.plan.items if item.spec.private}
    rows = tuple(
        (
            f"{entry.planned_at.astimezone(zone):%Y-%m-%d %H:%M}",
            names.get(entry.item, entry.item),
            entry.occurrence.partition("/")[2],
            names.get(entry.receiver or "", entry.receiver or ""),
            entry.channel or "",
            f"{_outcome(entry)}{'（补发）' if entry.late else ''}",
        )
        for entry in sorted(
            sources.entries, key=lambda each: (each.planned_at, each.alarm, each.receiver or "")
        )
        if entry.decision in _SENT
        and entry.message is not None
        and not _unsent(entry)
        and entry.item not in private
    )
    columns = ("计划时间", "事项", "期次", "收件人", "通道", "结果")
    return Table("已发出的提醒", columns, rows, "非公开事项不列入本表。")


def _unsent(entry: Entry) -> bool:
    if entry.decision in _SENT and entry.message is not None:
        return entry.state in ("failed", "expired", "uncertain")
    # An alarm with claims speaks through them; one without through itself.
    return entry.decision not in _SENT or entry.receiver is not None


def _outcome(entry: Entry) -> str:
    if entry.decision in _SENT and entry.state is not None:
        text = DELIVERY_TEXT.get(entry.state, entry.state)
        return (
            f"{text}：{entry.last_code}"
            if entry.state in ("failed", "uncertain") and entry.last_code
            else text
        )
    return f"{ACTION_TEXT.get(entry.decision, entry.decision)}：{reason_text(entry.reason)}"


def _names(edition: Edition) -> Mapping[str, str]:
    plan = edition.plan
    return {
        **{item.id: item.spec.title for item in plan.items},
        **{person.id: person.name for person in plan.directory.people},
        **{f"group:{each.id}": each.name or each.id for each in plan.channels.values() if not each.personal},
        "notice": "管理员通知",
        "approval": "提请审批",
    }


def _summary(sources: Sources, owed: Sequence[_Owed]) -> tuple[str, ...]:
    cells = [(standing, each) for each in owed for standing in each.standings]
    done = [(standing, each) for standing, each in cells if standing.state is DutyState.DONE]
    late = sum(days_late(standing, each.occurrence.due) > 0 for standing, each in done)
    overdue = sum(standing.overdue for standing, _ in cells)
    waived = sum(standing.state is DutyState.WAIVED for standing, _ in cells)
    accepted = sum(entry.state == ACCEPTED for entry in sources.entries)
    failed = sum(entry.state in ("failed", "expired", "uncertain") for entry in sources.entries)
    gone = sum(entry.state == RETIRED for entry in sources.entries)
    duties = (
        f"应办{len(cells)}项，按期办结{len(done) - late}项，迟办结{late}项，免办{waived}项，"
        f"办理中{len(cells) - len(done) - waived - overdue}项，过期未结{overdue}项。"
    )
    elsewhere = f"另有{gone}人次的结果在档案中，不在台账。" if gone else ""
    return (duties, f"提醒：服务器已接收{accepted}人次，未能送出{failed}人次。{elsewhere}")


def _versions(versions: Iterable[PlanVersion], zone: ZoneInfo) -> str:
    texts = [
        f"{each.digest[:12]}（{each.accepted_at.astimezone(zone):%Y-%m-%d %H:%M} 起，{each.author}）"
        for each in versions
    ]
    return "；".join(texts) or "没有记录"


def _calendar(edition: Edition, first: date, last: date) -> str:
    text = {"official": "官方", "may-change": "官方，可能调整", "provisional": "预计"}
    years = [
        f"{year}年{text[str(edition.calendar.status(date(year, 7, 1)))]}"
        for year in range(first.year, last.year + 1)
    ]
    return "、".join(years) + f"；校验码 {edition.calendar.fingerprint[:12]}"
