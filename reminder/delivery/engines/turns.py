"""A node that serves the queues of many offices: each has one batch carried out, then it is the next one's turn.

One question a second finds the queues in which something waits, however many
there are; threads are taken only while they carry something out.  An office with
a thousand batches is passed by one with a single batch after one of its own.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import suppress
from dataclasses import dataclass, field

from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from reminder.delivery.engines.node import AGAIN_SECONDS, CLOSE_SECONDS, Lane, Node, Work, said

log = logging.getLogger(__name__)

THREADS = 32
"""Batches carried out at once, over all offices."""
_WAITING = "SELECT DISTINCT queue_name FROM procrastinate_jobs WHERE status = 'todo'"


@dataclass(eq=False, slots=True)
class _Turn:
    """A queue that is served, and those of its batches that are being carried out."""

    node: TurnNode
    queue: str
    abreast: int
    work: Work
    running: set[Future[None]] = field(default_factory=set)

    def close(self, *, wait: bool) -> None:
        self.node.forget(self)
        if wait:
            wait_for(list(self.running))


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
        """Fetch no more for it, from when this returns on."""
        dropped = threading.Event()

        def drop() -> None:
            if self._turns.get(turn.queue) is turn:
                del self._turns[turn.queue]
            dropped.set()

        with suppress(RuntimeError):  # the loop has ended already, and nothing is fetched
            self._loop.call_soon_threadsafe(drop)
            dropped.wait(CLOSE_SECONDS)

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
            if len(turn.running) >= turn.abreast or self._turns.get(turn.queue) is not turn:
                continue
            self._turns.move_to_end(turn.queue)
            job = await manager.fetch_job([turn.queue], await self.registered())
            if job is not None and job.id is not None:
                found = True
                self._running.add(job.id)
                future = self._pool.submit(turn.work, job.id)
                turn.running.add(future)
                task = self._loop.create_task(self._carried(turn, job, future))
                self._carrying.add(task)
                task.add_done_callback(self._carrying.discard)
        return found

    async def _carried(self, turn: _Turn, job: Job, future: Future[None]) -> None:
        """A batch, to its end; one whose end cannot be told is found again as nobody's."""
        try:
            await asyncio.wrap_future(future)
            await JobManager.finish_job(self._manager, job, Status.SUCCEEDED, delete_job=True)
        except Exception as error:
            log.debug("broke off", extra={"error": said(error)})
        finally:
            assert job.id is not None
            self._running.discard(job.id)
            turn.running.discard(future)
            self._stirred.set()
