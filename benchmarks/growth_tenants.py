"""How time and memory grow with the offices of one process: taking them in, and a tick with nothing due.

The first time an office is taken in, all its plan is checked; that takes a
second, and is measured of up to :data:`FIRST_MOST`.  Of more, the plans are put
into force beforehand, as after a start of long ago.

Each office has :data:`ITEMS` items of mixed kinds and its own templates; the
ledger is on PostgreSQL.  Seconds are processor time of the process, without
that of PostgreSQL and of the process that renders; bytes are its resident
memory beyond what it had before.
"""

from __future__ import annotations

import gc
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from benchmarks.agenda import text_of
from reminder.check import examine
from reminder.cli.wiring import furnish
from reminder.daemon.tenancy import Tenancy
from reminder.daemon.tenant import State
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.messages import render
from reminder.offices import office_names, settings_of_office
from reminder.settings import Settings
from reminder.sweep.accept import accept
from tests.editing.conftest import SHARED
from tests.editions import TEMPLATES
from tests.harness.postgres import Server, stamp
from tests.harness.shifted import ShiftedClock, shifted_ledger
from tests.plans import at

SIZES = (1, 10, 100, 1_000)
FIRST_MOST = 10
AGAIN = "offices taken in again"
ITEMS = 50
TICKS = 50
NOON = at("2026-06-10 12:01")
Point = tuple[int, float, int]


def lay_out(folder: Path, size: int) -> None:
    """So many offices."""
    files = text_of(ITEMS)
    for number in range(size):
        office = folder / f"office-{number:04d}"
        (office / "schedules").mkdir(parents=True)
        for name, content in files.items():
            text = content.decode().replace("  id: test\n", f"  id: plan-{number:04d}\n", 1)
            (office / "schedules" / name).write_text(text)
        for template in SHARED:
            shutil.copytree(TEMPLATES / template, office / "message_templates" / template)
        shutil.copy(TEMPLATES / "wording.yaml", office / "message_templates")


def settled(tenancy: Tenancy) -> None:
    """Until every office runs and none has anything to do."""
    while any(each.state is State.NEW for each in tenancy.tenants.values()):
        tenancy.look()
    assert all(each.state is State.RUNNING for each in tenancy.tenants.values()), [
        each.trouble for each in tenancy.tenants.values() if each.trouble
    ][:3]
    for _ in range(10):
        tenancy.look()


def offices(size: int, server: Server) -> Iterator[tuple[str, Point, float]]:
    """What was done, its point, and statements for each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(folder / "offices", size)
        address = server.new_database()
        stamp(address, LedgerKind.DAEMON, NOON - timedelta(days=1))
        settings = Settings(data=folder / "data", offices=folder / "offices", database_url=address)
        settings.data.mkdir()
        clock = ShiftedClock(NOON)
        ledger = shifted_ledger(address, clock)
        if size > FIRST_MOST:
            in_force(settings, ledger)
            ledger = shifted_ledger(address, clock)
        gc.collect()
        before = _resident()
        tenancy = Tenancy(settings, ledger, clock, furnish)
        begun = time.process_time()
        settled(tenancy)
        taken = time.process_time() - begun
        gc.collect()
        held = _resident() - before
        done = "offices taken in, the first time" if size <= FIRST_MOST else AGAIN
        yield done, (size, taken, held), ledger.statements
        least, asked = float("inf"), 0.0
        for _ in range(3):
            ledger.statements = 0
            begun = time.process_time()
            for _ in range(TICKS):
                tenancy.look()
            least = min(least, (time.process_time() - begun) / TICKS)
            asked = ledger.statements / TICKS
        yield "a tick of all offices with nothing due", (size, least, held), asked
        tenancy.close()
        if size <= FIRST_MOST:
            render._sound.clear()  # as in a new process, which has read no template yet
            ledger = shifted_ledger(address, clock)
            begun = time.process_time()
            again = Tenancy(settings, ledger, clock, furnish)
            settled(again)
            yield AGAIN, (size, time.process_time() - begun, held), ledger.statements
            again.close()
        server.drop(address)


def in_force(settings: Settings, ledger: Ledger) -> None:
    """Every office's plan as it was accepted at an earlier start; closes the ledger.

    In a process of its own: what checking takes in memory is not what is measured.
    """
    ledger.close()
    working = multiprocessing.get_context("spawn").Process(target=_accepted, args=(settings,))
    working.start()
    working.join()
    assert working.exitcode == 0


def _accepted(settings: Settings) -> None:
    assert settings.offices is not None
    clock = ShiftedClock(NOON - timedelta(hours=1))
    ledger = shifted_ledger(str(settings.ledger), clock)
    for name in office_names(settings.offices):
        its = settings_of_office(settings, name)
        edition = examine(its.schedules, its.templates, None, known=lambda _: True).edition
        assert edition is not None
        accept(ledger, edition, "start", clock.now())
    ledger.close()


def _resident() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def main() -> None:
    """Print the points of the sizes that are named, or of all."""
    server = Server()
    for size in [int(each) for each in sys.argv[1:]] or SIZES:
        for name, (count, seconds, held), asked in offices(size, server):
            print(
                f"{name:40} {count:6,} {seconds * 1e3:12.2f} ms {held / 2**20:8.1f} MB {asked:10.1f} statements",
                flush=True,
            )
    server.stop()


if __name__ == "__main__":
    main()
