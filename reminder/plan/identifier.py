"""What may be the id of anything in a plan."""

from __future__ import annotations

import re

_IDENTIFIER = re.compile(r"[\w][\w.\-（）()、·]*", re.UNICODE)
LONGEST = 80


def is_identifier(text: str) -> bool:
    """Letters of any script, digits and a few marks: nothing that addresses or keys are put together with."""
    return _IDENTIFIER.fullmatch(text) is not None and len(text) <= LONGEST
