"""The command ``reminder`` as a process, on the clock of an office under test.

``python -m tests.harness.cli_main CLOCK ARGUMENT…``: ``CLOCK`` holds what to add
to the machine's clock, in seconds, as in :mod:`tests.harness.daemon_main`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from reminder import clock
from reminder.cli import entry
from tests.harness.daemon_main import ShiftedClock


def main() -> None:
    shifted = ShiftedClock(Path(sys.argv[1]))
    clock.SystemClock = lambda: shifted  # type: ignore[assignment, misc]
    sys.argv[:] = ["reminder", *sys.argv[2:]]
    entry.main()


if __name__ == "__main__":
    main()
