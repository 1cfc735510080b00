"""The process that renders: a loop over one socket, under limits it cannot lift.

Started by :mod:`reminder.messages.limited` with the socket as descriptor 0, an
empty environment and nothing else open.  It reads a request, answers it, and
ends when the other side goes away.  Too much memory is answered and then ended
with, so that the next request meets a process as good as new; too much time
ends it at once, by the kernel's hand here or by its parent's.
"""

from __future__ import annotations

import gc
import math
import os
import resource
import signal
from datetime import time
from typing import Any

from reminder.messages import frames
from reminder.messages.engine import Engine
from reminder.messages.forms import FORMS, Bundle
from reminder.messages.trouble import TemplateError

KEPT = 2
"""Bundles whose compiled templates are kept: while a plan is reloaded there are two."""

COLLECTED = 10_000
"""New objects between two looks for garbage: a few megabytes of the hundred."""


def main(cpu_seconds: int, memory: int) -> None:
    """Serve descriptor 0.  ``memory`` is what may be taken beyond what the interpreter has, in octets."""
    # Ctrl-C and a service's stop go to the whole group: the daemon still renders while it drains.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _warm_up()
    # Parsing makes many objects and hardly a circle: the collector need not look so often, nor at what stays.
    gc.freeze()
    gc.set_threshold(COLLECTED)
    _limit(memory)
    _send({"ready": True})
    engines: dict[str, Engine] = {}
    while (request := _receive()) is not None:
        _allow_cpu(cpu_seconds)
        try:
            _send(_answer(request, engines))
        except MemoryError:
            # Whoever asked again would meet a heap in pieces: end, and let the next one begin.
            _send({"stopped": "memory"})
            return


def _answer(request: dict[str, Any], engines: dict[str, Engine]) -> dict[str, Any]:
    key = request["key"]
    if "sources" in request:
        engines.pop(key, None)
        while len(engines) >= KEPT:
            engines.pop(next(iter(engines)))
        engines[key] = Engine(Bundle(request["folder"], request["sources"]))
        return {}
    if key not in engines:
        return {"unknown": True}
    engine = engines[key] = engines.pop(key)  # the one used last stays longest
    if "faults" in request:
        return {"problems": [frames.problem_to(each) for each in engine.faults(request["faults"])]}
    try:
        if "common" in request:
            return engine.common(request["common"], request["context"], request["place"])
        return {"forms": engine.forms(request["forms"], request["context"])}
    except TemplateError as error:
        return {"problem": frames.problem_to(error.problem)}


def _warm_up() -> None:
    """Use what Jinja2 and Python import late (codecs, entities, tracebacks): no file can be opened afterwards."""
    words = "{{ '甲' }}{{ '<b>&amp;'|striptags }}{{ today|time_cn }}{{ item.titel }}"
    sources = dict.fromkeys((f"a/{file}" for file in FORMS), words) | {"b/subject.j2": "{% if %}"}
    engine = Engine(Bundle("warm", sources))
    for name in sources:
        engine.faults(name)
    try:
        engine.forms("a", {"item": {"title": "甲"}, "today": time(9)})
    except TemplateError:
        return


def _limit(memory: int) -> None:
    size = _size()
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 1),
        (resource.RLIMIT_AS, size + memory if size else resource.RLIM_INFINITY),
    ):
        resource.setrlimit(kind, (most, most))


def _size() -> int:
    """Octets of address space in use; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - pathlib costs this process a megabyte
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _allow_cpu(seconds: int) -> None:
    """From now on.  The parent is stricter; this holds if the parent is gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _receive() -> dict[str, Any] | None:
    """The next request, or None when there will be none."""
    head = _read(frames.HEAD)
    body = _read(int.from_bytes(head, "big")) if head else None
    return None if body is None else frames.decode(body)


def _read(length: int) -> bytes | None:
    pieces = []
    while length:
        piece = os.read(0, min(length, 1 << 20))
        if not piece:
            return None
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _send(answer: dict[str, Any]) -> None:
    rest = memoryview(frames.encode(answer))
    while rest:
        rest = rest[os.write(0, rest) :]
