"""A changed directory: the admins hear what it hands over before it takes effect."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

from tests.harness.process import DaemonProcess, wait_for
from tests.plans import DIRECTORY, at, item_yaml, write_plan

RUNG = "- from: due\n  workdays: 0\n  to: owing"
STUDY = item_yaml("study", "every: quarter", RUNG, "duty:\n  each: person\n  of:\n    - head:机关各科室")
THEORY = "  - post: 理论科科长\n    person: p-theory\n"
ROTATED = DIRECTORY.replace(
    THEORY,
    f"{THEORY}    until: 2026-06-14\n  - post: 理论科科长\n    person: p-liaison\n    from: 2026-06-15\n",
)


def test_the_admin_is_told_of_a_rotation_in_advance(tmp_path: Path) -> None:
    write_plan(tmp_path / "schedules", STUDY)
    with DaemonProcess(tmp_path / "schedules", tmp_path / "data") as process:
        process.set_clock(at("2026-06-08 10:00"))
        process.start()
        write_plan(process.schedules, STUDY, directory=ROTATED)
        wait_for(lambda: any((process.data / "outbox").rglob("*.eml")), "the notice")
        (path,) = (process.data / "outbox").rglob("*.eml")
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert message["To"] == "机关党委办公室干事 <clerk@example.com>"
        body = message.get_body(("plain",))
        assert body is not None
        text = body.get_content()
        assert "2026-06-15 起，事项study（2026年第二季度）：理论科科长不再承担" in text
        assert "2026-06-15 起，事项study（2026年第二季度）：理论科联络员开始承担，截止 2026-07-14" in text
        assert "请给任职写 until" in text
        assert process.stop() == 0
