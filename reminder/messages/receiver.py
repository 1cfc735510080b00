"""What a text makes of its receiver: which fields it reads, and whether the name is only said.

A festival's message for five thousand people differs in the greeting.  To render
it once, one has to know that it does: the first time, the receiver is watched
while the template runs.  A template is a function of what it reads, so that
whoever agrees in the fields it read gets the same text.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, ValuesView
from typing import Any

from jinja2 import nodes

_ALTER_WHAT_IS_SAID = (
    nodes.Macro,
    nodes.CallBlock,
    nodes.FilterBlock,
    nodes.AssignBlock,
    nodes.Block,
)
"""What is output in these is handed to something else before it is text."""
_FIELDS = ("id", "name", "kind", "named")
"""Anything else of the receiver (``values``, ``copy``) has the name in it."""
_LEAD_ELSEWHERE = (nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends)


class Watched(dict[str, Any]):
    """The receiver, noting which of its fields are looked at.

    Every way to a value that the sandbox leaves open goes through here; whatever
    takes the whole notes all.
    """

    def __init__(self, fields: dict[str, Any], read: set[str]) -> None:
        super().__init__(fields)
        self._read = read

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._read.add(name)
        return super().get(name, default)

    def _all(self) -> None:
        self._read.update(self.keys())

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self._all()
        return super().items()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        self._all()
        return super().values()

    def __iter__(self) -> Iterator[str]:
        # Overridden so that `**receiver` asks for the fields one by one.
        return super().__iter__()

    def copy(self) -> dict[str, Any]:
        self._all()
        return super().copy()

    def __eq__(self, other: object) -> bool:
        self._all()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        self._all()
        return super().__ne__(other)

    __hash__ = None

    def __repr__(self) -> str:
        self._all()
        return super().__repr__()


def only_says_name(tree: nodes.Template) -> bool:
    """Whether this file puts out ``receiver.name`` as it is, and does nothing else with it.

    Then the text is the same for everybody but for the name.  No means: not
    certain.
    """
    if any(tree.find_all(_LEAD_ELSEWHERE)):
        return False
    handed_on = {
        id(each) for outer in tree.find_all(_ALTER_WHAT_IS_SAID) for each in outer.find_all(nodes.Name)
    }
    said = {
        id(each.node)
        for output in tree.find_all(nodes.Output)
        for each in output.nodes
        if isinstance(each, nodes.Getattr)
    }
    fields = {id(each.node): each.attr for each in tree.find_all(nodes.Getattr)}
    for name in tree.find_all(nodes.Name):
        if name.name != "receiver":
            continue
        field = fields.get(id(name))
        if name.ctx != "load" or field not in _FIELDS:
            return False
        if field == "name" and (id(name) not in said or id(name) in handed_on):
            return False
    return True
