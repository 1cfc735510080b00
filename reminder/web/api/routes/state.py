"""Who calls, how the daemon is, what the year looks like."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path

from reminder.status import NoStatus, status_of
from reminder.views.agenda import first_alarm
from reminder.views.look import Look
from reminder.views.year import year_of, years_shown
from reminder.web.api.caller import Reader
from reminder.web.api.models import Day, Health, Me, Year
from reminder.web.api.problems import not_found

router = APIRouter(tags=["系统"])

AHEAD = timedelta(days=366)


@router.get("/users/me", summary="调用者是谁")
def me(caller: Reader) -> Me:
    """当前令牌或登录的身份、角色和权限。"""
    look, user = caller.look, caller.user
    head = look.edition.plan.head
    return Me(
        id=user.id,
        name=look.name_of(user.id),
        kind="program" if caller.program else "person",
        roles=sorted(str(each) for each in user.roles),
        rights=sorted(str(each) for each in user.rights),
        plan=look.plan_id,
        title=head.title,
        timezone=head.timezone,
        transport=look.transport.value,
    )


@router.get("/health", summary="是否正常")
def health(caller: Reader) -> Health:
    """守护进程的状况，与命令 reminder health 相同。不正常时也回答 200，看 healthy。"""
    look = caller.look
    held = look.ledger.holds.standing(look.edition.plan.id).hold is not None
    following = _next(look)
    try:
        status = status_of(caller.site.settings.health, look.now)
    except NoStatus as error:
        return Health(
            healthy=False, problem=str(error), at=None, transport=look.transport.value, next=following,
            held=held, paused=[], plan_refused=False,
        )  # fmt: skip
    return Health(
        healthy=not status.found,
        problem=status.found,
        at=datetime.fromisoformat(status.raw["at"]).astimezone(look.zone),
        transport=look.transport.value,
        next=following,
        held=held,
        paused=[str(each) for each in status.raw.get("paused", ())],
        plan_refused=bool(status.raw["plan_refused"]),
    )


def _next(look: Look) -> datetime | None:
    """The next alarm that the caller may know of."""
    found = first_alarm(look, look.now, look.now + AHEAD)
    return found.at if found is not None else None


@router.get("/calendar/{year}", summary="一年的日历")
def calendar(caller: Reader, year: Annotated[int, Path(ge=1, le=9999, description="年，如 2026")]) -> Year:
    """放假、调休、工作日，以及每天的提醒和截止数；计划前后三年之内。"""
    look = caller.look
    if year not in years_shown(look):
        raise not_found(f"{year}年的日历")
    found = year_of(look, year)
    days: dict[date, Day] = {
        square.cell.day.date: Day(
            date=square.cell.day.date,
            kind=square.cell.day.kind.value,
            words=square.cell.words,
            reminders=square.cell.alarms,
            due=square.cell.dues,
        )
        for square in found.squares
    }
    return Year(year=year, status=found.status.value, days=[days[each] for each in sorted(days)])
