"""What pydantic found, as problems that a clerk can act on.

The field types say themselves what they allow (:func:`reminder.plan.fields.fault`);
here the structural errors (a missing or unknown key, a text where a list is due)
get their Chinese words, their place and the most likely cure.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, get_args

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from reminder.errors import Problem
from reminder.plan.audience import parse_term
from reminder.plan.channels import CHANNEL_KINDS
from reminder.plan.fields import did_you_mean, shown
from reminder.plan.place import Place
from reminder.slips import cure_of_value
from reminder.source import Loc

_CHINESE_KEYS = {
    "编号": "id",
    "条款": "clause",
    "依据": "basis",
    "标题": "title",
    "名称": "title",
    "姓名": "name",
    "邮箱": "mail",
    "时间": "at",
    "截止": "due",
    "起算": "from",
    "受众": "to",
    "收件人": "to",
    "通道": "via",
    "渠道": "via",
    "模板": "template",
    "阶梯": "ladder",
    "提醒": "remind",
    "单位": "unit",
    "职务": "post",
}
_SECRET_KEYS = ("password", "passwd", "pass", "key", "token", "webhook", "url", "密码", "密钥")


def problems_of(error: ValidationError, place: Place, raw: object, model: Any) -> list[Problem]:
    """Every fault of one entry, each at its own place.

    ``raw`` is the entry as it was given to ``model`` (a model, or a union of
    models).  Values of keys that may hold a secret are never shown.
    """
    found: list[Problem] = []
    for details in error.errors(include_url=False):
        if details["type"] == "literal_error":
            continue  # the other branch of a union says more
        loc, exact = yaml_loc(details["loc"], raw)
        found.extend(_translate(details, loc, exact, place, model))
    return list(dict.fromkeys(found))


def yaml_loc(loc: Loc, raw: object) -> tuple[Loc, Loc]:
    """The path without pydantic's own steps, and with its union tags (for look-ups of models)."""
    clean: list[str | int] = []
    tagged: list[str | int] = []
    value = raw
    for number, step in enumerate(loc):
        if isinstance(step, str) and step.startswith("<"):
            tagged.append(step)
        elif isinstance(value, dict) and (step in value or number == len(loc) - 1):
            value = value.get(step)
            clean.append(step)
            tagged.append(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
            clean.append(step)
            tagged.append(step)
    return tuple(clean), tuple(tagged)


def _translate(details: ErrorDetails, loc: Loc, tagged: Loc, place: Place, model: Any) -> Iterator[Problem]:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "field":
        yield from _field(loc, place, value, context)
    elif kind == "missing":
        yield place.problem(loc[:-1], f"缺少“{loc[-1]}”", "", _swallowed(str(loc[-1]), value))
    elif kind == "extra_forbidden":
        names = fields_at(model, tagged[:-1])
        allowed = "此处可用：" + "、".join(names) if names else ""
        key = str(loc[-1])
        yield place.problem(
            loc, f"没有“{key}”这个键", allowed, _cure_of_key(key, model, tagged, names), at_key=True
        )
    elif kind in ("tuple_type", "list_type", "set_type"):
        cure = _cure(value) or "请另起一行，写作“- 值”"
        yield place.problem(loc, f"此处是{_what(value)}", "应为列表，每项一行、以“- ”开头", cure)
    elif kind in ("model_type", "model_attributes_type", "dict_type", "dataclass_type"):
        names = fields_at(model, tagged)
        allowed = "应为映射，每行一个“键: 值”" + ("，可用的键：" + "、".join(names) if names else "")
        yield place.problem(loc, f"此处是{_what(value)}", allowed, _cure(value))
    elif kind == "union_tag_not_found" and isinstance(value, dict):
        word = value.get("kind")
        hint = did_you_mean(word, CHANNEL_KINDS) if isinstance(word, str) else ""
        allowed = "可用：" + "、".join(CHANNEL_KINDS)
        yield place.problem((*loc, "kind"), f"{_what(word)}不是通道类别", allowed, hint)
    elif kind == "too_short":
        yield place.problem(loc, "列表是空的", "至少一项")
    else:
        # Field types check themselves, so no other kind is expected; it must still be named.
        yield place.problem(loc, f"{_what(value)}不合要求（{kind}）", "", _cure(value))


def _field(loc: Loc, place: Place, value: object, context: dict[str, Any]) -> Iterator[Problem]:
    found, allowed, hint = context["found"], context["allowed"], context["hint"]
    if isinstance(value, list) and value:
        named = list(_bad_terms(loc, place, value)) if "受众" in allowed or "everyone" in allowed else []
        if named:
            yield from named
            return
        index = next((i for i, each in enumerate(value) if shown(each) in found), None)
        if index is not None:
            yield place.problem((*loc, index), found, allowed, _hint(hint, value[index]))
            return
    yield place.problem(loc, found, allowed, _hint(hint, value))


def _bad_terms(loc: Loc, place: Place, terms: list[object]) -> Iterator[Problem]:
    """Each wrong term of an audience at its own place; the field stops at the first."""
    for index, term in enumerate(terms):
        try:
            parse_term(term)
        except PydanticCustomError as error:
            context = error.context or {}
            hint = _hint(context["hint"], term)
            yield place.problem((*loc, index), context["found"], context["allowed"], hint)


def _what(value: object) -> str:
    return "空的" if value is None else shown(value)


def _hint(own: str, value: object) -> str:
    """The field's own hint, unless the value begins with a sign that only a slip puts there."""
    cure = _cure(value)
    plain = isinstance(value, str) and value.strip()[:1].isalnum()
    return own if plain and own else cure or own


def _cure(value: object) -> str:
    return cure_of_value(value) if isinstance(value, str) else ""


def _swallowed(key: str, mapping: object) -> str:
    """A line that a slip made part of the value above it: ``title：…`` below ``clause: …``."""
    if isinstance(mapping, dict):
        for name, value in mapping.items():
            if isinstance(value, str) and (f"{key}：" in value or f"{key}:" in value):
                return f"“{key}”一行并入了“{name}”的值，请检查它的冒号和缩进"
    return ""


def _cure_of_key(key: str, model: Any, tagged: Loc, names: tuple[str, ...]) -> str:
    if english := _CHINESE_KEYS.get(key):
        return f"键用英文，如“{english}”"
    if "secret" in names and key.lower() in _SECRET_KEYS:
        return "密码和密钥不写在文件里：secret 写它的名字（如 SMTP_PASSWORD）"
    if homes := [name for name in names if key in fields_at(model, (*tagged[:-1], name))]:
        return f"“{key}”应写在“{'”或“'.join(homes)}”下面，多缩进两格"
    parent = _without_last_tags(tagged[:-1])
    if parent and key in fields_at(model, _without_last_tags(parent[:-1])):
        return f"“{key}”的缩进多了，应与“{parent[-1]}”左边对齐"
    return did_you_mean(key, list(names)) or cure_of_value(key)


def _without_last_tags(loc: Loc) -> Loc:
    while loc and isinstance(last := loc[-1], str) and last.startswith("<"):
        loc = loc[:-1]
    return loc


def fields_at(model: Any, loc: Loc) -> tuple[str, ...]:
    """The keys that the model at ``loc`` (with union tags) knows, as YAML writes them."""
    return _fields_at(model, tuple(step for step in loc if isinstance(step, str)))


@lru_cache(maxsize=1024)
def _fields_at(model: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    current = _models(model)
    for name in names:
        if name.startswith("<"):
            current = [(tag, each) for tag, each in current if tag == name]
            continue
        inner: list[tuple[str, type[BaseModel]]] = []
        for _, each in current:
            for key, info in each.model_fields.items():
                if (info.alias or key) == name:
                    inner += _models(info.annotation)
        current = inner
    return tuple(dict.fromkeys(info.alias or key for _, m in current for key, info in m.model_fields.items()))


def _models(annotation: Any, tag: str = "") -> list[tuple[str, type[BaseModel]]]:
    """The models an annotation may hold, each with its union tag."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(tag, annotation)]
    args = get_args(annotation)
    tag = next((arg.tag for arg in getattr(annotation, "__metadata__", ()) if isinstance(arg, Tag)), tag)
    return [found for arg in args for found in _models(arg, tag)]
