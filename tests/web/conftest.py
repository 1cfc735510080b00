"""The page as it is served: real uvicorn on loopback, a real ledger, a clock that tests move."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Self

import pytest
import requests

from reminder.agenda.facts import DutyEvent
from reminder.channels.base import Channel
from reminder.clock import ManualClock
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.links import Links
from reminder.settings import Listen
from reminder.sweep.sweeper import Sweeper
from reminder.web.app import create_app
from reminder.web.desk import Desk
from reminder.web.server import PageServer
from tests.editions import Remembering, edition_of
from tests.plans import DIRECTORY, at, item_yaml, plan_of

START, NOW = at("2026-06-01"), at("2026-06-10 09:00")
URL = "https://djw.example.com"
UNTIL = NOW.date() + timedelta(days=30)
OWING = "- from: due\n  workdays: 0\n  to: owing"
REPORT = item_yaml(
    "report",
    "window:\n  opens: 2026-06-01\n  closes: 2026-06-10",
    OWING,
    "done_when: 报送材料收到并确认。\nduty:\n  each: unit\n  of:\n    - unit:办公室\n    - unit:理论科",
)
TALK = item_yaml(
    "talk",
    "window:\n  opens: 2026-06-01\n  closes: 2026-06-10",
    OWING,
    "private: true\nduty:\n  each: pair\n  of: supervision\n  escalate_to:\n    - person:p-clerk",
)
STUDY = item_yaml(
    "study",
    "window:\n  opens: 2026-06-01\n  closes: 2026-06-10",
    OWING,
    "duty:\n  each: person\n  of:\n    - post:理论科科长",
)
ABSENT = "deputies:\n  - of: p-office\n    deputy: p-secretary\n    from: 2026-06-05\n    until: 2026-06-30\n"
LINKS = Links([bytes(range(32))], "test")


class Shown(HTMLParser):
    """What stands on a page: its text, its forms with their fields, and its headings."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.forms: list[dict[str, str]] = []
        self.buttons: list[list[str]] = []
        self._silent = False
        self.feed(html)
        self.close()
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._silent = tag in ("style", "title")
        if tag == "form":
            assert values["method"] == "post"
            assert "action" not in values, "a form is sent to the page's own address"
            self.forms.append({})
            self.buttons.append([])
        elif tag == "input":
            self.forms[-1][values["name"]] = values.get("value", "")
        elif tag == "button":
            assert values["name"] == "action"
            self.buttons[-1].append(values["value"])

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.text += data

    def form(self, occurrence: str, cell: str = "") -> dict[str, str]:
        """The one form of a cell, or of a snooze."""
        (found,) = [
            each for each in self.forms if each["occurrence"] == occurrence and each.get("cell", "") == cell
        ]
        return dict(found)

    @property
    def cells(self) -> list[tuple[str, str]]:
        """(occurrence, cell) of everything that can be recorded here."""
        return [(each["occurrence"], each["cell"]) for each in self.forms if "cell" in each]


class Served:
    """An office whose page is served."""

    def __init__(
        self, folder: Path, *items: str, directory: str = DIRECTORY, prefix: str = "", head: str = ""
    ) -> None:
        self.edition = edition_of(plan_of(*items, head=head, directory=directory), URL)
        self.clock = ManualClock(NOW)
        self.ledger = Ledger.open(folder / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=START)
        self.links = LINKS
        desk = Desk(lambda: self.edition, lambda: self.ledger, lambda: self.links)
        self.server = PageServer(create_app(desk, self.clock, prefix), Listen("127.0.0.1", 0), self.clock)
        self.http = requests.Session()
        self.http.trust_env = False

    def __enter__(self) -> Self:
        self.server.tend()
        assert not self.server.problem
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.server.stop()
        self.ledger.close()

    # -- links ---------------------------------------------------------------

    def personal(self, person: str) -> str:
        return LINKS.of_person(person, UNTIL)

    def sweep(self) -> dict[str, str]:
        """Send what is due, and give back each receiver's message's token."""
        channels: dict[str, Channel] = {name: Remembering(name) for name in ("mail", "group")}
        Sweeper(self.ledger, self.edition, channels, Transport.OUTBOX, START).sweep(NOW)
        due = self.ledger.spool.due("test", Transport.OUTBOX, NOW, limit=100)
        return {each.receiver: LINKS.of_message(each.message, each.receiver, UNTIL) for each in due}

    # -- requests ------------------------------------------------------------

    def address(self, token: str) -> str:
        return f"http://{self.server.address}/d/{token}"

    def get(self, token: str) -> Shown:
        """What a good link shows."""
        answer = self.http.get(self.address(token), timeout=20)
        assert answer.status_code == 200, answer.text
        return Shown(answer.text)

    def unfolded(self, token: str) -> Shown:
        """What a good link shows to whoever asks for private items as well."""
        answer = self.send(token, {"action": "show"})
        assert answer.status_code == 200, answer.text
        return Shown(answer.text)

    def send(self, token: str, form: dict[str, str]) -> requests.Response:
        """The answer to a form, not followed."""
        return self.http.post(self.address(token), data=form, allow_redirects=False, timeout=20)

    def record(self, token: str, occurrence: str, cell: str, action: str = "done", **changes: str) -> Shown:
        """Fill in a form as a person would, and look at the page that follows."""
        form = self.unfolded(token).form(occurrence, cell) | {"action": action} | changes
        answer = self.http.post(self.address(token), data=form, timeout=20)
        assert answer.status_code == 200, answer.text
        private = occurrence.startswith("talk")
        assert [each.status_code for each in answer.history] == ([] if private else [303])
        return Shown(answer.text)

    # -- what stands in the ledger -----------------------------------------------

    def events(self, occurrence: str, cell: str) -> tuple[DutyEvent, ...]:
        return self.ledger.facts("test", Transport.OUTBOX).duties.get((occurrence, cell), ())

    @property
    def changes(self) -> int:
        """How many transactions have changed the ledger."""
        return self.ledger.holds.standing().changes


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """An office with a report of two units, private talks, and a study of one person."""
    with Served(tmp_path, REPORT, TALK, STUDY) as office:
        yield office
