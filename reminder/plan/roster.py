"""Checks of the directory: units, posts, people, holdings, supervision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

from reminder.errors import Problem, Severity
from reminder.plan.addresses import address_fault, userid_fault
from reminder.plan.directory import Dated, Deputy, Directory, Holding, Person
from reminder.plan.names import GROUP, PERSON, POST, UNIT, Names
from reminder.plan.sections import Entry, Sections


def directory_of(sections: Sections) -> Directory:
    """The directory of all valid entries, in the order of the files."""

    def values(name: str) -> tuple[Any, ...]:
        return tuple(entry.value for entry in sections.entries(name))

    return Directory(
        units=values("units"),
        groups=values("groups"),
        posts=values("posts"),
        people=values("people"),
        holdings=values("holdings"),
        supervision=values("supervision"),
        deputies=values("deputies"),
    )


_REFERENCES: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "units": (("head", (POST,)), ("contact", (POST,))),
    "posts": (("unit", (UNIT,)),),
    "people": (("unit", (UNIT,)),),
    "holdings": (("post", (POST,)), ("person", (PERSON,))),
    "supervision": (("leader", (POST,)), ("unit", (UNIT,))),
    "deputies": (("of", (PERSON,)), ("deputy", (PERSON,))),
}


def check_directory(sections: Sections, names: Names) -> Iterator[Problem]:
    """Every problem of the directory's own references, spans and addresses."""
    for section, references in _REFERENCES.items():
        for entry in sections.entries(section):
            for key, pools in references:
                name = getattr(entry.value, key)
                if name is not None:
                    yield from names.check(name, pools, entry.place, (key,))
    for section in ("units", "people", "holdings", "supervision", "deputies"):
        for entry in sections.entries(section):
            value = entry.value
            if value.from_ is not None and value.until is not None and value.until < value.from_:
                found = f"until（{value.until}）早于 from（{value.from_}）"
                yield entry.place.problem(("until",), found, "until 不早于 from")
    yield from _check_units(sections, names)
    yield from _check_addresses(sections)
    yield from _check_deputies(sections)
    yield from _check_holdings(sections.entries("holdings"))


def _check_addresses(sections: Sections) -> Iterator[Problem]:
    for entry in sections.entries("people"):
        if entry.value.mail is not None and (fault := address_fault(entry.value.mail)):
            yield entry.place.problem(("mail",), *fault)
        if entry.value.wecom is not None and (fault := userid_fault(entry.value.wecom)):
            yield entry.place.problem(("wecom",), *fault)


def _check_units(sections: Sections, names: Names) -> Iterator[Problem]:
    for entry in sections.entries("units"):
        if entry.value.id in names.pools[GROUP]:
            found = f"“{entry.value.id}”既是单位又是分组"
            yield entry.place.problem(("id",), found, "单位与分组不能同名", "请给分组改名")
        if entry.value.head is None and entry.value.contact is None:
            found = "单位没有写 head（负责人职务）和 contact（联络员职务）"
            hint = "提醒该单位时将找不到人"
            yield entry.place.problem((), found, "", hint, Severity.WARNING)
    for entry in sections.entries("groups"):
        for index, name in enumerate(entry.value.units):
            yield from names.check(name, (UNIT,), entry.place, ("units", index))
        if entry.value.kind is None and not entry.value.units:
            yield entry.place.problem(
                (), "分组里没有单位", "kind（该类别全部单位）与 units（逐个列出）至少写一个"
            )


def _check_deputies(sections: Sections) -> Iterator[Problem]:
    """A deputy who is not there, or is absent as well: what they should do for another would be lost."""
    entries: Sequence[Entry[Deputy]] = sections.entries("deputies")
    people: dict[str, Person] = {entry.value.id: entry.value for entry in sections.entries("people")}
    for entry in entries:
        absence, deputy = entry.value, people.get(entry.value.deputy)
        if absence.of == absence.deputy:
            yield entry.place.problem(("deputy",), "代理人就是本人", "deputy 应为另一人")
            continue
        if deputy is not None and not _covers(deputy, absence):
            found = f"代理人“{absence.deputy}”在代理期间不全在名册（people）里"
            hint = "请另写一位代理人，或改起止日期"
            yield entry.place.problem(("deputy",), found, "", hint, Severity.WARNING)
        for other in entries:
            if other.value.of == absence.deputy and _overlap(other.value, absence):
                found = f"代理人“{absence.deputy}”同期也由“{other.value.deputy}”代理"
                hint = "代理不再转给第三人，请直接写在岗的代理人"
                yield entry.place.problem(("deputy",), found, "", hint, Severity.WARNING)


def _covers(outer: Dated, inner: Dated) -> bool:
    begins = outer.from_ is None or (inner.from_ is not None and outer.from_ <= inner.from_)
    return begins and (outer.until is None or (inner.until is not None and inner.until <= outer.until))


def _overlap(one: Dated, other: Dated) -> bool:
    return (one.from_ or date.min) <= (other.until or date.max) and (other.from_ or date.min) <= (
        one.until or date.max
    )


def _check_holdings(entries: Sequence[Entry[Holding]]) -> Iterator[Problem]:
    """A post held twice at one time: usually the former holder's ``until`` is missing."""
    by_post: dict[str, list[Entry[Holding]]] = {}
    for entry in entries:
        by_post.setdefault(entry.value.post, []).append(entry)
    for post, holdings in by_post.items():
        holdings.sort(key=lambda each: each.value.from_ or date.min)
        for earlier, later in pairwise(holdings):
            a, b = earlier.value, later.value
            if (a.until or date.max) < (b.from_ or date.min) or a.acting != b.acting:
                continue
            if a.person == b.person:
                found = f"“{a.person}”任“{post}”的两条记录时间重叠"
                yield later.place.problem((), found, "", "请删去其一，或写明 from、until", Severity.WARNING)
            else:
                found = f"“{post}”在同一时间由“{a.person}”和“{b.person}”担任"
                hint = f"如已交接，请给“{a.person}”的记录写 until；如确为两人，可不理会"
                yield later.place.problem((), found, "", hint, Severity.WARNING)
