"""Where the seeds of draws are kept until their day: a file that only the daemon reads.

The ledger holds a seed's hash and nothing else before it is published.  Whoever
reads this file can foretell the draws; whoever loses it cannot draw, and a new
seed has to be committed to.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from reminder.agenda.draws import commitment_of
from reminder.disk import sync_folder
from reminder.errors import ReminderError, system_reason


@dataclass(frozen=True, slots=True)
class Seed:
    """A seed and what it is for."""

    item: str
    period: str
    value: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """What the ledger holds of it."""
        return commitment_of(self.value)


class SeedsUnreadable(ReminderError):
    """The file is there and cannot be read or written now: nothing may be concluded from it."""


class SeedsBroken(ReminderError):
    """The file is there and makes no sense."""


class Seeds(Protocol):
    """A keeper of seeds."""

    def read(self) -> tuple[Seed, ...]:
        """All of them; raises ``SeedsUnreadable`` or ``SeedsBroken``."""
        ...

    def add(self, seed: Seed) -> None:
        """Keep one more, durably: when this returns it survives a power cut.  Raises as :meth:`read`."""
        ...

    def set_apart(self, now: datetime) -> str:
        """Put what makes no sense aside, for a person to look at; under which name."""
        ...


class SeedsInMemory:
    """For simulations: their draws are none of the office's.  ``seeds`` are used where they are for."""

    def __init__(self, seeds: Iterable[Seed] = ()) -> None:
        self._seeds = list(seeds)

    def read(self) -> tuple[Seed, ...]:
        return tuple(self._seeds)

    def add(self, seed: Seed) -> None:
        self._seeds.append(seed)

    def set_apart(self, now: datetime) -> str:
        raise NotImplementedError(f"memory does not break ({now})")


class SeedFile:
    """``keys/draws.json``, mode 0600, exchanged as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"SeedFile({str(self._path)!r})"

    def read(self) -> tuple[Seed, ...]:
        try:
            text = self._path.read_text("utf-8")
        except FileNotFoundError:
            return ()
        except UnicodeDecodeError:
            raise SeedsBroken(f"抽取的种子文件 {self._path} 不是文本") from None
        except OSError as error:
            raise SeedsUnreadable(f"抽取的种子文件 {self._path} 不能读取（{system_reason(error)}）") from None
        try:
            return tuple(
                Seed(str(each["item"]), str(each["period"]), bytes.fromhex(each["seed"]))
                for each in json.loads(text)["seeds"]
            )
        except (ValueError, KeyError, TypeError):
            # No trace: what the file holds is nobody's business.
            raise SeedsBroken(f"抽取的种子文件 {self._path} 内容不完整") from None

    def add(self, seed: Seed) -> None:
        seeds = [*self.read(), seed]
        rows = [{"item": each.item, "period": each.period, "seed": each.value.hex()} for each in seeds]
        folder = self._path.parent
        scratch = self._path.with_suffix(".tmp")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                scratch.unlink()
            handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(json.dumps({"seeds": rows}, ensure_ascii=False, indent=1) + "\n")
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(self._path)
            # The exchange itself, and the folder if it is new, survive a power cut.
            sync_folder(folder)
            sync_folder(folder.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                scratch.unlink()
            raise SeedsUnreadable(f"抽取的种子文件 {self._path} 不能写入（{system_reason(error)}）") from None

    def set_apart(self, now: datetime) -> str:
        aside = self._path.with_name(f"{self._path.stem}-broken-{now:%Y%m%dT%H%M%S}.json")
        try:
            self._path.replace(aside)
        except OSError as error:
            raise SeedsUnreadable(f"抽取的种子文件 {self._path} 不能移开（{system_reason(error)}）") from None
        return str(aside)
