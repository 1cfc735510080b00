"""Rows 30 and 31 of the fault matrix: scanners that open links, and links that are tampered with, replayed, raced.

The page is served by real uvicorn over loopback, the ledger is a real file, and
what is judged is what stands in it afterwards.
"""

from __future__ import annotations

import os
import random
import string
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest
import requests

from reminder.agenda.facts import DutyAction
from reminder.ledger.records import Transport
from reminder.recording.recorder import Actor, Entry, Recorder, Way
from tests.web.conftest import LINKS, NOW, REPORT, TALK, UNTIL, Served

FULL = os.environ.get("REMINDER_TORTURE") == "full"
LOOKS = 1000
FORGED = 100_000 if FULL else 800
FINGERS = 50

SCANNERS = (
    {"user-agent": "Mozilla/5.0 (compatible; MailScanner/5.4)"},
    {"user-agent": "facebookexternalhit/1.1", "purpose": "prefetch", "sec-purpose": "prefetch;prerender"},
    {
        "user-agent": "Mozilla/5.0 (iPhone) MicroMessenger/8.0 wxwork/4.1",
        "x-requested-with": "com.tencent.wework",
    },
    {"user-agent": "curl/8.5", "x-http-method-override": "POST", "x-method-override": "POST"},
)
"""What opens links before people do; the last one hopes for a framework that takes its word for the method."""


def a_form(served: Served, token: str) -> dict[str, str]:
    shown = served.unfolded(token)
    return shown.form(*shown.cells[0])


# -- row 30: mail scanners click links -----------------------------------------------


def test_row_30_a_thousand_looks_change_nothing(tmp_path: Path) -> None:
    """By GET and HEAD, with every form field in the query and every header that might mean POST."""
    with Served(tmp_path, REPORT, TALK) as served:
        tokens = [*served.sweep().values(), served.personal("p-office"), served.personal("p-liaison")]
        forms = {token: a_form(served, token) for token in tokens}
        before = served.changes, served.ledger.facts("test", Transport.OUTBOX)

        def look(number: int) -> int:
            token, headers = tokens[number % len(tokens)], SCANNERS[number % len(SCANNERS)]
            query = {"action": "done", "_method": "POST", **forms[token]} if number % 3 else None
            how = requests.head if number % 2 else requests.get
            return how(served.address(token), params=query, headers=headers, timeout=60).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(look, range(LOOKS))) == {200}
        assert (served.changes, served.ledger.facts("test", Transport.OUTBOX)) == before


def test_row_30_only_a_submitted_form_changes_something(tmp_path: Path) -> None:
    """The same scanner's request as a POST with the page's own form does: the looks above were no luck."""
    with Served(tmp_path, REPORT) as served:
        token = served.personal("p-office")
        before = served.changes
        assert served.send(token, a_form(served, token) | {"action": "done"}).status_code == 303
        assert served.changes == before + 1


# -- row 31: tampered, replayed, expired, raced -----------------------------------------


def mutations(token: str, luck: random.Random) -> str:
    """A token with something wrong with it."""
    letters = string.ascii_letters + string.digits + "-_"
    place = luck.randrange(len(token))
    kinds: tuple[Callable[[], str], ...] = (
        lambda: token[:place] + luck.choice(letters) + token[place + 1 :],
        lambda: token[:place] + token[place + 1 :],
        lambda: token[:place] + luck.choice(letters) + token[place:],
        lambda: token[:place] + token[place:][::-1],
        lambda: "".join(luck.choices(letters, k=36)) + "." + "".join(luck.choices(letters, k=43)),
        lambda: token[:36] + "." + "".join(luck.choices(letters, k=43)),
        lambda: "".join(luck.choices(letters, k=36)) + token[36:],
        lambda: token.swapcase(),
        lambda: token + luck.choice(letters),
        lambda: token[:place] + luck.choice("%25%00=+~!$&'()*,;:@") + token[place + 1 :],
    )
    return luck.choice(kinds)()


def test_row_31_no_tampered_link_is_ever_another_link(tmp_path: Path) -> None:
    """Forged and mangled tokens by the hundred over HTTP: each is 404 by POST, and nothing is recorded."""
    luck = random.Random(20260610)
    with Served(tmp_path, REPORT, TALK) as served:
        good = [*served.sweep().values(), served.personal("p-office")]
        form = a_form(served, good[-1]) | {"action": "done"}
        before = served.changes
        forged = [each for _ in range(FORGED) if (each := mutations(luck.choice(good), luck)) not in good]
        assert len(forged) > FORGED * 0.9
        session = threading.local()

        def submit(token: str) -> int:
            if not hasattr(session, "http"):
                session.http = requests.Session()
            address = served.address(requests.utils.quote(token, safe="%.-_~"))
            return int(session.http.post(address, data=form, timeout=60).status_code)

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(submit, forged)) == {404}
        assert served.changes == before


def test_row_31_halves_of_two_good_links_are_none(tmp_path: Path) -> None:
    """The words of one token with the signature of another, each way round, for every pair."""
    with Served(tmp_path, REPORT, TALK) as served:
        good = [*served.sweep().values(), served.personal("p-office"), served.personal("p-leader")]
        for one in good:
            for other in good:
                if one != other:
                    token = one[:36] + other[36:]
                    assert served.http.get(served.address(token)).status_code == 404


def test_row_31_a_link_of_one_person_records_nothing_for_another(tmp_path: Path) -> None:
    """Every cell of everybody, submitted through everybody else's good link."""
    with Served(tmp_path, REPORT, TALK) as served:
        people = ("p-office", "p-liaison", "p-leader", "p-secretary", "p-clerk")
        forms = {
            (occurrence, cell): served.unfolded(served.personal(person)).form(occurrence, cell)
            for person in people
            for occurrence, cell in served.unfolded(served.personal(person)).cells
        }
        assert len(forms) == 4
        before = served.changes
        for person in people:
            own = set(served.unfolded(served.personal(person)).cells)
            for key, form in forms.items():
                if key not in own:
                    answer = served.send(served.personal(person), form | {"action": "done"})
                    assert answer.status_code == 422
                    assert "不在本链接之内" in answer.text
        assert served.changes == before


def test_row_31_replayed_forms_change_nothing_more(tmp_path: Path) -> None:
    """The same request again an hour, a day and a week later: answered alike, recorded once."""
    with Served(tmp_path, REPORT) as served:
        token = served.personal("p-office")
        form = a_form(served, token) | {"action": "done"}
        assert served.send(token, form).status_code == 303
        after = served.changes
        for later in (timedelta(hours=1), timedelta(days=1), timedelta(days=7)):
            served.clock.set(NOW + later)
            assert served.send(token, form).status_code == 303
        assert served.changes == after


def test_row_31_a_replay_after_the_report_was_returned_is_a_record_like_any_other(tmp_path: Path) -> None:
    """Returned means owed again: who submits anew, from whichever page, is believed once more."""
    with Served(tmp_path, REPORT) as served:
        token = served.personal("p-office")
        form = a_form(served, token) | {"action": "done"}
        served.send(token, form)
        entry = Entry(form["occurrence"], form["cell"], DutyAction.RETURN, None, "缺日期")
        Recorder(served.ledger, served.edition).record(Actor("p-clerk", Way.COMMAND), entry, NOW)
        served.send(token, form)
        served.send(token, form)
        actions = [event.action for event in served.events(form["occurrence"], form["cell"])]
        assert actions == [DutyAction.DONE, DutyAction.RETURN, DutyAction.DONE]


def test_row_31_an_expired_link_records_nothing(tmp_path: Path) -> None:
    with Served(tmp_path, REPORT) as served:
        token = served.personal("p-office")
        form = a_form(served, token) | {"action": "done"}
        served.clock.set(NOW + (UNTIL - NOW.date()) + timedelta(days=1))
        before = served.changes
        assert served.send(token, form).status_code == 404
        expired = LINKS.of_person("p-office", served.clock.now().date() - timedelta(days=1))
        assert served.send(expired, form).status_code == 404
        assert served.changes == before


@pytest.mark.parametrize(
    "action", [{"action": "done"}, {"action": "book", "date": "2026-06-20"}, {"action": "snooze", "date": "2026-06-15"}]
)  # fmt: skip
def test_row_31_fifty_who_submit_at_once_have_one_effect(tmp_path: Path, action: dict[str, str]) -> None:
    """Fifty connections that wait for one another, then send: all are answered well, one record stands."""
    with Served(tmp_path, REPORT) as served:
        token = served.personal("p-office")
        form = a_form(served, token) | action
        together = threading.Barrier(FINGERS)
        before = served.changes

        def submit(_: int) -> int:
            with requests.Session() as http:
                http.get(served.address("x"), timeout=60)  # the connection stands before the race begins
                together.wait(timeout=60)
                return http.post(
                    served.address(token), data=form, allow_redirects=False, timeout=60
                ).status_code

        with ThreadPoolExecutor(FINGERS) as pool:
            assert list(pool.map(submit, range(FINGERS))) == [303] * FINGERS
        facts = served.ledger.facts("test", Transport.OUTBOX)
        if action["action"] == "snooze":
            assert [each.until for each in facts.snoozes] == [date(2026, 6, 15)]
        else:
            assert len(served.events(form["occurrence"], form["cell"])) == 1
        assert served.changes == before + 1


def test_row_31_two_people_who_may_both_record_are_one_record(tmp_path: Path) -> None:
    """Contact and head of a unit at the same moment, twenty-five times each: whoever came first stands."""
    with Served(tmp_path, REPORT) as served:
        tokens = [served.personal("p-liaison"), served.personal("p-theory")]
        forms = [a_form(served, token) | {"action": "done"} for token in tokens]
        together = threading.Barrier(FINGERS)

        def submit(number: int) -> int:
            together.wait(timeout=60)
            return served.send(tokens[number % 2], forms[number % 2]).status_code

        served.http.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=FINGERS))
        with ThreadPoolExecutor(FINGERS) as pool:
            assert set(pool.map(submit, range(FINGERS))) == {303}
        (event,) = served.events(forms[0]["occurrence"], "理论科")
        assert event.by in ("p-liaison", "p-theory")
