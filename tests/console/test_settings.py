"""设置: channels and a test message, silences, accounts, logins, a year's days off; who may do what of it."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from reminder.access.rights import Role
from reminder.agenda.facts import SilenceKind
from reminder.channels.base import Outcome, OutcomeKind
from reminder.check import examine
from reminder.ledger.holds import Hold, HoldReason
from reminder.ledger.records import Transport
from reminder.recording.silences import Silences
from tests.console.conftest import NOW
from tests.editions import Remembering
from tests.harness.console import PASSWORD, Served, User, text_of

NOTICES = Path(__file__).parent.parent / "calendars" / "notices"
YEAR_2027 = """国务院办公厅关于2027年部分节假日安排的通知
一、元旦：1月1日（周五）至3日（周日）放假，共3天。
二、春节：2月5日（周五）至12日（周五）放假调休，共8天。1月31日（周日）、2月20日（周六）上班。
三、清明节：4月3日（周六）至5日（周一）放假，共3天。
四、劳动节：5月1日（周六）至5日（周三）放假调休，共5天。4月25日（周日）、5月8日（周六）上班。
五、端午节：6月9日（周三）放假1天。
六、中秋节：9月15日（周三）放假1天。
七、国庆节：10月1日（周五）至7日（周四）放假调休，共7天。9月26日（周日）、10月9日（周六）上班。
"""


def admin(office: Served, *, private: bool = True) -> User:
    return office.log_in("p-clerk", Role.ADMIN, private=private)


def remembered(office: Served, channel: str = "mail") -> Remembering:
    found = office.channels[channel]
    assert isinstance(found, Remembering)
    return found


def proof(user: User, person: str = "p-office", channel: str = "mail") -> str:
    answer = user.post(f"/settings/channels/{channel}/test", {"person": person}, form_on="/settings")
    return text_of(answer.text)


def test_channels_are_shown_without_what_their_secrets_say(office: Served) -> None:
    user = admin(office)
    text = text_of(user.get("/settings").text)
    assert "127.0.0.1:2525（不加密）" in text
    assert "ROBOT_KEY 没有找到" in text
    secrets = office.settings.data / "secrets"
    secrets.mkdir()
    (secrets / "ROBOT_KEY").write_text("a-key-that-nobody-sees\n")
    page = user.get("/settings").text
    assert "ROBOT_KEY 已找到" in text_of(page)
    assert "nobody-sees" not in page


def test_a_test_message_in_rehearsal_goes_to_the_outbox_and_is_recorded(office: Served) -> None:
    text = proof(admin(office))
    assert "试运行：没有发给任何人" in text
    (parcel,) = remembered(office).arrived
    assert (parcel.receiver, parcel.address) == ("p-office", "office@example.com")
    begun, ended = (
        office.ledger.notes("test", kind)[0] for kind in ("test-message", "test-message-answered")
    )
    assert begun.author == ended.author == "p-clerk"
    assert ended.detail["outcome"] == "accepted"
    assert begun.detail["id"] == ended.detail["id"] == parcel.delivery
    assert "最近的测试消息" in text


def test_when_it_is_live_the_servers_answer_is_told_with_what_to_do(office: Served) -> None:
    office.ledger.go_live("test", by="p-clerk", now=NOW)
    user = admin(office)
    assert "服务器已接收（250 OK）" in proof(user)
    answers = {
        "535": (Outcome(OutcomeKind.PERMANENT, "535", "authentication failed"), "没有发出：登录被拒"),
        "dns": (Outcome(OutcomeKind.TRANSIENT, "dns", ""), "没有发出：域名解析失败"),
        "lost": (Outcome(OutcomeKind.UNCERTAIN, "connection", "lost"), "不知是否送达"),
    }
    for outcome, words in answers.values():
        office.channels["mail"] = Remembering("mail", lambda _parcel, outcome=outcome: outcome)
        office.clock.advance(timedelta(minutes=2))
        assert words in proof(user)


def test_test_messages_are_few(office: Served) -> None:
    user = admin(office)
    proof(user)
    assert "一分钟内只能发一条" in proof(user)
    assert len(remembered(office).arrived) == 1
    for number in range(12):
        office.clock.advance(timedelta(minutes=1, seconds=1))
        text = proof(user)
        assert ("一小时内已发 10 条" in text) == (number >= 9)
    assert len(remembered(office).arrived) == 10
    office.clock.advance(timedelta(minutes=29))
    office.clock.advance(timedelta(minutes=29))
    user = office.log_in("p-clerk")
    assert "没有发给任何人" in proof(user)


def test_a_test_message_goes_only_to_somebody_of_the_directory(office: Served) -> None:
    user = admin(office)
    for person in ("", "p-stranger", "someone@example.com"):
        assert "请从名录中选一个人；没有发送" in proof(user, person)
    assert user.post("/settings/channels/fax/test", {}, form_on="/settings").status_code == 422
    assert "没有发给任何人" in proof(user, "", "group")
    assert remembered(office).arrived == []
    assert len(remembered(office, "group").arrived) == 1


def test_from_a_ledger_on_hold_nothing_is_sent(office: Served) -> None:
    office.ledger.holds.put(Hold(HoldReason.RESTORED, NOW, NOW))
    user = admin(office)
    assert "台账待确认，什么也不发送" in proof(user)
    assert remembered(office).arrived == []


def test_silences_are_set_and_ended_with_their_author(office: Served) -> None:
    user = admin(office)
    fields = {"what": "unit:办公室", "until": "2026-06-12", "reason": "集中搬迁"}
    assert "已设静默" in user.post("/settings/silences", fields, form_on="/settings/silences").text
    (silence,) = office.ledger.facts("test", Transport.OUTBOX).silences
    assert (silence.kind, silence.name, silence.by) == (SilenceKind.UNIT, "办公室", "p-clerk")
    assert "S1 单位 办公室" in text_of(user.get("/settings/silences").text)
    assert "静默已结束" in user.post("/settings/silences/S1/end", {}, form_on="/settings/silences").text
    assert "已结束" in user.get("/settings/silences").text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"what": ""}, "请选择静默什么"),
        ({"what": "item:nothing"}, "没有这个事项"),
        ({"what": "planet:mars"}, "请选择静默什么"),
        ({"until": "2026-06-01"}, "静默至 2026-06-01 不行"),
        ({"until": "morgen"}, "请写静默到哪一天"),
        ({"reason": " "}, "须写明理由"),
    ],
)
def test_a_silence_that_cannot_be_keeps_what_was_written(
    office: Served, change: dict[str, str], words: str
) -> None:
    user = office.log_in("p-clerk", Role.ADMIN)
    fields = {"what": "item:report", "until": "2026-06-12", "reason": "集中搬迁"} | change
    answer = user.post("/settings/silences", fields, form_on="/settings/silences")
    assert answer.status_code == 422
    assert words in answer.text
    assert f'value="{fields["reason"]}"' in answer.text
    assert office.ledger.facts("test", Transport.OUTBOX).silences == ()


def test_silences_of_private_items_are_for_those_who_may_see_them(office: Served) -> None:
    silences = Silences(office.ledger, office.edition)
    silences.add(SilenceKind.ITEM, "talk", date(2026, 6, 20), by="p-clerk", reason="谈话推迟", now=NOW)
    user = office.log_in("p-office", Role.ADMIN)
    page = user.get("/settings/silences").text
    assert "talk" not in page
    assert "谈话推迟" not in page
    assert user.post("/settings/silences/S1/end", {}, form_on="/settings/silences").status_code == 404
    fields = {"what": "item:talk", "until": "2026-06-25", "reason": "x"}
    answer = user.post("/settings/silences", fields, form_on="/settings/silences")
    assert "没有这个事项" in answer.text
    assert "谈话推迟" in admin(office).get("/settings/silences").text


def test_a_new_user_comes_in_by_a_first_password_and_has_to_change_it(office: Served) -> None:
    user = admin(office)
    answer = user.post("/settings/users", {"user": "p-theory", "role": "viewer"}, form_on="/settings/users")
    password = re.search(r'class="secret">([^<]+)<', answer.text)
    assert password
    assert password[1] not in user.get("/settings/users").text
    new = User(office.url)
    new.post("/login", {"user": "p-theory", "password": password[1]}, form_on="/login")
    for address in ("/", "/plan", "/settings"):
        assert new.get(address).url.endswith("/settings/password")
    fields = {"current": password[1], "new": "wo-de-xin-mi-ma-9", "again": "wo-de-xin-mi-ma-8"}
    assert "不一样" in new.post("/settings/password", fields, form_on="/settings/password").text
    fields["again"] = fields["new"]
    answer = new.post("/settings/password", fields, form_on="/settings/password")
    assert answer.url.endswith("/login?said=password-set")
    new.post("/login", {"user": "p-theory", "password": fields["new"]}, form_on="/login")
    assert new.get("/").url == f"{office.url}/"


def test_nobody_takes_the_last_admin_away(office: Served) -> None:
    user = admin(office)
    for fields in ({"role": "viewer"}, {"role": "admin", "disabled": "yes"}, {"role": "auditor"}):
        answer = user.post("/settings/users/p-clerk", fields, form_on="/settings/users")
        assert answer.status_code == 422
        assert "没有能管理账户的人" in answer.text
    assert (
        user.post("/settings/users/p-clerk", {"action": "reset"}, form_on="/settings/users").status_code
        == 422
    )
    assert user.get("/settings/users").status_code == 200


def test_an_account_that_is_disabled_is_out_at_once(office: Served) -> None:
    user, other = admin(office), office.log_in("p-office", Role.EDITOR)
    fields = {"role": "editor", "disabled": "yes"}
    assert "账户已修改" in user.post("/settings/users/p-office", fields, form_on="/settings/users").text
    assert other.get("/").url.endswith("/login")
    assert office.ledger.notes("test", "account-changed")[0].author == "p-clerk"


def test_accounts_and_logins_are_for_admins_and_auditors(office: Served) -> None:
    User(office.url).post("/login", {"user": "stranger", "password": "x" * 12}, form_on="/login")
    for role, status in ((Role.VIEWER, 403), (Role.EDITOR, 403), (Role.AUDITOR, 200), (Role.ADMIN, 200)):
        user = office.log_in("p-office", role)
        for address in ("/settings/users", "/settings/logins"):
            assert user.get(address).status_code == status
        if status == 200:
            assert "stranger 127.0.0.1 登录失败" in text_of(user.get("/settings/logins").text)


@pytest.mark.parametrize("role", list(Role))
def test_every_tab_that_is_shown_leads_to_a_page(office: Served, role: Role) -> None:
    user = office.log_in("p-office", role)
    shown = []
    for page in ("/settings", "/api/docs"):
        tabs = re.search(r'(?s)<ul class="tabs".*?</ul>', user.get(page).text)
        assert tabs
        # Relative to the root, whatever page they stand on.
        shown.append([each.lstrip("./") for each in re.findall(r'href="([^"]*)"', tabs[0])])
    assert shown[0] == shown[1]
    assert ("settings/logins" in shown[0]) == (role in (Role.ADMIN, Role.AUDITOR))
    assert ("settings/handover" in shown[0]) == (role is Role.ADMIN)
    for address in shown[0]:
        assert user.get(f"/{address}").status_code == 200, address


def test_nothing_is_changed_without_the_right(office: Served) -> None:
    office.account("p-clerk", Role.ADMIN)
    for role in (Role.VIEWER, Role.EDITOR, Role.APPROVER, Role.AUDITOR):
        user = office.log_in("p-office", role)
        for address in (
            "/settings/channels/mail/test",
            "/settings/channels/mail/resume",
            "/settings/silences",
            "/settings/silences/S1/end",
            "/settings/users",
            "/settings/users/p-clerk",
            "/settings/calendar",
        ):
            assert user.post(address, {"role": "viewer"}, form_on="/settings").status_code == 403, address
    assert remembered(office).arrived == []


def bring_in(user: User, text: str, action: str = "preview", base: str = "") -> str:
    fields = {"text": text, "action": action, "base": base}
    return user.post("/settings/calendar", fields, form_on="/settings/calendar").text


def test_a_years_arrangement_is_shown_before_it_is_written(office: Served) -> None:
    user, file = admin(office), office.settings.schedules / "calendar" / "2027.yaml"
    assert "2027年 预计（尚未公布）" in text_of(user.get("/settings/calendar").text)
    page = bring_in(user, YEAR_2027)
    text = text_of(page)
    assert "2027年，将要录入的安排" in text
    assert "02-20（星期六）" in text
    assert not file.exists()
    kept = re.search(r'(?s)name="text" value="(year: 2027.*?)">', page)
    assert kept
    assert "放假安排已写入" in bring_in(user, kept[1], "save")
    assert file.read_text().startswith("year: 2027\n")
    saved = office.ledger.files.every("test", "calendar/2027.yaml")[0]
    assert (saved.author, saved.remark) == ("p-clerk", "录入2027年放假安排")
    examined = examine(office.settings.schedules, office.settings.templates)
    assert examined.edition is not None
    office.edition = examined.edition
    text = text_of(user.get("/settings/calendar").text)
    assert "2027年 官方安排" in text
    assert "来源：录入的文件" in text
    assert "已录入的相同" in bring_in(user, kept[1], "save", saved.sha256)
    # Opened before it was there: nobody overwrites what they did not see.
    assert "已被别人改过" in bring_in(user, YEAR_2027, "save")


def test_a_file_is_taken_as_well_as_a_text(office: Served) -> None:
    user, notice = admin(office), (NOTICES / "2026.txt").read_bytes()
    for content in (notice, notice.decode().encode("gb18030")):
        answer = user.post(
            "/settings/calendar",
            {"action": "preview"},
            form_on="/settings/calendar",
            files={"file": ("放假通知.txt", content)},
        )
        assert "2026年，将要录入的安排" in answer.text


def test_what_does_not_agree_in_a_notice_is_shown_at_its_line(office: Served) -> None:
    user = admin(office)
    page = bring_in(user, YEAR_2027.replace("10月9日（周六）", "10月9日（周日）"))
    text = text_of(page)
    assert "没有录入" in text
    assert "10月9日写作周日" in text
    assert re.search(r"第 8 行第 \d+ 列", text)
    assert "10月9日（周日）上班" in page
    assert "请粘贴通知全文" in bring_in(user, "  ")
    assert list((office.settings.schedules).glob("calendar/*")) == []


def test_the_login_page_says_only_what_it_knows(office: Served) -> None:
    for word in ("in", "plan-saved", "<b>", "nothing"):
        assert 'class="said"' not in User(office.url).get(f"/login?said={word}").text
    user = office.log_in("p-office", Role.VIEWER)
    assert PASSWORD not in user.get("/settings/password").text
