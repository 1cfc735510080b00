"""The scalar fields of the YAML files: every scalar arrives as text.

Each type says itself what it allows, in Chinese, through
``PydanticCustomError``: the loader only adds the place.  The JSON schema beside
each type is what editors complete and check.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, time
from typing import Annotated, Any

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from reminder.plan.identifier import is_identifier


def fault(found: str, allowed: str, hint: str = "") -> PydanticCustomError:
    """An error whose three parts the loader puts into a ``Problem``."""
    return PydanticCustomError(
        "field",
        "{found}",
        {"found": found, "allowed": allowed, "hint": hint},
    )


def shown(value: object) -> str:
    """A value as it stood in the file, short enough for an error line."""
    if isinstance(value, dict):
        return "一个映射（键: 值）"
    if isinstance(value, list):
        return "一个列表"
    if isinstance(value, bool):
        return f"“{str(value).lower()}”"
    text = str(value)
    return f"“{text[:40]}…”" if len(text) > 41 else f"“{text}”"


def _text(value: object, what: str) -> str:
    if isinstance(value, bool):
        raise fault(f"{shown(value)}是真假值，不是{what}", f"应为{what}", "如确为文字，请加英文引号")
    if not isinstance(value, str):
        raise fault(f"此处是{shown(value)}", f"应为{what}")
    return value.strip()


def _line(value: object) -> str:
    text = _text(value, "文字")
    if not text:
        raise fault("此处为空", "应为文字")
    # Control characters and line separators end up in mail headers: RFC 5322 §2.2.
    if bad := re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text):
        raise fault(f"文字里有控制字符 U+{ord(bad.group()):04X}", "应为单行文字", "请删去换行或不可见字符")
    return text


def _prose(value: object) -> str:
    text = _text(value, "文字")
    if not text:
        raise fault("此处为空", "应为文字")
    if bad := re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text):
        raise fault(f"文字里有控制字符 U+{ord(bad.group()):04X}", "应为文字", "请删去不可见字符")
    return text


def _identifier(value: object) -> str:
    text = _line(value)
    if not is_identifier(text):
        raise fault(
            f"{shown(text)}不能作编号",
            "编号由汉字、字母、数字和 - _ . 组成，不超过 80 个字符，不含空格、冒号、斜杠和 #",
        )
    return text


_COMPUTED = re.compile(r"[a-z-]+\+\d+w?d")


def _former_rung(value: object) -> str:
    text = _line(value)
    return text if _COMPUTED.fullmatch(text) else _identifier(value)


def _date(value: object) -> date:
    text = _text(value, "日期")
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise fault(f"没有 {text} 这一天", "日期写作 2026-06-30") from None
    raise fault(f"{shown(text)}不是日期", "日期写作 2026-06-30")


def _time(value: object) -> time:
    text = _text(value, "时刻")
    if match := re.fullmatch(r"(\d{2}):(\d{2})", text):
        hour, minute = int(match[1]), int(match[2])
        if hour < 24 and minute < 60:
            return time(hour, minute)
        raise fault(f"没有 {text} 这个时刻", "时刻写作 09:00，从 00:00 到 23:59")
    hint = "小时须写两位，如 09:00" if re.fullmatch(r"\d:\d{2}", text) else ""
    raise fault(f"{shown(text)}不是时刻", "时刻写作 09:00（24 小时制）", hint)


def _integer(value: object) -> int:
    text = _text(value, "整数")
    if re.fullmatch(r"[+-]?\d{1,6}", text):
        return int(text)
    raise fault(f"{shown(text)}不是整数", "应为整数，如 -5、0、+3")


def _app_number(value: object) -> int:
    text = _text(value, "整数")
    if re.fullmatch(r"[1-9]\d{0,9}", text):
        return int(text)
    raise fault(f"{shown(text)}不是应用编号", "应为正整数，如 1000002（见管理后台的 AgentId）")


MAX_DAYS = 366
MAX_WORKDAYS = 250
"""How far a reminder may lie from its anchor: a year.  The sweep looks no further
back than 400 days before the plan begins, and a date must not leave the calendar."""


def _offset(value: object, most: int, unit: str) -> int:
    number = _integer(value)
    if abs(number) > most:
        raise fault(f"相差 {number} 个{unit}，超过一年", f"应为 -{most} 至 +{most}")
    return number


def _days(value: object) -> int:
    return _offset(value, MAX_DAYS, "自然日")


def _workdays(value: object) -> int:
    return _offset(value, MAX_WORKDAYS, "工作日")


def _list_of(one: Callable[[object], int]) -> Callable[[object], tuple[int, ...]]:
    def offsets(value: object) -> tuple[int, ...]:
        values = value if isinstance(value, list) else [value]
        if not values:
            raise fault("列表是空的", "至少一个整数，如 -5")
        return tuple(one(each) for each in values)

    return offsets


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise fault(f"{shown(value)}不是真假值", "只能写 true 或 false")


_INTEGER_SCHEMA = {"type": ["integer", "string"], "pattern": r"^[+-]?\d+$"}

Line = Annotated[str, BeforeValidator(_line), WithJsonSchema({"type": "string", "minLength": 1})]
"""One line of text, without control characters: safe in a mail header."""
Prose = Annotated[str, BeforeValidator(_prose), WithJsonSchema({"type": "string", "minLength": 1})]
"""Text of one or more lines."""
Identifier = Annotated[str, BeforeValidator(_identifier), WithJsonSchema({"type": "string", "minLength": 1})]
"""A name that other places refer to, and that the ledger keeps."""
FormerRung = Annotated[str, BeforeValidator(_former_rung), WithJsonSchema({"type": "string", "minLength": 1})]
"""An identifier, or one that was made of anchor and offset: ``due+3wd`` has a sign that no other has."""
Date = Annotated[date, BeforeValidator(_date), WithJsonSchema({"type": "string", "format": "date"})]
TimeOfDay = Annotated[
    time, BeforeValidator(_time), WithJsonSchema({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d$"})
]
"""Minutes precise, in the plan's time zone."""
Integer = Annotated[int, BeforeValidator(_integer), WithJsonSchema(_INTEGER_SCHEMA)]
AppNumber = Annotated[
    int,
    BeforeValidator(_app_number),
    WithJsonSchema({"type": ["integer", "string"], "pattern": r"^[1-9]\d*$"}),
]
"""The AgentId of a WeCom app: an integer that is longer than others."""
_OFFSETS_SCHEMA = WithJsonSchema(
    {"oneOf": [_INTEGER_SCHEMA, {"type": "array", "items": _INTEGER_SCHEMA, "minItems": 1}]}
)
Days = Annotated[int, BeforeValidator(_days), WithJsonSchema(_INTEGER_SCHEMA)]
"""An offset in calendar days, at most a year."""
Workdays = Annotated[int, BeforeValidator(_workdays), WithJsonSchema(_INTEGER_SCHEMA)]
"""An offset in working days, at most a year."""
DayOffsets = Annotated[tuple[int, ...], BeforeValidator(_list_of(_days)), _OFFSETS_SCHEMA]
"""One offset in calendar days or a list of them."""
WorkdayOffsets = Annotated[tuple[int, ...], BeforeValidator(_list_of(_workdays)), _OFFSETS_SCHEMA]
"""One offset in working days or a list of them."""


def _grace(value: object) -> int | str:
    if value == "next-period":
        return "next-period"
    number = _integer(value)
    if not 0 <= number <= MAX_WORKDAYS:
        raise fault(
            f"宽限 {number} 个工作日，超出范围", f"应为 0 至 {MAX_WORKDAYS}，或 next-period（下一周期再算）"
        )
    return number


Grace = Annotated[
    int | str,
    BeforeValidator(_grace),
    WithJsonSchema({"oneOf": [_INTEGER_SCHEMA, {"const": "next-period"}]}),
]
"""Working days of grace, or ``next-period``."""
Flag = Annotated[bool, BeforeValidator(_boolean), WithJsonSchema({"type": "boolean"})]


@dataclass(frozen=True, slots=True)
class MonthDay:
    """A day of the solar year, or of the lunar one (``9/9``)."""

    month: int
    day: int

    def __str__(self) -> str:
        return f"{self.month:02d}-{self.day:02d}"

    def __iter__(self) -> Iterator[int]:
        """Month and day, to be given as arguments."""
        return iter((self.month, self.day))


def _month_day(value: object) -> MonthDay:
    text = _text(value, "月日")
    if match := re.fullmatch(r"(\d{2})-(\d{2})", text):
        month, day = int(match[1]), int(match[2])
        try:
            date(2024, month, day)  # a leap year: 02-29 is a day of some years
        except ValueError:
            raise fault(f"没有 {text} 这一天", "月日写作 06-30") from None
        return MonthDay(month, day)
    raise fault(f"{shown(text)}不是月日", "月日写作 06-30")


def _day_of_window(value: object) -> date | MonthDay:
    text = _text(value, "日期")
    if re.fullmatch(r"\d{2}-\d{2}", text):
        return _month_day(text)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return _date(text)
    raise fault(f"{shown(text)}不是日期", "写作 06-30（每年）或 2026-06-30（仅当年）")


def _lunar_day(value: object) -> MonthDay:
    text = _text(value, "农历月日")
    if match := re.fullmatch(r"(\d{1,2})/(\d{1,2})", text):
        month, day = int(match[1]), int(match[2])
        if 1 <= month <= 12 and 1 <= day <= 30:
            return MonthDay(month, day)
    raise fault(f"{shown(text)}不是农历月日", "农历月日写作 9/9（月在前），月 1–12，日 1–30，不含闰月")


SolarDay = Annotated[
    MonthDay, BeforeValidator(_month_day), WithJsonSchema({"type": "string", "pattern": r"^\d{2}-\d{2}$"})
]
WindowDay = Annotated[
    date | MonthDay,
    BeforeValidator(_day_of_window),
    WithJsonSchema({"type": "string", "pattern": r"^(\d{4}-)?\d{2}-\d{2}$"}),
]
LunarDay = Annotated[
    MonthDay, BeforeValidator(_lunar_day), WithJsonSchema({"type": "string", "pattern": r"^\d{1,2}/\d{1,2}$"})
]


class DueKind(enum.StrEnum):
    """How a period's due date is found."""

    LAST_WORKDAY = "last-workday"
    FIRST_WORKDAY = "first-workday"
    LAST_DAY = "last-day"
    FIRST_DAY = "first-day"
    DAY = "day"
    """A day of the period's last month; a shorter month gives its last day."""
    MONTH_DAY = "month-day"
    """A day of the year; only for yearly items."""


@dataclass(frozen=True, slots=True)
class DueRule:
    """``last-workday``, ``15`` (of the period's last month) or ``06-30`` (of the year)."""

    kind: DueKind
    day: int = 0
    month: int = 0

    def __str__(self) -> str:
        if self.kind is DueKind.DAY:
            return str(self.day)
        if self.kind is DueKind.MONTH_DAY:
            return f"{self.month:02d}-{self.day:02d}"
        return self.kind.value


_DUE_WORDS = [DueKind.LAST_WORKDAY, DueKind.FIRST_WORKDAY, DueKind.LAST_DAY, DueKind.FIRST_DAY]
_DUE_ALLOWED = "可用：" + "、".join(kind.value for kind in _DUE_WORDS) + "、1–31（日）、06-30（仅 year）"


def _due_rule(value: object) -> DueRule:
    text = _text(value, "截止规则")
    if text in _DUE_WORDS:
        return DueRule(DueKind(text))
    if re.fullmatch(r"\d{1,2}", text) and 1 <= int(text) <= 31:
        return DueRule(DueKind.DAY, day=int(text))
    if re.fullmatch(r"\d{2}-\d{2}", text):
        month_day = _month_day(text)
        return DueRule(DueKind.MONTH_DAY, day=month_day.day, month=month_day.month)
    raise fault(f"{shown(text)}不是截止规则", _DUE_ALLOWED, did_you_mean(text, [k.value for k in _DUE_WORDS]))


Due = Annotated[DueRule, BeforeValidator(_due_rule), WithJsonSchema({"type": ["string", "integer"]})]


@dataclass(frozen=True, slots=True)
class OnDay:
    """``15``, ``first-workday`` or ``last-workday`` of an occurrence's period or window."""

    kind: DueKind
    day: int = 0

    def __str__(self) -> str:
        return f"day-{self.day}" if self.kind is DueKind.DAY else self.kind.value


def _on_day(value: object) -> OnDay:
    text = _text(value, "日")
    if text in (DueKind.FIRST_WORKDAY, DueKind.LAST_WORKDAY):
        return OnDay(DueKind(text))
    if re.fullmatch(r"\d{1,2}", text) and 1 <= int(text) <= 31:
        return OnDay(DueKind.DAY, int(text))
    raise fault(f"{shown(text)}不是可用的日", "可用：1–31、first-workday、last-workday")


DayOfPeriod = Annotated[OnDay, BeforeValidator(_on_day), WithJsonSchema({"type": ["string", "integer"]})]


def did_you_mean(word: str, words: list[str]) -> str:
    """「是否想写 …」 for the nearest allowed word, or nothing."""
    import difflib

    near = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    if not near:
        near = [each for each in words if word and (word in each or each in word)][:1]
    return f"是否想写“{near[0]}”？" if near else ""


@dataclass(frozen=True, slots=True)
class OneOf:
    """A closed set of words: checked here, and listed in the JSON schema for editors."""

    words: tuple[str, ...]
    what: str

    def check(self, value: Any) -> str:
        text = _text(value, self.what)
        if text not in self.words:
            hint = did_you_mean(text, list(self.words))
            raise fault(f"{shown(text)}不是{self.what}", "可用：" + "、".join(self.words), hint)
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "enum": list(self.words)}


def one_of(words: list[str], what: str) -> OneOf:
    """A validator for a closed set of words, with the nearest one suggested."""
    return OneOf(tuple(words), what)
