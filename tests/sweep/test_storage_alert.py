"""The alert that the ledger cannot be written: sent beside the sweep, once an hour."""

from __future__ import annotations

import threading
from datetime import timedelta

from reminder.channels.base import Outcome, OutcomeKind, Parcel
from reminder.sweep.alerts import AGAIN_AFTER, FIRST_AFTER, StorageAlert
from tests.editions import Remembering, edition_of
from tests.harness.process import wait_for
from tests.plans import ON_DUE_DAY, at, item_yaml, plan_of

NINE = at("2026-06-10 09:00")


def test_a_mail_server_that_hangs_holds_up_only_the_alert() -> None:
    """``trouble`` returns at once; while one alert is on its way there is no second, whatever the hour."""
    edition = edition_of(plan_of(item_yaml("x", "date: 2026-06-10", ON_DUE_DAY)))
    go_on = threading.Event()

    def hang(_parcel: Parcel) -> Outcome:
        go_on.wait(30)
        return Outcome(OutcomeKind.ACCEPTED, "250", "OK")

    channels = {name: Remembering(name, hang) for name in ("mail", "group")}
    alert = StorageAlert()
    assert not alert.trouble("满", edition, channels, NINE)
    assert alert.trouble("满", edition, channels, NINE + FIRST_AFTER)
    wait_for(lambda: channels["mail"].arrived, "the alert")
    assert not alert.trouble("满", edition, channels, NINE + 2 * AGAIN_AFTER)
    go_on.set()
    wait_for(lambda: alert.trouble("满", edition, channels, NINE + 2 * AGAIN_AFTER), "the next alert")
    wait_for(lambda: len(channels["mail"].arrived) == 2, "its arrival")
    assert [parcel.receiver for parcel in channels["mail"].arrived] == ["p-clerk", "p-clerk"]
    assert alert.well() == NINE + timedelta(0)
