"""Templates that want out, want everything, or never want to end; deterministic by seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

CANARY = "canary-5d1e"
"""Stands in the environment and in a file; no text may ever hold it."""

# Whether a line stops by time, memory, depth or refusal is nobody's business here: only that it stops.
BOMBS = (
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{% set x = range(99999)|list %}{% endfor %}",
    "{% for a in range(99999) %}{{ range(99999)|sort|length }}{% endfor %}",
    "{% for a in range(10**9) %}x{% endfor %}",
    "{{ 'a' * 10**9 }}",
    "{{ 'a' * 1000 * 1000 * 1000 }}",
    "{{ 'a'.center(999999999)|length }}",
    "{{ 'a'.zfill(99999999999)|length }}",
    "{{ '\\t'.expandtabs(999999999)|length }}",
    "{{ '{:999999999}'.format(1)|length }}",
    "{{ '%999999999d' % 1 }}",
    "{{ 'aaaaaaaaaa'" + "|replace('a','aaaaaaaaaa')" * 11 + "|length }}",
    "{{ range(9)|slice(999999999)|list|length }}",
    "{{ range(99999)|batch(99999999)|list|length }}",
    "{% set x = 'aaaaaaaa' %}" + "{% set x = x ~ x %}" * 40 + "{{ x|length }}",
    "{% set x = [1] %}" + "{% set x = x + x %}" * 40 + "{{ x|length }}",
    "{{ ('x' * 1000).join(range(99999)|map('string'))|length }}",
    "{{ ('a' * 1000)|replace('a', 'b' * 1000)|replace('b', 'c' * 1000)|length }}",
    "{{ ('<' * 1000)|replace('<', '<' * 900)|striptags|length }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{{ m(n ~ n) }}{% endmacro %}{{ m('aa') }}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    '{% include "own/mail.txt.j2" %}',
    '{% import "own/mail.txt.j2" as me with context %}{{ me }}',
    '{% extends "own/mail.txt.j2" %}',
    "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "{{ " + "not " * 3000 + "1 }}",
    "{{ item" + ".a" * 3000 + " }}",
    "{{ 'a'" + "|upper" * 3000 + " }}",
    "{{ 1" + "0" * 5000 + " }}",
    "{% if 1 %}" * 1000 + "{% endif %}" * 1000,
    "{% for a in [1] %}" * 30 + "{% endfor %}" * 30,
    "{% set v = 1 %}" * 9000,
    "{{ item.title }}" * 9000,
)
ESCAPES = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ item.__class__.__base__ }}",
    "{{ variant.__globals__ }}",
    "{{ variant.__code__.co_consts }}",
    "{{ range.__self__ }}",
    "{{ self._TemplateReference__context.environment }}",
    "{{ self.__init__.__globals__.os.environ }}",
    "{{ '{0.__class__.__mro__}'.format(item) }}",
    "{{ '{a[__class__]}'.format_map({'a': item}) }}",
    "{{ item|attr('__class__') }}",
    "{{ [item]|map(attribute='__class__')|list }}",
    "{{ [item]|selectattr('__class__.__name__', 'equalto', 'dict')|list }}",
    "{{ cells.append(1) }}",
    "{{ item.update({'title': 'x'}) }}",
    "{{ item.pop('title') }}",
    "{{ today.__reduce__() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'].environ }}",
    "{{ namespace.__init__ }}",
    "{{ get_flashed_messages }}{{ config }}{{ request }}",
    '{% include "../../../../etc/passwd" %}',
    '{% include "/etc/passwd" %}',
    '{% include "/proc/self/environ" %}',
    "{% include item.title %}",
    '{% import "os" as os %}{{ os.environ }}',
    "{% from 'sys' import modules %}{{ modules }}",
    "{{ 'x'.encode('idna') }}{{ 'x'.encode('zlib_codec') }}",
    "{{ \"\\0\" }}{{ '\\ud800' }}{{ '\\u2028' }}",
    "{% set loop = 1 %}{% set self = 2 %}{{ caller() }}",
    "{% call item() %}{% endcall %}",
    "{% filter upper %}{% raw %}{{ {% endraw %}{% endfilter %}",
    "{# {{ 1 }} #}{% block b scoped required %}{% endblock %}",
    "{% autoescape false %}{{ item.title }}{% endautoescape %}",
    "{% do item.clear() %}",
    "{% trans %}x{% endtrans %}",
    "{% debug %}",
)

_NUMBERS = (
    "0",
    "-1",
    "7",
    "99999",
    "100000",
    "999999999",
    "99999999999999999999",
    "1e9",
    "2.5",
    "true",
    "''",
)
_FILES = ("subject.j2", "mail.txt.j2", "mail.html.j2", "wecom.md.j2")


@dataclass(frozen=True)
class Hostile:
    """One template: in which of its files the attack stands, and the attack."""

    file: str
    text: str


def hostile_templates(count: int, seed: int = 2026) -> list[Hostile]:
    """Every pattern once, then mutations of them."""
    random_ = random.Random(seed)
    made = [Hostile("mail.txt.j2", text) for text in (*ESCAPES, *BOMBS)]
    random_.shuffle(made)  # a sample holds some of each
    while len(made) < count:
        text = random_.choice(BOMBS + ESCAPES)
        for _ in range(random_.randint(1, 3)):
            text = random_.choice(_MUTATIONS)(text, random_)
        made.append(Hostile(random_.choice(_FILES), text))
    return made[:count]


def _number(text: str, random_: random.Random) -> str:
    """Another number where one stands."""
    places = [index for index, sign in enumerate(text) if sign.isdigit()]
    if not places:
        return text
    start = random_.choice(places)
    end = start
    while end < len(text) and text[end].isdigit():
        end += 1
    while start and text[start - 1].isdigit():
        start -= 1
    return text[:start] + random_.choice(_NUMBERS) + text[end:]


def _wrap(text: str, random_: random.Random) -> str:
    before, after = random_.choice(
        [
            ("{% if item %}", "{% endif %}"),
            ("{% for z in [1, 2] %}", "{% endfor %}"),
            ("{% set s %}", "{% endset %}{{ s|length }}"),
            ("{% macro w() %}", "{% endmacro %}{{ w() }}{{ w() }}"),
            ("{% filter upper %}", "{% endfilter %}"),
            ("{% with q = 1 %}", "{% endwith %}"),
            ("{% call(x) say() %}", "{% endcall %}"),
            ("{# ", " #}"),
            ("{% raw %}", "{% endraw %}"),
        ]
    )
    return before + text + after


def _drop(text: str, random_: random.Random) -> str:
    start = random_.randrange(len(text) + 1)
    return text[:start] + text[start + random_.randint(1, 4) :]


def _insert(text: str, random_: random.Random) -> str:
    signs = [
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "'",
        '"',
        "|",
        "~",
        "**",
        "(",
        ")",
        "[",
        "“",
        "：",
        "\0",
        "\r\n",
        "-%}",
    ]
    start = random_.randrange(len(text) + 1)
    return text[:start] + random_.choice(signs) + text[start:]


def _double(text: str, _random: random.Random) -> str:
    return text + text if len(text) < 50_000 else text


def _join(text: str, random_: random.Random) -> str:
    return text + "\n" + random_.choice(ESCAPES)


def _hide(text: str, _random: random.Random) -> str:
    """Reached only when a name of the context says so."""
    return "{% if item.title|length > 1 %}" + text + "{% else %}" + text + "{% endif %}"


_MUTATIONS: tuple[Callable[[str, random.Random], str], ...] = (
    _number,
    _number,
    _wrap,
    _drop,
    _insert,
    _double,
    _join,
    _hide,
)
