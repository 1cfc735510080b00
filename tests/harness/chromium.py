"""Debian's Chromium, led by a library: pages as a clerk at a desk or with a phone sees them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

DESK, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)
PATIENCE = 60_000
"""Milliseconds for what takes one: tests share the machine."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, ended with the block."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "this test needs a browser: apt-get install chromium fonts-noto-cjk"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--no-proxy-server"], timeout=PATIENCE
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page_of(
    browser: Browser, size: ViewportSize = DESK, *, script: bool = True, address: str | None = None
) -> Iterator[Page]:
    """A page of its own, without anybody's cookies; whatever is asked is agreed to.

    The page must not complain: an error of a script, or of the policy that bars
    what is not ours, fails the test.
    """
    context = browser.new_context(
        viewport=size,
        java_script_enabled=script,
        base_url=address,
        locale="zh-CN",
        timezone_id="Asia/Shanghai",
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    complaints: list[str] = []
    page.on("dialog", lambda dialog: dialog.accept())
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    try:
        yield page
    finally:
        context.close()
    assert complaints == []


def log_in(page: Page, user: str, password: str) -> None:
    """Through the door, by the login form."""
    page.goto("login")
    page.get_by_label("用户名").fill(user)
    page.get_by_label("密码").fill(password)
    page.get_by_role("button", name="登录").click()
    page.wait_for_url("**/?said=in")
