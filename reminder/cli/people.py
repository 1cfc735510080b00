"""Persons on the command line: who does something, and how the record names them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from reminder.errors import UsageError

if TYPE_CHECKING:
    from reminder.plan.directory import Directory

LONGEST_AUTHOR = 40


def author_of(by: str, directory: Directory, on: date) -> str:
    """Who ``--by`` names: a person's id for an id, a name or a post; any other text as it stands.

    Raises ``UsageError`` when nothing is written, and when a name means several persons.
    """
    text = " ".join(by.split())
    if not text:
        raise UsageError("请用 --by 写明由谁办理，将记入台账；可写姓名、职务或部门，如 --by 机关党委办公室")
    if len(text) > LONGEST_AUTHOR or not text.isprintable():
        raise UsageError(f"--by 写一行，最多{LONGEST_AUTHOR}字")
    if directory.person(text) is not None:
        return text
    named = [person.id for person in directory.people if person.name == text and person.holds(on)]
    found = named or [person.id for person in directory.holders(text, on)]
    if len(found) > 1:
        raise UsageError(f"“{text}”指的不止一个人：{'、'.join(found)}；请写其中一个编号")
    return found[0] if found else text


def author_name(author: str, directory: Directory) -> str:
    """How an author is shown: a person of the directory by name."""
    person = directory.person(author)
    return person.name if person is not None else author
