"""Whether the parts of a plan fit together: every name known, every rule possible."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from zoneinfo import ZoneInfo

from reminder.errors import Problem, Severity
from reminder.plan.addresses import address_fault, check_channel
from reminder.plan.audience import Audience, TermKind
from reminder.plan.directory import Directory
from reminder.plan.edges import check_edges
from reminder.plan.fields import did_you_mean
from reminder.plan.ladders import DEFAULT_TEMPLATE, LadderBook, anchor_fault, check_rungs, rungs_from
from reminder.plan.listening import Where, check_listening, names_who_owes
from reminder.plan.model import STATUTORY_FESTIVALS, Duty, ItemSpec, PlanHead, Rung
from reminder.plan.names import CHANNEL, GROUP, ITEM, LADDER, POST, UNIT, Names
from reminder.plan.place import Place
from reminder.plan.roster import check_directory
from reminder.plan.sections import Entry, Sections
from reminder.plan.timing import TimingChecks
from reminder.plan.via import Route, channels_of, named, steps
from reminder.source import Loc

_CALLED = {"mail": "邮件", "wecom": "企业微信消息"}
_UNIT_TERMS = (TermKind.EVERYONE, TermKind.UNIT, TermKind.GROUP, TermKind.ROLE)


def check_unique_ids(sections: Sections) -> Iterator[Problem]:
    """Ids are unique in all files together; both places are named."""
    for section in ("items", "units", "groups", "posts", "people", "channels"):
        first: dict[str, Place] = {}
        for entry in sections.entries(section):
            name = entry.value.id
            if name in first:
                before = first[name].source.key_position((*first[name].loc, "id"))
                found = f"{section} 里“{name}”重复"
                yield entry.place.problem(("id",), found, f"首次出现在 {before}", "请改名或删去其一")
            else:
                first[name] = entry.place
    in_use = {entry.value.id for entry in sections.entries("items")}
    former: dict[str, Place] = {}
    for entry in sections.entries("items"):
        for index, name in enumerate(entry.value.was):
            if name in in_use:
                found = f"was 里的“{name}”是仍在使用的编号"
                yield entry.place.problem(("was", index), found, "was 只写本事项以前的编号", "请删去")
            elif name in former:
                found = f"was 里的“{name}”已写在 {former[name].position()} 的事项里"
                yield entry.place.problem(("was", index), found, "一个旧编号只归一个事项", "请删去其一")
            former.setdefault(name, entry.place)


def check_head(entry: Entry[PlanHead], names: Names) -> Iterator[Problem]:
    """Zone, mailbox, admins, channels and extra festivals."""
    head, place = entry.value, entry.place
    if not _is_zone(head.timezone):
        found = f"没有时区“{head.timezone}”"
        yield place.problem(("timezone",), found, "写 IANA 时区名", "北京时间写 Asia/Shanghai")
    if fault := address_fault(head.office.mailbox):
        yield place.problem(("office", "mailbox"), *fault)
    for key in ("admins", "in_charge", "approvers"):
        audience = getattr(head, key)
        if audience is not None:
            yield from _check_audience(audience, place, (key,), names, key)
    if head.daily_cap < 1:
        yield place.problem(("daily_cap",), f"daily_cap 是 {head.daily_cap}，那就一条也发不出", "至少为 1")
    yield from _check_via(head.via, place, (), names)
    seen = set(STATUTORY_FESTIVALS)
    for index, festival in enumerate(head.festivals):
        if festival.name in seen:
            found = f"节日“{festival.name}”重复"
            hint = "法定节日不必写" if festival.name in STATUTORY_FESTIVALS else "请删去其一"
            yield place.problem(("festivals", index, "name"), found, "", hint)
        seen.add(festival.name)


def check_posts_of_head(entry: Entry[PlanHead], directory: Directory) -> Iterator[Problem]:
    """Whether those whom the head names are there: who is told of trouble, who is in charge."""
    head, place = entry.value, entry.place
    days = (head.from_, *(day for day in directory.changes if head.from_ < day < head.until), head.until)
    for key in ("admins", "in_charge"):
        audience: Audience | None = getattr(head, key)
        if audience is None:
            continue
        empty = [day for day in days if not directory.people_meant(audience, day)]
        if empty:
            named_ = "、".join(str(term) for term in audience)
            since = f"自 {empty[0]} 起" if len(empty) < len(days) else ""
            found = f"{key}“{named_}”{since}没有任何人"
            hint = "请检查 directory.yaml 中的任职（holdings）与起止日期"
            yield place.problem((key,), found, "", hint, Severity.WARNING)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError; a folder's name an OSError
        return False
    return True


def check_shared(sections: Sections, names: Names) -> Iterator[Problem]:
    """Directory, channels, and the names used by ladders."""
    yield from check_directory(sections, names)
    for entry in sections.entries("channels"):
        yield from check_channel(entry)
        yield from check_edges(entry)
    for rungs in sections.ladders.values():
        for rung in rungs:
            yield from names.check_audience(rung.value.to, rung.place, ("to",), _raw(rung.place, ("to",)))
            yield from _check_via(rung.value.via, rung.place, (), names)


def _check_via(via: tuple[Route, ...], place: Place, loc: Loc, names: Names) -> Iterator[Problem]:
    """Every channel known, and none twice: each receiver gets one message on each."""
    seen: set[str] = set()
    for channel, sub in named(via, _raw(place, (*loc, "via"))):
        at = (*loc, "via", *sub)
        yield from names.check(channel, (CHANNEL,), place, at)
        if channel in seen:
            yield place.problem(at, f"通道“{channel}”写了两次", "每个通道在一处 via 里只写一次", "请删去其一")
        seen.add(channel)


def _raw(place: Place, loc: Loc) -> object:
    """The value as it stood in the file, to know whether it was a list."""
    value: object = place.source.value
    for step in place.loc + loc:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
    return value


class ItemChecks:
    """All checks of one item; the names, ladders and directory they need are looked up once."""

    def __init__(
        self, sections: Sections, names: Names, head: PlanHead, book: LadderBook, directory: Directory
    ):
        self._names = names
        self._head = head
        self._book = book
        self._directory = directory
        self._ladders_faulty = sections.faulty["ladders"]
        self._group_channels = {e.value.id for e in sections.entries("channels") if not e.value.personal}
        self._address_keys = {
            e.value.id: e.value.address_key for e in sections.entries("channels") if e.value.personal
        }
        self._incomplete = any(person.mail is None or person.wecom is None for person in directory.people)
        self._timing = TimingChecks(names, head)
        self._meant: dict[Audience, set[str]] = {}
        self._owing: dict[Duty, set[str]] = {}

    def check(self, entry: Entry[ItemSpec], rungs: tuple[Rung, ...]) -> Iterator[Problem]:
        """Every problem, warning and notice of the item."""
        spec, place = entry.value, entry.place
        yield from self.check_names(entry)
        yield from self._timing.check(spec, place)
        yield from self._check_duty(spec, place, rungs)
        yield from check_rungs(entry, self._book, rungs)
        yield from self._check_channels(spec, place, rungs)
        if spec.approval is not None:
            yield from self._check_approval(spec, place, rungs)
        if not rungs and spec.collect_with is None and spec.ladder not in self._ladders_faulty:
            found, hint = "本项没有任何提醒", "请写 ladder、remind，或以 collect_with 并入另一项"
            yield place.problem((), found, "", hint, Severity.WARNING)

    def check_names(self, entry: Entry[ItemSpec]) -> Iterator[Problem]:
        """Only the names that the item uses: all that can be said of an item with faults."""
        spec, place, names = entry.value, entry.place, self._names
        yield from _check_via(spec.via, place, (), names)
        if spec.ladder is not None:
            yield from names.check(spec.ladder, (LADDER,), place, ("ladder",))
        for index, leader in enumerate(spec.responsible.leaders):
            yield from names.check(leader, (POST,), place, ("responsible", "leaders", index))
        for index, unit in enumerate(spec.responsible.units):
            yield from names.check(unit, (UNIT, GROUP), place, ("responsible", "units", index))
        for index, rung in enumerate(spec.remind):
            loc: Loc = ("remind", index)
            yield from names.check_audience(rung.to, place, (*loc, "to"), _raw(place, (*loc, "to")))
            yield from _check_via(rung.via, place, loc, names)
        if spec.collect_with is not None:
            yield from names.check(spec.collect_with, (ITEM,), place, ("collect_with",))
            if spec.collect_with == spec.id:
                yield place.problem(("collect_with",), "事项不能并入自己", "写另一事项的编号")
        yield from self._check_audiences(spec, place)

    def _check_audiences(self, spec: ItemSpec, place: Place) -> Iterator[Problem]:
        audiences: list[tuple[Loc, Audience | None]] = []
        if spec.duty is not None:
            if spec.duty.of != "supervision":
                audiences.append((("duty", "of"), spec.duty.of))
            audiences.append((("duty", "escalate_to"), spec.duty.escalate_to))
        if spec.approval is not None:
            audiences.append((("approval", "by"), spec.approval.by))
        for loc, audience in audiences:
            if audience is not None:
                yield from _check_audience(audience, place, loc, self._names, ".".join(map(str, loc)))

    def _check_duty(self, spec: ItemSpec, place: Place, rungs: tuple[Rung, ...]) -> Iterator[Problem]:
        duty = spec.duty
        if duty is None:
            for kind in (TermKind.OWING, TermKind.ESCALATION):
                if any(term.kind is kind for rung in rungs for term in rung.to):
                    found = f"提醒对象有 {kind}，而本项没有写 duty"
                    yield place.problem((), found, "", "请写 duty（谁承担），或改写提醒对象")
            return
        if duty.of != "supervision":
            if duty.each == "unit":
                for term in duty.of:
                    if term.kind not in _UNIT_TERMS:
                        found = f"each: unit 而 of 里有“{term}”，它指的是人"
                        allowed = "可用 unit:、group:、role:、everyone"
                        yield place.problem(("duty", "of"), found, allowed, "或改为 each: person")
        elif not self._directory.supervision:
            found = "duty.of 是 supervision，而名录里没有 supervision（分管）"
            yield place.problem(("duty", "of"), found, "", "请在名录里写明谁分管哪个单位")

    def _check_approval(self, spec: ItemSpec, place: Place, rungs: tuple[Rung, ...]) -> Iterator[Problem]:
        approval = spec.approval
        assert approval is not None
        if fault := anchor_fault(approval.from_, spec):
            yield place.problem(("approval", "from"), *fault)
        if (approval.workdays is None) == (approval.days is None):
            found = "审核的日子不明确"
            yield place.problem(
                ("approval",), found, "workdays（工作日）与 days（自然日）必写其一，且只写其一"
            )
        known = [name for rung in rungs for name in (rung.id, *rung.was)]
        for index, name in enumerate(approval.rungs):
            if name not in known and spec.ladder not in self._ladders_faulty:
                allowed = "可用：" + "、".join(rung.id for rung in rungs)
                hint = did_you_mean(name, known)
                yield place.problem(("approval", "rungs", index), f"没有“{name}”这一档提醒", allowed, hint)
        if not list(_check_audience(approval.by, place, ("approval", "by"), self._names, "")):
            yield from self._check_approvers(approval.by, place)

    def _check_approvers(self, by: Audience, place: Place) -> Iterator[Problem]:
        """Whether there is always somebody, and somebody besides those who write the plan."""
        directory, head = self._directory, self._head
        audience = "、".join(str(term) for term in by)
        days = (head.from_, *(day for day in directory.changes if head.from_ < day < head.until), head.until)
        meant = {day: {person.id for person in directory.people_meant(by, day)} for day in days}
        where: Loc = ("approval", "by")
        remedy = "请检查 directory.yaml 中的任职（holdings）与起止日期"
        if not any(meant.values()):
            yield place.problem(where, f"审批人“{audience}”没有任何人，消息将不能发出", "", remedy)
            return
        if empty := next((day for day, people in meant.items() if not people), None):
            found = f"审批人“{audience}”自 {empty} 起没有任何人，消息将不能发出"
            yield place.problem(where, found, "", remedy, Severity.WARNING)
        admins = self._people_meant(head.admins) if head.admins is not None else set()
        everybody = set().union(*meant.values())
        if everybody <= admins:
            found = f"审批人“{audience}”都是管理员（plan.admins）：他们提交的内容没有别人审批"
            hint = "请另写一位不编写计划的审批人"
            yield place.problem(where, found, "", hint, Severity.WARNING)
        lacking = [
            person.name
            for person in directory.people
            if person.id in everybody
            and all(getattr(person, key) is None for key in set(self._address_keys.values()))
        ]
        if lacking:
            found = f"审批人没有可用的地址，收不到审批请求：{'、'.join(lacking)}"
            yield place.problem(where, found, "", "请在名录 people 里补上 mail", Severity.WARNING)

    def _check_channels(self, spec: ItemSpec, place: Place, rungs: tuple[Rung, ...]) -> Iterator[Problem]:
        if any(not rung.via for rung in rungs):
            allowed = "可用：" + "、".join(sorted(self._names.pools[CHANNEL]))
            yield place.problem((), "有提醒没有写通道", allowed, "请在本项写 via，或在 plan 下写 via")
        if spec.private:
            groups = sorted({name for rung in rungs for name in channels_of(rung.via)} & self._group_channels)
            if groups:
                found = "本项不公开（private），而提醒会发到群：" + "、".join(groups)
                yield place.problem((), found, "不公开的事项只能用逐人发送的通道", "请改 via")
        yield from check_listening(spec, place, rungs, self._where(spec), self._group_channels)
        yield from self._check_asked(spec, place, rungs)
        if self._incomplete:
            yield from self._check_addresses(spec, place, rungs)

    def _where(self, spec: ItemSpec) -> Where:
        """Where a rung stands: in the item's own ``remind``, or else in its ladder.

        Asked only of a rung that something is wrong with.
        """

        def where(rung: Rung) -> Loc:
            via, template = spec.via or self._head.via, spec.template or DEFAULT_TEMPLATE
            own: dict[str, Loc] = {
                each.id: ("remind", index)
                for index, written in enumerate(spec.remind)
                for each in rungs_from(written, via, template)
            }
            return own.get(rung.id, ("ladder",))

        return where

    def _check_asked(self, spec: ItemSpec, place: Place, rungs: tuple[Rung, ...]) -> Iterator[Problem]:
        """A duty that no rung listens to, and whose obligors are not named by one either."""
        if spec.duty is None or not rungs or any(names_who_owes(rung) for rung in rungs):
            return
        if self._obligors(spec) <= {person for rung in rungs for person in self._people_meant(rung.to)}:
            return
        found = "写了 duty（谁承担），而没有一档提醒发给未办结的人"
        yield place.problem(("duty",), found, "", "请把一档提醒的 to 写为 owing", Severity.WARNING)

    def _check_addresses(self, spec: ItemSpec, place: Place, rungs: tuple[Rung, ...]) -> Iterator[Problem]:
        """Persons without an address on a channel, or on any channel of a chain."""
        meant: dict[tuple[str, ...], set[str]] = {}
        for rung in rungs:
            for route in rung.via:
                if not self._address_keys.keys() >= set(steps(route)):
                    continue  # a group, which everybody is in; or an unknown channel, reported elsewhere
                keys = tuple(dict.fromkeys(self._address_keys[name] for name in steps(route)))
                people = meant.setdefault(keys, set())
                people |= self._people_meant(rung.to)
                if spec.duty is not None and any(term.kind is TermKind.OWING for term in rung.to):
                    people |= self._obligors(spec)
        for keys, ids in meant.items():
            lacking = [
                person
                for person in self._directory.people
                if person.id in ids and all(getattr(person, key) is None for key in keys)
            ]
            if lacking:
                shown = "、".join(person.name for person in lacking[:8]) + ("等" if len(lacking) > 8 else "")
                what = _CALLED.get(keys[0], "消息") if len(keys) == 1 else "消息"
                found = f"{len(lacking)} 人没有写 {' 和 '.join(keys)}，收不到本项的{what}：{shown}"
                hint = f"请在名录 people 里补上 {' 或 '.join(keys)}"
                yield place.problem((), found, "", hint, Severity.WARNING)

    def _days(self) -> tuple[date, date]:
        """Who is meant changes over a plan: its ends stand for the whole."""
        return (self._head.from_, self._head.until)

    def _people_meant(self, audience: Audience) -> set[str]:
        if audience not in self._meant:
            days, directory = self._days(), self._directory
            self._meant[audience] = {p.id for day in days for p in directory.people_meant(audience, day)}
        return self._meant[audience]

    def _obligors(self, spec: ItemSpec) -> set[str]:
        duty = spec.duty
        assert duty is not None
        if duty not in self._owing:
            self._owing[duty] = self._who_owe(duty)
        return self._owing[duty]

    def _who_owe(self, duty: Duty) -> set[str]:
        directory = self._directory
        if duty.of == "supervision":
            posts = {each.leader for each in directory.supervision}
            return {p.id for day in self._days() for post in posts for p in directory.holders(post, day)}
        if duty.each == "person":
            return self._people_meant(duty.of)
        return {
            person.id
            for day in self._days()
            for unit in directory.units_meant(duty.of, day)
            for person in (
                directory.head_of(unit, day) if duty.by == "head" else directory.contact_of(unit, day)
            )
        }


def _check_audience(audience: Audience, place: Place, loc: Loc, names: Names, what: str) -> Iterator[Problem]:
    """An audience outside the rungs: owing and escalation mean nothing there."""
    raw = _raw(place, loc)
    yield from names.check_audience(audience, place, loc, raw)
    for index, term in enumerate(audience):
        if term.kind in (TermKind.OWING, TermKind.ESCALATION):
            at = (*loc, index) if isinstance(raw, list) else loc
            yield place.problem(at, f"{what} 里不能用“{term}”", "owing、escalation 只用于提醒的 to")
