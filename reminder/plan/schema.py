"""The JSON Schema of a plan file, generated from the types that read it.

Editors complete and check with it while the clerk types; the loader remains
the judge, because names, dates and audiences are beyond a schema.  It describes
one file of the folder, so every top-level key may be missing.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from reminder.plan.model import PlanHead, RungSpec
from reminder.plan.sections import LISTS, TOP_LEVEL

_SECTION_HELP = {
    "plan": "计划本身：编号、标题、起止日期、单位。恰有一个文件写它",
    "items": "事项，每项对应通知的一条",
    "ladders": "提醒阶梯：名称，下面列出各档",
    "units": "单位",
    "groups": "单位分组",
    "posts": "职务",
    "people": "人员",
    "holdings": "任职：谁在什么时间任什么职务",
    "supervision": "分管：哪个职务分管哪个单位",
    "deputies": "代理：谁在什么时间代谁",
    "channels": "通道：消息从哪里发出",
}
_HELP = {
    "id": "编号，定下后不改；改了要在 was 里写旧编号",
    "was": "以前的编号",
    "clause": "通知的条款编号，如 二（三）1",
    "basis": "明：通知写明；拟：由本单位拟定",
    "title": "标题",
    "brief": "做什么，一两句话",
    "done_when": "怎样算办结",
    "responsible": "责任领导和责任单位",
    "leaders": "责任领导的职务",
    "private": "true：不公开，只逐人发送",
    "alone": "true：不与其他消息合并",
    "when": "什么时候：只写一种周期",
    "duty": "谁承担",
    "each": "按单位（unit）、个人（person）或分管关系（pair）承担",
    "escalate_to": "提请谁关注，代替分管领导；each: pair 时代替 plan.in_charge",
    "by": "由单位的联络员（contact，默认）还是负责人（head）办理",
    "on_rotation": "轮岗后新承担者至少有几个工作日，默认 20；next-period 为本期不计",
    "gate": "true：须在截止日或之前办，晚于截止日的不能登记为办结",
    "in_charge": "非公开事项由哪个职务掌握：可见名单，也是谈话逾期提请关注的对象",
    "approvers": "涉及部领导的提请关注由谁审批",
    "daily_cap": "每人每天最多几条消息，默认 3；超出的顺延到下一个工作日",
    "approval": "发送前由谁审核、何时审核",
    "via": "通道的编号，每行一个；或写 first、else 两个键：首选通道没有送到的人改用 else",
    "ladder": "引用 ladders 里的一个阶梯",
    "remind": "本项自己的提醒，每档一项",
    "template": "消息模板的名称",
    "collect_with": "并入哪一项汇总，不单独提醒",
    "from": "起始日，或提醒的起算点",
    "until": "截止日（含）",
    "workdays": "工作日数，负数在前、正数在后；0 为当日或此前最近的工作日",
    "days": "自然日数，负数在前、正数在后",
    "on_day": "周期内某日：1–31、first-workday、last-workday",
    "at": "时刻，如 09:00",
    "to": "受众：everyone、owing、escalation，或 unit:名称、post:名称等",
    "repeat": "办结之前重复提醒",
    "if": "条件：open 未办结，not-booked 未安排",
    "every": "周期",
    "due": "截止：last-workday、first-workday、last-day、first-day、日，或 06-30（仅 year）",
    "window": "从一日到另一日：06-15（每年）或 2026-06-15（仅当年）",
    "festivals": "节日",
    "lunar": "农历月日，如 9/9",
    "rrule": "RFC 5545 规则，如 FREQ=MONTHLY;BYDAY=2TU",
    "event": "事件名称，登记时触发",
    "draw": "在周期内随机抽一个工作日",
    "timezone": "时区，默认 Asia/Shanghai",
    "admins": "有异常告知谁",
    "mailbox": "接收报送和答复的邮箱",
    "sign_off": "落款",
    "secret": "密钥的名字（如 SMTP_PASSWORD），不是密钥本身",
    "head": "负责人职务",
    "contact": "联络员",
    "acting": "true：代理、主持工作",
    "first": "首选的通道",
    "else": "首选通道没有送到的人改用的通道",
    "corpid": "企业 ID，见企业微信管理后台",
    "agentid": "应用的 AgentId，见企业微信管理后台",
    "format": "markdown，或 text（在微信插件里也能显示）",
    "duplicate_check_seconds": "服务器在多少秒内丢弃重复的同一条消息，1–14400，默认 1800",
    "mail": "邮箱地址",
    "wecom": "企业微信 userid",
    "network": "internet（默认）：非公开事项只写有事待办、何时之前、向谁了解；intranet：单位内网，可写明内容",
    "quiet": "静默时段，如 21:30-07:30：其间到期的消息推迟到结束时发；通道里写的优先，写 none 则该通道不设",
    "uncertain": "结果不明时：resend 重发（默认），hold 等人工决定",
    "per_minute": "每分钟最多发多少次（重试也计入）",
    "per_hour": "每小时最多发多少次（重试也计入）",
    "per_day": "任意 24 小时内最多发多少次（重试也计入）",
    "tls": "implicit：连接即加密；starttls：先连接后加密；none：不加密，仅限本机和 allow_networks 所列网段",
    "allow_networks": "服务器或代理所在的内网网段，如 10.0.0.0/8；公网服务器不必写",
    "ca_file": "另外信任的证书颁发机构（PEM 文件），相对于本文件夹的路径",
    "proxy": "代理，如 http://proxy.example.com:3128；不写用户名和密码",
    "proxy_secret": "代理登录的密钥名字，其值为 用户名:密码",
}
_HELP_OF = {
    ("EmailChannel", "from"): "发件人：地址，或 名称 <地址>",
    ("EmailChannel", "id"): "通道的编号，计划的 via 里写它",
    ("WecomRobotChannel", "id"): "通道的编号，计划的 via 里写它",
    ("WecomAppChannel", "id"): "通道的编号，计划的 via 里写它",
    ("DrawSpec", "from"): "从哪个单位或分组里抽",
    ("Duty", "of"): "承担者；each: pair 时写 supervision（分管关系）",
    ("PlanHead", "from"): "计划的起始日",
    ("PlanHead", "until"): "计划的截止日（含）",
    ("PlanHead", "via"): "事项没有写 via 时用的通道",
    ("PlanHead", "festivals"): "法定节日以外的节日",
    ("RungSpec", "from"): "起算点：opens 开始、midpoint 中点、due 截止、event 事件、break 放假",
    ("Approval", "by"): "由谁审批",
    ("Approval", "from"): "起算点：due 截止、break 放假等",
    ("Approval", "rungs"): "哪几档提醒须审批（写编号）；不写为全部",
    ("Office", "contact"): "联系人或联系部门",
    ("ExtraFestival", "date"): "公历月日，如 03-08",
}


def json_schema() -> dict[str, Any]:
    """The schema of one plan file (JSON Schema 2020-12), the same at every call."""
    definitions: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for name in TOP_LEVEL:
        if name == "plan":
            properties[name] = _schema_of(PlanHead, definitions)
        elif name == "ladders":
            rungs = {"type": "array", "minItems": 1, "items": _schema_of(RungSpec, definitions)}
            properties[name] = {"type": "object", "additionalProperties": rungs}
        else:
            properties[name] = {"type": "array", "items": _schema_of(LISTS[name], definitions)}
        properties[name]["description"] = _SECTION_HELP[name]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "提醒计划",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """The schema as it is committed beside the plan."""
    return json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"


def _schema_of(model: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a model; what it refers to goes to ``definitions``."""
    schema: dict[str, Any] = TypeAdapter(model).json_schema(by_alias=True)
    for name, definition in schema.pop("$defs", {}).items():
        definitions[name] = _for_clerks(definition, name)
    if not isinstance(model, type):
        return _for_clerks(schema, "")
    definitions[model.__name__] = _for_clerks(schema, model.__name__)
    return {"$ref": f"#/$defs/{model.__name__}"}


def _for_clerks(schema: dict[str, Any], model: str) -> dict[str, Any]:
    """Without English titles, docstrings and defaults; with a Chinese word for each key."""
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("title", "description", "default", "discriminator"):
            continue
        if key == "properties":
            kept[key] = {
                name: _described(name, _for_clerks(each, model), model) for name, each in value.items()
            }
        elif isinstance(value, dict):
            kept[key] = _for_clerks(value, model)
        elif isinstance(value, list):
            kept[key] = [_for_clerks(each, model) if isinstance(each, dict) else each for each in value]
        else:
            kept[key] = value
    return kept


def _described(key: str, schema: dict[str, Any], model: str) -> dict[str, Any]:
    without_null = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(without_null) == 1:
        # An empty value is an error, so null is never offered.
        schema = {name: value for name, value in schema.items() if name != "anyOf"} | without_null[0]
    words = _HELP_OF.get((model, key)) or _HELP.get(key)
    return schema | ({"description": words} if words else {})
