"""Row 32 of the faults at the console's door: who comes in, who does not, and what a session is worth."""

from __future__ import annotations

import requests

from reminder.access.rights import Role
from tests.harness.console import PASSWORD, Served, User, csrf_on, text_of


def test_who_is_not_in_is_led_to_the_login_page(served: Served) -> None:
    answer = User(served.url).get("/")
    assert answer.url == f"{served.url}/login"
    assert "登录" in answer.text


def test_a_password_lets_in_and_a_wrong_one_tells_nothing(served: Served) -> None:
    served.account("p-office", Role.VIEWER)
    stranger = User(served.url)
    texts = set()
    for user in ("p-office", "nobody-at-all"):
        answer = stranger.post("/login", {"user": user, "password": "wrong-wrong"}, form_on="/login")
        assert answer.status_code == 403
        texts.add(text_of(answer.text).replace(user, ""))
    assert len(texts) == 1
    assert "2026年6月10日" in served.log_in("p-office").get("/").text


def test_five_failures_lock_for_a_while(served: Served) -> None:
    served.account("p-office", Role.VIEWER)
    user = User(served.url)
    for _ in range(5):
        user.post("/login", {"user": "p-office", "password": "wrong-wrong"}, form_on="/login")
    answer = user.post("/login", {"user": "p-office", "password": PASSWORD}, form_on="/login")
    assert answer.status_code == 429
    assert "请15分钟后再试" in answer.text


def test_a_login_gives_another_session_than_the_one_that_was_brought(served: Served) -> None:
    served.account("p-office", Role.VIEWER)
    user = User(served.url)
    user.http.cookies.set("reminder_session", "planted", domain="127.0.0.1", path="/")
    user.post("/login", {"user": "p-office", "password": PASSWORD}, form_on="/login")
    values = {cookie.value for cookie in user.http.cookies if cookie.name == "reminder_session"}
    assert "planted" not in values
    assert user.get("/").url == f"{served.url}/"


def test_a_form_without_the_sessions_token_does_nothing(served: Served) -> None:
    user = served.log_in("p-office", Role.VIEWER)
    for token in ("", "0" * 64, csrf_on(served.log_in("p-clerk", Role.VIEWER).get("/").text)):
        user.http.post(f"{served.url}/logout", data={"csrf": token}, timeout=60)
        assert user.get("/").url == f"{served.url}/"
    user.post("/logout", {})
    assert user.get("/").url == f"{served.url}/login"


def test_a_login_form_is_good_for_the_browser_that_was_given_it(served: Served) -> None:
    served.account("p-office", Role.VIEWER)
    token = csrf_on(User(served.url).get("/login").text)
    fields = {"user": "p-office", "password": PASSWORD, "csrf": token}
    answer = requests.post(f"{served.url}/login", data=fields, timeout=60, allow_redirects=False)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers or "reminder_session" not in answer.headers["set-cookie"]


def test_of_whoever_may_not_nothing_is_taken_in(served: Served) -> None:
    """Who asks is looked at first, what they sent only then: else the answer would be 415."""
    address = f"{served.url}/plan/plan.yaml"
    answer = requests.post(address, json={}, timeout=60, allow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "../login")
    answer = served.log_in("p-office", Role.VIEWER).http.post(address, json={}, timeout=60)
    assert answer.status_code == 403
    assert "您的账户不能使用这一页" in answer.text


def test_a_form_that_cannot_be_read_is_answered_on_a_page_of_the_console(served: Served) -> None:
    user = served.log_in("p-office", Role.EDITOR)
    answer = user.http.post(f"{served.url}/plan/plan.yaml", json={}, timeout=60)
    assert answer.status_code == 415
    assert "没有执行 不是表单；请从页面上提交" in text_of(answer.text)
    assert 'action="../logout"' in answer.text
    for address in ("/login", "/logout"):
        answer = requests.post(f"{served.url}{address}", data={"user": "x" * 5000}, timeout=60)
        assert answer.status_code == 413
        assert "提交的内容超过 4 KB，没有接受" in answer.text
        assert 'type="password"' in answer.text
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_every_answer_forbids_what_the_pages_do_not_need(served: Served) -> None:
    user = served.log_in("p-office", Role.VIEWER)
    for answer in (
        user.get("/"),
        user.get("/login"),
        user.get("/no-such-page"),
        User(served.url).get("/login"),
    ):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "cache-control" in answer.headers
