"""The console over a ledger of 100,000 deliveries: how long a page takes, how much it weighs."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from benchmarks.figures import Figure
from reminder.access.rights import Role
from reminder.check import examine
from reminder.ledger.records import Transport
from reminder.ledger.tables import alarms, attempts, claims, contents, deliveries
from reminder.plan.model import Plan
from tests.harness.console import Served, User

ROOT = Path(__file__).resolve().parent.parent
NOW = datetime(2026, 6, 16, 2, tzinfo=UTC)
DELIVERIES, PER_ALARM = 100_000, 20
ROUNDS = 20
PAGES = (
    "/", "/calendar", "/calendar/2026-06-17", "/tasks", "/tasks/quarterly-report", "/duties",
    "/duties/occurrence?occurrence=quarterly-report/2026Q2", "/approvals", "/ledger", "/ledger?status=failed",
    "/ledger?item=festival", "/ledger?person=p-lilun-kz", "/plan", "/plan/plan.yaml", "/settings",
    "/settings/users", "/settings/calendar", "/settings/handover", "/api/docs", "/api/v1/ledger", "/api/v1/duties",
)  # fmt: skip


def console() -> Iterator[Figure]:
    """Every page ``ROUNDS`` times by one clerk with all rights; server and client share a process."""
    edition = examine(ROOT / "schedules", ROOT / "message_templates").edition
    assert edition is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "schedules", folder / "schedules")
        with Served(folder, edition, NOW) as served:
            with served.ledger._storage.write() as connection:
                fill(connection, edition.plan)
            user = served.log_in("p-jgdw-gs", Role.ADMIN, Role.EDITOR, Role.APPROVER, private=True)
            taken: dict[str, list[float]] = {}
            sizes = {}
            for page in PAGES:
                taken[page], sizes[page] = visited(user, page)
    slowest = max(taken, key=lambda page: at_95(taken[page]))
    every = [each for page in taken.values() for each in page]
    largest = max(sizes, key=lambda page: sizes[page])
    how = f"{len(PAGES)} pages, {ROUNDS} times each after a first look, {DELIVERIES:,} deliveries"
    yield Figure("a page of the console, 95th percentile", f"{at_95(every):.0f} ms", "≤ 100 ms", how)
    yield Figure("… of the slowest page", f"{at_95(taken[slowest]):.0f} ms", "≤ 100 ms", f"`{slowest}`")
    yield Figure(
        "… its size, the largest page", f"{sizes[largest] / 1024:.0f} KB", "≤ 100 KB", f"`{largest}`"
    )


def visited(user: User, page: str) -> tuple[list[float], int]:
    """Milliseconds of each visit, and how many octets came."""
    size = len(user.get(page).content)
    found = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        answer = user.get(page)
        found.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, (page, answer.status_code)
    return found, size


def at_95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


def fill(connection: Connection, plan: Plan, count: int = DELIVERIES) -> None:
    """A year of alarms of the plan's own items to its own people, some of which went wrong."""
    people = [person.id for person in plan.directory.people]
    text = "正文" * 150
    payload = text.encode()
    digest = hashlib.sha256(payload).hexdigest()
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("alarms", "claims", "deliveries", "contents", "attempts")
    }
    common = {"plan_id": plan.id, "transport": str(Transport.LIVE)}
    for number in range(count // PER_ALARM):
        item = plan.items[number % len(plan.items)].id
        at = datetime(2026, 1, 5, 1, tzinfo=UTC) + timedelta(days=number % 340)
        occurrence = f"{item}/B{number}"
        rows["alarms"].append(
            common
            | {
                "id": number + 1, "alarm": f"{occurrence}#due", "item": item, "occurrence": occurrence, "rung": "due",
                "planned_at": at, "due": at, "decision": "send", "reason": "due", "recorded_at": at,
            }
        )  # fmt: skip
        for share in range(PER_ALARM):
            own = number * PER_ALARM + share + 1
            person = people[(number + share) % len(people)]
            message = hashlib.sha256(str(own).encode()).hexdigest()[:32]
            state = "failed" if own % 500 == 0 else "uncertain" if own % 999 == 0 else "accepted"
            rows["claims"].append(
                common
                | {
                    "id": own, "alarm_id": number + 1, "receiver": person, "channel": "mail", "decision": "send",
                    "reason": "due", "message": message, "recorded_at": at, "until": None,
                }
            )  # fmt: skip
            rows["deliveries"].append(
                common
                | {
                    "id": own, "delivery": f"{message}-1", "message": message, "channel": "mail", "receiver": person,
                    "address": f"{person}@example.com", "part": 1, "parts": 1,
                    "message_id": f"<{message}@example.com>", "subject": f"{item}：请按期办理", "planned_at": at,
                    "not_before": at, "expires_at": at + timedelta(days=30), "state": state, "attempts": 1,
                    "late": False, "created_at": at, "updated_at": at,
                }
            )  # fmt: skip
            rows["contents"].append(
                {
                    "delivery_id": own,
                    "plan_id": plan.id,
                    "text": text,
                    "payload": payload,
                    "payload_sha256": digest,
                }
            )
            rows["attempts"].append(
                common
                | {
                    "id": own, "delivery_id": own, "channel": "mail", "number": 1, "started_at": at,
                    "finished_at": at + timedelta(seconds=1), "outcome": "accepted" if state == "accepted" else "permanent",
                    "code": "250" if state == "accepted" else "550", "detail": "",
                }
            )  # fmt: skip
    for table in (alarms, claims, deliveries, contents, attempts):
        connection.execute(insert(table), rows[table.name])
