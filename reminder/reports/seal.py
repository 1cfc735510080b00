"""The seal of an account: a hash of its content that does not depend on the file format.

Everything a reader can see is hashed, in order, as canonical JSON.  A workbook
carries the hash beside what it covers, so that a cell changed later is found by
whoever has the file alone.  It is a checksum, no signature: who can rewrite the
whole file can compute a new one, which is why the ledger keeps the hash too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

from reminder.reports.account import Account

LABEL = "内容校验码"
"""What stands before the hash."""


def seal_of(account: Account) -> str:
    """SHA-256 of everything in the account, in hexadecimal."""
    return seal_of_parts(
        account.title,
        account.facts,
        account.summary,
        [(table.title, table.columns, table.rows, table.note) for table in account.tables],
    )


def seal_of_parts(
    title: str,
    facts: Iterable[Sequence[str]],
    summary: Iterable[str],
    tables: Iterable[tuple[str, Sequence[str], Iterable[Sequence[str]], str]],
) -> str:
    """The same from the parts as they were read back from a file."""
    value = {
        "title": title,
        "facts": [list(each) for each in facts],
        "summary": list(summary),
        "tables": [
            {"title": name, "columns": list(columns), "rows": [list(row) for row in rows], "note": note}
            for name, columns, rows, note in tables
        ],
    }
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
