"""A mail's formatted part in a frame of its own: shown, and able to do nothing.

The frame has an opaque origin, runs no script, loads nothing and leads nowhere;
only the styles that mails carry in themselves are in force.
"""

from __future__ import annotations

from fastapi import Response
from fastapi.responses import HTMLResponse

MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)


def mail_frame(html: str) -> Response:
    """What the frame loads."""
    return HTMLResponse(html, headers={"content-security-policy": MAIL_POLICY})
