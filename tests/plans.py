"""Small plans for tests: an office of two sections and one branch, and whatever items a test wants."""

from __future__ import annotations

import textwrap
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from reminder.calendars.workdays import WorkCalendar
from reminder.plan.loader import load_plan_bytes
from reminder.plan.model import Plan

SHANGHAI = ZoneInfo("Asia/Shanghai")
CALENDAR = WorkCalendar()

HEAD = """\
plan:
  id: test
  title: 测试计划
  timezone: {zone}
  from: 2026-01-01
  until: 2026-12-31
  office:
    sign_off: 机关党委
    contact: 机关党委办公室
    mailbox: jgdw@example.com
  admins:
    - person:p-clerk
  via:
    - mail
"""

DIRECTORY = """\
units:
  - id: 办公室
    kind: 科室
    roles:
      - 责任单位
    head: 办公室主任
  - id: 理论科
    kind: 科室
    roles:
      - 责任单位
    head: 理论科科长
    contact: 理论科联络员
  - id: 第一党支部
    kind: 党组织
    head: 第一党支部书记
groups:
  - id: 机关各科室
    kind: 科室
posts:
  - id: 分管副部长
    roles:
      - 部务会成员
  - id: 办公室主任
    unit: 办公室
  - id: 理论科科长
    unit: 理论科
  - id: 理论科联络员
    unit: 理论科
  - id: 第一党支部书记
    unit: 第一党支部
people:
  - id: p-leader
    name: 分管副部长
    mail: leader@example.com
    wecom: leader
  - id: p-office
    name: 办公室主任
    unit: 办公室
    mail: office@example.com
    wecom: office
  - id: p-theory
    name: 理论科科长
    unit: 理论科
    mail: theory@example.com
    wecom: theory
  - id: p-liaison
    name: 理论科联络员
    unit: 理论科
    mail: liaison@example.com
    wecom: liaison
  - id: p-secretary
    name: 第一党支部书记
    unit: 第一党支部
    mail: secretary@example.com
    wecom: secretary
  - id: p-clerk
    name: 机关党委办公室干事
    mail: clerk@example.com
holdings:
  - post: 分管副部长
    person: p-leader
  - post: 办公室主任
    person: p-office
  - post: 理论科科长
    person: p-theory
  - post: 理论科联络员
    person: p-liaison
  - post: 第一党支部书记
    person: p-secretary
supervision:
  - leader: 分管副部长
    unit: 办公室
  - leader: 分管副部长
    unit: 理论科
  - leader: 分管副部长
    unit: 第一党支部
"""

CHANNELS = """\
channels:
  - id: mail
    kind: email
    network: intranet
    host: 127.0.0.1
    port: 2525
    tls: none
    from: 机关党委 <jgdw@example.com>
  - id: group
    kind: wecom_robot
    secret: ROBOT_KEY
    base_url: http://127.0.0.1:8765
"""


def item_yaml(item_id: str, when: str, remind: str, extra: str = "") -> str:
    """One item; ``when`` and ``remind`` are YAML blocks, indented here."""
    text = f"  - id: {item_id}\n    clause: 二（一）1\n    basis: 拟\n    title: 事项{item_id}\n    when:\n"
    text += textwrap.indent(textwrap.dedent(when).strip(), "      ") + "\n"
    if remind:
        text += "    remind:\n" + textwrap.indent(textwrap.dedent(remind).strip(), "      ") + "\n"
    if extra:
        text += textwrap.indent(textwrap.dedent(extra).strip(), "    ") + "\n"
    return text


ON_DUE_DAY = """
- from: due
  workdays: 0
  to: person:p-office
"""


def files_of(
    *items: str,
    zone: str = "Asia/Shanghai",
    head: str = "",
    channels: str = CHANNELS,
    directory: str = DIRECTORY,
) -> dict[str, bytes]:
    """The files of a plan folder, by name."""
    plan = HEAD.format(zone=zone) + head + "items:\n" + "".join(items) + "...\n"
    return {
        "plan.yaml": plan.encode(),
        "directory.yaml": (directory + "...\n").encode(),
        "channels.yaml": (channels + "...\n").encode(),
    }


def plan_of(
    *items: str,
    zone: str = "Asia/Shanghai",
    head: str = "",
    directory: str = DIRECTORY,
    channels: str = CHANNELS,
) -> Plan:
    """A loaded plan; fails the test with the problems if it has errors."""
    result = load_plan_bytes(files_of(*items, zone=zone, head=head, directory=directory, channels=channels))
    assert result.plan is not None, "\n".join(str(problem) for problem in result.problems)
    return result.plan


def write_plan(folder: Path, *items: str, **options: str) -> None:
    """The files of a plan, in a folder of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files_of(*items, **options).items():
        (folder / name).write_bytes(data)


def at(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    """``2026-09-24 09:30`` or ``2026-09-24`` on the office's wall clock."""
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def day(text: str) -> date:
    return date.fromisoformat(text)
