"""Before somebody leaves: what hangs on one person is listed, with what to do, on the page and the command line."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from reminder.access.rights import Role
from reminder.access.rights import User as Reader
from reminder.access.tokens import Wanted, make
from reminder.cli.doctor import _people
from reminder.cli.findings import GOOD, WARN
from reminder.plan.loader import load_plan_bytes
from reminder.views.handover import Handover, Tie, handover
from reminder.views.look import Look
from tests.console.conftest import NOW
from tests.editions import edition_of
from tests.harness.command import here
from tests.harness.console import Served, text_of
from tests.plans import DIRECTORY, ON_DUE_DAY, files_of, item_yaml, plan_of, write_plan

APPROVED = "approval:\n  by:\n    - person:p-office\n  from: due\n  workdays: -3"


def found(served: Served, person: str | None = None, *, private: bool = False) -> Handover:
    reader = Reader("p-clerk", frozenset({Role.ADMIN}), private)
    look = Look(reader, served.edition, served.ledger, served.clock.now())
    leaving = served.edition.plan.directory.person(person) if person else None
    return handover(look, served.settings, leaving)


def ties(of: Handover, title: str) -> tuple[Tie, ...]:
    (part,) = (each for each in of.parts if each.title == title)
    return part.ties


def test_the_only_manager_is_named_until_there_is_another(served: Served) -> None:
    assert ties(found(served), "网页账户")[0].found == "没有可用的管理员账户"
    served.account("p-clerk", Role.ADMIN)
    tie = ties(found(served, "p-clerk"), "网页账户")[0]
    assert (tie.urgent, tie.found) == (True, "管理员；唯一的管理员")
    assert "--disable" in tie.remedy
    served.account("p-office", Role.ADMIN, Role.APPROVER)
    served.account("p-theory", Role.ADMIN, Role.AUDITOR)
    tie = ties(found(served, "p-clerk"), "网页账户")[0]
    assert (tie.urgent, tie.found) == (False, "管理员")
    assert not ties(found(served, "p-leader"), "网页账户")


def test_tokens_go_with_whoever_made_them(served: Served) -> None:
    wanted = Wanted("oa-sync", frozenset({Role.VIEWER}))
    make(served.ledger, "test", wanted, by="p-clerk", now=NOW)
    assert [each.what for each in ties(found(served, "p-clerk"), "程序令牌")] == ["oa-sync"]
    assert not ties(found(served, "p-office"), "程序令牌")
    served.clock.set(NOW + timedelta(days=366))
    assert not ties(found(served), "程序令牌")


def test_the_only_approver_and_the_only_address_of_alerts_are_named(served: Served) -> None:
    plan = plan_of(item_yaml("x", "date: 2026-07-10", ON_DUE_DAY, APPROVED))
    served.edition = edition_of(plan)
    (tie,) = ties(found(served, "p-office"), "审批")
    assert tie.urgent
    assert "另加一人" in tie.remedy
    assert not ties(found(served, "p-clerk"), "审批")
    assert [each.urgent for each in ties(found(served, "p-clerk"), "故障通知")] == [True]
    assert ties(found(served), "故障通知")[0].found == "故障通知只到一个地址"


def test_a_mailbox_of_the_office_that_is_somebody_s_own_is_named(served: Served) -> None:
    same = DIRECTORY.replace("clerk@example.com", "JGDW@example.com")
    served.edition = edition_of(plan_of(item_yaml("x", "date: 2026-07-10", ON_DUE_DAY), directory=same))
    named = [each for each in ties(found(served, "p-clerk"), "邮箱、机器人与密钥") if each.urgent]
    assert named
    assert all("是机关党委办公室干事的邮箱" in each.found for each in named)
    assert not any(each.urgent for each in ties(found(served, "p-office"), "邮箱、机器人与密钥"))


def test_the_page_is_for_managers_and_shows_the_person_that_was_chosen(served: Served) -> None:
    clerk = served.log_in("p-clerk", Role.ADMIN)
    text = text_of(clerk.get("/settings/handover?person=p-clerk").text)
    assert "机关党委办公室干事离任交接" in text
    assert "唯一的管理员" in text
    assert "哪些系于一人" in text_of(clerk.get("/settings/handover?person=nobody").text)
    office = served.log_in("p-office", Role.EDITOR, Role.APPROVER)
    assert office.get("/settings/handover").status_code == 403


def test_titles_of_private_items_are_for_who_may_see_them(served: Served) -> None:
    served.edition = edition_of(
        plan_of(item_yaml("x", "date: 2026-07-10", ON_DUE_DAY, "private: true\n" + APPROVED))
    )
    assert not ties(found(served), "审批")
    assert ties(found(served, private=True), "审批")


def test_the_command_says_the_same(tmp_path: Path) -> None:
    schedules, data = tmp_path / "schedules", tmp_path / "var"
    write_plan(schedules, item_yaml("x", "date: 2026-07-10", ON_DUE_DAY))
    made = here(NOW, "token", "create", "oa-sync", "--by", "p-clerk", schedules=schedules, data=data)
    assert made.code == 0
    said = here(NOW, "handover", "--person", "机关党委办公室干事", schedules=schedules, data=data)
    assert "oa-sync" in said.out
    assert "没有别人可以顶上" in said.out
    as_json = here(NOW, "handover", "--format", "json", schedules=schedules, data=data)
    assert json.loads(as_json.out)["urgent"] >= 2
    wrong = here(NOW, "handover", "--person", "某人", schedules=schedules, data=data)
    assert wrong.code == 2
    assert "名册中没有" in wrong.err


@pytest.mark.parametrize(
    ("admins", "state", "said"),
    [
        ("", WARN, "只有 机关党委办公室干事 能收到"),
        ("\n    - person:p-office", GOOD, "办公室主任、机关党委办公室干事"),
        ("\n    - person:p-same", WARN, "共用一个地址"),
    ],
)
def test_doctor_warns_when_alerts_reach_fewer_than_two(admins: str, state: str, said: str) -> None:
    files = files_of(item_yaml("x", "date: 2026-07-10", ON_DUE_DAY))
    same = "  - id: p-same\n    name: 干事乙\n    mail: Clerk@example.com\nholdings:"
    files["directory.yaml"] = (DIRECTORY + "...\n").replace("holdings:", same, 1).encode()
    head = files["plan.yaml"].decode()
    files["plan.yaml"] = head.replace("    - person:p-clerk", "    - person:p-clerk" + admins, 1).encode()
    plan = load_plan_bytes(files).plan
    assert plan is not None
    (finding,) = _people(edition_of(plan), NOW)
    assert finding.state == state
    assert said in finding.found
