"""A real browser over a live daemon: what clerk and approver do, and what comes of it in the mail."""

from __future__ import annotations

import email
import email.policy
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from reminder.access.rights import Role
from reminder.check import examine
from reminder.ledger.accounts import Account
from reminder.ledger.records import DeliveryState
from reminder.sweep.accept import accept
from tests.console.offices import send, shipped
from tests.editions import ROOT, TEMPLATES
from tests.harness.chromium import DESK, PHONE, chromium, log_in, page_of
from tests.harness.console import HASH, PASSWORD, Served
from tests.harness.desk import festival
from tests.harness.office import Office
from tests.harness.ports import a_free_port
from tests.harness.process import wait_for
from tests.plans import at, item_yaml
from tests.servers.smtp import Received
from tests.web.test_whole_way import links_in

TALK = item_yaml(
    "talk",
    "window:\n  opens: 2026-09-01\n  closes: 2026-09-22",
    "- from: due\n  workdays: 0\n  to: owing",
    "private: true\nduty:\n  each: pair\n  of: supervision\n  escalate_to:\n    - person:p-clerk",
)
NOTE = item_yaml("note", "date: 2026-09-22\nat: 17:00", "- from: due\n  workdays: 0\n  to: person:p-theory")
MORNING, THE_HOUR = at("2026-09-22 08:00"), at("2026-09-24 09:30")
SIZES = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def office(tmp_path: Path) -> Iterator[tuple[Office, str]]:
    """Live, with a festival message to be approved, a talk, and a mail that its server refuses at first."""
    port = a_free_port()
    url = f"http://127.0.0.1:{port}/lianjie/"
    environment = {"REMINDER_PUBLIC_URL": url, "REMINDER_LISTEN": f"127.0.0.1:{port}"}
    with Office(tmp_path, [NOTE, TALK, festival()], MORNING, environment=environment) as office:
        edition = examine(office.daemon.schedules, TEMPLATES).edition
        assert edition is not None
        with office.daemon.ledger() as ledger:
            accept(ledger, edition, "p-clerk", office.now(), signed=True)
            for user, private, *roles in (
                ("p-office", False, "approver"), ("p-clerk", True, "admin", "editor"),
            ):  # fmt: skip
                account = Account(user, tuple(roles), private, HASH, office.now())
                ledger.accounts.put("test", account)
        yield office, url


@SIZES
def test_a_failed_message_is_found_and_sent_again(
    office: tuple[Office, str], browser: Browser, size: ViewportSize
) -> None:
    live, url = office
    live.smtp.misbehave("rcpt", "reply", "550 5.1.1 no such user", only="theory@", times=1)
    live.daemon.start()
    live.set(at("2026-09-22 09:00"))
    wait_for(lambda: "failed" in live.states("note", "mail").values(), "the refusal")
    with page_of(browser, size, address=url) as page:
        log_in(page, "p-clerk", PASSWORD)
        page.get_by_role("navigation", name="栏目").get_by_role("link", name="台账").click()
        page.get_by_label("结果").select_option("failed")
        page.get_by_role("button", name="筛选").click()
        page.locator("main table a").first.click()
        expect(page.locator("main")).to_contain_text("no such user")
        page.get_by_role("button", name="重发").click()
        wait_for(lambda: live.states("note", "mail") == {"p-theory": "accepted"}, "the second try")
        page.reload()
        expect(page.locator("main")).to_contain_text("服务器已接收")
    assert [each.recipient for each in live.smtp.messages].count("theory@example.com") == 1


@SIZES
def test_a_festival_message_is_approved_and_goes_out(
    office: tuple[Office, str], browser: Browser, size: ViewportSize
) -> None:
    live, url = office
    live.daemon.start()
    live.set(at("2026-09-22 09:00"))
    wait_for(lambda: any("审批" in _subject(each) for each in live.smtp.messages), "the request")
    with page_of(browser, size, address=url) as page:
        log_in(page, "p-office", PASSWORD)
        page.get_by_role("navigation", name="栏目").get_by_role("link", name="审批").click()
        page.locator("main a", has_text="f").first.click()
        frame = page.frame_locator("iframe.mail")
        expect(frame.locator("body")).to_contain_text("中秋")
        page.get_by_role("button", name="批准").click()
        expect(page.locator("main")).to_contain_text("已批准")
    live.set(THE_HOUR)
    everybody = {
        f"{name}@example.com" for name in ("leader", "office", "theory", "liaison", "secretary", "clerk")
    }
    wait_for(
        lambda: (
            everybody <= {each.recipient for each in live.smtp.messages if _subject(each).startswith("中秋")}
        ),
        "the message to all",
    )


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_talk_is_recorded_from_the_mails_link(
    office: tuple[Office, str], browser: Browser, script: bool
) -> None:
    live, url = office
    live.daemon.start()
    live.set(at("2026-09-22 09:00"))
    wait_for(lambda: any(each.recipient == "leader@example.com" for each in live.smtp.messages), "the mail")
    (mail,) = [each for each in live.smtp.messages if each.recipient == "leader@example.com"]
    link, _ = links_in(mail)
    with page_of(browser, PHONE, script=script) as page:
        page.goto(link)
        page.get_by_role("button", name="显示非公开事项").click()
        count = page.get_by_role("button", name="已于此日办结").count()
        assert count
        page.get_by_label("日期").first.fill("2026-09-21")
        page.get_by_role("button", name="已于此日办结").first.click()
        expect(page.locator("main")).to_contain_text("已记录")
    with page_of(browser, DESK, script=script, address=url) as page:
        log_in(page, "p-clerk", PASSWORD)
        page.goto("duties")
        expect(page.locator("main")).to_contain_text("已办结")


@SIZES
def test_a_broken_plan_is_shown_at_its_line_and_a_mended_one_moves_the_agenda(
    office: tuple[Office, str], browser: Browser, size: ViewportSize
) -> None:
    live, url = office
    live.daemon.start()
    wait_for(lambda: live.health, "the first look")
    before = (live.daemon.schedules / "plan.yaml").read_bytes()
    with page_of(browser, size, address=url) as page:
        log_in(page, "p-clerk", PASSWORD)
        page.goto("plan/plan.yaml")
        editor = page.locator("#content")
        text = editor.input_value()
        line = text[: text.index("date: 2026-09-22")].count("\n") + 1
        editor.fill(text.replace("date: 2026-09-22", "date: 2026-09-31"))
        page.get_by_role("button", name="检查", exact=True).click()
        alert = page.get_by_role("alert").first
        expect(alert).to_contain_text("不能保存")
        expect(page.locator("section.result")).to_contain_text(f"第 {line} 行")
        assert page.get_by_role("button", name="保存").count() == 0
        assert (live.daemon.schedules / "plan.yaml").read_bytes() == before
        editor.fill(text.replace("date: 2026-09-22", "date: 2026-09-23"))
        page.get_by_role("button", name="检查", exact=True).click()
        expect(page.locator("section.result")).to_contain_text("新增 1 条、取消 1 条")
        page.get_by_role("button", name="保存", exact=True).click()
        page.wait_for_url("**said=*")
        wait_for(lambda: "plan reloaded" in live.daemon.log.read_text(), "the new plan in force")
        page.goto("calendar/2026-09-23")
        expect(page.locator("main")).to_contain_text("note")
    assert live.health["plan_refused"] is False


PAGES = (
    "", "calendar", "calendar/2027", "calendar/2026-06-10", "tasks", "tasks/integrity-talk", "tasks/festival",
    "duties", "approvals", "ledger", "plan", "plan/plan.yaml", "settings", "settings/users", "settings/silences",
    "settings/calendar", "settings/logins", "settings/handover", "api/docs",
)  # fmt: skip


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The shipped plan with a morning's messages."""
    folder = tmp_path_factory.mktemp("full")
    shutil.copytree(ROOT / "schedules", folder / "schedules")
    with Served(folder, shipped(), at("2026-06-10 08:00")) as served:
        send(served, at("2026-06-09 09:00"), DeliveryState.ACCEPTED)
        send(served, at("2026-06-10 09:00"), DeliveryState.FAILED)
        served.account("p-jgdw-zr", Role.ADMIN, Role.EDITOR, Role.APPROVER, private=True)
        yield served


@SIZES
def test_every_page_fits_its_screen_and_can_be_read_by_everybody(
    full: Served, browser: Browser, size: ViewportSize
) -> None:
    """No page is wider than the screen; axe-core finds nothing that bars anybody from reading or acting."""
    with page_of(browser, size, address=full.url + "/") as page:
        log_in(page, "p-jgdw-zr", PASSWORD)
        found = {}
        for path in PAGES:
            answer = page.goto(path)
            assert answer is not None
            assert answer.status == 200, path
            wide = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            if faults := [*_faults(page), *(["too wide"] if wide > 0 else [])]:
                found[path] = faults
        assert found == {}


def _faults(page: Page) -> list[str]:
    response = Axe().run(page).response
    return [f"{each['id']}: {each['nodes'][0]['html'][:160]}" for each in response["violations"]]


def _subject(received: Received) -> str:
    message = email.message_from_bytes(received.content, policy=email.policy.default)
    return str(message["subject"])
