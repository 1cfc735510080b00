"""A real Chromium at the size of a phone, with scripts switched off, led over its DevTools pipe.

``chromium`` is a Debian package; ``.ci/run`` installs it.  The pipe needs no
port and no further program.  Nothing but loopback is asked for.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

WIDTH, HEIGHT = 390, 844
PATIENCE = 60.0
"""Seconds for what takes one: tests share the machine."""
KEYS = {"Tab": 9, "Enter": 13, " ": 32}


def _pipe() -> tuple[int, int]:
    """Both ends above the numbers that the browser's own ends are given."""
    ends = os.pipe()
    higher = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return higher[0], higher[1]


class Browser:
    """One browser with one page."""

    def __init__(self, *, dark: bool = False, width: int = WIDTH) -> None:
        self._dark = dark
        self._width = width
        self._next = 0
        self._session = ""
        self._rest = b""
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        assert program, "this test needs a browser: apt-get install chromium fonts-noto-cjk"
        # A short path: the browser puts a socket there, whose name may have 107 octets.
        self._profile = Path(tempfile.mkdtemp(prefix="browser-"))
        (their_in, self._out), (self._in, their_out) = _pipe(), _pipe()
        self._process = subprocess.Popen(
            [
                "bash",  # the browser looks for its pipe at 3 and 4
                "-c",
                f'exec "$@" 3<&{their_in} 4>&{their_out} 2>"$HOME/stderr"',
                "bash",
                program,
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-sandbox",  # tests may run as root
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-breakpad",
                "--no-proxy-server",
                "--no-first-run",
                "--hide-scrollbars",
                "--lang=zh-CN",
                f"--user-data-dir={self._profile / 'profile'}",
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(self._profile), "TMPDIR": str(self._profile)},
            pass_fds=(their_in, their_out),
            start_new_session=True,
        )
        os.close(their_in)
        os.close(their_out)
        target = self.devtools("Target.createTarget", url="about:blank")["targetId"]
        attached = self.devtools("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "DOM", "Accessibility"):
            self.devtools(f"{domain}.enable")
        self.devtools("Emulation.setScriptExecutionDisabled", value=True)
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=self._width,
            height=HEIGHT,
            deviceScaleFactor=2,
            mobile=True,
        )
        self.devtools("Emulation.setTouchEmulationEnabled", enabled=True)
        if self._dark:
            features = [{"name": "prefers-color-scheme", "value": "dark"}]
            self.devtools("Emulation.setEmulatedMedia", features=features)

    def __exit__(self, *_: object) -> None:
        if not hasattr(self, "_process"):
            return
        self._session = ""
        with contextlib.suppress(AssertionError, OSError):
            self.devtools("Browser.close")
        os.close(self._out)
        os.close(self._in)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # a session of its own: nobody else's processes
        self._process.wait(timeout=10)
        shutil.rmtree(self._profile, ignore_errors=True)

    # -- the protocol ------------------------------------------------------------

    def devtools(self, command: str, **parameters: Any) -> Any:
        """Carry out a command; its result."""
        self._next += 1
        number = self._next
        asked = {"id": number, "method": command, "params": parameters}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._out, json.dumps(asked).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == number:
                assert "error" not in message, (command, message["error"])
                return message["result"]
            self._events.append(message)

    def _message(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser says nothing"
            octets = os.read(self._in, 1 << 20)
            assert octets, (self._profile / "stderr").read_text(errors="replace")[-2000:]
            self._rest += octets
        first, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message

    def _loaded(self) -> None:
        """Wait until a page has loaded since the events were last cleared."""
        while not any(each.get("method") == "Page.loadEventFired" for each in self._events):
            self._events.append(self._message())

    # -- what a person does ----------------------------------------------------------

    def open(self, url: str) -> None:
        self._events.clear()
        self.devtools("Page.navigate", url=url)
        self._loaded()

    def tap(self, node: int) -> None:
        """Touch the middle of an element, and wait for the page it leads to."""
        self._events.clear()
        x, y = self._middle(node)
        self.devtools("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.devtools("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        self._loaded()

    def press(self, key: str, *, leads_on: bool = False) -> None:
        """A key, wherever the focus is; ``leads_on``: to another page, which is waited for."""
        self._events.clear()
        text = {"Enter": "\r", " ": " "}.get(key, "")
        code = KEYS[key]
        common = {"key": key, "windowsVirtualKeyCode": code, "nativeVirtualKeyCode": code}
        self.devtools("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.devtools("Input.dispatchKeyEvent", type="keyUp", **common)
        if leads_on:
            self._loaded()

    def write(self, node: int, text: str) -> None:
        """Type into a field."""
        self.devtools("DOM.focus", nodeId=node)
        self.devtools("Input.insertText", text=text)

    # -- what a person sees ------------------------------------------------------------

    @property
    def url(self) -> str:
        history = self.devtools("Page.getNavigationHistory")
        return str(history["entries"][history["currentIndex"]]["url"])

    def text(self) -> str:
        """All text that is laid out, in order."""
        shot = self.devtools("DOMSnapshot.captureSnapshot", computedStyles=[])
        strings = shot["strings"]
        found = [strings[each] for each in shot["documents"][0]["layout"]["text"] if each >= 0]
        return "".join(found)

    def find(self, css: str) -> list[int]:
        """The elements that a selector names, in order."""
        root = self.devtools("DOM.getDocument", depth=0)["root"]["nodeId"]
        nodes: list[int] = self.devtools("DOM.querySelectorAll", nodeId=root, selector=css)["nodeIds"]
        return nodes

    def attributes(self, node: int) -> dict[str, str]:
        flat = self.devtools("DOM.getAttributes", nodeId=node)["attributes"]
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def spoken(self, node: int) -> tuple[str, str]:
        """Role and name of an element, as a screen reader says them."""
        (found, *_) = self.devtools("Accessibility.getPartialAXTree", nodeId=node, fetchRelatives=False)[
            "nodes"
        ]
        return found["role"]["value"], found.get("name", {}).get("value", "")

    def focused(self) -> tuple[str, str]:
        """Role and name of what has the focus."""
        nodes = self.devtools("Accessibility.getFullAXTree")["nodes"]
        for node in nodes:
            properties = {each["name"]: each["value"].get("value") for each in node.get("properties", ())}
            if properties.get("focused") and node["role"]["value"] != "RootWebArea":
                return node["role"]["value"], node.get("name", {}).get("value", "")
        return "", ""

    def colours(self) -> list[tuple[str, str, str]]:
        """Of every text that is laid out: the text, its colour, and the opaque colour behind it."""
        wanted = ["color", "background-color"]
        shot = self.devtools("DOMSnapshot.captureSnapshot", computedStyles=wanted)
        strings, document = shot["strings"], shot["documents"][0]
        layout, parents = document["layout"], document["nodes"]["parentIndex"]
        styles = {
            node: [strings[each] for each in indexes]
            for node, indexes in zip(layout["nodeIndex"], layout["styles"], strict=True)
        }

        def behind(node: int) -> str:
            while node >= 0:
                colour = styles[node][1] if styles.get(node) else ""
                if colour.startswith("rgb("):  # ``rgba(`` lets what is behind it through
                    return colour
                node = parents[node]
            return "rgb(255, 255, 255)"

        return [
            (strings[text].strip(), styles[node][0], behind(node))
            for node, text in zip(layout["nodeIndex"], layout["text"], strict=True)
            if text >= 0 and strings[text].strip()
        ]

    def size(self, node: int) -> tuple[float, float]:
        """Width and height in CSS pixels."""
        model = self.devtools("DOM.getBoxModel", nodeId=node)["model"]
        return float(model["width"]), float(model["height"])

    def page_size(self) -> tuple[float, float]:
        """Width and height of everything that can be scrolled to."""
        size = self.devtools("Page.getLayoutMetrics")["cssContentSize"]
        return float(size["width"]), float(size["height"])

    def picture(self, file: Path) -> None:
        """The whole page as PNG."""
        taken = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(taken["data"]))

    def _middle(self, node: int) -> tuple[float, float]:
        self.devtools("DOM.scrollIntoViewIfNeeded", nodeId=node)
        quad = self.devtools("DOM.getContentQuads", nodeId=node)["quads"][0]
        return sum(quad[0::2]) / 4, sum(quad[1::2]) / 4
