"""What a page says after something was done: the address carries a word, this is its sentence."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SAID: Mapping[str, str] = MappingProxyType(
    {
        "in": "已登录。",
        "out": "已退出。",
    }
)
