"""Texts that are rendered once for all who read the same.

The renderer says on which fields of the receiver a text depends, and where the
name stands if it is only said.  Everything else that the template was given is
the key.
"""

from __future__ import annotations

import pickle
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

T = TypeVar("T")
Forms = dict[str, str]

PLACE = f"\ue000{secrets.token_hex(8)}\ue001"
"""Stands for a name.  No text that anybody wrote has it in it: it is drawn anew for each process."""
MOST_KEYS = 256
"""Different texts; those used longest ago go first."""
MOST_READERS = 16
"""Of one text, kinds of receivers who read it differently.  A text that is another for each is not kept."""
_WHOLE = frozenset({str, int, bool, date, type(None)})
"""Types whose values say all there is of them."""
_PLAIN = re.compile(r"[^\s<>\[\]*`#\\&\"'\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,64}")
"""A name that no form escapes and no tidying touches: it can be put in afterwards."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """A text, for all whose fields have these values."""

    fields: tuple[str, ...]
    values: tuple[Any, ...]
    made: Any


class SharedTexts:
    """What one set of templates made.  Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[object, tuple[_Reading, ...]] = {}
        self._wording: object = None
        self._octets: dict[str, tuple[Any, bytes]] = {}
        """Of each variable the value that came last, and its octets."""

    def of(
        self,
        about: object,
        context: Mapping[str, Any],
        render: Callable[[str], tuple[Forms, tuple[str, ...]]],
        finish: Callable[[Forms], T],
        named: Callable[[T, str], T],
    ) -> T | None:
        """A finished text, rendered now or before; None if this one has to be rendered for itself.

        ``about`` is whatever the text depends on beside ``context``, hashable.
        ``render`` is given what stands for the name, and gives the forms and the
        fields of the receiver they depend on.  ``finish`` makes a text of what was
        rendered, ``named`` one in which the name stands in its place.  Raises what
        ``render`` does.
        """
        receiver, wording = context.get("receiver"), context.get("wording")
        if not isinstance(receiver, dict) or _PLAIN.fullmatch(str(receiver.get("name"))) is None:
            return None
        key = (about, self._key(context))
        with self._lock:
            # The wording is long and one for all: it is compared by what it is, not by what it says.
            if wording is not self._wording:
                self._wording = wording
                self._kept.clear()
            known = self._kept.pop(key, ())
            if known:
                self._kept[key] = known  # the one used last stays longest
        for each in known:
            if each.values == tuple(receiver.get(field) for field in each.fields):
                return named(each.made, receiver["name"])
        if len(known) >= MOST_READERS:
            return None
        forms, fields = render(PLACE)
        made = finish(forms)
        with self._lock:
            if wording is self._wording:
                reading = _Reading(fields, tuple(receiver.get(field) for field in fields), made)
                self._kept[key] = (*self._kept.get(key, ()), reading)
                while len(self._kept) > MOST_KEYS:
                    self._kept.pop(next(iter(self._kept)))
        return named(made, receiver["name"])

    def _key(self, context: Mapping[str, Any]) -> tuple[object, ...]:
        """All that a template was given but its receiver and the wording, exactly, zones included.

        What is the same object as last time is not taken apart again: nobody
        changes what a template was given.
        """
        key: list[object] = []
        for name, value in context.items():
            if name in ("receiver", "wording"):
                continue
            if type(value) in _WHOLE:
                key.append((name, type(value), value))
                continue
            last = self._octets.get(name)
            if last is None or last[0] is not value:
                # Twice as quick as any text of it; nothing is ever read back.
                last = self._octets[name] = (value, pickle.dumps(value))
            key.append((name, last[1]))
        return tuple(key)
