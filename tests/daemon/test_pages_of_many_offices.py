"""One address serves the pages of every office: whose they are is told by the host, and nothing passes over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import requests

from reminder.access.login import hash_password
from reminder.access.rights import Role
from reminder.access.tokens import Wanted, make
from reminder.ledger.accounts import Account
from reminder.ledger.records import LedgerKind
from reminder.links import open_links
from reminder.web.hosts import NOBODY
from tests.console.conftest import REPORT
from tests.harness.console import PASSWORD, User, text_of
from tests.harness.office import EIGHT
from tests.harness.offices import Offices
from tests.harness.postgres import Server, stamp
from tests.harness.process import wait_for
from tests.plans import day

OTHER_PASSWORD = "Qing-Feng-2026-hao"
CLERK = "p-clerk"


@pytest.fixture(scope="module")
def offices(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offices]:
    """Two offices with the same people, the same duty and the same user, whose passwords differ."""
    address = postgres.new_database()
    stamp(address, LedgerKind.DAEMON, EIGHT - timedelta(hours=2))
    folder = tmp_path_factory.mktemp("pages")
    plans = {"a": [REPORT], "b": [REPORT]}
    with Offices(folder, address, plans, environment={"REMINDER_LISTEN": "127.0.0.1:0"}) as made:
        with made.ledger() as ledger:
            for name, password in (("a", PASSWORD), ("b", OTHER_PASSWORD)):
                hashed = hash_password(CLERK, password)
                ledger.accounts.put(f"plan-{name}", Account(CLERK, (Role.ADMIN,), False, hashed, EIGHT))
        made.daemon.start()
        wait_for(lambda: made.running == 2 and made.health["page"]["address"][-2:] != ":0", "both offices")
        yield made
        assert made.daemon.stop() == 0
    postgres.drop(address)


def browser(offices: Offices, host: str) -> User:
    """A browser that asks for a host; nobody's name server is asked."""
    made = User(f"http://{offices.health['page']['address']}")
    made.http.headers["Host"] = host
    return made


def log_in(offices: Offices, name: str, password: str) -> tuple[User, requests.Response]:
    made = browser(offices, f"{name}.example.com")
    return made, made.post("/login", {"user": CLERK, "password": password}, form_on="/login")


def test_each_host_shows_its_own_office(offices: Offices) -> None:
    """The same user name is another user at each host, with another password, and sees another plan."""
    for name, other, password, wrong in (
        ("a", "b", PASSWORD, OTHER_PASSWORD),
        ("b", "a", OTHER_PASSWORD, PASSWORD),
    ):
        inside, answer = log_in(offices, name, password)
        assert answer.status_code == 200
        page = text_of(inside.get("/").text)
        assert f"{name}的计划" in answer.text
        assert f"{other}的计划" not in inside.get("/").text + page
        assert log_in(offices, name, wrong)[1].status_code == 403


@pytest.mark.parametrize("host", ["c.example.com", "127.0.0.1", "", "a.example.com.c.example.com"])
def test_a_host_that_is_nobodys_names_no_office(offices: Offices, host: str) -> None:
    """Plain words, whatever the path; and the headers of every page."""
    for path in ("/", "/login", "/d/x", "/api/v1/health"):
        answer = browser(offices, host).get(path)
        assert (answer.status_code, answer.text) == (404, NOBODY)
        assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("host", ["A.Example.COM", "a.example.com:443", "a.example.com."])
def test_a_host_is_known_however_it_is_written(offices: Offices, host: str) -> None:
    """Case, port and the last dot say nothing."""
    assert "a的计划" in browser(offices, host).get("/login").text


def test_a_session_of_one_office_is_none_at_another(offices: Offices) -> None:
    """The same cookie, sent to the other host: nobody is in."""
    inside, _ = log_in(offices, "a", PASSWORD)
    assert inside.get("/").url.endswith("/")
    inside.http.headers["Host"] = "b.example.com"
    assert inside.get("/").url.endswith("/login")


def test_a_token_and_a_link_of_one_office_open_nothing_at_another(offices: Offices) -> None:
    """A program's token, and the link of a message for a person whom both have."""
    with offices.ledger() as ledger:
        wanted = Wanted("oa-sync", frozenset({Role.VIEWER}), private=False)
        token = make(ledger, "plan-a", wanted, by=CLERK, now=EIGHT)[0]
    keys = offices.daemon.data / "offices" / "a" / "keys" / "links.key"
    link = open_links(keys, "plan-a").of_person("p-office", day("2026-06-30"))
    for name, status in (("a", 200), ("b", 401)):
        program = browser(offices, f"{name}.example.com")
        program.http.headers["authorization"] = f"Bearer {token}"
        assert program.get("/api/v1/health").status_code == status
    assert browser(offices, "a.example.com").get(f"/d/{link}").status_code == 200
    assert browser(offices, "b.example.com").get(f"/d/{link}").status_code == 404
    # And also if somebody copied the key: it is the plan's id that salts it.
    assert open_links(keys, "plan-b").read(link, day("2026-06-10")) is None
