"""One commit for all that wait: intents and outcomes of several threads go to disk together.

A commit that is synced costs milliseconds, whatever stands in it.  So whoever
comes while another commits waits in line, and the first of the line then
commits for all of it.  Each goes on when its own record is on disk, and not
before: who shares a commit shares nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reminder.clock import Clock
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import AttemptEnd, Quota, Wait

Node = Callable[[], int | None]
"""Who tries, where there are several: its number, None while the others do not know it."""
NOBODY = 0
"""A number that no node has: nothing is begun under it."""
GATHER_SECONDS = 0.001
"""How long a commit waits for tries on their way, so that their outcomes are in it."""


@dataclass(slots=True, eq=False)
class _Asked:
    """What one thread wants recorded, and what came of it."""

    end: AttemptEnd | None
    begin: str | None
    channel: str
    settled: bool = False
    answer: int | Wait | None = None
    error: BaseException | None = None


class Journal:
    """The way of one deliverer's threads into the ledger.  Safe to use from all of them."""

    def __init__(
        self,
        ledger: Ledger,
        plan_id: str,
        clock: Clock,
        quotas: Mapping[str, Sequence[Quota]],
        node: Node | None = None,
    ) -> None:
        self._node = node
        self._ledger = ledger
        self._plan_id = plan_id
        self._clock = clock
        self._quotas = quotas
        self._line: list[_Asked] = []
        self._abroad = 0
        """Threads whose try is on its way: they will be back with its outcome."""
        self._mutex = threading.Lock()
        self._back = threading.Condition(self._mutex)
        self._turn = threading.Lock()

    def record(
        self, end: AttemptEnd | None, begin: str | None = None, channel: str = ""
    ) -> int | Wait | None:
        """Commit how one try ended and, after it, the intent to ``begin`` another; of the latter, the answer.

        That is the number of the attempt, a wait, or None: as ``Spool.begin``
        says.  Raises ``LedgerError`` if nothing of it was committed.
        """
        asked = _Asked(end, begin, channel)
        with self._mutex:
            self._line.append(asked)
            if end is not None:
                self._abroad -= 1
                self._back.notify()
        with self._turn:
            if not asked.settled:
                with self._mutex:
                    # A commit costs as much as several sends: who is nearly back may still come along.
                    self._back.wait_for(lambda: self._abroad <= 0, GATHER_SECONDS)
                    line, self._line = self._line, []
                self._commit(line)
                with self._mutex:
                    self._abroad += sum(isinstance(each.answer, int) for each in line)
        if asked.error is not None:
            raise asked.error
        return asked.answer

    def lost(self) -> None:
        """A try that :meth:`record` began has no outcome and never will: nobody need wait for it."""
        with self._mutex:
            self._abroad -= 1
            self._back.notify()

    def _commit(self, line: Sequence[_Asked]) -> None:
        try:
            ends = [asked.end for asked in line if asked.end is not None]
            wanted: dict[str, _Asked] = {}
            for asked in line:
                if asked.begin is not None:
                    wanted.setdefault(asked.begin, asked)  # of two who want the same, one gets it
            node = None if self._node is None else self._node() or NOBODY
            channels = {asked.channel for asked in wanted.values()}
            quotas = {channel: self._quotas[channel] for channel in channels & self._quotas.keys()}
            begun = self._ledger.spool.advance(self._plan_id, ends, wanted, self._clock.now(), quotas, node)
            for key, asked in wanted.items():
                asked.answer = begun.numbers.get(key) or begun.waits.get(key)
        except BaseException as error:
            # Theirs as much as this thread's: what they asked for is not on disk.
            for asked in line:
                asked.error = error
        finally:
            for asked in line:
                asked.settled = True
