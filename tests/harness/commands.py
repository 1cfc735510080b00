"""The command as a process of its own, a hundred times in seconds.

A server has imported everything once and forks for each call: the exit code,
both streams, the folder and the environment are those of a real process, only
the second that importing takes is saved.  ``with Commands() as commands`` starts
it; the module run as a script is the server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, Self

from tests.editions import ROOT
from tests.harness.warm import warm


@dataclass(frozen=True)
class Done:
    """How a call ended."""

    code: int
    out: str
    err: str


class Commands:
    """Calls of ``reminder``, with nobody at the keyboard."""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.commands"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(timeout=60)
        self._server.stdout.close()

    def run(self, folder: Path, *arguments: str, **environment: str) -> Done:
        """Call it in a folder; of ``REMINDER_…`` only what is given is set, and no page is served."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("REMINDER_")}
        call = {
            "cwd": str(folder),
            "argv": ["reminder", *arguments],
            "env": clean | {"REMINDER_LISTEN": "off"} | environment,
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(call) + "\n")
        self._server.stdin.flush()
        return Done(**json.loads(self._server.stdout.readline()))


def _serve() -> None:
    warm()
    for line in sys.stdin:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                _become(json.loads(line), out, err)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            done = {"code": code, "out": _text(out), "err": _text(err)}
            print(json.dumps(done), flush=True)


def _become(call: dict[str, Any], out: IO[bytes], err: IO[bytes]) -> NoReturn:
    from reminder.cli.entry import main

    code: object = 1
    try:
        os.chdir(call["cwd"])
        os.environ.clear()
        os.environ.update(call["env"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for this process's life
        sys.argv = call["argv"]
        main()
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8")


if __name__ == "__main__":
    _serve()
