"""From parsed files to typed entries: each entry is validated by itself.

One bad item must not hide the others, so nothing here stops at a fault: the
entry is left out, its id is remembered (references to it are then not reported
as unknown), and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from reminder.errors import Problem
from reminder.plan.channels import ChannelConfig
from reminder.plan.directory import Deputy, Group, Holding, Person, Post, Supervision, Unit
from reminder.plan.fields import Identifier, did_you_mean, shown
from reminder.plan.model import ItemSpec, PlanHead, RungSpec
from reminder.plan.place import Place, dotted, entry_path
from reminder.plan.translate import problems_of, yaml_loc
from reminder.slips import cure_of_value
from reminder.source import Loc, Source

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Entry(Generic[T]):
    """A typed entry and where it stands."""

    value: T
    place: Place


LISTS: dict[str, Any] = {
    "items": ItemSpec,
    "units": Unit,
    "groups": Group,
    "posts": Post,
    "people": Person,
    "holdings": Holding,
    "supervision": Supervision,
    "deputies": Deputy,
    "channels": ChannelConfig,
}
"""Top-level keys whose value is a list, and the type of its members."""
TOP_LEVEL = ("plan", "ladders", *LISTS)

_ADAPTERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(model) for name, model in LISTS.items()}
_HEAD: TypeAdapter[PlanHead] = TypeAdapter(PlanHead)
_RUNG: TypeAdapter[RungSpec] = TypeAdapter(RungSpec)
_NAME: TypeAdapter[str] = TypeAdapter(Identifier)


@dataclass
class Sections:
    """Everything of all files, before names are looked up."""

    heads: list[Entry[PlanHead]] = field(default_factory=list)
    head_places: list[Place] = field(default_factory=list)
    """Every ``plan:`` met, valid or not."""
    lists: dict[str, list[Entry[Any]]] = field(default_factory=lambda: {name: [] for name in LISTS})
    ladders: dict[str, list[Entry[RungSpec]]] = field(default_factory=dict)
    ladder_places: dict[str, Place] = field(default_factory=dict)
    faulty: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in (*LISTS, "ladders")})
    """Ids of entries that are there but wrong."""
    salvaged: list[Entry[ItemSpec]] = field(default_factory=list)
    """Items with faults, a harmless value in each faulty place: their other names can still be checked."""
    problems: list[Problem] = field(default_factory=list)

    def entries(self, section: str) -> Sequence[Entry[Any]]:
        return self.lists[section]

    def ids(self, section: str) -> set[str]:
        """Every id of a list, of right and wrong entries alike."""
        return {each.value.id for each in self.lists[section]} | self.faulty[section]


def collect(sources: Sequence[Source]) -> Sections:
    """Read the sections of all files into types; problems are gathered, not raised."""
    sections = Sections()
    for source in sources:
        sections.problems.extend(source.problems)
        if not source.broken and source.value is not None:
            _collect_file(source, sections)
    return sections


def _collect_file(source: Source, sections: Sections) -> None:
    if not isinstance(source.value, dict):
        found = f"文件的内容是{shown(source.value)}"
        allowed = "文件最外层每行一个“键: 值”，可用的键：" + "、".join(TOP_LEVEL)
        cure = cure_of_value(source.value) if isinstance(source.value, str) else ""
        sections.problems.append(Place(source, (), "").problem((), found, allowed, cure))
        return
    for key, value in source.value.items():
        place = Place(source, (key,), key)
        if key not in TOP_LEVEL:
            hint = _hint_for_top_level(key)
            allowed = "文件最外层可用：" + "、".join(TOP_LEVEL)
            sections.problems.append(place.problem((), f"没有“{key}”这个键", allowed, hint, at_key=True))
        elif value is None:
            sections.problems.append(place.problem((), "此处为空", "", "请补上内容，或删去该键"))
            if key == "plan":
                sections.head_places.append(place)
        elif key == "plan":
            _collect_head(value, place, sections)
        elif key == "ladders":
            _collect_ladders(value, place, sections)
        elif not isinstance(value, list):
            cure = cure_of_value(value) if isinstance(value, str) else ""
            allowed = "应为列表，每项以“- ”开头"
            sections.problems.append(place.problem((), f"此处是{shown(value)}", allowed, cure))
        else:
            _collect_list(key, value, place, sections)


def _hint_for_top_level(key: str) -> str:
    if key in {info.alias or name for name, info in PlanHead.model_fields.items()}:
        return f"“{key}”应写在“plan”下面，缩进两格"
    if key in {info.alias or name for name, info in ItemSpec.model_fields.items()}:
        return f"“{key}”应写在“items”的一项里，请检查缩进"
    return did_you_mean(key, list(TOP_LEVEL)) or cure_of_value(key)


def _collect_head(value: Any, place: Place, sections: Sections) -> None:
    sections.head_places.append(place)
    if (head := _validate(_HEAD, PlanHead, value, place, sections)) is not None:
        sections.heads.append(Entry(head, place))


def _collect_ladders(value: Any, place: Place, sections: Sections) -> None:
    if not isinstance(value, dict):
        allowed = "应为映射：阶梯的名称，下一行起为各档，每档以“- ”开头"
        sections.problems.append(place.problem((), f"此处是{shown(value)}", allowed))
        return
    for name, rungs in value.items():
        inner = Place(place.source, (*place.loc, name), f"ladders[{name}]")
        if name in sections.ladder_places:
            first = sections.ladder_places[name].source.key_position(("ladders", name))
            found = f"阶梯“{name}”重复"
            sections.problems.append(
                inner.problem((), found, f"首次出现在 {first}", "请改名或删去其一", at_key=True)
            )
            continue
        sections.ladder_places[name] = inner
        try:
            _NAME.validate_python(name)
        except ValidationError as error:
            context = error.errors(include_url=False)[0].get("ctx", {})
            sections.problems.append(
                inner.problem((), context["found"], context["allowed"], context["hint"], at_key=True)
            )
        if not isinstance(rungs, list) or not rungs:
            found = "此处为空" if not rungs else f"此处是{shown(rungs)}"
            sections.problems.append(inner.problem((), found, "应为列表，每档以“- ”开头"))
            sections.faulty["ladders"].add(name)
            continue
        entries = sections.ladders.setdefault(name, [])
        for index, rung in enumerate(rungs):
            rung_place = Place(place.source, (*inner.loc, index), f"{inner.path}[{_rung_name(rung, index)}]")
            spec = _validate(_RUNG, RungSpec, rung, rung_place, sections)
            if spec is None:
                sections.faulty["ladders"].add(name)
            else:
                entries.append(Entry(spec, rung_place))


def _rung_name(raw: Any, index: int) -> str:
    name = raw.get("id") if isinstance(raw, dict) else None
    return name if isinstance(name, str) and name and len(name) <= 80 else str(index + 1)


def _collect_list(section: str, values: list[Any], place: Place, sections: Sections) -> None:
    adapter, model, entries = _ADAPTERS[section], LISTS[section], sections.lists[section]
    for index, raw in enumerate(values):
        inner = Place(place.source, (section, index), entry_path(section, index, raw))
        value = _validate(adapter, model, raw, inner, sections)
        if value is not None:
            entries.append(Entry(value, inner))
        elif isinstance(raw, dict):
            if isinstance(name := raw.get("id"), str):
                sections.faulty[section].add(name.strip())
            if section == "items" and (item := _salvage(raw)) is not None:
                sections.salvaged.append(Entry(item, inner))


def _validate(adapter: TypeAdapter[T], model: Any, raw: Any, place: Place, sections: Sections) -> T | None:
    """The typed entry, or None with its problems noted."""
    empty: list[Loc] = []
    raw = _without_empty(raw, (), empty)
    hint = "请补上内容，或删去该键（该行）"
    blanks = [place.problem(loc, "此处为空", "", hint) for loc in empty]
    if blanks:
        named = {problem.position for problem in place.source.problems}  # an alias, say, reads as empty
        sections.problems.extend(blank for blank in blanks if blank.position not in named)
    if raw is None:
        return None
    try:
        value = adapter.validate_python(raw)
    except ValidationError as error:
        found = problems_of(error, place, raw, model)
        sections.problems.extend(_not_said(found, blanks, [place.path + dotted(loc[:-1]) for loc in empty]))
        return None
    return None if empty else value


def _not_said(found: list[Problem], blanks: list[Problem], parents: list[str]) -> list[Problem]:
    """Only those problems that do not merely follow from an empty value."""
    at = {(problem.position, problem.path) for problem in blanks}
    absent = {f"缺少“{problem.path.rpartition('.')[2]}”" for problem in blanks}
    return [
        problem
        for problem in found
        if (problem.position, problem.path) not in at
        and (
            problem.path not in parents or (problem.found.startswith("缺少") and problem.found not in absent)
        )
    ]


_STAND_INS: dict[str, Any] = {
    "id": "x",
    "clause": "x",
    "basis": "拟",
    "title": "x",
    "when": {"date": "2000-01-01"},
}
_RUNG_STAND_IN = {"from": "due", "days": "0", "to": "everyone"}


def _salvage(raw: dict[str, Any]) -> ItemSpec | None:
    """The item with its faulty parts replaced, so that one run names the faults of the sound parts too."""
    raw = _without_empty(raw, (), [])
    try:
        return ItemSpec.model_validate(raw)
    except ValidationError as error:
        locs = {yaml_loc(details["loc"], raw)[0] for details in error.errors(include_url=False)}
    sound = dict(raw)
    for loc in locs:
        top = loc[0] if loc else ""
        if top == "remind" and len(loc) > 1 and isinstance(index := loc[1], int):
            rungs = sound["remind"] = list(sound["remind"])
            rungs[index] = _RUNG_STAND_IN
        elif top in _STAND_INS:
            sound[str(top)] = _STAND_INS[str(top)]
        else:
            sound.pop(str(top), None)
    try:
        return ItemSpec.model_validate(sound)
    except ValidationError:
        return None


def _without_empty(value: Any, loc: Loc, empty: list[Loc]) -> Any:
    """The value without its empty keys; the places of all empty scalars go to ``empty``.

    An empty optional key would otherwise pass as if it had not been written.
    Empty members of lists stay, so that the places of the others stay true.
    """
    if value is None:
        empty.append(loc)
        return None
    if type(value) is dict:
        before = len(empty)
        inner = {key: _without_empty(each, (*loc, key), empty) for key, each in value.items()}
        return value if len(empty) == before else {k: v for k, v in inner.items() if v is not None}
    if type(value) is list:
        return [_without_empty(each, (*loc, index), empty) for index, each in enumerate(value)]
    return value
