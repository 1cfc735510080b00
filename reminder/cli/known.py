"""What the daemon's ledger knows of events, draws and duties, for commands that look ahead."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reminder.agenda.facts import Facts
    from reminder.settings import Settings


def facts_of(settings: Settings, plan_id: str) -> Facts:
    """The facts in the ledger of the data folder; none if there is no ledger yet.

    Nobody reads the seeds of draws here: what is not published is not known.
    """
    from reminder.agenda.facts import NOTHING
    from reminder.clock import SystemClock
    from reminder.ledger.ledger import Ledger

    # An address of a database is no path; a folder one may not look into has nothing to tell.
    if "://" not in settings.ledger and not os.path.exists(settings.ledger):  # noqa: PTH110 - says no instead of raising
        return NOTHING
    with Ledger.open(settings.ledger, kind=None, now=SystemClock().now(), create=False) as ledger:
        return ledger.facts(plan_id, ledger.transport(plan_id))
