"""The approver's desk: what the link of a request opens, and what may be said there.  No HTTP.

A request's link opens the one text it showed, for the one approver it was sent
to.  Whoever may approve is asked anew at every visit: a deputy's days end, a
submitter becomes known.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, datetime

from reminder.check import Edition
from reminder.ledger.ledger import Ledger
from reminder.links import Scope
from reminder.plan.directory import Person
from reminder.sweep.approvals import Waiting, code_in
from reminder.sweep.approving import ApprovalRefused, approve, find, why_not
from reminder.sweep.request import Shown, shown_to
from reminder.web.desk import Desk

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """A good link at one moment: whose it is, and the text it opens.

    ``waiting`` is None when exactly that text waits no longer: it has changed,
    has gone out, or is of no more use.  ``barred`` says why the person may not
    approve it; empty if they may.
    """

    person: Person
    edition: Edition
    ledger: Ledger
    code: str
    now: datetime
    today: date
    waiting: Waiting | None
    shown: Shown | None
    barred: str


class ApprovalDesk:
    """Opens the links of requests and takes an approver's word.  Safe to use from several threads."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def open(self, token: str, now: datetime) -> Reading | None:
        """What a token opens at ``now``; None for one that opens nothing, whatever the reason.

        Raises ``ReminderError`` for a key file or a ledger in trouble.
        """
        bearer = self._desk.bearer(token, now)
        if bearer is None or bearer.grant.scope is not Scope.MESSAGE:
            return None
        edition, ledger, person = bearer.edition, bearer.ledger, bearer.person
        made_for = ledger.book.alarms_of(edition.plan.id, bearer.grant.message)
        codes = {code for receiver, alarm in made_for if receiver == person.id and (code := code_in(alarm))}
        if len(made_for) != 1 or len(codes) != 1:
            return None
        (code,) = codes
        waiting: Waiting | None = None
        shown: Shown | None = None
        barred = ""
        try:
            waiting = find(ledger, edition, code, now)
        except ApprovalRefused:
            log.info("request no longer open", extra={"code": code, "person": person.id})
        else:
            facts = ledger.facts(edition.plan.id, ledger.transport(edition.plan.id))
            shown = shown_to(person, waiting, edition, facts, now)
            if person.id not in {each.id for each in waiting.panel.able}:
                barred = why_not(person, waiting, person.id)
        return Reading(person, edition, ledger, code, now, bearer.today, waiting, shown, barred)

    def say(self, reading: Reading, remark: str, *, granted: bool) -> None:
        """Record what the person says of the text.  Raises ``ApprovalRefused``."""
        given = approve(
            reading.ledger, reading.edition, reading.person.id, reading.code, reading.now,
            granted=granted, remark=remark,
        )  # fmt: skip
        log.info(
            "approval on the page",
            extra={
                "person": reading.person.id,
                "code": reading.code,
                "granted": granted,
                "already": given.already,
            },
        )
