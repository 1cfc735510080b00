"""One throw-away certificate authority for the run of the tests."""

from __future__ import annotations

import functools
import ssl

import trustme


@functools.cache
def authority() -> trustme.CA:
    return trustme.CA()


@functools.cache
def server_context() -> ssl.SSLContext:
    """A certificate for this machine: ``localhost`` and ``127.0.0.1``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@functools.cache
def stranger_context() -> ssl.SSLContext:
    """A good certificate of another host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("other.example.com").configure_cert(context)
    return context


@functools.cache
def client_context() -> ssl.SSLContext:
    """Trusts the authority, and verifies as the system's default does."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context
