"""What a browser sends, read strictly: one small form, nothing twice, dates as people type them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import parse_qsl

from reminder.recording.recorder import Refused

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_BODY = 8 * 1024
"""Octets of a form; two hundred Chinese characters of a note take 1,800."""
FIELDS = frozenset(("action", "occurrence", "cell", "date", "note"))
_DATE = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d\d)(\d\d))", re.ASCII)


class BadForm(Exception):
    """No browser that shows our page sends this."""


@dataclass(frozen=True, slots=True)
class Form:
    """One submitted form, as it came; missing fields are empty."""

    action: str
    occurrence: str
    cell: str
    on: str
    note: str

    def day(self) -> date:
        """The date in it.  Raises ``Refused`` for none, and for what is no date."""
        text = "".join(unicodedata.normalize("NFKC", self.on).split())
        if not text:
            raise Refused("请填写日期，如 2026-06-30；没有登记")
        match = _DATE.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            year, *rest = (int(part) for part in match.groups() if part is not None)
            return date(year, rest[0], rest[1])
        except ValueError:
            raise Refused(f"“{self.on[:20]}”不是日期，请写作 2026-06-30；没有登记") from None


def read_form(content_type: str, body: bytes) -> Form:
    """The form of a request.  Raises :class:`BadForm`."""
    if content_type.partition(";")[0].strip().lower() != FORM_TYPE:
        raise BadForm
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=len(FIELDS),
        )
    except ValueError:
        raise BadForm from None
    fields: Mapping[str, str] = dict(pairs)
    if len(fields) != len(pairs) or not fields.keys() <= FIELDS:
        raise BadForm
    return Form(
        action=fields.get("action", ""),
        occurrence=fields.get("occurrence", ""),
        cell=fields.get("cell", ""),
        on=fields.get("date", ""),
        note=fields.get("note", ""),
    )
