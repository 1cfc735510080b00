"""Plan folders with one file harmed as disks, editors, input methods and enemies do; deterministic by number."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.plans import ON_DUE_DAY, files_of, item_yaml

ROOT = Path(__file__).parents[2]
SEED = 2026

_BOMBS = (
    b"\nx: &a [y, y]\n" + b"".join(b"x%d: &a%d [*a, *a]\n" % (number, number) for number in range(2000)),
    b"[" * 100_000,
    b"{a: " * 50_000,
    b"- " * 100_000,
    b"".join(b" " * width + b"- a:\n" for width in range(0, 400, 2)),
    b"\n- a\n" * 300_000,
    b"k: v\n" * 100_000,
    b"a" * 2_000_000,
    b"\t" * 100_000,
    b"\n" * 1_000_000,
    b"\n? " * 20_000,
    b"<<: *a\n",
    b"!!python/object/apply:os.system [id]\n",
    b"%TAG ! tag:example.com,2026:\n---\n",
    b"--- !!binary |\n  AAAA\n...\n---\n",
    b"\n...\n",
    b"\n'\"|>\n",
)
_SIGNS = (
    *"：，“”－　［］。\t-:[]{}&*!|>'\"%@`?#\0\x07\x7f\x85",
    *("\u00a0", "\u200b", "\u2028", "\ufeff", "\U0001f600"),
)
_VALUES = (
    "99999999999999999999", "-1", "0", "1e9", "true", "NO", "~", "", "''", "[]", "{}", "2026-02-30", "9999-12-31",
    "0001-01-01", "1900-01-01", "24:00", "99:99", "last-workday", "everyone", "[unit: 办公室]", "FREQ=SECONDLY",
    "FREQ=YEARLY;BYDAY=53MO", "FREQ=DAILY;INTERVAL=0", "13/32", "闰六月/30", "Asia/Nowhere", "../../etc/passwd", "999999", "-999999",
)  # fmt: skip

_REPEATED = (
    " ",
    "\t",
    "a ",
    "a@",
    "a.",
    "<",
    ">",
    "=?",
    "[",
    "(",
    "- ",
    "-a",
    "1",
    "1:",
    "../",
    ";",
    "FREQ=",
    "甲",
    "，",
    "unit:",
    "“",
)


@dataclass(frozen=True)
class Mutated:
    """The files of a folder, and what was done to which of them."""

    files: dict[str, bytes]
    harmed: str
    how: tuple[str, ...]


@cache
def sound_folders() -> tuple[tuple[dict[str, bytes], int], ...]:
    """Folders to harm, each with its weight."""
    plan = ROOT / "tests" / "plan"
    shipped = {path.name: path.read_bytes() for path in sorted((ROOT / "schedules").glob("*.yaml"))}
    example = {"plan.yaml": (plan / "example.yaml").read_bytes()}
    small = files_of(
        item_yaml("a", "date: 2026-06-10", ON_DUE_DAY),
        item_yaml("b", "every: month\ndue: last-workday\nat: 17:00", ON_DUE_DAY),
        item_yaml("c", "festivals:\n  - 中秋\n  - 国庆", "- from: break\n  workdays: -1\n  to: everyone"),
        item_yaml("d", "rrule: FREQ=MONTHLY;BYMONTHDAY=15", ON_DUE_DAY, "alone: true"),
        item_yaml("e", 'lunar: "9/9"', ON_DUE_DAY),
    )
    folders = [(shipped, 2), (example, 8), (small, 8)]
    beside = {path.name: path.read_bytes() for path in sorted((plan / "base").glob("*.yaml"))}
    bad = sorted((plan / "bad").glob("*.yaml"))[::6]
    return (*folders, *(({**beside, "plan.yaml": path.read_bytes()}, 1) for path in bad))


def mutated(number: int) -> Mutated:
    """The case of that number."""
    random_ = random.Random(SEED * 1_000_003 + number)
    folders = sound_folders()
    files = dict(random_.choices([folder for folder, _ in folders], [weight for _, weight in folders])[0])
    name = random_.choice(sorted(files))
    data, how = files[name], []
    for _ in range(random_.choice((1, 1, 1, 1, 2, 3))):
        harm = random_.choices([each for each, _ in _HARMS], [weight for _, weight in _HARMS])[0]
        data = harm(data, random_)
        how.append(harm.__name__.removeprefix("_"))
    files[name] = data
    return Mutated(files, name, tuple(how))


def _place(data: bytes, random_: random.Random) -> int:
    return random_.randrange(len(data) + 1)


def _flip(data: bytes, random_: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random_.randint(1, 4)):
        if changed:
            changed[random_.randrange(len(changed))] ^= 1 << random_.randrange(8)
    return bytes(changed)


def _delete(data: bytes, random_: random.Random) -> bytes:
    start = _place(data, random_)
    return data[:start] + data[start + random_.choice((1, 2, 3, 10, 100, 1000)) :]


def _duplicate(data: bytes, random_: random.Random) -> bytes:
    start = _place(data, random_)
    piece = data[start : start + random_.choice((1, 3, 30, 300, 3000))]
    return data[:start] + piece * random_.randint(2, 4) + data[start:]


def _truncate(data: bytes, random_: random.Random) -> bytes:
    return data[: _place(data, random_)]


def _lines(
    change: Callable[[list[bytes], int, random.Random], None],
) -> Callable[[bytes, random.Random], bytes]:
    def harm(data: bytes, random_: random.Random) -> bytes:
        lines = data.splitlines(keepends=True)
        if lines:
            change(lines, random_.randrange(len(lines)), random_)
        return b"".join(lines)

    harm.__name__ = change.__name__
    return harm


def _swap(lines: list[bytes], at: int, random_: random.Random) -> None:
    other = random_.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]


def _drop_line(lines: list[bytes], at: int, random_: random.Random) -> None:
    del lines[at : at + random_.randint(1, 3)]


def _double_line(lines: list[bytes], at: int, random_: random.Random) -> None:
    lines[at : at + 1] = [lines[at]] * random_.randint(2, 3)


def _indent(lines: list[bytes], at: int, random_: random.Random) -> None:
    lines[at] = random_.choice((b" ", b"  ", b"\t", "\u3000".encode())) + lines[at]


def _dedent(lines: list[bytes], at: int, random_: random.Random) -> None:
    lines[at] = lines[at][random_.randint(1, 4) :]


def _value(lines: list[bytes], at: int, random_: random.Random) -> None:
    """Another value after the colon."""
    key, colon, _ = lines[at].partition(b": ")
    if colon:
        lines[at] = key + colon + random_.choice(_VALUES).encode() + b"\n"


def _long(lines: list[bytes], at: int, random_: random.Random) -> None:
    """A value of one sign over and over: what is searched twice is then searched for ever."""
    key, colon, _ = lines[at].partition(b": ")
    if colon:
        text = (
            random_.choice(("a", "<", ""))
            + random_.choice(_REPEATED) * 60_000
            + random_.choice(("x", ">", ""))
        )
        quote = random_.choice(("", '"', "'"))
        lines[at] = key + colon + f"{quote}{text}{quote}\n".encode()


def _like(lines: list[bytes], at: int, random_: random.Random) -> None:
    """The value of another line with the same key: sound by itself, wrong here."""
    key = lines[at].partition(b":")[0].strip(b" -")
    others = [line.partition(b":")[2] for line in lines if line.partition(b":")[0].strip(b" -") == key]
    if others and b": " in lines[at]:
        lines[at] = lines[at].partition(b":")[0] + b":" + random_.choice(others)


def _digit(data: bytes, random_: random.Random) -> bytes:
    places = [index for index, octet in enumerate(data) if octet in b"0123456789"]
    if not places:
        return data
    at = random_.choice(places)
    return data[:at] + random_.choice((b"0", b"1", b"3", b"9", b"99", b"")) + data[at + 1 :]


def _sign(data: bytes, random_: random.Random) -> bytes:
    start = _place(data, random_)
    return data[:start] + random_.choice(_SIGNS).encode() + data[start + random_.randint(0, 1) :]


def _bytes(data: bytes, random_: random.Random) -> bytes:
    start = _place(data, random_)
    return data[:start] + random_.randbytes(random_.choice((1, 2, 4, 64))) + data[start:]


def _bomb(data: bytes, random_: random.Random) -> bytes:
    start = random_.choice((0, len(data), _place(data, random_)))
    return data[:start] + random_.choice(_BOMBS) + data[start:]


def _encode(data: bytes, random_: random.Random) -> bytes:
    text = data.decode("utf-8", "replace")
    codec = random_.choice(("gbk", "gb18030", "utf-16", "utf-16-le", "utf-32", "utf-8-sig", "big5", "utf-7"))
    return text.encode(codec, "replace")


def _newlines(data: bytes, random_: random.Random) -> bytes:
    new = random_.choice((b"\r\n", b"\r", b"\n\n", b"\n\r", "\u2028".encode(), "\x85".encode()))
    return data.replace(b"\r\n", b"\n").replace(b"\n", new)


_HARMS: tuple[tuple[Callable[[bytes, random.Random], bytes], int], ...] = (
    (_flip, 4),
    (_delete, 4),
    (_duplicate, 3),
    (_truncate, 2),
    (_lines(_swap), 3),
    (_lines(_drop_line), 3),
    (_lines(_double_line), 3),
    (_lines(_indent), 2),
    (_lines(_dedent), 2),
    (_lines(_value), 6),
    (_lines(_like), 8),
    (_lines(_long), 1),
    (_digit, 8),
    (_sign, 4),
    (_bytes, 2),
    (_bomb, 1),
    (_encode, 1),
    (_newlines, 1),
)
