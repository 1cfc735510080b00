"""Cursors: from where a list goes on, as a text that says nothing to whoever carries it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from reminder.web.api.problems import ApiError

MOST = 500
Limit = Annotated[int, Query(ge=1, le=MOST, description=f"一页多少条，最多 {MOST}")]
Cursor = Annotated[str | None, Query(max_length=1000, description="上一页的 next；不写为第一页")]


def cursor_of(parts: Sequence[str | int]) -> str:
    """A cursor that stands for these parts."""
    text = json.dumps(list(parts), ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parts_of(cursor: str, *kinds: type) -> list[str | int]:
    """The parts of a cursor of this shape.  Ends the request if it is none of ours."""
    try:
        text = base64.urlsafe_b64decode((cursor + "=" * (-len(cursor) % 4)).encode("ascii")).decode()
        parts = json.loads(text)
        if not isinstance(parts, list) or [type(each) for each in parts] != list(kinds):
            raise ValueError
    except (ValueError, binascii.Error, RecursionError):
        raise lost() from None
    return parts


def lost() -> ApiError:
    """The cursor leads nowhere."""
    return ApiError(422, "cursor 不对或已失效；请从第一页重新读取")
