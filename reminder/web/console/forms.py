"""What a browser sends: small forms, and files that somebody chose, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from reminder.web.console.ask import Upload

BODY_SECONDS = 30.0
MOST_FIELDS, MOST_FILES = 2000, 4
URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A form as it came: the last of equal names, every value of each, the files."""

    fields: Mapping[str, str] = field(default_factory=dict)
    many: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Mapping[str, Upload] = field(default_factory=dict)


async def read_arrived(request: Request, largest: int) -> Arrived:
    """Read a form of at most ``largest`` octets.

    Raises ``HTTPException``: 413 too large, 408 too slow, 415 no form, 400 not whole.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (URLENCODED, MULTIPART):
        raise HTTPException(415, "不是表单；请从页面上提交")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            parsed = await _parsed(request, kind, largest)
            try:
                return await _arrived(parsed)
            finally:
                await parsed.close()
    except TimeoutError:
        raise HTTPException(408, "提交的内容迟迟没有传完，请重试") from None
    except (ClientDisconnect, MultiPartException, UnicodeDecodeError):
        raise HTTPException(400, "提交的内容不完整，请返回上一页重试") from None


async def _parsed(request: Request, kind: str, largest: int) -> FormData:
    stream = _bounded(request, largest)
    if kind == MULTIPART:
        parser = MultiPartParser(
            request.headers, stream, max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=largest
        )
        return await parser.parse()
    return await FormParser(request.headers, stream).parse()


async def _bounded(request: Request, largest: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > largest:
            raise HTTPException(413, f"提交的内容超过 {largest // 1024} KB，没有接受")
        yield chunk


async def _arrived(parsed: FormData) -> Arrived:
    many: dict[str, list[str]] = {}
    files: dict[str, Upload] = {}
    for name, value in parsed.multi_items():
        if isinstance(value, UploadFile):
            if value.filename:
                files[name] = Upload(value.filename, await value.read())
        else:
            # Browsers send line breaks as CR LF; files here have LF.
            many.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return Arrived({name: values[-1] for name, values in many.items()}, many, files)
