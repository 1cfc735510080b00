"""A node that serves the queues of many offices: each has one batch carried out, then it is the next one's turn.

One question a second finds the queues in which something waits, however many
there are; threads are taken only while they carry something out.  An office with
a thousand batches is passed by one with a single batch after one of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from reminder.delivery.engines.node import AGAIN_SECONDS, Lane, Node, Work, said

log = logging.getLogger(__name__)

THREADS = 32
"""Batches carried out at once, over all offices."""
_WAITING = "SELECT DISTINCT queue_name FROM procrastinate_jobs WHERE status = 'todo'"


@dataclass(eq=False, slots=True)
class _Turn:
    """A queue that is served, and how many of its batches are being carried out."""

    node: TurnNode
    queue: str
    abreast: int
    work: Work
    running: int = 0

    def close(self, *, wait: bool) -> None:  # noqa: ARG002 (what is being carried out ends by itself)
        self.node.forget(self)


class TurnNode(Node):
    """As :class:`Node`; its queues are served one batch after the other, in turn."""

    def __init__(self, conninfo: str) -> None:
        self._turns: OrderedDict[str, _Turn] = OrderedDict()
        self._stirred = asyncio.Event()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="send")
        self._carrying: set[asyncio.Task[None]] = set()
        super().__init__(conninfo)
        self.start(self._take_turns())

    def lane(self, queue: str, abreast: int, name: str, work: Work) -> Lane:  # noqa: ARG002
        turn = _Turn(self, queue, abreast, work)
        self._loop.call_soon_threadsafe(self._turns.__setitem__, queue, turn)
        return turn

    def forget(self, turn: _Turn) -> None:
        """Fetch no more for it."""

        def drop() -> None:
            if self._turns.get(turn.queue) is turn:
                del self._turns[turn.queue]

        with suppress(RuntimeError):  # the loop has ended already, and nothing is fetched
            self._loop.call_soon_threadsafe(drop)

    def stir(self) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stirred.set)

    def close(self, *, leave: bool) -> None:
        super().close(leave=leave)
        self._pool.shutdown(wait=False)

    # -- in the loop ------------------------------------------------------------

    async def _take_turns(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        while not self._closing:
            await self._ready.wait()
            found = False
            self._stirred.clear()
            try:
                found = await self._round()
            except Exception as error:
                # Whatever it is, mostly a lost connection: the jobs stand in the database.
                log.warning("queue broke off", extra={"error": said(error)})
            if not found:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stirred.wait(), AGAIN_SECONDS)

    async def _round(self) -> bool:
        """One batch of every queue in which something waits; whether there was any."""
        manager = self._manager
        waiting = {row["queue_name"] for row in await manager.connector.execute_query_all_async(_WAITING)}
        found = False
        for turn in [each for queue, each in self._turns.items() if queue in waiting]:
            if self._closing or len(self._carrying) >= THREADS:
                break
            if turn.running >= turn.abreast or self._turns.get(turn.queue) is not turn:
                continue
            self._turns.move_to_end(turn.queue)
            job = await manager.fetch_job([turn.queue], await self.registered())
            if job is not None:
                found = True
                self._carry(turn, job)
        return found

    def _carry(self, turn: _Turn, job: Job) -> None:
        turn.running += 1
        assert job.id is not None
        self._running.add(job.id)
        task = self._loop.create_task(self._carried(turn, job, job.id))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carried(self, turn: _Turn, job: Job, number: int) -> None:
        """A batch, carried out in a thread; one whose end cannot be told is found again as nobody's."""
        try:
            await self._loop.run_in_executor(self._pool, turn.work, number)
            await JobManager.finish_job(self._manager, job, Status.SUCCEEDED, delete_job=True)
        except Exception as error:
            log.debug("broke off", extra={"error": said(error)})
        finally:
            self._running.discard(number)
            turn.running -= 1
            self._stirred.set()
