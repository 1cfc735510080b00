"""Who calls: a program by its token, or a browser that is logged in; and whether they may."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from reminder.access.rights import Right, User
from reminder.access.tokens import bearer
from reminder.check import Edition
from reminder.views.look import Look
from reminder.web.api.problems import ApiError
from reminder.web.console.site import SESSION, Site

CSRF = "x-csrf-token"
READING = frozenset(("GET", "HEAD", "OPTIONS"))

_token = HTTPBearer(auto_error=False, scheme_name="token", description="reminder token create 生成的令牌")
_session = APIKeyCookie(
    name=SESSION,
    auto_error=False,
    scheme_name="session",
    description=f"网页控制台的登录；更改内容的请求还须带 {CSRF}，其值见页面表单中的 csrf",
)

RIGHT_TEXT = {
    Right.READ: "查看",
    Right.READ_PRIVATE: "查看非公开事项",
    Right.RECORD: "登记",
    Right.EDIT_PLAN: "编辑计划",
    Right.APPROVE: "审批",
    Right.OPERATE: "操作",
    Right.MANAGE: "管理",
}


@dataclass(frozen=True)
class Caller:
    """Who calls, and their look at everything at this moment."""

    site: Site
    edition: Edition
    user: User
    program: bool

    @cached_property
    def look(self) -> Look:
        return Look(self.user, self.edition, self.site.ledger(), self.site.clock.now())


def _caller(
    request: Request,
    token: Annotated[HTTPAuthorizationCredentials | None, Security(_token)],
    session: Annotated[str | None, Security(_session)],
) -> Caller:
    site: Site = request.app.state.site
    edition, now = site.edition(), site.clock.now()
    if token is not None:
        user = bearer(site.ledger(), edition.plan.id, token.credentials, now)
        if user is None:
            raise _nobody(
                "令牌不对、已过期或已撤销；请管理员执行 reminder token list --all 查看，或另生成一个"
            )
        return Caller(site, edition, user, program=True)
    entered = site.door(edition).who(session or "", now)
    if entered is None:
        raise _nobody("请带上令牌（Authorization: Bearer 令牌），或先登录网页控制台")
    if entered.initial:
        raise ApiError(403, "现在的密码是别人给的：请先登录网页控制台，设置自己的密码；没有执行")
    if request.method not in READING and not hmac.compare_digest(
        request.headers.get(CSRF, "").encode(), entered.csrf.encode()
    ):
        raise ApiError(403, f"登录的浏览器更改内容须带请求头 {CSRF}；没有执行")
    return Caller(site, edition, entered.user, program=False)


def _nobody(detail: str) -> ApiError:
    return ApiError(401, detail, {"www-authenticate": "Bearer"})


def _with(right: Right) -> Callable[[Caller], Caller]:
    def may(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        if not caller.user.may(right):
            raise ApiError(403, f"需要“{RIGHT_TEXT[right]}”的权限；没有执行；请联系管理员")
        return caller

    return may


Reader = Annotated[Caller, Depends(_with(Right.READ))]
Recording = Annotated[Caller, Depends(_with(Right.RECORD))]
Approving = Annotated[Caller, Depends(_with(Right.APPROVE))]
Operating = Annotated[Caller, Depends(_with(Right.OPERATE))]
