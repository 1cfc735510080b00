"""This process as one node of several: heard every two seconds, with Procrastinate's loop in a thread.

A node is a row in Procrastinate's table of workers, made once and kept for as
long as the process lives, whatever becomes of its connections: what it has in
hand stays its own over a restart of the database.  A node that was not heard
for :data:`~reminder.ledger.work.STALLED_SECONDS` is taken for dead by the
others, which then take up its jobs and its tries.  Who was away itself cannot
tell who is dead: a node judges only after it was heard for as long without a
break.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import procrastinate
from procrastinate.job_context import JobContext
from procrastinate.manager import JobManager

from reminder.ledger.work import BEAT, HEARTBEAT_SECONDS, STALLED_SECONDS, TASK

log = logging.getLogger(__name__)

SWEEP_SECONDS = 5.0
"""Between two looks for what dead nodes left."""
FORGET_SECONDS = 300.0
"""A node not heard for so long is struck off; what it had in hand is long taken up."""
AGAIN_SECONDS = 1.0
"""Before what broke off is begun again, and between two looks for jobs that nobody announced."""
CLOSE_SECONDS = 5.0
CONNECTIONS = 4
_AT_ONCE = datetime(2000, 1, 1, tzinfo=UTC)
"""A job taken up from a dead node is due now by any clock."""

Work = Callable[[int], None]
"""Carries out the job of this number, in a thread."""


class Lane(Protocol):
    """A queue that is being served."""

    def close(self, *, wait: bool) -> None:
        """Fetch no more; with ``wait`` until what is being carried out has ended."""


@dataclass(frozen=True, slots=True)
class _OwnThreads:
    """A queue with threads of its own."""

    pool: ThreadPoolExecutor
    serving: Future[None]

    def close(self, *, wait: bool) -> None:
        self.serving.cancel()
        self.pool.shutdown(wait=wait)


class _Manager(JobManager):
    """All workers of a process are one node, which registers and is heard by itself."""

    def __init__(self, connector: procrastinate.PsycopgConnector, node: Node) -> None:
        super().__init__(connector)
        self._node = node

    async def register_worker(self) -> int:
        return await self._node.registered()

    async def unregister_worker(self, worker_id: int) -> None:  # noqa: ARG002 (given by name)
        return

    async def update_heartbeat(self, worker_id: int) -> None:  # noqa: ARG002
        return

    async def prune_stalled_workers(self, seconds_since_heartbeat: float) -> list[int]:  # noqa: ARG002
        return []


class Node:
    """``conninfo`` leads to the ledger's database.  Used from any thread; :meth:`close` ends it."""

    def __init__(self, conninfo: str) -> None:
        # What it does at each job, and the traces of lost connections, are no news for an operator.
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
        self._conninfo = conninfo
        self.id: int | None = None
        """Under which the others know it; None until it is registered."""
        self._since = self._last = 0.0
        self._swept: dict[str, float] = {}
        self._running: set[int] = set()
        self._strays: set[int] = set()
        self._serving: set[asyncio.Task[Any]] = set()
        self._closing = False
        self._ready = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_broken_off)
        self._thread = threading.Thread(target=self._run, name="queue", daemon=True)
        self._thread.start()

    # -- for the engine ---------------------------------------------------------

    def start(self, coroutine: Coroutine[Any, Any, None]) -> Future[None]:
        """Run it in the node's loop, until it ends or is cancelled."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    @property
    def judges(self) -> bool:
        """Whether it was heard without a break for so long that it can tell who is dead."""
        now = self._loop.time()
        return now - self._last < STALLED_SECONDS and self._last - self._since >= STALLED_SECONDS

    def is_time_to_sweep(self, plan_id: str) -> bool:
        """Once every :data:`SWEEP_SECONDS` for each plan, if it may judge."""
        now = self._loop.time()
        if not self.judges or now - self._swept.get(plan_id, 0.0) < SWEEP_SECONDS:
            return False
        self._swept[plan_id] = now
        return True

    def lane(self, queue: str, abreast: int, name: str, work: Work) -> Lane:
        """Have the jobs of a queue carried out, so many at once, until the lane is closed."""
        pool = ThreadPoolExecutor(abreast, thread_name_prefix=name)
        return _OwnThreads(pool, self.start(self.serve(queue, abreast, pool, work)))

    def stir(self) -> None:
        """There may be new jobs: PostgreSQL tells whoever serves a queue of its own."""

    async def serve(self, queue: str, abreast: int, pool: ThreadPoolExecutor, work: Work) -> None:
        """Fetch and carry out the jobs of a queue until cancelled, over all troubles of the database."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        while not self._closing:
            try:
                await self._ready.wait()
                await self._app.run_worker_async(
                    queues=[queue],
                    concurrency=abreast,
                    install_signal_handlers=False,
                    fetch_job_polling_interval=AGAIN_SECONDS,
                    abort_job_polling_interval=FORGET_SECONDS,  # nothing is ever aborted
                    delete_jobs="always",
                    additional_context={"pool": pool, "work": work},
                )
            except Exception as error:
                # Whatever it is, mostly a lost connection: the jobs stand in the database.
                log.warning("queue broke off", extra={"error": said(error)})
            await asyncio.sleep(AGAIN_SECONDS)

    def close(self, *, leave: bool) -> None:
        """Be heard no more.  With ``leave`` the others are told; else they find out in their time."""
        self._closing = True
        with suppress(Exception):  # what is not told is found out
            self.start(self._leave(leave=leave)).result(CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_SECONDS)

    # -- in the loop ------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        connector = procrastinate.PsycopgConnector(
            conninfo=self._conninfo, min_size=1, max_size=CONNECTIONS, timeout=STALLED_SECONDS
        )
        self._app = procrastinate.App(connector=connector)
        self._manager = _Manager(connector, self)
        self._app.job_manager = self._manager
        self._app.task(name=TASK, pass_context=True)(self._deliver)
        self._living = self._loop.create_task(self._live(connector))
        self._loop.run_forever()
        if left := asyncio.all_tasks(self._loop):
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.wait(left, timeout=AGAIN_SECONDS))
        self._loop.close()

    async def _live(self, connector: procrastinate.PsycopgConnector) -> None:
        while not self._closing:
            try:
                await connector.open_async()
                self._ready.set()
                await self._beat(connector)
            except Exception as error:
                log.warning("not heard", extra={"error": said(error)})
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _beat(self, connector: procrastinate.PsycopgConnector) -> None:
        if self.id is not None and not await connector.execute_query_all_async(BEAT, node=self.id):
            log.warning("given up by the other nodes", extra={"node": self.id})
            self.id = None
        await self.registered()
        now = self._loop.time()
        if now - self._last >= STALLED_SECONDS:
            self._since = now
        self._last = now
        if self.judges:
            await self._take_up_jobs()

    async def registered(self) -> int:
        """Its number; made known to the others if it is not yet."""
        if self.id is None:
            self.id = await JobManager.register_worker(self._manager)
        return self.id

    async def _take_up_jobs(self) -> None:
        """What dead nodes began waits again; so does what this one began and, at two looks, does not do."""
        manager = self._manager
        stalled = list(await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS))
        if stalled:
            log.warning("jobs of dead nodes taken up", extra={"jobs": len(stalled)})
        mine = {
            job.id: job
            for job in await manager.list_jobs_async(status="doing", worker_id=self.id)
            if job.id is not None and job.id not in self._running
        }
        strays, self._strays = mine.keys() & self._strays, set(mine)
        for job in (*stalled, *(mine[number] for number in strays)):
            with suppress(procrastinate.exceptions.ConnectorException):  # another was quicker
                await manager.retry_job(job, retry_at=_AT_ONCE)
        await JobManager.prune_stalled_workers(manager, FORGET_SECONDS)

    async def _deliver(self, context: JobContext, /, **_: str) -> None:
        """The task: a batch, carried out in a thread of its channel."""
        number = context.job.id
        assert number is not None
        self._running.add(number)
        try:
            found = context.additional_context
            await self._loop.run_in_executor(found["pool"], found["work"], number)
        finally:
            self._running.discard(number)

    async def _leave(self, *, leave: bool) -> None:
        if self._serving:
            await asyncio.wait(self._serving, timeout=HEARTBEAT_SECONDS)
        self._living.cancel()
        await asyncio.wait([self._living])
        if leave and self.id is not None:
            await JobManager.unregister_worker(self._manager, self.id)
        await self._app.close_async()


def said(error: BaseException) -> str:
    """The driver's first line; Procrastinate wraps it without a word."""
    lines = str(error.__cause__ or error).splitlines()
    return lines[0] if lines else type(error).__name__


def _broken_off(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A job whose end could not be told to the database is found again as nobody's."""
    log.debug(
        "broke off", extra={"error": said(context.get("exception") or RuntimeError(context["message"]))}
    )
