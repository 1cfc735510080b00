"""The interface as an application of its own, below ``/api/v1``: its description, its routes, its errors."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from reminder import __version__
from reminder.web.api.bounds import Bounded
from reminder.web.api.caller import Reader
from reminder.web.api.problems import TITLES, TYPE, Problem, handle_problems
from reminder.web.api.routes import ROUTERS
from reminder.web.console.site import Site

ROOT = "/api/v1"
ABOUT = """\
提醒、承担情况、审批和台账，供其他程序读取和登记。权限与网页相同：没有“查看非公开事项”权限的，看不到非公开事项的日期、人员和内容。

- 程序用令牌：请求头 Authorization: Bearer 令牌。令牌由管理员生成：reminder token create 名称 --role viewer。
- 已登录网页的浏览器可直接读取；更改内容还须带请求头 x-csrf-token。
- 时间都带时区；日期写作 2026-06-30。请求内容为 JSON，不超过 16 KB。
- 出错时回答 application/problem+json：title 是哪一类，detail 是具体情况和怎么办。
- 长的列表用 limit 和 cursor 翻页：把上一页的 next 作为下一次的 cursor。
"""
_ERRORS: dict[int, str] = {
    400: "不是 UTF-8 编码的 JSON",
    401: "没有带令牌，也没有登录",
    403: "没有所需的权限",
    404: "不存在，或者不在查看范围内",
    413: "内容过大",
    422: "内容不合要求，没有执行",
    503: "台账暂时不能读写",
}


def add_api(app: FastAPI, site: Site, prefix: str = "") -> None:
    """Put the interface into an application, with the proxy's prefix and without."""
    api = Bounded(create_api(site))
    for path in dict.fromkeys(("", prefix)):
        app.mount(f"{path}{ROOT}", api)


def create_api(site: Site) -> FastAPI:
    """The interface alone."""
    api = _bare()
    api.state.site = site
    api.add_api_route("/openapi.json", _described, include_in_schema=False)
    handle_problems(api)
    return api


def _bare() -> FastAPI:
    api = FastAPI(
        title="提醒系统接口",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in ROUTERS:
        api.include_router(router, responses=_responses())
    return api


def _described(_caller: Reader) -> Response:
    """The description, for whoever may read anything at all."""
    return JSONResponse(description())


@cache
def description() -> dict[str, Any]:
    """The OpenAPI description of the interface."""
    api = _bare()
    found = get_openapi(
        title=api.title,
        version=api.version,
        description=ABOUT,
        routes=api.routes,
        # Relative to where the description lies: right behind any proxy.
        servers=[{"url": "."}],
    )
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    model = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= model.pop("$defs", {}) | {"Problem": model}
    return found


def _responses() -> dict[int | str, dict[str, Any]]:
    content = {TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": f"{TITLES[status]}：{text}", "content": content}
        for status, text in _ERRORS.items()
    }
