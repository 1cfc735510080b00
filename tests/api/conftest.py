"""Fixtures of the interface's tests: the console's office, and programs that call it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from reminder.access.rights import Role
from reminder.access.tokens import Wanted, make
from tests.console.conftest import NOW, REPORT, TALK
from tests.editions import edition_of
from tests.harness.console import Served
from tests.harness.desk import festival
from tests.plans import plan_of


class Program:
    """Something that calls with a token."""

    def __init__(self, served: Served, token: str, base: str = "/api/v1") -> None:
        self.url = f"{served.url}{base}"
        self.http = requests.Session()
        self.http.trust_env = False
        if token:
            self.http.headers["authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: object) -> requests.Response:
        return self.http.get(self.url + path, params={k: str(v) for k, v in query.items()}, timeout=60)

    def post(self, path: str, body: object) -> requests.Response:
        return self.http.post(self.url + path, json=body, timeout=60)


Programs = Callable[..., Program]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A small plan: a public duty, a private one, a festival message that is approved; 2026-06-10 at nine."""
    plan = plan_of(REPORT, TALK, festival(names=("端午",)))
    with Served(tmp_path, edition_of(plan), NOW) as office:
        yield office


@pytest.fixture
def program(served: Served) -> Programs:
    """Makes a program with roles (viewer unless named)."""

    def make_one(
        *roles: Role, name: str = "oa-sync", private: bool = False, base: str = "/api/v1"
    ) -> Program:
        wanted = Wanted(name, frozenset(roles or (Role.VIEWER,)), private)
        return Program(served, make(served.ledger, "test", wanted, by="p-clerk", now=NOW)[0], base)

    return make_one


def problem_of(answer: requests.Response, status: int) -> dict[str, Any]:
    """The problem that an answer is; the test fails if it is none, or not of this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert "Traceback" not in answer.text
    return found
