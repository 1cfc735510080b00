"""The console behind a reverse proxy with TLS and a path prefix, which is taken off or left on."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

import pytest
import requests

from reminder.access.rights import Role
from reminder.access.tokens import Wanted, make
from reminder.settings import Network
from tests.console.conftest import NOW, REPORT
from tests.editions import edition_of
from tests.harness.console import PASSWORD, Served, csrf_on
from tests.harness.reverse_proxy import ReverseProxy
from tests.plans import plan_of
from tests.servers.certificates import authority, server_context

BROWSER = "192.0.2.7"
OFFICE = {"x-forwarded-for": f"203.0.113.9, {BROWSER}", "x-forwarded-proto": "https"}
"""What the proxy says: the first address is the browser's own claim."""


@pytest.fixture
def trusted(tmp_path: Path) -> str:
    """The file of the authority that browsers of these tests trust."""
    file = tmp_path / "ca.pem"
    authority().cert_pem.write_to_path(str(file))
    return str(file)


def browser_of(trusted: str) -> requests.Session:
    session = requests.Session()
    session.trust_env, session.verify = False, trusted
    return session


@pytest.mark.parametrize("strip", [True, False], ids=["taken off", "left on"])
def test_everything_works_below_the_prefix(tmp_path: Path, trusted: str, strip: bool) -> None:
    with Served(tmp_path / "data", edition_of(plan_of(REPORT)), NOW, prefix="/lianjie") as office:
        office.account("p-office", Role.ADMIN)
        with ReverseProxy(office.server.address, server_context(), "/lianjie", OFFICE, strip=strip) as proxy:
            browser = browser_of(trusted)
            page = browser.get(f"{proxy.url}/", timeout=60)
            assert page.url == f"{proxy.url}/login"
            fields = {"csrf": csrf_on(page.text), "user": "p-office", "password": PASSWORD}
            page = browser.post(f"{proxy.url}/login", data=fields, timeout=60)
            assert page.url == f"{proxy.url}/?said=in"
            assert all(cookie.secure for cookie in browser.cookies)
            (event,) = office.ledger.accounts.events("test", NOW)
            assert (event.address, event.event) == (BROWSER, "succeeded")
            for address in ("settings/handover", "api/docs", "calendar"):
                page = browser.get(f"{proxy.url}/{address}", timeout=60)
                assert page.status_code == 200
                for link in set(re.findall(r'(?:href|src)="([^"#]+)"', page.text)):
                    assert not link.startswith(("/", "http")), link
                styles = re.findall(r'href="([^"]+\.css)"', page.text)
                assert styles
                for style in styles:
                    found = browser.get(requests.compat.urljoin(page.url, style), timeout=60)
                    assert found.headers["content-type"].startswith("text/css"), style
            page = browser.post(f"{proxy.url}/logout", data={"csrf": csrf_on(page.text)}, timeout=60)
            assert page.url == f"{proxy.url}/login?said=out"


@pytest.mark.parametrize("strip", [True, False], ids=["taken off", "left on"])
def test_programs_come_through_it_too(tmp_path: Path, trusted: str, strip: bool) -> None:
    with Served(tmp_path / "data", edition_of(plan_of(REPORT)), NOW, prefix="/lianjie") as office:
        token, _ = make(office.ledger, "test", Wanted("oa-sync", frozenset({Role.EDITOR})), by="x", now=NOW)
        with ReverseProxy(office.server.address, server_context(), "/lianjie", OFFICE, strip=strip) as proxy:
            program = browser_of(trusted)
            program.headers["authorization"] = f"Bearer {token}"
            assert program.get(f"{proxy.url}/api/v1/items", timeout=60).json()[0]["id"] == "report"
            wanted = {"occurrence": "report/2026", "cell": "办公室", "action": "done"}
            answer = program.post(f"{proxy.url}/api/v1/duties/transitions", json=wanted, timeout=60)
            assert answer.json()["effect"] == "recorded"


@pytest.mark.parametrize(
    ("proxies", "address"),
    [
        ((ip_network("203.0.113.0/24"), ip_network(f"{BROWSER}/32")), "203.0.113.9"),
        ((ip_network(f"{BROWSER}/32"),), "203.0.113.9"),
        (None, BROWSER),
    ],
)
def test_a_proxy_elsewhere_is_believed_if_it_is_named(
    tmp_path: Path, proxies: tuple[Network, ...] | None, address: str
) -> None:
    """Here the one at the browser's address stands before that on this machine."""
    with Served(tmp_path, edition_of(plan_of(REPORT)), NOW, proxies=proxies) as office:
        browser = requests.Session()
        browser.trust_env = False
        browser.headers.update(OFFICE)
        page = browser.get(f"{office.url}/login", timeout=60)
        # Without TLS the browser keeps no cookie that is for TLS alone.
        cookies = {cookie.name: str(cookie.value) for cookie in page.cookies}
        fields = {"csrf": csrf_on(page.text), "user": "p-office", "password": "wrong-wrong"}
        assert (
            browser.post(f"{office.url}/login", data=fields, cookies=cookies, timeout=60).status_code == 403
        )
        assert [each.address for each in office.ledger.accounts.events("test", NOW)] == [address]
