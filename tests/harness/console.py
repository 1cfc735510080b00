"""The console as it is served: real uvicorn on loopback, a real ledger, users who log in, a clock that tests move."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Self

import requests

from reminder.access.login import hash_password
from reminder.access.rights import Role
from reminder.channels.base import Channel
from reminder.check import Edition
from reminder.clock import ManualClock
from reminder.ledger.accounts import Account
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind, Transport
from reminder.links import Links
from reminder.settings import FROM_LEDGER, Listen, Network, Settings
from reminder.sweep.sweeper import Sweeper
from reminder.web.app import create_app
from reminder.web.console.site import Site
from reminder.web.desk import Desk
from reminder.web.server import PageServer
from tests.editions import TEMPLATES, Remembering

PASSWORD = "Xue-Xi-2026-lian"
HASH = hash_password("nobody", PASSWORD)
LINKS = Links([bytes(range(32))], "test")


def anybody(_user: str) -> bool:
    """For a door that asks no directory."""
    return True


class Served:
    """An edition, its ledger and its console, at one address."""

    def __init__(
        self,
        folder: Path,
        edition: Edition,
        now: datetime,
        prefix: str = "",
        proxies: tuple[Network, ...] | None = None,
        templates: Path = TEMPLATES,
        *,
        published: bool = False,
    ) -> None:
        """``published``: the plan is the one in the ledger, laid out in the data folder."""
        self.edition = edition
        self.clock = ManualClock(now)
        folder.mkdir(exist_ok=True)
        self.settings = Settings(
            data=folder,
            schedules=folder / "schedules",
            templates=templates,
            listen=Listen("127.0.0.1", 0),
            proxy=proxies,
        )
        if published:
            current = self.settings.published_current
            self.settings = replace(
                self.settings,
                plan_from=FROM_LEDGER,
                schedules=current / "schedules",
                templates=current / "message_templates",
            )
        self.ledger = Ledger.open(folder / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=now)
        self.channels: dict[str, Channel] = {each: Remembering(each) for each in edition.plan.channels}
        site = Site(
            settings=self.settings,
            clock=self.clock,
            edition=lambda: self.edition,
            ledger=lambda: self.ledger,
            channel=lambda _edition, channel: self.channels[channel],
        )
        desk = Desk(lambda: self.edition, lambda: self.ledger, lambda: LINKS)
        app = create_app(desk, self.clock, prefix, site)
        self.server = PageServer(app, Listen("127.0.0.1", 0), self.clock)
        self.url = ""
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self.server.tend()
        assert not self.server.problem, self.server.problem
        self.url = f"http://{self.server.address}"
        self._open.callback(self.ledger.close)
        self._open.callback(self.server.stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def sweep(self, transport: Transport = Transport.OUTBOX, since: datetime | None = None) -> None:
        """One pass over what is due by now; nothing is sent."""
        now = self.clock.now()
        Sweeper(self.ledger, self.edition, self.channels, transport, since or now).sweep(now)

    def account(self, user: str, *roles: Role, private: bool = False) -> None:
        """Somebody who may log in with :data:`PASSWORD`."""
        names = tuple(str(role) for role in roles)
        account = Account(user, names, private, HASH, self.clock.now())
        self.ledger.accounts.put(self.edition.plan.id, account)

    def log_in(self, user: str, *roles: Role, private: bool = False) -> User:
        """A browser of a user, who is given an account if roles are named."""
        if roles:
            self.account(user, *roles, private=private)
        browser = User(self.url)
        answer = browser.post("/login", {"user": user, "password": PASSWORD}, form_on="/login")
        assert answer.status_code == 200, answer.text
        return browser


class User:
    """A browser without scripts, with its cookies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.trust_env = False

    def get(self, path: str) -> requests.Response:
        """GET a path; redirects are followed."""
        return self.http.get(self.url + path, timeout=60)

    def post(
        self,
        path: str,
        fields: dict[str, str],
        *,
        form_on: str = "/",
        files: dict[str, tuple[str, bytes]] | None = None,
    ) -> requests.Response:
        """Submit a form with the token that stands on the page ``form_on``; redirects are followed."""
        token = csrf_on(self.get(form_on).text)
        return self.http.post(self.url + path, data={"csrf": token, **fields}, files=files, timeout=60)


def csrf_on(html: str) -> str:
    """The token of the first form on a page."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', html)
    assert found, html
    return found[1]


def text_of(html: str) -> str:
    """What stands on a page, its white space as one space."""
    body = re.sub(r"(?s)<(style|script|title)\b.*?</\1>", " ", html)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body))).strip()
