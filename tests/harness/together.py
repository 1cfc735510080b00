"""Many at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")


def at_once(call: Callable[[], Answer], times: int) -> list[Answer]:
    """What as many threads got who called together; raises what one of them raised."""
    start = threading.Barrier(times)

    def one(_number: int) -> Answer:
        start.wait()
        return call()

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(one, range(times)))
