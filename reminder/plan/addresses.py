"""Whether mail addresses, hosts and names of secrets can be what they say.

Only the form is judged: what a server accepts, only the server knows.  Values
that might be a secret written in the wrong place are never shown.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from reminder.errors import Problem
from reminder.plan.channels import EmailChannel, WecomAppChannel, WecomRobotChannel
from reminder.plan.fields import shown
from reminder.plan.networks import is_loopback
from reminder.plan.sections import Entry

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")
"""The dot-atom form of RFC 5321 §4.1.2; quoted local parts are nobody's address."""
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_USERID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")

Fault = tuple[str, str, str]


def address_fault(text: str, *, named: bool = False) -> Fault | None:
    """What is wrong with an address; with ``named``, ``名称 <地址>`` may stand too."""
    allowed = "写作 name@example.com" + ("，或 名称 <name@example.com>" if named else "")
    address = _address_in(text) if named else text
    if _ADDRESS.fullmatch(address) and len(address) <= 254 and len(address.split("@")[0]) <= 64:
        return None
    hint = ""
    if "＠" in text or "．" in text or "。" in text:
        hint = "请把全角符号改为英文 @ 和 ."
    elif named is False and "<" in text:
        hint = "此处只写地址，不写名称"
    elif re.search(r"[;,；，、]", text):
        hint = "一处只写一个地址"
    return f"{shown(text)}不是邮箱地址", allowed, hint


def _address_in(text: str) -> str:
    """What stands in the angle brackets after a name; the text itself if it is not of that form."""
    name, bracket, rest = text.partition("<")
    if not bracket or not rest.endswith(">") or re.search(r'[>"\r\n]', name):
        return text
    return rest[:-1]


def userid_fault(text: str) -> Fault | None:
    """What is wrong with a userid of WeCom; ``@all`` would reach everybody."""
    if _USERID.fullmatch(text):
        return None
    allowed = "以字母或数字开头，只含字母、数字和 . - _ @，不超过 64 个字符"
    hint = (
        "@all 是全体成员；发给全体请用群机器人" if text.lower() == "@all" else "请在企业微信管理后台查“账号”"
    )
    return f"{shown(text)}不是企业微信账号（userid）", allowed, hint


def host_fault(text: str) -> Fault | None:
    """What is wrong with a host name or IP address."""
    if _is_ip(text) or (_HOST.fullmatch(text) and len(text) <= 253 and not re.fullmatch(r"[\d.]+", text)):
        return None
    allowed = "只写主机名，如 smtp.example.com"
    if "://" in text or "/" in text:
        return "主机名里有“/”", allowed, "请删去“://”及其前面的部分和路径"
    if re.fullmatch(r".*:\d+", text):
        return f"{shown(text)}带了端口", allowed, "端口请写在 port"
    if "@" in text:
        return "主机名里有“@”", allowed, "用户名请写在 username"
    return f"{shown(text)}不是主机名", allowed, ""


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def check_channel(entry: Entry[EmailChannel | WecomRobotChannel | WecomAppChannel]) -> Iterator[Problem]:
    """Addresses, host and secret of one channel."""
    channel, place = entry.value, entry.place
    if channel.secret is not None and not SECRET_NAME.fullmatch(channel.secret):
        # Possibly the secret itself: not shown, and not hinted at by its length.
        yield place.problem(
            ("secret",),
            "secret 的值不是名字",
            "写名字，由大写字母、数字和下划线组成，如 SMTP_PASSWORD",
            "如果写成了密码或密钥本身，请删去并立即更换该密码",
        )
    if isinstance(channel, EmailChannel):
        if fault := host_fault(channel.host):
            yield place.problem(("host",), *fault)
        for name, text in (("from", channel.from_), ("reply_to", channel.reply_to)):
            if text is not None and (fault := address_fault(text, named=True)):
                yield place.problem((name,), *fault)
        return
    if fault := _base_url_fault(channel.base_url):
        yield place.problem(("base_url",), *fault)
    numbers = [("timeout_seconds", channel.timeout_seconds, 600)]
    if isinstance(channel, WecomAppChannel):
        numbers.append(("duplicate_check_seconds", channel.duplicate_check_seconds, 14400))
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", channel.corpid):
            allowed = "由字母和数字组成，如 ww1234567890abcdef（见管理后台的“企业ID”）"
            yield place.problem(("corpid",), f"{shown(channel.corpid)}不是企业 ID", allowed)
    elif channel.per_minute is not None:
        numbers.insert(0, ("per_minute", channel.per_minute, 6000))
    for name, number, top in numbers:
        if not 1 <= number <= top:
            yield place.problem((name,), f"{name} 是 {number}", f"应为 1–{top}")


def _base_url_fault(text: str) -> Fault | None:
    allowed = "只写协议和主机，如 https://wecom.example.com；企业微信公网版不用写本键"
    match = re.fullmatch(r"(https?)://([^/?#@\s]+?)(:\d{1,5})?((?:/[\w.-]+)*)/?", text)
    if match is None or "webhook" in match[4]:
        # A pasted webhook address carries its key: the value is not shown.
        return "base_url 不是接口的基础地址", allowed, "webhook 的 key 写成密钥，secret 写它的名字"
    host = match[2].strip("[]")
    if host_fault(host):
        return f"{shown(host)}不是主机名", allowed, ""
    if match[1] == "http" and not is_loopback(host):
        return f"与 {host} 的连接不加密", "http:// 只限本机", "请用 https://"
    return None
