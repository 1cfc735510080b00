"""Header fields of a mail, assembled by hand so that no folding can change them.

Python's own folding loses or alters long Chinese names and, in 3.13.0, subjects;
encoded-words (RFC 2047) of whole characters, one to a line, leave it nothing to
fold.  Pure; every refusal is a :class:`HeaderError` in Chinese.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from functools import lru_cache

from reminder.channels.errors import HeaderError

_WORD_OCTETS = 39
"""Of text in one encoded-word: 64 characters encoded, so that the longest field
name used here and one word stay within the 76 of RFC 2047 §2."""
_LONGEST_WORD_OCTETS = 45
"""Of text in an encoded-word of 72 characters; RFC 2047 §2 allows 75."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_PLAIN_TEXT = re.compile(r"[!-~]+(?: [!-~]+)*")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9]+(?: [A-Za-z0-9]+)*")
_LINE_CHARACTERS = 60
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_MSG_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A display name, possibly empty, and an address in its wire form."""

    name: str
    address: str


def safe(value: str, field: str) -> str:
    """``value`` itself, if a header may hold it.

    CR, LF, NUL and whatever some reader takes for a line break (U+0085, U+2028)
    would let a value begin a header of its own: RFC 5322 §2.2.
    """
    if bad := _CONTROL.search(value) or _SURROGATE.search(value):
        raise HeaderError(
            f"邮件头“{field}”里有不允许的字符 U+{ord(bad.group()):04X}；"
            "邮件头只能是单行文字，请删去换行、制表符或不可见字符"
        )
    return value


def unstructured(field: str, value: str) -> bytes:
    """A whole field of free text (``Subject``), with its line end."""
    safe(value, field)
    if _PLAIN_TEXT.fullmatch(value) and "=?" not in value and len(value) <= _LINE_CHARACTERS:
        return f"{field}: {value}\r\n".encode("ascii")
    return f"{field}: ".encode("ascii") + _encoded_words(value) + b"\r\n"


def mailbox_field(field: str, mailbox: Mailbox) -> bytes:
    """A whole field of one mailbox (``From``, ``To``, ``Reply-To``), with its line end."""
    safe(mailbox.name, field)
    name, address = mailbox.name.strip(), f"<{wire_address(mailbox.address)}>".encode("ascii")
    if not name:
        return f"{field}: ".encode("ascii") + address[1:-1] + b"\r\n"
    if _PLAIN_NAME.fullmatch(name) and len(name) <= _LINE_CHARACTERS:
        return f"{field}: {name} ".encode("ascii") + address + b"\r\n"
    if _WORD_OCTETS < len(name.encode("utf-8")) <= _LONGEST_WORD_OCTETS:
        # On a line of its own one word still holds it. Python's parser, and whatever is built on it, puts a
        # space between the words of a name, against RFC 2047 §6.2; only longer names have to meet that.
        words = b"\r\n " + _encoded_words(name, _LONGEST_WORD_OCTETS)
    else:
        words = b" " + _encoded_words(name)
    return f"{field}:".encode("ascii") + words + b"\r\n " + address + b"\r\n"


def structured(field: str, value: str) -> bytes:
    """A whole field whose value has a syntax of its own and is ASCII."""
    return f"{field}: {safe(value, field)}\r\n".encode("ascii")


def message_id(value: str) -> str:
    """``value`` itself, if it is one RFC 5322 msg-id with its angle brackets."""
    if not _MSG_ID.fullmatch(value) or value.count("@") != 1:
        raise HeaderError(
            f"“{value[:60]!r}”不能作邮件标识（Message-ID）；应为 <左@右>，只含英文字母、数字和符号"
        )
    return value


def parse_mailbox(text: str) -> Mailbox:
    """``机关党委办公室 <jgdw@example.com>`` or a bare address."""
    safe(text, "地址")
    name, bracket, rest = text.strip().partition("<")
    if bracket:
        address = rest.removesuffix(">")
        name = name.strip().removeprefix('"').removesuffix('"').strip()
        sound = rest.endswith(">") and not re.search(r'[<>"]', name)
    else:
        name, address, sound = "", name, True
    if not sound or re.search(r"[<>]", address):
        raise HeaderError(f"“{text[:60]}”不是邮箱；应为 名称 <name@example.com> 或 name@example.com")
    return Mailbox(name, wire_address(address))


def wire_address(address: str) -> str:
    """An address as SMTP carries it: ASCII, a Chinese domain in its IDNA form.

    A local part outside ASCII would need SMTPUTF8 (RFC 6531) on every server of
    the way, and Python mis-encodes it silently without: refused.
    """
    text = address.strip()
    if not text:
        raise HeaderError("邮箱地址为空；请在通讯录中补上地址，如 name@example.com")
    safe(text, "地址")
    local, at, domain = text.rpartition("@")
    if not at or not local:
        raise HeaderError(f"“{text[:80]}”不是邮箱地址；应含一个 @，如 name@example.com")
    if not local.isascii():
        raise HeaderError(
            f"邮箱地址“{text[:80]}”的 @ 之前有非英文字符；多数邮件服务器不接受，请改用英文邮箱名"
        )
    if not _DOT_ATOM.fullmatch(local) or len(local) > 64:
        raise HeaderError(
            f"邮箱地址“{text[:80]}”的 @ 之前写法不对；只用字母、数字和 . - _ 等符号，不超过 64 个字符"
        )
    ascii_domain = _wire_domain(domain)
    if ascii_domain is None:
        raise HeaderError(f"邮箱地址“{text[:80]}”的域名写法不对；应如 example.com")
    return f"{local}@{ascii_domain}"


@lru_cache(1024)  # an office's people share a few
def _wire_domain(domain: str) -> str | None:
    """In ASCII (IDNA); None if it is none."""
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    labels = ascii_domain.split(".")
    sound = len(ascii_domain) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
    return ascii_domain if sound else None


def _encoded_words(value: str, most: int = _WORD_OCTETS) -> bytes:
    """Encoded-words of whole characters (RFC 2047 §5), one to a line.

    White space between two encoded-words is not part of the text (§6.2).
    """
    whole = value.encode("utf-8")
    if len(whole) <= most:  # as nearly every name is
        return b"=?utf-8?b?" + base64.b64encode(whole) + b"?="
    words: list[bytes] = [b""]
    for character in value:
        octets = character.encode("utf-8")
        if len(words[-1]) + len(octets) > most:
            words.append(b"")
        words[-1] += octets
    return b"\r\n ".join(b"=?utf-8?b?" + base64.b64encode(word) + b"?=" for word in words)
