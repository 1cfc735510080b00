"""The certificate authorities of an office's own: files beside the plan, read with it.

Their text becomes part of the edition, so that a channel trusts what was
checked and not what stands in the file by the time it connects.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from reminder.errors import Problem, system_reason
from reminder.plan.model import Plan

MOST_OCTETS = 1024 * 1024
"""All public authorities together take a quarter of this."""
_PEM = "PEM 格式的证书（以 -----BEGIN CERTIFICATE----- 开头的文本文件）"


@dataclass(frozen=True)
class Authorities:
    """PEM text by channel; channels without a ``ca_file`` are not in it."""

    of_channel: Mapping[str, str] = field(default_factory=dict)

    def files(self) -> dict[str, str]:
        """SHA-256 of each file's text, by the channel's name."""
        return {
            f"ca_file/{channel}": hashlib.sha256(pem.encode()).hexdigest()
            for channel, pem in self.of_channel.items()
        }


def read_authorities(plan: Plan, folder: Path) -> tuple[Authorities, list[Problem]]:
    """Read and check every ``ca_file``; relative paths are relative to ``folder``."""
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for channel in plan.channels.values():
        if channel.ca_file is None:
            continue
        pem = _read(folder / channel.ca_file)
        if isinstance(pem, str):
            found[channel.id] = pem
        else:
            reason, allowed, hint = pem
            position, path = plan.ca_positions[channel.id], f"channels[{channel.id}].ca_file"
            problems.append(Problem(position, path, f"{channel.ca_file}：{reason}", allowed, hint))
    return Authorities(found), problems


def _read(path: Path) -> str | tuple[str, str, str]:
    """The text, or what is wrong with it: found, allowed, hint."""
    try:
        with path.open("rb") as file:
            octets = file.read(MOST_OCTETS + 1)
    except OSError as error:
        reason = (
            "没有这个文件" if isinstance(error, FileNotFoundError) else f"不能读取（{system_reason(error)}）"
        )
        return (reason, "相对路径从计划文件夹算起", "请检查路径和权限")
    try:
        # An editor of another system may put a mark in front.
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    if len(octets) > MOST_OCTETS or "-----BEGIN" not in text:
        return ("不是 PEM 证书", f"应为{_PEM}", "二进制（DER）证书可用 openssl x509 -inform der 转换")
    if re.search(r"-----BEGIN [A-Z ]*PRIVATE KEY-----", text):
        return ("里面有私钥", "只放证书", "私钥不应离开服务器：请删去，并请其管理员更换")
    try:
        count = _context(text).cert_store_stats()["x509"]
    except (ssl.SSLError, ValueError):
        count = 0
    if count == 0:
        return ("证书不完整或已损坏", f"应为{_PEM}", "请重新导出")
    return text


def earliest_end(pem: str) -> datetime | None:
    """When the first of these authorities ends, aware; None if none says so."""
    ends = [each.get("notAfter") for each in _context(pem).get_ca_certs()]
    stamps = [ssl.cert_time_to_seconds(each) for each in ends if isinstance(each, str)]
    return datetime.fromtimestamp(min(stamps), UTC) if stamps else None


def _context(pem: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    return context
