"""``via:``, over which channels a rung goes: one after another, or one in another's place.

A list names channels that are all used.  An entry may instead be a chain
(``first``, ``else``): the second channel is for exactly those whom the first
does not reach.  A chain alone may stand without a list around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from reminder.plan.base import Model
from reminder.plan.fields import Identifier, fault, shown


def _one_channel(value: object) -> object:
    if isinstance(value, dict):
        raise fault("此处又是一层 first/else", "只写一个通道的编号", "改发只有一级，不能再套一层")
    if isinstance(value, list):
        raise fault(f"此处是{shown(value)}", "只写一个通道的编号", "要同时用几个通道，请在 via 下每行写一个")
    return value


ChannelName = Annotated[Identifier, BeforeValidator(_one_channel)]


class Chain(Model):
    """A channel, and another for exactly those whom it does not reach."""

    first: ChannelName
    otherwise: ChannelName = Field(alias="else")

    @model_validator(mode="after")
    def _two_channels(self) -> Chain:
        if self.first == self.otherwise:
            raise fault(f"first 和 else 都是“{self.first}”", "else 写另一个通道")
        return self

    def __str__(self) -> str:
        return f"{self.first}（不通则 {self.otherwise}）"


Route = str | Chain
"""One entry of ``via``: a channel, or a chain of two."""


def _kind(value: Any) -> str:
    return "<chain>" if isinstance(value, dict | Chain) else "<channel>"


class _OneOrMore:
    """Lets a chain stand without a list around it, and says so to editors."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._listed, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        listed = handler(schema)
        chain = next(each for each in listed["items"]["oneOf"] if "$ref" in each)
        return {"oneOf": [listed, chain]}

    @staticmethod
    def _listed(value: Any) -> Any:
        return [value] if isinstance(value, dict) else value


Via = Annotated[
    tuple[
        Annotated[
            Annotated[Identifier, Tag("<channel>")] | Annotated[Chain, Tag("<chain>")],
            Discriminator(_kind),
        ],
        ...,
    ],
    _OneOrMore(),
]
"""Tags in angle brackets appear in pydantic's error paths and never in YAML."""


def steps(route: Route) -> tuple[str, ...]:
    """The channels of an entry, in the order in which they are tried."""
    return (route.first, route.otherwise) if isinstance(route, Chain) else (route,)


def channels_of(via: tuple[Route, ...]) -> tuple[str, ...]:
    """Every channel that may be used, in order, each once."""
    return tuple(dict.fromkeys(name for route in via for name in steps(route)))


def named(via: tuple[Route, ...], raw: object) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Each channel's name and where it stands below ``via``; ``raw`` is the value in the file."""
    for index, route in enumerate(via):
        here = () if isinstance(raw, dict) else (index,)
        if isinstance(route, Chain):
            yield route.first, (*here, "first")
            yield route.otherwise, (*here, "else")
        else:
            yield route, here
