"""Row 13: secrets under the whole daemon, with servers that say back what they were told."""

from __future__ import annotations

import base64
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from tests.editions import ROOT
from tests.harness.office import MEMBERS, Office, items
from tests.harness.process import wait_for
from tests.plans import at

NINE = at("2026-06-10 09:00")
SECRETS = {
    "SMTP_PASSWORD": "canary-p@ss/w+rd",
    "ROBOT_KEY": "canary-7b1fd0c2/key+more",
    "APP_SECRET": "canary-app/secret+more",
}
ALL_WAYS = "  via:\n    - mail\n    - group\n    - app\n"
LOUD = {"REMINDER_LOG_LEVEL": "debug"}


def traces(text: bytes) -> list[str]:
    """Forms of a secret that stand in a text: as it is, quoted, in base64 wherever that begins."""
    forms = {b"canary"}
    for secret in (*SECRETS.values(), f"\0jgdw\0{SECRETS['SMTP_PASSWORD']}"):
        forms.add(quote(secret, safe="").encode())
        forms |= {base64.b64encode(b"x" * before + secret.encode())[4:-4] for before in range(3)}
    return sorted(form.decode() for form in forms if form in text)


def test_row_13_no_secret_is_left_anywhere(tmp_path: Path) -> None:
    """Refused logins, dead robots, wrong app secrets, lost connections: log, ledger, health, notices, commands."""
    echo = {name: f"you said {value} {quote(value, safe='')} {value!r}" for name, value in SECRETS.items()}
    with Office(
        tmp_path,
        items(3, via=ALL_WAYS),
        smtp={"accounts": {"jgdw": "another"}},  # a wrong password is said back, in two forms
        mail={"username": "jgdw", "secret": "SMTP_PASSWORD"},
        app=MEMBERS,
        environment=SECRETS,
    ) as office:
        office.adopt()
        office.set(NINE - timedelta(minutes=1))
        office.robot.misbehave("drop", times=1)
        office.robot.misbehave("errcode", code=40001, text=echo["APP_SECRET"], on="token", times=1)
        office.daemon.start()
        for number in range(3):
            office.set(NINE + timedelta(minutes=number))
            wait_for(lambda number=number: office.ended(f"n{number:04d}", "group"), "the post's end")  # type: ignore[misc]
            office.robot.misbehave(
                "errcode", code=93000 if number else 40008, text=echo["ROBOT_KEY"], times=1
            )
        wait_for(lambda: office.ended("n0000", "mail"), "the mail's end")
        wait_for(lambda: office.ended("n0000", "app"), "the app's end")
        assert {each.code for each in office.tries("n0000", "mail")} == {"535"}
        assert {each.code for each in office.tries("n0000", "app")} == {"errcode 40001"}
        assert any("***" in each.detail for each in office.tries("n0000", "mail"))
        for words in (["ledger", "--attempts"], ["channel", "list"], ["doctor"], ["health"]):
            done = subprocess.run(
                [sys.executable, "-m", "reminder", *words, "--data", str(office.daemon.data)],
                cwd=ROOT,
                env={
                    **office.daemon.environment,
                    "REMINDER_SCHEDULES": str(office.daemon.schedules),
                    "REMINDER_LOG_LEVEL": "debug",
                },
                capture_output=True,
                timeout=60,
                check=False,
            )
            assert traces(done.stdout + done.stderr) == [], words
        assert office.daemon.stop() == 0
        files = [each for each in tmp_path.rglob("*") if each.is_file()]
        assert {"daemon.log", "ledger.sqlite3", "health.json"} <= {each.name for each in files}
        assert {each.name: traces(each.read_bytes()) for each in files if traces(each.read_bytes())} == {}
        seen = [each.content for each in office.smtp.messages] + [each.body for each in office.robot.posts]
        assert [traces(each) for each in seen if traces(each)] == []


def test_row_13_the_trap_itself_works() -> None:
    """What is looked for is found when it is there, in each form."""
    password = SECRETS["SMTP_PASSWORD"].encode()
    assert traces(b"say " + password)
    assert traces(base64.b64encode(b"\0jgdw\0" + password))
    assert traces(quote(SECRETS["ROBOT_KEY"], safe="").encode())
    assert traces("说 nothing".encode()) == []
