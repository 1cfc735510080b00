"""Pages as HTML: one environment, autoescape, no hole in a page goes unnoticed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reminder.messages.filters import FILTERS

HERE = Path(__file__).parent
PAGES = HERE / "pages"
STATIC = {path.name: path.read_bytes() for path in sorted((HERE / "static").iterdir()) if path.is_file()}
"""Served from memory: a style sheet, a little script, a picture of the seal."""
VERSION = hashlib.sha256(b"".join(STATIC.values())).hexdigest()[:12]
"""Part of the addresses of what is static, so that browsers may keep it for ever."""

_environment = Environment(
    loader=FileSystemLoader(PAGES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_environment.globals["version"] = VERSION
_environment.filters |= FILTERS


def render(template: str, context: Mapping[str, object]) -> str:
    """A page of ``pages/`` (name without ``.html.j2``)."""
    return _environment.get_template(f"{template}.html.j2").render(context)
