"""设置 › 用户: who may log in, who came to the door, and one's own password."""

from __future__ import annotations

from fastapi import Response
from starlette.exceptions import HTTPException

from reminder.access.login import INITIAL_LASTS, SHORTEST_PASSWORD, LoginRefused, WeakPassword
from reminder.access.rights import RIGHTS_OF, ROLE_TEXT, Right, Role
from reminder.access.users import AccountRefused, Users
from reminder.views import settings as views
from reminder.web.console.ask import Ask, Method, Route

ROLE_ABOUT = {
    Role.VIEWER: "看全部公开的内容",
    Role.EDITOR: "登记办结、改计划",
    Role.APPROVER: "审批（还须是该项的审批人）",
    Role.ADMIN: "发送、通道、静默、账户",
    Role.AUDITOR: "看全部，包括非公开事项；什么也不能改",
}
assert ROLE_ABOUT.keys() == RIGHTS_OF.keys()


def show(ask: Ask) -> Response:
    """The accounts."""
    return _page(ask)


def _page(ask: Ask, refused: str = "", status: int = 200, given: str = "", password: str = "") -> Response:
    _only_for_those_who_may(ask)
    shown = views.users(ask.look)
    known = {each.account.user for each in shown}
    directory = ask.look.edition.plan.directory
    return ask.page(
        "settings_users",
        status,
        accounts=shown,
        people=[
            (each.id, each.name)
            for each in directory.people
            if each.id not in known and each.holds(ask.look.today)
        ],
        roles=[(str(role), ROLE_TEXT[role], ROLE_ABOUT[role]) for role in Role],
        refused=refused,
        given=given,
        given_name=ask.look.name_of(given),
        password=password,
        lasts=INITIAL_LASTS.days,
    )


def invite(ask: Ask) -> Response:
    """A new account with a first password, which this answer shows once."""
    user = ask.form.get("user", "")
    if ask.look.edition.plan.directory.person(user) is None:
        return _page(ask, "请从名录中选一个人；没有建立账户", 422)
    try:
        password = _users(ask).invite(
            user, ask.many.get("role", ()), private="private" in ask.form, by=_me(ask), now=ask.look.now
        )
    except AccountRefused as error:
        return _page(ask, str(error), 422)
    return _page(ask, given=user, password=password)


def change(ask: Ask) -> Response:
    """Change an account, or give it another first password."""
    user = ask.params["user"]
    try:
        if ask.form.get("action") == "reset":
            password = _users(ask).reset(user, by=_me(ask), now=ask.look.now)
            return _page(ask, given=user, password=password)
        _users(ask).change(
            user,
            ask.many.get("role", ()),
            private="private" in ask.form,
            disabled="disabled" in ask.form,
            by=_me(ask),
            now=ask.look.now,
        )
    except AccountRefused as error:
        return _page(ask, str(error), 422)
    return ask.redirect("settings/users", "user-changed")


def logins(ask: Ask) -> Response:
    """Who came to the door."""
    _only_for_those_who_may(ask)
    return ask.page("settings_logins", logins=views.logins(ask.look))


def password(ask: Ask, refused: str = "", status: int = 200) -> Response:
    """The form for one's own password."""
    return ask.page(
        "settings_password",
        status,
        initial=ask.entered.initial,
        refused=refused,
        shortest=SHORTEST_PASSWORD,
    )


def change_password(ask: Ask) -> Response:
    """Set one's own password; every session of it ends."""
    form = ask.form
    if form.get("new", "") != form.get("again", ""):
        return password(ask, "两次写的新密码不一样，没有修改", 422)
    door = ask.site.door(ask.look.edition)
    try:
        door.change_password(_me(ask), form.get("current", ""), form.get("new", ""), ask.look.now)
    except LoginRefused as error:
        return password(ask, str(error), 429 if error.locked else 422)
    except WeakPassword as error:
        return password(ask, str(error), 422)
    return ask.redirect("login", "password-set")


def _users(ask: Ask) -> Users:
    look = ask.look
    directory = look.edition.plan.directory
    return Users(look.ledger, look.plan_id, lambda user: directory.belongs(user, look.today))


def _me(ask: Ask) -> str:
    return ask.entered.user.id


def _only_for_those_who_may(ask: Ask) -> None:
    if not views.may_see_users(ask.look):
        raise HTTPException(403, "账户和登录记录只给管理员和审计看")


ROUTES = (
    Route(Method.GET, "/settings/users", Right.READ, show),
    Route(Method.POST, "/settings/users", Right.MANAGE, invite),
    Route(Method.POST, "/settings/users/{user}", Right.MANAGE, change),
    Route(Method.GET, "/settings/logins", Right.READ, logins),
    Route(Method.GET, "/settings/password", Right.READ, password),
    Route(Method.POST, "/settings/password", Right.READ, change_password),
)
