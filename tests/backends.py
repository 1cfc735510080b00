"""Ledgers of either kind of storage for the tests that hold for both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from tests.harness.postgres import Server, stamp

BACKENDS = ("sqlite", "postgres")


class Backend:
    """Where the ledgers of one test are kept: files in a folder, or databases of a server."""

    def __init__(self, name: str, folder: Path, server: Server | None) -> None:
        self.name, self._folder, self._server = name, folder, server
        self._urls: dict[str, str] = {}
        self._opened: list[Ledger] = []

    def address(self, kind: LedgerKind, now: datetime, name: str = "ledger") -> Path | str:
        """The address of a ledger; the same for the same name.  On PostgreSQL it is made with that."""
        if self._server is None:
            return self._folder / f"{name}.sqlite3"
        if name not in self._urls:
            # Most tests have one ledger: theirs is emptied, which is cheaper than making one.
            first = not self._urls
            self._urls[name] = self._server.shared_database() if first else self._server.new_database()
            stamp(self._urls[name], kind, now)
        return self._urls[name]

    def open(self, kind: LedgerKind, now: datetime, name: str = "ledger", **options: Any) -> Ledger:
        """Open a ledger, once more if it was opened before; closed when the test is over."""
        self._opened.append(Ledger.open(self.address(kind, now, name), kind=kind, now=now, **options))
        return self._opened[-1]

    def empty(self) -> None:
        """Begin anew: whatever was written is gone."""
        self.close()
        self._urls.clear()
        self._opened.clear()
        for file in self._folder.glob("*.sqlite3*"):
            file.unlink()

    def close(self) -> None:
        """Close what was opened, and remove all databases but the one that the next test takes."""
        for ledger in self._opened:
            ledger.close()
        for url in list(self._urls.values())[1:]:
            assert self._server is not None
            self._server.drop(url)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One server for all tests of a process."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A test that takes this holds for every storage, and runs once on each."""
    server = request.getfixturevalue("postgres") if request.param == "postgres" else None
    made = Backend(request.param, tmp_path, server)
    yield made
    made.close()
