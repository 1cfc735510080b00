"""Digests of a plan's items: what a new plan changed, item by item.  Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from reminder.plan.model import Item, Plan


def item_digests(plan: Plan) -> dict[str, str]:
    """SHA-256 of each item with its resolved ladder, by id."""
    return {item.id: _digest(item) for item in plan.items}


def _digest(item: Item) -> str:
    # Pydantic's and dataclasses' reprs name every field in a fixed order.
    return hashlib.sha256(f"{item.spec!r}\n{item.rungs!r}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ItemChanges:
    """Ids of items that a new plan added, removed or changed, each in order."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


def item_changes(before: Mapping[str, str], after: Mapping[str, str]) -> ItemChanges:
    """Compare two sets of digests."""
    return ItemChanges(
        tuple(sorted(after.keys() - before.keys())),
        tuple(sorted(before.keys() - after.keys())),
        tuple(sorted(each for each in before.keys() & after.keys() if before[each] != after[each])),
    )
