"""Facts: what happened outside the plan.

Frozen values that the pure core takes and the ledger keeps; nothing here knows
where they came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision needs besides plan and calendar.

    ``adopted`` says since when each rung, by (item id, rung id), has stood in an
    accepted plan on this transport.  ``rehearsal`` is true under ``outbox``.
    """

    adopted: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    rehearsal: bool = True

    def adopted_at(self, items: tuple[str, ...], rungs: tuple[str, ...]) -> datetime | None:
        """When a rung was adopted, under its present id or a former one: the earliest."""
        found = [self.adopted[item, rung] for item in items for rung in rungs if (item, rung) in self.adopted]
        return min(found, default=None)
