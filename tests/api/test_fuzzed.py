"""Row 33 of the faults: whatever is sent to the interface, it never breaks, and says what is wrong as it promises."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from reminder.access.rights import Role
from reminder.access.rights import User as Reader
from reminder.ledger.shown import EntryFilter
from reminder.views.approvals import cases
from reminder.views.look import Look
from reminder.web.api.app import description
from tests.amounts import amount, report
from tests.api.conftest import Programs
from tests.harness.console import Served, csrf_on

EXAMPLES = amount(400, 6)
"""Of each kind, for each call."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
SCHEMA = schemathesis.openapi.from_dict(description())
OPERATIONS = [each.ok() for each in SCHEMA.get_all_operations()]


def real_ids(served: Served) -> dict[str, str]:
    """What stands in this office, by the names under which calls take it."""
    look = Look(
        Reader("x", frozenset({Role.ADMIN}), private=True), served.edition, served.ledger, served.clock.now()
    )
    (entry, *_) = served.ledger.book.entries("test", EntryFilter(item="report"))
    return {
        "item_id": "report",
        "item": "report",
        "occurrence": "report/2026",
        "cell": "办公室",
        "unit": "办公室",
        "person": "p-office",
        "receiver": "p-office",
        "name": "理论科",
        "channel": "mail",
        "delivery_id": entry.deliveries[0],
        "code": cases(look, timedelta(days=60))[0].code,
        "silence_id": "S1",
    }


def _with(real: dict[str, str], given: Any) -> Any:
    """The same with ids that are there in place of invented ones."""
    if not isinstance(given, dict):
        return given
    return {name: real.get(name, value) for name, value in given.items()}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.method.upper()} {each.path}")
def test_no_call_breaks_the_interface(
    operation: schemathesis.APIOperation, served: Served, program: Programs
) -> None:
    """With everything a token can have; what fits the description and what does not."""
    served.sweep()
    if "/approvals/" in operation.path:  # a person's word: a program is refused
        browser = served.log_in("p-office", Role.APPROVER, private=True)
        session, headers = browser.http, {"x-csrf-token": csrf_on(browser.get("/").text)}
    else:
        session, headers = program(Role.EDITOR, Role.ADMIN, private=True).http, {}
    answers: Counter[int] = Counter()
    real = real_ids(served)

    def call(case: schemathesis.Case, *, meant: bool) -> None:
        if meant:  # chance never hits on an id that is there
            case.path_parameters = _with(real, case.path_parameters)
            case.query = _with(real, case.query)
            case.body = _with(real, case.body)
        case.headers = {**headers, **{name: str(value) for name, value in session.headers.items()}}
        case.cookies = session.cookies.get_dict()
        answer = case.call(base_url=f"{served.url}/api/v1", session=session, timeout=60)
        answers[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    for mode in MODES:
        try:
            strategy = operation.as_strategy(generation_mode=mode)
            given = hypothesis.given(case=strategy, meant=st.booleans())
            run = given(lambda case, meant: call(case, meant=meant))
            settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
            )(run)()
        except hypothesis.errors.Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, "a call that takes nothing cannot be called wrongly"
    assert answers
    assert max(answers) < 500
    shown = "、".join(f"{status}×{count}" for status, count in sorted(answers.items()))
    report(f"fuzzed {operation.method.upper()} {operation.path}: {shown}")
