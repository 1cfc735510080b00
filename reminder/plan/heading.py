"""Under what a ledger is kept: the plan's id and zone, read without checking all the rest.

To look into a ledger no plan has to be sound, and what checks one takes longer
to load than the ledger takes to answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from reminder.plan.files import plan_files
from reminder.plan.identifier import is_identifier
from reminder.source import read_source

DEFAULT_ZONE = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Heading:
    """The plan's id, None where its files do not say it plainly, and its zone, or the usual one."""

    plan_id: str | None
    zone: ZoneInfo


def heading_of(folder: Path) -> Heading:
    """What the files of a plan say of it; faults anywhere else in them do not matter."""
    heads = list(_heads(folder))
    head = heads[0] if len(heads) == 1 else {}
    return Heading(_id_in(head), _zone_in(head))


def _heads(folder: Path) -> Iterator[dict[str, Any]]:
    for path in plan_files(folder)[0]:
        value = read_source(path, name=path.name).value
        if isinstance(value, dict) and "plan" in value:
            yield value["plan"] if isinstance(value["plan"], dict) else {}


def _id_in(head: dict[str, Any]) -> str | None:
    text = head.get("id")
    text = text.strip() if isinstance(text, str) else ""
    return text if is_identifier(text) else None


def _zone_in(head: dict[str, Any]) -> ZoneInfo:
    name = head.get("timezone")
    try:
        return ZoneInfo(name.strip() if isinstance(name, str) else DEFAULT_ZONE)
    except (KeyError, ValueError, OSError):  # not known, no name of one, a folder of them
        return ZoneInfo(DEFAULT_ZONE)
