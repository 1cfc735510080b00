"""The outbox: a channel's exact bytes as files, so that nobody is mailed by accident."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import threading
from datetime import tzinfo
from pathlib import Path

from reminder.channels.base import Channel, Outcome, OutcomeKind, Parcel, Recipient, Stamp, batch_of
from reminder.disk import sync_folder
from reminder.errors import system_reason
from reminder.messages.message import Message

_NAME_OCTETS = 60
"""Of one word of a file's name; four of them stay below the 255 that file systems allow."""
_temporary = itertools.count()


class OutboxChannel:
    """Composes as another channel does, and writes instead of sending."""

    def __init__(
        self, inner: Channel, folder: Path, zone: tzinfo | None = None, *, durable: bool = True
    ) -> None:
        """Files lie in ``folder/YYYY-MM-DD/``, day and time being those of ``zone``.

        Without a zone, day and time are as ``Parcel.at`` gives them.  ``durable=False``
        does not wait for the disk: for what is thrown away, as a simulation's files are.
        """
        self.id = inner.id
        self.suffix = inner.suffix
        self.batch = batch_of(inner)
        self._inner = inner
        self._folder = folder
        self._zone = zone
        self._durable = durable

    def compose(self, message: Message, to: Recipient, stamp: Stamp) -> tuple[bytes, ...]:
        return self._inner.compose(message, to, stamp)

    def send(self, parcel: Parcel) -> Outcome:
        """Write the payload; the same delivery again replaces its own file.

        Accepted with code ``outbox`` and, as detail, the path inside the outbox.
        """
        at = parcel.at.astimezone(self._zone) if self._zone else parcel.at
        words = [_word(each) for each in (self.id, parcel.receiver, parcel.delivery)]
        path = Path(at.strftime("%Y-%m-%d"), "-".join([at.strftime("%H%M"), *words]) + self.suffix)
        try:
            _write(self._folder / path, parcel.payload, durable=self._durable)
        except OSError as error:
            return Outcome(
                OutcomeKind.TRANSIENT, "outbox", f"写不了发件箱 {self._folder}：{system_reason(error)}"
            )
        return Outcome(OutcomeKind.ACCEPTED, "outbox", path.as_posix())

    def close(self) -> None:
        self._inner.close()


def _word(text: str) -> str:
    """``text`` as a part of a file's name; what had to be changed keeps a mark that tells it apart."""
    word = re.sub(r"[^\w.@+\-（）·]", "_", text).lstrip(".")
    octets = word.encode("utf-8")
    if word == text and octets and len(octets) <= _NAME_OCTETS:
        return word
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return octets[: _NAME_OCTETS - 9].decode("utf-8", "ignore") + "~" + mark


def _write(path: Path, payload: bytes, *, durable: bool) -> None:
    """All of it or nothing: a reader never sees half a file, if ``durable`` also when the power goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}-{next(_temporary)}.tmp")
    try:
        # Messages may be private: not for every user of the machine.
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        sync_folder(path.parent)
