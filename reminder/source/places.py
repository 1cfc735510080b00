"""Where everything stands in a file: a tree beside its value, of packed lines and columns.

A place is one integer, its line and its column counted from 0; a scalar's node is its
place and, above it, the place of its key.
"""

from __future__ import annotations

from typing import Any

from reminder.errors import Position

SHIFT = 24  # lines and columns stay below 2**24 because files stay below 5 MiB
PLACE_BITS = 2 * SHIFT
PLACE_MASK = (1 << PLACE_BITS) - 1


class MappingPlaces:
    """Places of a mapping: its own, that of its key, and those of its values.

    A scalar value is one packed integer: its place, and above it its key's.
    One dictionary a mapping instead of two keeps a bomb of keys small.
    """

    __slots__ = ("key_place", "place", "values")

    def __init__(self, place: int, key_place: int) -> None:
        self.place = place
        self.key_place = key_place
        self.values: dict[str, Places] = {}


class SequencePlaces:
    """Places of a list: its own, that of its key, and those of its members."""

    __slots__ = ("key_place", "place", "values")

    def __init__(self, place: int, key_place: int) -> None:
        self.place = place
        self.key_place = key_place
        self.values: list[Places] = []


Places = int | MappingPlaces | SequencePlaces


def place_of(node: Places) -> int:
    """Where it stands."""
    return node & PLACE_MASK if isinstance(node, int) else node.place


def place_of_key(node: Places) -> int:
    """Where its key stands; 0 without one."""
    return node >> PLACE_BITS if isinstance(node, int) else node.key_place


def position_of(name: str, place: int) -> Position:
    """A place as people count, from 1."""
    return Position(name, (place >> SHIFT) + 1, (place & ((1 << SHIFT) - 1)) + 1)


def packed(mark: Any) -> int:
    """The place of the parser's mark."""
    return int(mark.line << SHIFT | mark.column)
