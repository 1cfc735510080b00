"""A small memory for what is reckoned from an edition and its facts: the same until one of them changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """The last few results by key, the one asked for longest ago given up first.  For several threads.

    Two threads that ask for the same new key may both reckon it; what they find
    is the same.
    """

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._known: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: Hashable, make: Callable[[], T], holds: Callable[[T], bool] = lambda _value: True) -> T:
        """What is known under the key if it still ``holds``, else what ``make`` gives."""
        with self._lock:
            value = self._known.get(key)
            if value is not None and holds(value):
                self._known.move_to_end(key)
                return value
        value = make()
        with self._lock:
            self._known[key] = value
            self._known.move_to_end(key)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return value
