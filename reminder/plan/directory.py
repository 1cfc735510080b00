"""By whom, and over whom: units, posts, people, supervision.

Persons hold posts from one day until another; the past keeps its holders.  All
look-ups take the day they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Annotated

from pydantic import Field

from reminder.plan.audience import Audience, Term, TermKind
from reminder.plan.base import Model
from reminder.plan.fields import Date, Flag, Identifier, Line, one_of

UNIT_KINDS = ["科室", "党组织", "其他"]
_DAY = timedelta(days=1)


class Dated(Model):
    """An entry that holds from one day until another, both included."""

    from_: Date | None = Field(None, alias="from")
    until: Date | None = None

    def holds(self, on: date) -> bool:
        """Whether it holds on that day."""
        return (self.from_ is None or self.from_ <= on) and (self.until is None or on <= self.until)


class Unit(Dated):
    """A section (科室), a party branch (党组织) or another unit."""

    id: Identifier
    kind: Annotated[str, one_of(UNIT_KINDS, "单位类别")]
    roles: tuple[Identifier, ...] = ()
    head: Identifier | None = None
    """Post of the head (科室负责人, 书记)."""
    contact: Identifier | None = None
    """Post of the contact (联络员); default: the head's."""


class Group(Model):
    """A named set of units: listed, or all of a kind."""

    id: Identifier
    kind: Annotated[str, one_of(UNIT_KINDS, "单位类别")] | None = None
    units: tuple[Identifier, ...] = ()


class Post(Model):
    """A post; who holds it changes, the post stays."""

    id: Identifier
    unit: Identifier | None = None
    roles: tuple[Identifier, ...] = ()


class Person(Dated):
    """Somebody who can be reached."""

    id: Identifier
    name: Line
    """How messages address the person; samples use the post's title."""
    unit: Identifier | None = None
    mail: Line | None = None
    wecom: Line | None = None
    """The WeCom userid."""


class Holding(Dated):
    """A person holds a post."""

    post: Identifier
    person: Identifier
    acting: Flag = False


class Supervision(Dated):
    """A leader's post supervises a unit: 分管部务会成员 of a section, 支部第一书记 of a branch."""

    leader: Identifier
    unit: Identifier


class Deputy(Dated):
    """Somebody acts for an absent person between two days."""

    of: Identifier
    deputy: Identifier


@dataclass(frozen=True)
class Directory:
    """All of it, in roster order (the order of the file)."""

    units: tuple[Unit, ...] = ()
    groups: tuple[Group, ...] = ()
    posts: tuple[Post, ...] = ()
    people: tuple[Person, ...] = ()
    holdings: tuple[Holding, ...] = ()
    supervision: tuple[Supervision, ...] = ()
    deputies: tuple[Deputy, ...] = ()
    _index: dict[str, object] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = self._index
        index["people"] = {each.id: each for each in self.people}
        index["units"] = {each.id: each for each in self.units}
        index["groups"] = {each.id: each for each in self.groups}
        index["posts"] = {each.id: each for each in self.posts}
        dated = (*self.units, *self.people, *self.holdings, *self.supervision)
        firsts = {each.from_ for each in dated if each.from_ is not None}
        index["changes"] = tuple(sorted(firsts | {each.until + _DAY for each in dated if each.until}))

    @property
    def changes(self) -> tuple[date, ...]:
        """The days on which somebody comes or the day after somebody left, in order."""
        return self._index["changes"]  # type: ignore[return-value]

    def person(self, person_id: str) -> Person | None:
        return self._index["people"].get(person_id)  # type: ignore[attr-defined, no-any-return]

    def unit(self, unit_id: str) -> Unit | None:
        return self._index["units"].get(unit_id)  # type: ignore[attr-defined, no-any-return]

    def group(self, group_id: str) -> Group | None:
        return self._index["groups"].get(group_id)  # type: ignore[attr-defined, no-any-return]

    def post(self, post_id: str) -> Post | None:
        return self._index["posts"].get(post_id)  # type: ignore[attr-defined, no-any-return]

    def holders(self, post_id: str, on: date) -> tuple[Person, ...]:
        """Who holds a post on that day, in the order of the file.

        While somebody is acting, they and nobody else: whoever is away on a
        secondment keeps the post and is not asked to fill it.
        """
        held = [each for each in self.holdings if each.post == post_id and each.holds(on)]
        people = [(self.person(each.person), each.acting) for each in held]
        present = [(person, acting) for person, acting in people if person is not None and person.holds(on)]
        acting_only = any(acting for _, acting in present)
        return tuple(person for person, acting in present if acting or not acting_only)

    def deputies_of(self, person_id: str, on: date) -> tuple[Person, ...]:
        """Who acts for a person that day; nobody while the person is there."""
        ids = [each.deputy for each in self.deputies if each.of == person_id and each.holds(on)]
        found = (self.person(each) for each in ids)
        return unique(person for person in found if person is not None and person.holds(on))

    def supervises(self, person_id: str, on: date) -> bool:
        """Whether a person is a leader: holds a post that supervises a unit."""
        posts = set(self.posts_of(person_id, on))
        return any(each.leader in posts and each.holds(on) for each in self.supervision)

    def units_led(self, person_id: str, on: date) -> tuple[Unit, ...]:
        """The units whose head a person is that day."""
        return tuple(
            unit
            for unit in self.units
            if unit.holds(on) and any(head.id == person_id for head in self.head_of(unit, on))
        )

    def posts_of(self, person_id: str, on: date) -> tuple[str, ...]:
        """The posts a person holds on that day."""
        return tuple(each.post for each in self.holdings if each.person == person_id and each.holds(on))

    def units_of(self, name: str, on: date) -> tuple[Unit, ...]:
        """The units of a group, or the one unit of that name, in roster order."""
        group = self.group(name)
        if group is None:
            return tuple(each for each in self.units if each.id == name and each.holds(on))
        return tuple(
            each
            for each in self.units
            if each.holds(on)
            and (each.id in group.units or (group.kind is not None and each.kind == group.kind))
        )

    def head_of(self, unit: Unit, on: date) -> tuple[Person, ...]:
        return self.holders(unit.head, on) if unit.head else ()

    def contact_of(self, unit: Unit, on: date) -> tuple[Person, ...]:
        """The contact of a unit; without one, its head."""
        return (self.holders(unit.contact, on) if unit.contact else ()) or self.head_of(unit, on)

    def supervisors_of(self, unit_id: str, on: date) -> tuple[Person, ...]:
        """The leaders a unit escalates to, in the order of the file."""
        posts = [each.leader for each in self.supervision if each.unit == unit_id and each.holds(on)]
        return unique(person for post in posts for person in self.holders(post, on))

    def units_meant(self, audience: Audience, on: date) -> tuple[Unit, ...]:
        """The units an audience means, in roster order (for duties ``each: unit``)."""
        meant = {u.id for term in audience if not term.excluded for u in self._units_of_term(term, on)}
        meant -= {u.id for term in audience if term.excluded for u in self._units_of_term(term, on)}
        return tuple(each for each in self.units if each.id in meant)

    def people_meant(self, audience: Audience, on: date) -> tuple[Person, ...]:
        """The persons an audience means on a day, in roster order, each once.

        ``owing`` and ``escalation`` mean nobody here: they depend on an
        occurrence (:mod:`reminder.agenda.duties` resolves them).
        """
        meant = {p.id for term in audience if not term.excluded for p in self._people_of_term(term, on)}
        meant -= {p.id for term in audience if term.excluded for p in self._people_of_term(term, on)}
        return tuple(each for each in self.people if each.id in meant)

    def _units_of_term(self, term: Term, on: date) -> tuple[Unit, ...]:
        match term.kind:
            case TermKind.EVERYONE:
                return tuple(each for each in self.units if each.holds(on))
            case TermKind.UNIT | TermKind.GROUP:
                return self.units_of(term.name, on)
            case TermKind.ROLE:
                return tuple(each for each in self.units if each.holds(on) and term.name in each.roles)
            case _:
                return ()

    def _people_of_term(self, term: Term, on: date) -> tuple[Person, ...]:
        match term.kind:
            case TermKind.EVERYONE:
                return tuple(each for each in self.people if each.holds(on))
            case TermKind.UNIT | TermKind.GROUP:
                units = {each.id for each in self.units_of(term.name, on)}
                return tuple(p for p in self.people if p.holds(on) and units & self._units_with(p, on))
            case TermKind.HEAD:
                return unique(p for unit in self.units_of(term.name, on) for p in self.head_of(unit, on))
            case TermKind.CONTACT:
                return unique(p for unit in self.units_of(term.name, on) for p in self.contact_of(unit, on))
            case TermKind.POST:
                return self.holders(term.name, on)
            case TermKind.ROLE:
                posts = [each.id for each in self.posts if term.name in each.roles]
                holders = [p for post in posts for p in self.holders(post, on)]
                contacts = [p for unit in self._units_of_term(term, on) for p in self.contact_of(unit, on)]
                return unique([*holders, *contacts])
            case TermKind.PERSON:
                person = self.person(term.name)
                return (person,) if person is not None and person.holds(on) else ()
            case _:
                return ()

    def belongs(self, person_id: str, on: date) -> bool:
        """Whether there is such a person on that day."""
        person = self.person(person_id)
        return person is not None and person.holds(on)

    def belongs_to(self, person: Person, unit_id: str, on: date) -> bool:
        """Whether a person works in a unit, or holds a post of it, on that day."""
        return unit_id in self._units_with(person, on)

    def _units_with(self, person: Person, on: date) -> set[str]:
        """Units a person belongs to: their own, and those of the posts they hold."""
        own = {person.unit} if person.unit else set()
        posts = (self.post(post_id) for post_id in self.posts_of(person.id, on))
        return own | {post.unit for post in posts if post is not None and post.unit}


def unique(people: Iterable[Person]) -> tuple[Person, ...]:
    """Each person once, first place kept."""
    return tuple({person.id: person for person in people}.values())
