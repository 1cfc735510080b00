"""Procrastinate's tables beside the ledger's, in the same schema: made and migrated by the same command.

Its wheel brings the whole schema, and a script for each step from one version
to the next.  ``ledger_info`` remembers the last step, so that a newer wheel's
steps, and only those, are taken at the next ``reminder migrate``.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, delete, insert, select

from reminder.ledger.errors import LedgerAddressError
from reminder.ledger.storage import Storage
from reminder.ledger.tables import ledger_info

STEP = "queue"
"""Under this key ``ledger_info`` has the name of the last step."""
MISSING = "台账在 PostgreSQL 中，但没有安装任务队列的组件：请执行 pip install 'reminder[cluster]'"


def make(connection: Connection) -> None:
    """The queue's tables, unless they are there; nothing on SQLite.

    Raises ``LedgerAddressError`` where Procrastinate is not installed.
    """
    if connection.dialect.name != "postgresql":
        return
    schema, steps = _shipped()
    known = connection.execute(select(ledger_info.c.value).where(ledger_info.c.key == STEP)).scalar()
    scripts = (
        [schema] if known is None else [step.read_text("utf-8") for step in steps if step.name > str(known)]
    )
    for script in scripts:
        _run(connection, script)
    if known != steps[-1].name:
        connection.execute(delete(ledger_info).where(ledger_info.c.key == STEP))
        connection.execute(insert(ledger_info), {"key": STEP, "value": steps[-1].name})


def follow(storage: Storage) -> None:
    """Bring the queue's tables to what the installed Procrastinate needs."""
    if storage.upgrades_itself:
        return
    with storage.read() as connection:
        known = connection.execute(select(ledger_info.c.value).where(ledger_info.c.key == STEP)).scalar()
    if known is None or known < _shipped()[1][-1].name:
        with storage.rebuild() as connection:
            make(connection)


def _shipped() -> tuple[str, list[Path]]:
    """The whole schema, and the steps that lead to it, in order."""
    try:
        from procrastinate.schema import SchemaManager
    except ImportError as error:
        raise LedgerAddressError(MISSING) from error
    steps = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"), key=lambda step: step.name)
    return SchemaManager.get_schema(), steps


def _run(connection: Connection, script: str) -> None:
    """Many statements at once, which only the driver takes."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(script)
