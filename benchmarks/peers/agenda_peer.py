"""recurring-ical-events over one calendar: what a date of a year costs it.

Run by the peers' own Python with the path of a calendar; prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import recurring_ical_events
from icalendar import Calendar

ROUNDS = 3

text = Path(sys.argv[1]).read_bytes()
begun = time.process_time()
calendar = Calendar.from_ical(text)
read = time.process_time() - begun
taken, dates = [], 0
for _ in range(ROUNDS):
    begun = time.process_time()
    dates = len(recurring_ical_events.of(calendar).between(datetime(2026, 1, 1), datetime(2027, 1, 1)))
    taken.append(time.process_time() - begun)
print(
    json.dumps(
        {
            "version": version("recurring-ical-events"),
            "dates": dates,
            "reading": read,
            "seconds": sorted(taken)[ROUNDS // 2],
        }
    )
)
