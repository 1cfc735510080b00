"""An HTTP proxy on loopback that tunnels with CONNECT, and misbehaves on command."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class ConnectProxy:
    """Tunnels to ``target`` (host and port), whatever name was asked for: only it knows the names.

    ``login`` (``Basic …``) is required when given.  ``do`` is ``tunnel``,
    ``refuse`` (403), ``echo`` (407 with what it was told in the reason),
    ``hang`` (silence) or ``drip`` (an endless head).
    """

    host = "127.0.0.1"

    def __init__(self, target: tuple[str, int], *, login: str | None = None, do: str = "tunnel") -> None:
        self._target = target
        self._login = login
        self._do = do
        self.heads: list[str] = []
        """Everything it was told in the clear, one head per connection."""
        self._stopped = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        with self._lock:
            leaving = [self._listener, *self._open]
        for sock in leaving:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in list(self._threads):
            thread.join(5)

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(sock)
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                octets = sock.recv(4096)
                if not octets:
                    return
                head += octets
            text = head.decode("latin-1")
            self.heads.append(text)
            given = next((line for line in text.splitlines() if line.lower().startswith("proxy-auth")), "")
            match self._do:
                case "hang":
                    self._stopped.wait(60)
                case "drip":
                    sock.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    while not self._stopped.wait(0.05):
                        sock.sendall(b"x")
                case "refuse":
                    sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                case "echo":
                    sock.sendall(f"HTTP/1.1 407 bad login {given}\r\nContent-Length: 0\r\n\r\n".encode())
                case _ if self._login is not None and self._login not in given:
                    sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                case _:
                    self._tunnel(sock)

    def _tunnel(self, sock: socket.socket) -> None:
        with socket.create_connection(self._target, 5) as beyond:
            with self._lock:
                self._open.add(beyond)
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._start(self._pump, beyond, sock)
            self._pump(sock, beyond)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while octets := source.recv(65536):
                sink.sendall(octets)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
