"""Plans for the tests of the console's rooms, served over a ledger with something in it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from reminder.check import Edition, examine
from reminder.ledger.records import AttemptEnd, DeliveryState, Transport
from reminder.sweep.sweeper import Sweeper
from tests.editions import ROOT, edition_of
from tests.harness.console import Served
from tests.plans import plan_of


def edition(*items: str, head: str = "") -> Edition:
    """An edition of these items over the directory of the tests."""
    return edition_of(plan_of(*items, head=head))


def shipped() -> Edition:
    """The plan that is delivered, with its templates."""
    found = examine(ROOT / "schedules", ROOT / "message_templates").edition
    assert found is not None
    return found


def send(
    served: Served, at: datetime, state: DeliveryState = DeliveryState.ACCEPTED, since: datetime | None = None
) -> int:
    """Decide what is due at ``at`` on live transport and let every message end so; how many there were."""
    ledger, plan_id = served.ledger, served.edition.plan.id
    ledger.go_live(plan_id, by="p-clerk", now=at)
    served.clock.set(at)
    adopted = since or at - timedelta(hours=12)
    Sweeper(ledger, served.edition, served.channels, Transport.LIVE, adopted).sweep(at)
    due = ledger.spool.due(plan_id, Transport.LIVE, at, limit=1000)
    numbers = ledger.spool.begin_many(plan_id, [each.id for each in due], at)
    ends = [
        AttemptEnd(each.id, numbers[each.id], at + timedelta(seconds=1), str(state), state, "250", "OK")
        for each in due
    ]
    ledger.spool.finish_many(plan_id, ends)
    return len(due)


def health(folder: Path, now: datetime, **words: object) -> None:
    """The daemon's last word, as it leaves it."""
    status: dict[str, object] = {
        "at": now.isoformat(), "pid": 1, "transport": "live", "plan": "test", "next": None,
        "plan_refused": False, "paused": [], "held": None, "page": None, "problem": "",
    }  # fmt: skip
    (folder / "health.json").write_text(json.dumps(status | words), "utf-8")
