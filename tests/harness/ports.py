"""Addresses on loopback for tests."""

from __future__ import annotations

import socket


def a_free_port() -> int:
    """A port on which nobody listens, and which may be listened on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
