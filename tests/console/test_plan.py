"""计划: the files, their problems at their lines, saving, versions, templates, and what may not be seen."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from reminder.access.rights import Role
from reminder.editing.bundle import examined
from reminder.editing.store import PlanStore
from reminder.ledger.file_versions import VersionKind
from reminder.source import MAX_BYTES
from tests.console.conftest import NOW, REPORT
from tests.editing.conftest import lay_out
from tests.harness.console import Served, User, text_of

LATER = ("closes: 2026-06-10", "closes: 2026-06-26")


def path(office: Served, name: str = "plan.yaml") -> Path:
    return office.settings.schedules / name


def hidden(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    return found[1] if found else ""


def typed(html: str) -> str:
    """What stands in the editor."""
    found = re.search(r"(?s)<textarea[^>]*>\n(.*?)</textarea>", html)
    assert found, html
    return unescape(found[1])


def send(user: User, html: str, text: str, action: str, **more: str) -> str:
    """Submit the editor that stands on a page; the page that comes back."""
    fields = {"content": text, "base": hidden(html, "base"), "checked": hidden(html, "checked")}
    return user.post("/plan/plan.yaml", fields | {"action": action} | more, form_on="/plan/plan.yaml").text


def editor(office: Served) -> User:
    return office.log_in("p-clerk", Role.EDITOR, private=True)


def test_the_list_says_what_is_in_force(office: Served) -> None:
    user = editor(office)
    text = text_of(user.get("/plan").text)
    assert "plan.yaml 任务与时间" in text
    assert "与运行中的不同" not in text
    path(office).write_text(path(office).read_text() + "# 改过\n")
    assert "与运行中的不同" in text_of(user.get("/plan").text)


def test_a_check_shows_what_would_change_and_saves_nothing(office: Served) -> None:
    user, before = editor(office), path(office).read_text()
    page = user.get("/plan/plan.yaml").text
    assert typed(page) == before
    assert 'value="save"' not in page  # nobody saves what they have not seen compared
    page = send(user, page, before.replace(*LATER), "check")
    text = text_of(page)
    assert "没有错误" in text
    assert "这次修改会移动 2 条提醒。" in text
    assert "2026-06-10 17:00" not in text
    assert "closes: 2026-06-26" in page
    assert 'value="save"' in page
    assert path(office).read_text() == before


def test_what_was_checked_is_saved_with_its_author_and_can_be_gone_back_to(office: Served) -> None:
    user, before = editor(office), path(office).read_text()
    after = before.replace(*LATER, 1)
    page = send(user, user.get("/plan/plan.yaml").text, after, "check")
    page = send(user, page, after, "save", remark="推迟到月底")
    assert "已保存，并记入版本" in page
    assert path(office).read_text() == after
    saved, found = office.ledger.files.every("test", "plan.yaml")
    assert (saved.author, saved.remark) == ("p-clerk", "推迟到月底")
    assert "推迟到月底" in user.get("/plan").text
    old = user.get(f"/plan/versions/{found.id}").text
    assert "恢复到这个版本" in old
    page = user.post(f"/plan/versions/{found.id}", {}, form_on=f"/plan/versions/{found.id}").text
    assert typed(page) == before
    assert path(office).read_text() == after  # restoring is checked first, as any change is
    remark = hidden(page, "remark")
    assert remark.startswith("恢复 ")
    send(user, page, before, "save", remark=remark)
    assert path(office).read_text() == before
    assert office.ledger.files.every("test", "plan.yaml")[0].remark == remark


def test_two_editors_the_second_is_refused_and_keeps_what_they_typed(office: Served) -> None:
    office.account("p-office", Role.EDITOR, private=True)
    first, second = editor(office), office.log_in("p-office")
    before = path(office).read_text()
    of_first, of_second = before.replace(*LATER, 1), before.replace("事项report", "报送材料")
    pages = [
        send(user, user.get("/plan/plan.yaml").text, text, "check")
        for user, text in ((first, of_first), (second, of_second))
    ]
    assert "已保存" in send(first, pages[0], of_first, "save")
    page = send(second, pages[1], of_second, "save")
    assert "已被别人改过，没有保存" in page
    assert typed(page) == of_second
    assert path(office).read_text() == of_first
    # What a save would take away is shown, and asked for once more.
    assert re.search(r'class="minus".*?closes: 2026-06-26', page, re.DOTALL)
    both = of_first.replace("事项report", "报送材料")
    page = send(second, page, both, "check")
    assert "已保存" in send(second, page, both, "save")
    assert path(office).read_text() == both


def test_what_was_changed_after_the_check_is_checked_again(office: Served) -> None:
    user, before = editor(office), path(office).read_text()
    page = send(user, user.get("/plan/plan.yaml").text, before.replace(*LATER), "check")
    page = send(user, page, before.replace("closes: 2026-06-10", "closes: 2026-06-30"), "save")
    assert "内容在检查之后又有改动" in page
    assert path(office).read_text() == before


def test_errors_stand_at_their_lines_and_nothing_is_written(office: Served) -> None:
    user, before = editor(office), path(office).read_text()
    wrong = before.replace("basis: 拟", "basis: 假").replace("to: owing", "to: nobody-we-know", 1)
    for action in ("check", "save"):
        page = send(user, user.get("/plan/plan.yaml").text, wrong, action)
        for number, line in enumerate(wrong.splitlines(), 1):
            if line.strip() in ("basis: 假", "to: nobody-we-know"):
                found = re.search(
                    rf'<tr class="bad" id="p1-{number}">.*?{re.escape(line.strip())}.*?<tr class="notes">.*?第 {number} 行第 \d+ 列',
                    page,
                    re.DOTALL,
                )
                assert found, line
        assert 'value="save"' not in page
        assert typed(page) == wrong
    assert path(office).read_text() == before
    assert office.ledger.files.every("test") == []


def test_files_with_errors_are_mended_one_after_the_other(office: Served) -> None:
    user, before = editor(office), path(office).read_text()
    path(office).write_text(before.replace("basis: 拟", "basis: 假"))
    channels = path(office, "channels.yaml")
    channels.write_text(channels.read_text().replace("2525", "x"))
    page = send(user, user.get("/plan/plan.yaml").text, before, "check")
    assert "可以先保存" in page
    assert "已保存" in send(user, page, before, "save")
    assert path(office).read_text() == before


def test_a_file_that_is_no_yaml_at_all_is_shown_where_it_breaks(office: Served) -> None:
    user = editor(office)
    page = send(user, user.get("/plan/plan.yaml").text, "plan: [\n<script>alert(1)</script>\n", "check")
    assert "处错误，不能保存" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize(
    "address",
    [
        "/plan/..%2f..%2fetc%2fpasswd",
        "/plan/%2e%2e%2foutside.yaml",
        "/plan/calendar/..%2fplan.yaml",
        "/plan/templates/..%2f..%2fschedules/plan.yaml",
        "/plan/templates/general/..%2f..%2fwording.yaml",
        "/plan/.plan.yaml",
        "/plan/plan.schema.json",
        "/plan/no-such.yaml",
        "/plan/versions/0",
        "/plan/versions/99999999999999999999",
        "/plan/versions/x",
        "/plan/templates/nothing",
    ],
)
def test_no_address_leads_out_of_the_folders(office: Served, address: str) -> None:
    (office.settings.schedules.parent / "outside.yaml").write_text("x: y\n")
    user = editor(office)
    assert user.get(address).status_code == 404
    if "/versions/" not in address and address.endswith((".yaml", "passwd", ".json")):
        answer = user.post(address, {"content": "x: y\n", "action": "save"}, form_on="/plan/plan.yaml")
        assert answer.status_code == 404


def test_rights(office: Served) -> None:
    before = path(office).read_text()
    office.ledger.files.keep_found("test", {"plan.yaml": b"x: y\n...\n"}, at=NOW, author="files")
    for role in (Role.VIEWER, Role.APPROVER, Role.AUDITOR):
        user = office.log_in("p-office", role, private=True)
        page = user.get("/plan/plan.yaml").text
        assert "可以查看，不能修改" in page
        assert 'value="check"' not in page
        for address, fields in (
            ("/plan/plan.yaml", {"content": "x: y\n", "action": "save"}),
            ("/plan/versions/1", {}),
            ("/plan/templates/general/words.j2", {"content": "x", "action": "save"}),
        ):
            assert user.post(address, fields, form_on="/plan").status_code == 403
    assert path(office).read_text() == before
    assert User(office.url).get("/plan").url.endswith("/login")


def without_private(office: Served, *roles: Role) -> User:
    return office.log_in("p-office", *(roles or (Role.EDITOR, Role.ADMIN)))


def test_private_items_are_shown_to_nobody_without_the_right(office: Served) -> None:
    office.ledger.files.keep_found("test", {"plan.yaml": path(office).read_bytes()}, at=NOW, author="files")
    user = without_private(office)
    page = user.get("/plan/plan.yaml").text
    text = text_of(page)
    assert "没有查看非公开事项的权限" in text
    assert "事项report" in text
    for word in ("talk", "private"):
        assert word not in page
    assert "<textarea" not in page
    for address, fields in (
        ("/plan/plan.yaml", {"content": "x: y\n", "action": "check"}),
        ("/plan/versions/1", {}),
    ):
        assert user.post(address, fields, form_on="/plan").status_code == 403
    assert user.get("/plan/versions/1").status_code == 403
    for address in ("/plan", "/plan/versions", "/plan/templates/general", "/plan/templates/private"):
        assert "talk" not in user.get(address).text
    answer = user.get("/plan/templates/general/preview?item=talk")
    assert "事项talk" not in answer.text


def test_problems_and_changes_of_private_items_are_not_told_without_the_right(office: Served) -> None:
    user, before = without_private(office), path(office, "directory.yaml").read_text()

    def check(text: str) -> str:
        form = user.get("/plan/directory.yaml").text
        fields = {"content": text, "base": hidden(form, "base"), "action": "check"}
        return user.post("/plan/directory.yaml", fields, form_on="/plan/directory.yaml").text

    # A talk's own `escalate_to` names a person who is there no more; so does a public part of the plan.
    page = check(before.replace("person: p-clerk", "person: p-nobody").replace("id: p-clerk", "id: p-other"))
    assert "有错误涉及非公开事项" in page
    assert "plan.admins" in page
    assert "talk" not in page
    assert 'value="save"' not in page
    page = check(before.replace("name: 办公室主任", "name: 办公室主任（新）"))
    assert "没有错误" in page
    assert "talk" not in page


def test_whoever_may_not_see_private_items_cannot_make_one(office: Served) -> None:
    public = REPORT.replace("id: report", "id: another")
    extra = path(office, "more.yaml")
    extra.write_text("items:\n" + public + "...\n")
    user = without_private(office)
    form = user.get("/plan/more.yaml").text
    made = extra.read_text().replace("    basis: 拟\n", "    basis: 拟\n    private: true\n")
    fields = {"content": made, "base": hidden(form, "base"), "action": "check"}
    answer = user.post("/plan/more.yaml", fields, form_on="/plan/more.yaml")
    assert answer.status_code == 403
    assert "须由有查看非公开事项权限的人保存" in answer.text
    assert typed(answer.text) == made


def test_a_file_that_cannot_be_read_closes_no_other_page(office: Served) -> None:
    user, before = editor(office), path(office).read_text()
    after = before.replace(*LATER, 1)
    send(user, send(user, user.get("/plan/plan.yaml").text, after, "check"), after, "save")
    kept = f"/plan/versions/{office.ledger.files.every('test', 'plan.yaml')[-1].id}"
    for file in (path(office), office.settings.templates / "general" / "words.j2"):
        file.write_bytes(b"#" * (MAX_BYTES + 1))
    overview = user.get("/plan")
    assert overview.status_code == 200
    assert "plan.yaml 超过 5 MiB" in overview.text
    general = text_of(overview.text).partition("general")[2]
    assert "与运行中的不同" in general.partition("notice")[0]
    for answer in (user.get(kept), user.post(kept, {}), user.get("/plan/plan.yaml")):
        assert answer.status_code == 422
        assert "plan.yaml 超过 5 MiB" in answer.text


def test_a_version_that_is_no_text_is_said_to_be_none(office: Served) -> None:
    content = "# 备注\n".encode("gb18030")
    kept = office.ledger.files.keep("test", "plan.yaml", content, VersionKind.FOUND, at=NOW, author="files")
    answer = editor(office).get(f"/plan/versions/{kept}")
    assert answer.status_code == 422
    assert "文件不是 UTF-8 编码的文本" in answer.text


def test_a_template_is_shown_as_its_receiver_gets_it_in_a_frame_that_runs_nothing(office: Served) -> None:
    user = editor(office)
    page = user.get("/plan/templates/general").text
    assert 'sandbox=""' in page
    answer = user.get("/plan/templates/general/preview?item=report&channel=mail&receiver=p-office")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy
    text = text_of(answer.text)
    assert "收件人：办公室主任（p-office）" in text
    assert "事项report" in text


def test_a_template_is_tried_before_it_is_saved(office: Served) -> None:
    user, name = editor(office), "/plan/templates/general/words.j2"
    file = office.settings.templates / "general" / "words.j2"
    before = file.read_text()
    shown = {"item": "report", "channel": "mail", "receiver": "p-office"}
    typed_text = before.replace("{% call form.p() %}", "{% call form.p() %}新加的一句。", 1)
    assert typed_text != before
    answer = user.post(f"{name}/preview", {"content": typed_text} | shown, form_on=name)
    assert "新加的一句。" in answer.text
    assert file.read_text() == before
    broken = user.post(f"{name}/preview", {"content": "{% if %}"} | shown, form_on=name)
    assert broken.status_code == 200
    assert "words.j2:1" in broken.text
    form = user.get(name).text
    fields = {"content": "{% if %}", "base": hidden(form, "base"), "action": "check"}
    page = user.post(name, fields, form_on=name).text
    assert "处错误，不能保存" in page
    assert file.read_text() == before
    page = user.post(name, fields | {"content": typed_text}, form_on=name).text
    assert "没有错误" in page
    saved = {"content": typed_text, "base": hidden(page, "base"), "checked": hidden(page, "checked")}
    assert "已保存" in user.post(name, saved | {"action": "save"}, form_on=name).text
    assert file.read_text() == typed_text


def test_a_published_plan_is_saved_in_the_ledger_and_gone_back_to(tmp_path: Path) -> None:
    """The same pages; what was not seen compared with what is in force is not published."""
    drafts = lay_out(tmp_path / "drafts", REPORT)
    contents, found = examined(drafts.schedules, drafts.templates, None)
    assert found.edition is not None
    with Served(tmp_path / "data", found.edition, NOW, published=True) as office:
        plans = office.ledger.published
        plans.publish(
            "test", contents, found.edition.digest, at=NOW, author="push", over=0, kept=["plan.yaml"]
        )
        PlanStore(office.settings.published).bring(office.ledger)
        user, before = editor(office), path(office).read_text()
        after = before.replace(*LATER, 1)
        page = send(user, user.get("/plan/plan.yaml").text, after, "check")
        page = send(user, page, after, "save", remark="推迟到月底")
        assert "已保存，并记入版本" in page
        assert typed(page) == after
        in_force = plans.in_force("test")
        assert in_force is not None
        assert (in_force.number, in_force.author, in_force.remark) == (2, "p-clerk", "推迟到月底")
        first = office.ledger.files.every("test", "plan.yaml")[-1]
        shown = user.post(f"/plan/versions/{first.id}", {}, form_on=f"/plan/versions/{first.id}").text
        assert typed(shown) == before
        assert "已保存" in send(user, shown, before, "save", remark=hidden(shown, "remark"))
        assert plans.number("test") == 3
        stale = send(user, shown, after, "check")
        version = plans.get("test", 3)
        assert version is not None
        plans.publish("test", {**plans.contents(version)}, "e", at=NOW, author="push", over=3)
        refused = send(user, stale, after, "save")
        assert "已有人发布了第 4 版计划，没有保存" in text_of(refused)
        assert typed(refused) == after
