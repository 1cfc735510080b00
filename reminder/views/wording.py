"""The plan in words: how often, on which days, for whom.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from types import MappingProxyType

from reminder.agenda.spans import festival_title
from reminder.calendars.workdays import Day
from reminder.messages.filters import date_full, join_cn
from reminder.plan.audience import Audience, Term, TermKind
from reminder.plan.fields import DueKind, DueRule, MonthDay
from reminder.plan.model import Anchor, Duty, Item, Rung
from reminder.plan.when import (
    DEFAULT_DUE_TIME,
    DatesWhen,
    DrawWhen,
    EventWhen,
    EveryWhen,
    FestivalsWhen,
    LunarWhen,
    RruleWhen,
    WindowWhen,
)

KIND_TEXT: Mapping[str, str] = MappingProxyType(
    {"workday": "工作日", "restday": "休息日", "holiday": "放假", "makeup": "调休上班"}
)
UNPUBLISHED = "未公布"
"""In place of a day that was drawn and that nobody may know yet."""
DATES_SHOWN = 3

_PERIODS = {"month": "每月", "quarter": "每季度", "half-year": "每半年", "year": "每年"}
_LAST_MONTH = {"month": "", "quarter": "末月", "half-year": "末月", "year": "12月"}
_FREQUENCIES = {"DAILY": ("每天", "天"), "WEEKLY": ("每周", "周"), "MONTHLY": ("每月", "个月"), "YEARLY": ("每年", "年")}  # fmt: skip
_WEEKDAYS = {"MO": "一", "TU": "二", "WE": "三", "TH": "四", "FR": "五", "SA": "六", "SU": "日"}
_ANCHORS = {
    Anchor.OPENS: ("开始", "开始日"),
    Anchor.MIDPOINT: ("期中", "期中"),
    Anchor.DUE: ("截止", "截止日"),
    Anchor.EVENT: ("当日", "登记的日子"),
    Anchor.BREAK: ("放假", "放假首日"),
    Anchor.PERIOD_START: ("期初", "期初"),
    Anchor.PERIOD_END: ("期末", "期末"),
}
_LUNAR_MONTHS = ("正", "二", "三", "四", "五", "六", "七", "八", "九", "十", "冬", "腊")
_DIGITS = "一二三四五六七八九十"


def cadence(item: Item) -> str:
    """How often an item comes and when it is due: ``每季度，末月10日前``."""
    when = item.spec.when
    match when:
        case FestivalsWhen():
            return f"{'、'.join(festival_title(each) for each in when.festivals)}放假前"
        case EveryWhen():
            return f"{_PERIODS[when.every]}，{_due(when.due, when.every)}{_hour(when.at)}截止"
        case WindowWhen():
            opens, closes = when.window.opens, when.window.closes
            if isinstance(opens, date) and isinstance(closes, date):
                return f"{date_full(opens)}至{date_full(closes)}"
            return f"每年{_month_day(opens)}至{_month_day(closes)}"
        case DatesWhen():
            shown = "、".join(date_full(day) for day in when.days[:DATES_SHOWN])
            more = f"等{len(when.days)}天" if len(when.days) > DATES_SHOWN else ""
            return f"{shown}{more}{_hour(when.at)}"
        case LunarWhen():
            return f"每年农历{_lunar(when.lunar)}"
        case RruleWhen():
            return _rule(when.rrule)
        case EventWhen():
            if not when.due_workdays:
                return "有事即办，在登记的日子截止"
            side = "后" if when.due_workdays > 0 else "前"
            return f"有事即办，登记的日子{side}{abs(when.due_workdays)}个工作日截止"
        case DrawWhen():
            whom = "，抽定一个单位" if when.draw.from_ else ""
            return f"{_PERIODS[when.draw.per]}随机抽取{when.draw.times}天{whom}"


def _due(rule: DueRule, every: str) -> str:
    match rule.kind:
        case DueKind.LAST_WORKDAY:
            return "最后一个工作日"
        case DueKind.FIRST_WORKDAY:
            return "第一个工作日"
        case DueKind.LAST_DAY:
            return "最后一天"
        case DueKind.FIRST_DAY:
            return "第一天"
        case DueKind.DAY:
            return f"{_LAST_MONTH[every]}{rule.day}日"
        case DueKind.MONTH_DAY:
            return f"{rule.month}月{rule.day}日"


def _hour(at: time) -> str:
    return "" if at == DEFAULT_DUE_TIME else f"{at:%H:%M}"


def _month_day(day: MonthDay | date) -> str:
    return f"{day.month}月{day.day}日"


def _lunar(day: MonthDay) -> str:
    tens, ones = divmod(day.day, 10)
    if day.day <= 10:
        number = f"初{_DIGITS[day.day - 1]}"
    elif not ones:
        number = ("二十", "三十")[tens - 2]
    else:
        number = ("十", "廿")[tens - 1] + _DIGITS[ones - 1]
    return f"{_LUNAR_MONTHS[day.month - 1]}月{number}"


def _rule(rule: str) -> str:
    """The common recurrence rules in words, others as they stand."""
    parts = dict(part.partition("=")[::2] for part in rule.upper().removeprefix("RRULE:").split(";"))
    step = parts.pop("INTERVAL", "1")
    frequency = _FREQUENCIES.get(parts.pop("FREQ", ""))
    days = parts.pop("BYDAY", "")
    month_days = parts.pop("BYMONTHDAY", "")
    ended = parts.pop("UNTIL", "") or parts.pop("COUNT", "")
    plain = all(day in _WEEKDAYS for day in days.split(",")) if days else True
    if frequency is None or parts or not plain or (not month_days.replace(",", "").isdigit() and month_days):
        return f"按重复规则 {rule}"
    text = frequency[0] if step == "1" else f"每{step}{frequency[1]}"
    if days:
        text += f"{'' if text.endswith('周') else '周'}{'、'.join(_WEEKDAYS[day] for day in days.split(','))}"
    if month_days:
        text += f"{month_days.replace(',', '、')}日"
    return f"{text}（有截止）" if ended else text


def rung_words(rung: Rung, *, hour: bool = True) -> str:
    """When a rung comes: ``截止前10个工作日 09:00``."""
    at = f" {rung.at:%H:%M}" if hour else ""
    return f"{_rung_day(rung)}{at}{_again(rung)}"


def _rung_day(rung: Rung) -> str:
    if rung.on_day is not None:
        match rung.on_day.kind:
            case DueKind.FIRST_WORKDAY:
                return "期内第一个工作日"
            case DueKind.LAST_WORKDAY:
                return "期内最后一个工作日"
            case _:
                return f"{rung.on_day.day}日"
    assert rung.anchor is not None  # the model asks for one of the two
    offset, unit = (rung.workdays, "个工作日") if rung.workdays is not None else (rung.days or 0, "天")
    assert offset is not None
    before, on = _ANCHORS[rung.anchor]
    if not offset:
        return on
    return f"{before}{'前' if offset < 0 else '后'}{abs(offset)}{unit}"


def _again(rung: Rung) -> str:
    if rung.repeat is None:
        return ""
    every = rung.repeat.every_workdays
    step = f"{every}个工作日" if every is not None else f"{rung.repeat.every_days}天"
    return f"，此后每{step}一次，最多{rung.repeat.at_most}次"


def audience_words(audience: Audience) -> str:
    """Whom a rung means: ``未办结的承担者、机关各科室负责人``."""
    meant = [_term(term) for term in audience if not term.excluded]
    without = [_term(term) for term in audience if term.excluded]
    return "、".join(meant) + (f"（{'、'.join(without)}除外）" if without else "")


def _term(term: Term) -> str:
    match term.kind:
        case TermKind.EVERYONE:
            return "全体人员"
        case TermKind.OWING:
            return "尚未办结的承担者"
        case TermKind.ESCALATION:
            return "其分管领导"
        case TermKind.HEAD:
            return f"{term.name}负责人"
        case TermKind.CONTACT:
            return f"{term.name}联络员"
        case TermKind.UNIT | TermKind.GROUP:
            return f"{term.name}全体"
        case _:
            return term.name


CONDITIONS: Mapping[str, str] = MappingProxyType({"open": "未办结时", "not-booked": "未安排日期时"})
"""What ``if:`` says, in words."""


def duty_words(duty: Duty) -> str:
    """Who owes: ``每个单位各办一次：机关各科室``."""
    if isinstance(duty.of, str):
        return "部务会成员与分管的每位科室负责人各一次"
    what = "单位" if duty.each == "unit" else "人"
    owing = "、".join(_owing(term) for term in duty.of if not term.excluded)
    by = "，由负责人办理" if duty.each == "unit" and duty.by == "head" else ""
    return f"每{'个' if duty.each == 'unit' else ''}{what}各办一次：{owing}{by}"


def _owing(term: Term) -> str:
    return _term(term).removesuffix("全体") if term.kind in (TermKind.UNIT, TermKind.GROUP) else _term(term)


def responsible_words(item: Item) -> tuple[str, str]:
    """(leaders, units) as the notice names them; empty texts for none."""
    who = item.spec.responsible
    return "、".join(who.leaders), "、".join(who.units)


def day_words(day: Day) -> str:
    """What a day is: ``端午节放假``, ``调休上班（国庆节）``, ``工作日``."""
    name = join_cn([festival_title(each) for each in day.name.split("、")], "、") if day.name else ""
    text = KIND_TEXT[day.kind]
    if day.kind == "holiday":
        return f"{name}{text}"
    return f"{text}（{name}）" if name else text


def clause_part(clause: str) -> str:
    """The part of the notice a clause belongs to: ``二（一）`` of ``二（一）3``."""
    return clause[: clause.rfind("）") + 1] or clause
