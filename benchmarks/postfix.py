"""Postfix's own measuring programs, ``smtp-sink`` and ``smtp-source``, without Postfix as a service.

They are taken from where Postfix is installed; else Debian's package is fetched
and unpacked into a folder, and nothing is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

HOST = "127.0.0.1"
ANY_USER = "nobody"
"""Whom the sink becomes if it is started by root: it refuses to stay that."""
_COUNT = re.compile(rb"mesg=(\d+)")


@dataclass(frozen=True)
class Postfix:
    """Where the programs lie, how they find their libraries, and their version."""

    folder: Path
    environment: dict[str, str]
    version: str

    def program(self, name: str) -> str:
        return str(self.folder / name)


def postfix(scratch: Path) -> Postfix:
    """The programs; unpacked into ``scratch`` if need be.  Raises ``RuntimeError`` saying what to do."""
    found = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found:
        version = _said("postconf", "-h", "mail_version") or "of the system"
        return Postfix(Path(found).parent, dict(os.environ), version)
    folder = scratch / "postfix"
    folder.mkdir(mode=0o755)
    # What it needs besides its own libraries (Berkeley DB, ICU) is on nearly every Debian.
    fetched = subprocess.run(
        ["apt-get", "download", "postfix"], cwd=folder, capture_output=True, text=True, check=False
    )
    packages = list(folder.glob("*.deb"))
    if fetched.returncode or not packages:
        raise RuntimeError(
            f"smtp-sink is needed: install postfix, or run on Debian. {fetched.stderr.strip()}"
        )
    subprocess.run(["dpkg-deb", "-x", str(packages[0]), str(folder)], check=True)
    libraries = folder / "usr/lib/postfix"
    return Postfix(
        folder / "usr/sbin",
        {**os.environ, "LD_LIBRARY_PATH": str(libraries)},
        packages[0].name.split("_")[1],
    )


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


class Sink:
    """``smtp-sink`` on a port of its own.  ``dump`` keeps every message, which makes it slower."""

    def __init__(self, programs: Postfix, folder: Path, *, dump: bool = False) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        self.counter = self._folder / "count"
        """Grows with every message; its last number is how many have come."""
        self._dump = self._folder / "dump" / "all" if dump else None
        self._output: IO[bytes] | None = None

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port: int = probe.getsockname()[1]
        command = [self._programs.program("smtp-sink"), "-c"]
        if os.geteuid() == 0:
            command += ["-u", ANY_USER]
        if self._dump is not None:
            self._dump.parent.mkdir()
            self._dump.parent.chmod(0o777)
            # The user it becomes has to get here.
            self._folder.chmod(0o755)
            command += ["-D", str(self._dump)]
        command += [f"{HOST}:{self.port}", "200"]
        self._output = self.counter.open("wb")
        self._process = subprocess.Popen(
            command, stdout=self._output, stderr=subprocess.PIPE, env=self._programs.environment
        )
        deadline = time.monotonic() + 10
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                raise RuntimeError(f"smtp-sink does not run: {self._process.communicate()[1]!r}")
            time.sleep(0.02)
        return self

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()
        assert self._output is not None
        self._output.close()

    @property
    def arrived(self) -> int:
        return count_of(self.counter)

    def kept(self) -> list[tuple[str, bytes]]:
        """Receiver of the envelope and message, of everything that was dumped."""
        assert self._dump is not None
        parts = re.split(rb"(?m)^X-Client-Addr: ", self._dump.read_bytes())[1:]
        found = []
        for part in parts:
            receivers = re.findall(rb"(?m)^X-Rcpt-Args: <([^>]*)>", part)
            assert len(receivers) == 1, receivers
            _, _, message = part.partition(b"(UTC)\n")
            found.append((receivers[0].decode(), message))
        return found


def count_of(counter: Path) -> int:
    """How many messages a sink has taken, by the tail of its counter."""
    with counter.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 200))
        found = _COUNT.findall(file.read())
    # The last number may be half written: then the one before it is meant.
    return max(map(int, found[-2:]), default=0)
