"""What went wrong, as problem JSON (RFC 9457), in Chinese and with what to do; never a trace."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from reminder.errors import ReminderError
from reminder.recording.view import Refused
from reminder.sweep.approving import ApprovalRefused

log = logging.getLogger(__name__)

TYPE = "application/problem+json"
TITLES: Mapping[int, str] = {
    400: "请求不完整",
    401: "没有登录",
    403: "没有权限",
    404: "没有找到",
    405: "不能这样用",
    408: "没有传完",
    413: "内容过大",
    415: "内容类型不对",
    422: "内容不合要求",
    500: "程序内部出错",
    503: "暂时不能完成",
}
_DETAILS = {
    400: "请求的内容不是 UTF-8 编码的 JSON，没有接受",
    404: "没有这个地址，或者所指的内容不存在、不在您的查看范围内；用法见 /api/docs",
    405: "这个地址不支持所用的方法；用法见 /api/docs",
    500: "请把时间和所用的地址告诉维护人员，原因在服务器的日志中",
}
_WORDS = {
    "missing": "缺少这一项",
    "json_invalid": "不是完整的 JSON",
    "extra_forbidden": "没有这一项，请删去",
    "string_too_long": "太长，最多 {max_length} 个字符",
    "string_too_short": "太短，至少 {min_length} 个字符",
    "string_type": "应为文字",
    "string_pattern_mismatch": "写法不对，应合于 {pattern}",
    "int_parsing": "应为整数",
    "int_type": "应为整数",
    "int_from_float": "应为整数",
    "greater_than_equal": "太小，最小为 {ge}",
    "less_than_equal": "太大，最大为 {le}",
    "bool_parsing": "应为 true 或 false",
    "bool_type": "应为 true 或 false",
    "enum": "可用的是 {expected}",
    "literal_error": "可用的是 {expected}",
    "model_attributes_type": "应为 JSON 对象",
    "dict_type": "应为 JSON 对象",
}
_DATES = ("date_", "datetime_", "timezone_")


class Fault(BaseModel):
    """一处不合要求的内容。"""

    model_config = ConfigDict(extra="forbid")

    where: str = Field(description="哪里：query.参数名、body.字段名")
    what: str = Field(description="怎么不合要求")


class Problem(BaseModel):
    """出错时的回答（RFC 9457）。"""

    model_config = ConfigDict(extra="forbid")

    type: str = Field("about:blank", description="固定为 about:blank")
    title: str = Field(description="哪一类问题")
    status: int = Field(description="HTTP 状态码")
    detail: str = Field(description="具体情况，以及怎么办")
    errors: list[Fault] = Field(default_factory=list, description="逐处列出不合要求的内容")


class ApiError(Exception):
    """Ends a request with a problem."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


def not_found(what: str) -> ApiError:
    """Of what is not there, and of what may not be seen: nobody can tell one from the other."""
    return ApiError(404, f"{what}不存在，或者不在您的查看范围内")


def problem(
    status: int, detail: str, errors: Sequence[Fault] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """The answer."""
    found = Problem(
        type="about:blank",
        title=TITLES.get(status, "没有完成"),
        status=status,
        detail=detail,
        errors=list(errors),
    )
    return JSONResponse(found.model_dump(), status, headers=dict(headers or {}), media_type=TYPE)


def no_such_address(status: int) -> Response:
    """The answer for an address below the interface that is none of it."""
    return problem(status, _DETAILS.get(status, TITLES.get(status, "")))


def handle_problems(app: FastAPI) -> None:
    """Have every error of an application end as a problem."""
    app.add_exception_handler(ApiError, _told)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(ApprovalRefused, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ReminderError, _trouble)
    app.add_exception_handler(Exception, _broken)


async def _told(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return problem(error.status, error.detail, headers=error.headers)


async def _refused(_request: Request, error: Exception) -> Response:
    return problem(422, str(error))


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = _DETAILS.get(error.status_code, str(error.detail))
    return problem(error.status_code, detail, headers=error.headers)


async def _unfit(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [Fault(where=_where(each), what=_what(each)) for each in error.errors()]
    return problem(422, "请求中有不合要求的内容，没有执行；各处见 errors", faults)


async def _trouble(request: Request, error: Exception) -> Response:
    log.error("interface in trouble", extra={"path": request.scope["path"], "error": str(error)})
    return problem(503, str(error))


async def _broken(request: Request, error: Exception) -> Response:
    log.error("interface broken", extra={"path": request.scope["path"], "error": type(error).__name__})
    return problem(500, _DETAILS[500])


def _where(fault: Mapping[str, Any]) -> str:
    place, *rest = (str(each) for each in fault["loc"])
    return place if fault["type"] == "json_invalid" else ".".join([place, *rest])


def _what(fault: Mapping[str, Any]) -> str:
    kind, context = str(fault["type"]), fault.get("ctx") or {}
    if kind.startswith(_DATES):
        return "不是这里要的日期或时间；日期写作 2026-06-30，时间写作 2026-06-30T09:00:00+08:00"
    words = _WORDS.get(kind)
    if words is None:
        return "不合要求"
    return words.format_map({key: str(value).replace(" or ", " 或 ") for key, value in context.items()})
