"""Links that a test can pull out: each node's own network, and the way from there to the servers.

Where the machine allows it every node lives in a network namespace of its own,
on a cable to a bridge of this machine; a cable that is pulled out swallows
whatever is on its way, and neither end is told.  Where that is not allowed (it
takes the right to administer networks) each node reaches the database over a
relay of its own on the loopback address, which then swallows instead; the mail
server stays within reach.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

NAMESPACES = Path("/var/run/netns")
NEW_NETWORK = 0x40000000
"""``CLONE_NEWNET`` of ``setns(2)``."""
PIECE = 65536
LOOPBACK = "127.0.0.1"

Target = Callable[[], socket.socket]
"""Makes a connection to a server."""


def to_unix(path: Path) -> Target:
    """The way to a server behind a socket in the file system."""

    def connect() -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.connect(str(path))
        return made

    return connect


def to_port(port: int) -> Target:
    """The way to a server on the loopback address."""
    return lambda: socket.create_connection((LOOPBACK, port))


class Relay:
    """Hands on what comes in at an address; while it is cut it swallows silently, old connections included."""

    def __init__(self, host: str, target: Target) -> None:
        self._target = target
        self._listener = socket.create_server((host, 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._cut = threading.Event()
        self._open: set[socket.socket] = set()
        self._swallowed: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name="relay")
        self._thread.start()

    def cut(self) -> None:
        """Connections that are open hang from now on; new ones are taken and not answered."""
        self._cut.set()

    def mend(self) -> None:
        """New connections get through; those that hung are ended, as a peer that has forgotten them would."""
        self._cut.clear()
        with self._lock:
            hung, self._swallowed = self._swallowed, set()
        for each in hung:
            _shut(each)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(connection,), name="relayed", daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        if self._cut.is_set():
            with self._lock:
                self._swallowed.add(near)
            return
        try:
            far = self._target()
        except OSError:  # the server is down: so is the connection
            near.close()
            return
        with self._lock:
            self._open |= {near, far}
        with near, far, selectors.DefaultSelector() as both:
            both.register(near, selectors.EVENT_READ, far)
            both.register(far, selectors.EVENT_READ, near)
            while self._hand_on(both):
                pass
            if self._cut.is_set():
                with self._lock:
                    self._swallowed |= {near.dup()}
            self._forget(near, far)

    def _hand_on(self, both: selectors.BaseSelector) -> bool:
        for key, _ in both.select():
            source = key.fileobj
            assert isinstance(source, socket.socket)
            try:
                piece = source.recv(PIECE)
                if not piece or self._cut.is_set():
                    return False
                key.data.sendall(piece)
            except OSError:
                return False
        return True

    def _forget(self, *ended: socket.socket) -> None:
        with self._lock:
            self._open.difference_update(ended)

    def close(self) -> None:
        """End it, with all its connections."""
        _shut(self._listener)
        self._thread.join()
        with self._lock:
            left = [*self._open, *self._swallowed]
        for each in left:
            _shut(each)


def _shut(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


class Links(Protocol):
    """How ``count`` nodes reach a database and a mail server."""

    mail: dict[str, object]
    """Settings of a mail channel that lead the nodes to the mail server."""

    def environment(self, node: int) -> dict[str, str]:
        """Variables of a node's process (from 0)."""

    def cut(self, node: int) -> None:
        """Pull out a node's link."""

    def mend(self, node: int) -> None:
        """Put it in again."""

    def close(self) -> None:
        """Remove all of it."""


def links_for(count: int, database: Path, name: str, mail: Target) -> Links:
    """Namespaces where the machine allows them, else relays.

    ``database`` is PostgreSQL's socket, ``name`` the database.
    """
    try:
        return Namespaces(count, database, name, mail)
    except (OSError, subprocess.CalledProcessError):
        return Relays(count, database, name, mail)


def address(host: str, port: int, name: str) -> str:
    """A database's address."""
    return f"postgresql://postgres@{host}:{port}/{name}"


class Relays:
    """A relay to the database for each node."""

    def __init__(self, count: int, database: Path, name: str, mail: Target) -> None:
        self._name = name
        self._database = [Relay(LOOPBACK, to_unix(database)) for _ in range(count)]
        self._mail = Relay(LOOPBACK, mail)
        self.mail = {"port": self._mail.port}

    def environment(self, node: int) -> dict[str, str]:
        return {"REMINDER_DATABASE_URL": address(LOOPBACK, self._database[node].port, self._name)}

    def cut(self, node: int) -> None:
        self._database[node].cut()

    def mend(self, node: int) -> None:
        self._database[node].mend()

    def close(self) -> None:
        for each in (*self._database, self._mail):
            each.close()


class Namespaces:
    """A namespace for each node, all on one bridge; the servers are behind the bridge's own address."""

    IN = "REMINDER_TEST_NAMESPACE"
    """Variable: the namespace that a process enters before it does anything."""

    def __init__(self, count: int, database: Path, name: str, mail: Target) -> None:
        self._name = name
        mark = os.getpid() % 100_000
        self._bridge = f"rb{mark}"
        self._cables = [(f"ra{mark}-{number}", f"rz{mark}-{number}") for number in range(count)]
        self._spaces = [f"reminder-{mark}-{number}" for number in range(count)]
        self._relays: list[Relay] = []
        network = f"10.{64 + mark % 128}.{mark // 128 % 256}"
        self._host = f"{network}.1"
        try:
            self._make(network)
            self._database = self._relay(to_unix(database))
            self.mail = {
                "host": self._host,
                "port": self._relay(mail).port,
                "allow_networks": f"[{network}.0/24]",
            }
        except BaseException:
            self.close()
            raise

    def _make(self, network: str) -> None:
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{self._host}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        for number, ((near, far), space) in enumerate(zip(self._cables, self._spaces, strict=True)):
            _ip("netns", "add", space)
            _ip("link", "add", near, "type", "veth", "peer", "name", far)
            _ip("link", "set", far, "netns", space)
            _ip("link", "set", near, "master", self._bridge)
            _ip("link", "set", near, "up")
            _ip("-n", space, "addr", "add", f"{network}.{2 + number}/24", "dev", far)
            _ip("-n", space, "link", "set", far, "up")
            _ip("-n", space, "link", "set", "lo", "up")

    def _relay(self, target: Target) -> Relay:
        self._relays.append(Relay(self._host, target))
        return self._relays[-1]

    def environment(self, node: int) -> dict[str, str]:
        url = address(self._host, self._database.port, self._name)
        return {"REMINDER_DATABASE_URL": url, self.IN: self._spaces[node]}

    def cut(self, node: int) -> None:
        _ip("link", "set", self._cables[node][0], "down")

    def mend(self, node: int) -> None:
        _ip("link", "set", self._cables[node][0], "up")

    def close(self) -> None:
        for relay in self._relays:
            relay.close()
        for near, _ in self._cables:
            _ip("link", "del", near, check=False)
        for space in self._spaces:
            _ip("netns", "del", space, check=False)
        _ip("link", "del", self._bridge, check=False)

    @classmethod
    def enter(cls) -> None:
        """Go into the namespace that the environment names; before any thread is started."""
        if space := os.environ.get(cls.IN):
            with (NAMESPACES / space).open("rb") as handle:
                library = ctypes.CDLL(None, use_errno=True)
                if library.setns(handle.fileno(), NEW_NETWORK):
                    raise OSError(ctypes.get_errno(), f"namespace {space}")


def _ip(*words: str, check: bool = True) -> None:
    """Raises ``OSError`` without the command, ``CalledProcessError`` where it is not allowed."""
    subprocess.run(["ip", *words], check=check, capture_output=True)
