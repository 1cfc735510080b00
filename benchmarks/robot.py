"""Five hundred posts queued for a robot that may post twenty a minute.

Time is simulated: the deliverer asks the ledger when a slot is free, as it does
in the daemon, and the clock is set to that instant.  The simulator is a real
server on loopback that counts its own sliding window by the same clock, and
blocks the robot for a minute with 45009 at the first post too many.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure
from reminder.channels.wecom_robot import WecomRobotAdapter
from reminder.delivery.conduct import Conduct
from reminder.delivery.rate import quotas_of
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.plan.channels import WecomRobotChannel
from tests.delivery.conftest import LIVE, PLAN, START, Bench
from tests.servers.wecom import WecomSimulator

POSTS, A_MINUTE = 500, 20
LEAST = (POSTS - 1) // A_MINUTE * 60
"""Seconds from the first post to the last, if the vendor's window is used to the full."""


def robot() -> Iterator[Figure]:
    """When the last is sent, and what the server said to each."""
    config = WecomRobotChannel(id="group", secret="ROBOT_KEY", base_url="http://127.0.0.1")
    assert config.per_minute == A_MINUTE
    spent = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite3"
        bench = Bench(Ledger.open(path, kind=LedgerKind.SIMULATION, now=START))

        def seconds() -> float:
            return bench.now.timestamp()

        with WecomSimulator(per_minute=A_MINUTE, clock=seconds) as simulator:
            adapter = WecomRobotAdapter(
                config.model_copy(update={"base_url": simulator.base_url}), key="robot-key"
            )
            for number in range(POSTS):
                body = {"msgtype": "markdown", "markdown": {"content": f"第{number}条"}}
                payload = json.dumps(body, ensure_ascii=False).encode()
                bench.add(f"d{number:03}", "group", payload=payload)
            deliverer = bench.deliverer(adapter, conduct={"group": Conduct(quotas=quotas_of(config))})
            while bench.counts() != {"accepted": POSTS}:
                deliverer.drain(bench.now)
                upcoming = bench.ledger.spool.next_instant(PLAN, LIVE)
                if upcoming is not None:
                    bench.clock.set(upcoming)
            adapter.close()
        attempts = [each for number in range(POSTS) for each in bench.tries(f"d{number:03}")]
        bench.ledger.close()
    refused = sum("45009" in each.code for each in attempts)
    took = (bench.now - START).total_seconds()
    received = Counter(post.content for post in simulator.posts)
    assert len(received) == POSTS, "a post was lost"
    assert set(received.values()) == {1}, "a post came twice"
    yield Figure(
        f"{POSTS} posts through one robot: the last is sent after",
        f"{took:,.1f} s = {(took / LEAST - 1) * 100:.2f} % over the least",
        "≤ 1 % over",
        f"the least possible is {LEAST:,} s at {A_MINUTE} in any minute; simulated clock, a real server with a window "
        f"of its own; {time.process_time() - spent:.1f} s of processor time",
    )
    yield Figure(
        "… answered 45009",
        f"{refused} of {len(attempts)} tries",
        "none",
        f"{len(simulator.requests)} requests reached the server, every post came once",
    )
