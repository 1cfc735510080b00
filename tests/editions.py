"""Editions for tests: a small plan with the shipped templates, and a channel that remembers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

from reminder.channels.base import Outcome, OutcomeKind, Parcel, Recipient, Stamp
from reminder.check import Edition
from reminder.messages.message import Message
from reminder.messages.render import Templates
from reminder.messages.wording import load_wording
from reminder.plan.model import Plan
from tests.plans import CALENDAR

ROOT = Path(__file__).parent.parent
TEMPLATES = ROOT / "message_templates"


@cache
def templates() -> Templates:
    loaded, problems = Templates.load(TEMPLATES)
    assert not problems, problems
    return loaded


def edition_of(plan: Plan, public_url: str | None = None) -> Edition:
    """The plan with the official calendar and the shipped templates."""
    wording, problems = load_wording(TEMPLATES)
    assert not problems, problems
    return Edition(plan, CALENDAR, templates(), wording.terms, public_url=public_url)


class Remembering:
    """A channel that takes everything, or answers as it is told, and remembers what arrived."""

    suffix = ".txt"

    def __init__(self, channel_id: str, answer: Callable[[Parcel], Outcome] | None = None) -> None:
        self.id = channel_id
        self.arrived: list[Parcel] = []
        self.composed: list[tuple[Message, Recipient, Stamp]] = []
        self._answer = answer
        self._lock = threading.Lock()

    def compose(self, message: Message, to: Recipient, stamp: Stamp) -> tuple[bytes, ...]:
        self.composed.append((message, to, stamp))
        return (f"{message.subject}\n{message.text}".encode(),)

    def send(self, parcel: Parcel) -> Outcome:
        with self._lock:
            self.arrived.append(parcel)
        return self._answer(parcel) if self._answer else Outcome(OutcomeKind.ACCEPTED, "250", "OK")

    def close(self) -> None:
        return


def remembering() -> dict[str, Remembering]:
    """A channel for each of the test plan's."""
    return {name: Remembering(name) for name in ("mail", "group")}
