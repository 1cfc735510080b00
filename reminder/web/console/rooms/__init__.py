"""The console's rooms, a module each: what stands at which address, and what it asks for."""

from __future__ import annotations

from reminder.web.console.ask import Route
from reminder.web.console.rooms import (
    api,
    approvals,
    calendar,
    duties,
    handover,
    importing,
    ledger,
    plan,
    settings,
    tasks,
    templates,
    today,
    users,
    years,
)

ROUTES: tuple[Route, ...] = (
    *today.ROUTES,
    *calendar.ROUTES,
    *tasks.ROUTES,
    *approvals.ROUTES,
    *duties.ROUTES,
    *importing.ROUTES,
    *ledger.ROUTES,
    *templates.ROUTES,
    *plan.ROUTES,
    *settings.ROUTES,
    *users.ROUTES,
    *years.ROUTES,
    *handover.ROUTES,
    *api.ROUTES,
)
