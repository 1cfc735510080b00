"""Row 18: items renamed, moved to another file and given another ladder while their alarms come due."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path

from tests.harness.office import Office
from tests.harness.process import wait_for
from tests.plans import at, item_yaml

NINE = at("2026-06-10 09:00")
COUNT = 6


def item(number: int, name: str, *, rung: str = "", was: str = "") -> str:
    """An item told at so many minutes past nine, whatever it is called now."""
    clock = f"09:{number:02d}"
    text = f"- from: due\n  workdays: 0\n  at: {clock}\n  to: person:p-office\n  via:\n    - mail\n"
    if rung:
        text += f"  id: {rung}\n  was:\n    - due+0wd\n"
    extra = "alone: true" + (f"\nwas:\n  - {was}" if was else "")
    made = item_yaml(name, "date: 2026-06-10\nat: 23:59", text, extra)
    return made.replace(f"title: 事项{name}", f"title: 事项n{number:04d}")


def test_row_18_what_was_sent_stays_sent_under_its_new_name(tmp_path: Path) -> None:
    """Three were told; then all six are renamed with other rungs, five in a second file: three more, and no repeat."""
    plan = [item(number, f"n{number:04d}") for number in range(COUNT)]
    with Office(tmp_path, plan) as office:
        office.adopt()
        office.set(NINE - timedelta(minutes=1))
        office.daemon.start()
        office.set(NINE + timedelta(minutes=2))
        wait_for(lambda: len(office.smtp.messages) == 3, "the first three")
        moved = [item(number, f"m{number}", rung="told", was=f"n{number:04d}") for number in range(COUNT)]
        (office.daemon.schedules / "more.yaml").write_text("items:\n" + "".join(moved[1:]) + "...\n", "utf-8")
        office.write(moved[:1])
        office.daemon.signal(signal.SIGHUP)
        wait_for(lambda: "plan reloaded" in office.daemon.log.read_text(), "the reload")
        office.look()
        assert len(office.smtp.messages) == 3
        office.set(NINE + timedelta(minutes=COUNT))
        report = office.judge(NINE + timedelta(minutes=COUNT))
        assert report.clean, report
        assert report.excused == []
        assert len(office.smtp.messages) == COUNT
        # And the same again by a daemon that knows nothing but plan and ledger.
        office.daemon.stop()
        office.daemon.start()
        office.look()
        assert len(office.smtp.messages) == COUNT
