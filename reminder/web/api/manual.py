"""The interface's description made ready for a page: subjects, calls, what they take and say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from reminder.web.api.app import description

KINDS: Mapping[str, str] = {
    "string": "文字",
    "integer": "整数",
    "boolean": "true 或 false",
    "array": "列表",
    "object": "对象",
    "null": "null",
}
FORMATS: Mapping[str, str] = {"date": "日期", "date-time": "时间"}
WHERE: Mapping[str, str] = {"path": "地址", "query": "参数", "cookie": "Cookie", "header": "请求头"}


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is taken or said."""

    name: str
    kind: str
    about: str
    required: bool = False
    where: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One call."""

    method: str
    path: str
    title: str
    about: str
    parameters: tuple[Field, ...]
    takes: tuple[Field, ...]
    example: str
    says: str
    """The name of the shape that it answers with."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Calls of one subject."""

    name: str
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """What an answer looks like."""

    name: str
    about: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Manual:
    """All of it."""

    about: str
    subjects: tuple[Subject, ...]
    shapes: tuple[Shape, ...]
    errors: tuple[tuple[str, str], ...]


@cache
def manual() -> Manual:
    """The page's content; the description does not change while the process lives."""
    found = description()
    schemas: Mapping[str, Any] = found["components"]["schemas"]
    subjects: dict[str, list[Call]] = {}
    errors: dict[str, str] = {}
    taken: set[str] = set()
    for path, methods in found["paths"].items():
        for method, call in methods.items():
            subjects.setdefault(call["tags"][0], []).append(_call(method, path, call, schemas))
            errors |= {
                status: each["description"] for status, each in call["responses"].items() if status >= "4"
            }
            taken |= {_body(call).get("$ref", "").rpartition("/")[2]}
    shapes = [
        Shape(name, schema.get("description", ""), tuple(_fields(schema)))
        for name, schema in schemas.items()
        if name not in taken
    ]
    return Manual(
        found["info"]["description"],
        tuple(Subject(name, tuple(calls)) for name, calls in subjects.items()),
        tuple(shapes),
        tuple(sorted(errors.items())),
    )


def _call(method: str, path: str, call: Mapping[str, Any], schemas: Mapping[str, Any]) -> Call:
    body = _body(call)
    schema = schemas.get(body.get("$ref", "").rpartition("/")[2], {})
    good = next(each for status, each in call["responses"].items() if status.startswith("2"))
    return Call(
        method.upper(),
        path,
        call["summary"],
        call.get("description", ""),
        tuple(_parameters(call)),
        tuple(_fields(schema)),
        json.dumps(_example(schema), ensure_ascii=False, indent=2) if schema else "",
        _kind(good["content"]["application/json"]["schema"]),
    )


def _body(call: Mapping[str, Any]) -> Mapping[str, Any]:
    content = call.get("requestBody", {}).get("content", {})
    schema: Mapping[str, Any] = content.get("application/json", {}).get("schema", {})
    return schema


def _parameters(call: Mapping[str, Any]) -> Iterator[Field]:
    for each in call.get("parameters", ()):
        about = each.get("description", "")
        default = each["schema"].get("default")
        if default not in (None, "", False):
            about += f"；默认 {default}"
        where = WHERE[each["in"]]
        yield Field(each["name"], _kind(each["schema"]), about, each.get("required", False), where)


def _fields(schema: Mapping[str, Any]) -> Iterator[Field]:
    required = schema.get("required", ())
    for name, each in schema.get("properties", {}).items():
        yield Field(name, _kind(each), each.get("description", ""), name in required)


def _kind(schema: Mapping[str, Any]) -> str:
    """What a value is, in words: ``日期``, ``Duty 列表``, ``文字 或 null``."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " 或 ".join(dict.fromkeys(_kind(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return "、".join(str(each) for each in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"{_kind(schema.get('items', {}))} 列表"
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    return KINDS.get(str(schema.get("type")), "任意")


def _example(schema: Mapping[str, Any]) -> dict[str, object]:
    """Something that could be sent."""
    return {name: _sample(name, each) for name, each in schema.get("properties", {}).items()}


_SAMPLES: Mapping[str, str] = {
    "occurrence": "quarterly-report/2026Q3",
    "cell": "理论科",
    "person": "p-llk-lly",
    "note": "已收到电子版",
    "remark": "",
    "reason": "集中办公",
    "name": "理论科",
}


def _sample(name: str, schema: Mapping[str, Any]) -> object:
    kinds = [schema, *schema.get("anyOf", ())]
    for each in kinds:
        if "enum" in each:
            return each["enum"][-1] if name == "kind" else each["enum"][0]
        if each.get("format") == "date":
            return "2026-09-28"
        if each.get("type") == "boolean":
            return True
    return _SAMPLES.get(name, "")
