"""A reverse proxy on loopback: TLS outside, plain HTTP inside, a path prefix that it takes off or leaves on."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import requests

PASSED_ON = ("cookie", "content-type", "authorization", "accept", "x-csrf-token")
KEPT_BACK = ("transfer-encoding", "connection", "content-length", "content-encoding")


class ReverseProxy:
    """Stands before ``target`` (``host:port``); ``says`` are headers it adds, as a proxy of an office would."""

    def __init__(
        self, target: str, context: ssl.SSLContext, prefix: str, says: dict[str, str], *, strip: bool
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._pass_on()

            def do_POST(self) -> None:
                self._pass_on()

            def _pass_on(self) -> None:
                assert self.path.startswith(prefix + "/"), self.path
                path = self.path[len(prefix) :] if strip else self.path
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name: value for name in PASSED_ON if (value := self.headers.get(name))} | says
                answer = requests.request(
                    self.command,
                    f"http://{target}{path}",
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    timeout=60,
                )
                self.send_response(answer.status_code)
                for name, value in answer.raw.headers.items():
                    if name.lower() not in KEPT_BACK:
                        self.send_header(name, value)
                self.send_header("content-length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_address[1]}{prefix}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
