"""The interface's routes, a module a subject."""

from __future__ import annotations

from reminder.web.api.routes import approvals, duties, ledger, plan, silences, state

ROUTERS = (state.router, plan.router, duties.router, approvals.router, ledger.router, silences.router)
