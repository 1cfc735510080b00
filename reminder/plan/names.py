"""Names that one part of the plan uses and another defines."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from reminder.errors import Problem
from reminder.plan.audience import Audience, TermKind
from reminder.plan.fields import did_you_mean
from reminder.plan.place import Place
from reminder.plan.sections import Sections
from reminder.source import Loc

SUGGESTIONS = 200
"""How many nearest names are looked for in one load: each costs a walk over all names."""

UNIT, GROUP, POST, PERSON, ROLE = "单位", "分组", "职务", "人员", "角色"
LADDER, CHANNEL, FESTIVAL, ITEM = "阶梯", "通道", "节日", "事项"

_POOLS_OF_TERM: dict[TermKind, tuple[str, ...]] = {
    TermKind.UNIT: (UNIT,),
    TermKind.GROUP: (GROUP,),
    TermKind.HEAD: (UNIT, GROUP),
    TermKind.CONTACT: (UNIT, GROUP),
    TermKind.POST: (POST,),
    TermKind.ROLE: (ROLE,),
    TermKind.PERSON: (PERSON,),
}
_KIND_OF_POOL = {UNIT: "unit", GROUP: "group", POST: "post", PERSON: "person", ROLE: "role"}
_SECTION_OF_POOL = {UNIT: "units", GROUP: "groups", POST: "posts", PERSON: "people", CHANNEL: "channels"}


@dataclass
class Names:
    """Every name of the plan by what it names."""

    pools: dict[str, Collection[str]]
    _suggested: dict[tuple[tuple[str, ...], str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, sections: Sections, festivals: Collection[str]) -> Names:
        """The names of all entries, right or wrong: a faulty unit is still that unit."""
        pools: dict[str, Collection[str]] = {
            pool: sections.ids(name) for pool, name in _SECTION_OF_POOL.items()
        }
        pools[ROLE] = {
            role
            for name in ("units", "posts")
            for entry in sections.entries(name)
            for role in entry.value.roles
        }
        pools[LADDER] = set(sections.ladder_places)
        pools[FESTIVAL] = festivals
        pools[ITEM] = sections.ids("items")
        return cls(pools)

    def check(self, name: str, pools: tuple[str, ...], place: Place, loc: Loc) -> Iterator[Problem]:
        """A problem if none of the pools has the name."""
        if any(name in self.pools[pool] for pool in pools):
            return
        what = "或".join(pools)
        yield place.problem(loc, f"没有{what}“{name}”", self._allowed(pools), self.suggestion(name, pools))

    def check_audience(self, audience: Audience, place: Place, loc: Loc, raw: object) -> Iterator[Problem]:
        """Problems of the terms whose names nobody has; ``raw`` is the value in the file."""
        for index, term in enumerate(audience):
            pools = _POOLS_OF_TERM.get(term.kind)
            if pools is None or any(term.name in self.pools[pool] for pool in pools):
                continue
            at = (*loc, index) if isinstance(raw, list) else loc
            found = f"受众“{term}”：没有{'或'.join(pools)}“{term.name}”"
            yield place.problem(at, found, self._allowed(pools), self._other_kind(term.name, pools))

    def _other_kind(self, name: str, pools: tuple[str, ...]) -> str:
        """The name under another kind (``unit:`` for a group), else the nearest name."""
        for pool, kind in _KIND_OF_POOL.items():
            if pool not in pools and name in self.pools[pool]:
                return f"“{name}”是{pool}，请写作“{kind}:{name}”"
        return self.suggestion(name, pools)

    def _allowed(self, pools: tuple[str, ...]) -> str:
        """All names if they are few; where to look if they are many."""
        known = [name for pool in pools for name in self.pools[pool]]
        if not known:
            return f"名录和计划里还没有任何{'或'.join(pools)}"
        return "可用：" + "、".join(sorted(known)) if len(known) <= 12 else ""

    def suggestion(self, name: str, pools: tuple[str, ...]) -> str:
        """「是否想写 …」 for the nearest name."""
        key = (pools, name)
        if key not in self._suggested:
            if len(self._suggested) >= SUGGESTIONS:
                return ""
            known = sorted({each for pool in pools for each in self.pools[pool]})
            self._suggested[key] = did_you_mean(name, known)
        return self._suggested[key]
