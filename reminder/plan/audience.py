"""Audience expressions: who is meant, without saying who holds a post today.

An expression is a term or a list of terms; a list is a union, and terms that
begin with ``not`` are taken out of it at the end::

    to:
      - everyone
      - not person:p-office-head

``everyone``, ``owing`` and ``escalation`` stand alone; the other terms are
``kind:name``.  Whom a term means on a day, the directory says.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from reminder.plan.fields import did_you_mean, fault, shown


class TermKind(enum.StrEnum):
    """What a term of an audience names."""

    EVERYONE = "everyone"
    OWING = "owing"
    """Those who owe the item's duty for the occurrence."""
    ESCALATION = "escalation"
    """Those who supervise the ones who owe."""
    UNIT = "unit"
    """Everyone of a unit."""
    GROUP = "group"
    """Everyone of the units of a group."""
    HEAD = "head"
    """Who holds the head's post of a unit, or of each unit of a group."""
    CONTACT = "contact"
    """Who holds the contact's post of a unit, or of each unit of a group."""
    POST = "post"
    ROLE = "role"
    """Holders of posts with the role; of units with the role, the contact."""
    PERSON = "person"


BARE = (TermKind.EVERYONE, TermKind.OWING, TermKind.ESCALATION)
NAMED = tuple(kind for kind in TermKind if kind not in BARE)


@dataclass(frozen=True, slots=True)
class Term:
    """One term; ``name`` is empty for the bare kinds."""

    kind: TermKind
    name: str = ""
    excluded: bool = False

    def __str__(self) -> str:
        text = f"{self.kind}:{self.name}" if self.name else str(self.kind)
        return f"not {text}" if self.excluded else text


Audience = tuple[Term, ...]

_ALLOWED = (
    "可用：everyone、owing、escalation，或 "
    + "、".join(f"{kind}:名称" for kind in NAMED)
    + "；前加 not 为排除"
)


def parse_term(value: object) -> Term:
    """Read one term.

    Raises ``PydanticCustomError`` that names the clerk's slip: a mapping made
    by a space after the colon, a full-width colon, a missing kind.
    """
    if isinstance(value, dict) and len(value) == 1:
        ((key, name),) = value.items()
        raise fault(
            f"“{key}: {name}”成了一个映射", "受众项写作 类别:名称", f"请去掉冒号后的空格，写作 {key}:{name}"
        )
    if not isinstance(value, str):
        raise fault(f"此处是{shown(value)}", _ALLOWED)
    text = value.strip()
    excluded = False
    if match := re.fullmatch(r"(?:not\s+|!)(.+)", text):
        excluded, text = True, match[1].strip()
    if "：" in text:
        raise fault(f"{shown(text)}用了全角冒号", _ALLOWED, f"请改为英文冒号：{text.replace('：', ':')}")
    if text in BARE:
        return Term(TermKind(text), excluded=excluded)
    kind, colon, name = text.partition(":")
    if colon and kind.strip() in NAMED and name.strip():
        return Term(TermKind(kind.strip()), name.strip(), excluded)
    if not colon:
        hint = did_you_mean(text, [str(each) for each in BARE]) or f"是否想写“unit:{text}”或“post:{text}”？"
    else:
        hint = did_you_mean(kind, [str(each) for each in NAMED])
    raise fault(f"{shown(text)}不是受众", _ALLOWED, hint)


def _audience(value: object) -> Audience:
    if isinstance(value, list):
        if not value:
            raise fault("受众列表是空的", _ALLOWED)
        terms = tuple(parse_term(each) for each in value)
    else:
        terms = (parse_term(value),)
    if all(term.excluded for term in terms):
        raise fault("受众里只有排除项", "至少一项不带 not")
    return terms


AudienceField = Annotated[
    Audience,
    BeforeValidator(_audience),
    WithJsonSchema(
        {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    ),
]
