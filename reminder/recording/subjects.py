"""What an event may be called: a code, and never a person's name.  Pure.

The subject of an event stands in messages, in the ledger and in file names of
the outbox.  Whoever is to be appointed is nobody's business there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 40
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−", "-"))
_CODE = re.compile(r"[A-Za-z0-9\u3400-\u9fff〔(\[][A-Za-z0-9\u3400-\u9fff〔〕()\[\]._·-]*")
_HAN_NAME = re.compile(r"[\u3400-\u9fff]{2,4}(·[\u3400-\u9fff]+)?")
_EXAMPLE = "代号由文字、数字和连字符组成，如 任前-2026-03、通报-2026-07"


def normal(text: str) -> str:
    """As it is kept: half-width digits and hyphens, whatever the input method wrote."""
    return unicodedata.normalize("NFKC", text).translate(_DASHES).strip()


def fault_of(subject: str, names: Iterable[str]) -> str | None:
    """Why a subject (in its normal form) cannot be one, in Chinese; None if it can.

    ``names`` are those of the directory's persons.
    """
    if not subject:
        return f"没有写代号；{_EXAMPLE}"
    if found := name_in(subject, names):
        return f"代号里有名册中的姓名“{found}”：只登记代号，不登记姓名；{_EXAMPLE}"
    if _HAN_NAME.fullmatch(subject):
        return f"“{subject}”像是姓名：只登记代号，不登记姓名；{_EXAMPLE}"
    if not _CODE.fullmatch(subject):
        return f"“{subject}”不能作代号：不含空格、斜杠和其他符号；{_EXAMPLE}"
    if not any(character.isdigit() for character in subject):
        return f"“{subject}”里没有数字，不像代号：请加上年份或序号，以免与姓名混淆；{_EXAMPLE}"
    if len(subject) > LONGEST:
        return f"代号有{len(subject)}个字，最多{LONGEST}个"
    return None


def name_in(text: str, names: Iterable[str]) -> str | None:
    """The directory's name that stands in a text, if one does."""
    return next((name for name in names if len(name) > 1 and name in text), None)
