"""What is read again although nobody has changed a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from reminder.check import examine
from reminder.daemon.plan_source import AGAIN_SECONDS, PlanSource
from reminder.ledger.errors import LedgerUnreachable
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.messages import render
from reminder.messages.render import RendererUnavailable
from reminder.settings import Settings
from tests.editions import TEMPLATES
from tests.plans import at, item_yaml, write_plan

RUNG = "- from: due\n  workdays: 0\n  to: person:p-office\n"


def test_a_plan_that_could_not_be_rendered_is_read_again_soon_and_a_wrong_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that renders could not be had: no file will move when it can again."""
    settings = Settings(schedules=tmp_path / "schedules", templates=TEMPLATES, data=tmp_path)
    write_plan(settings.schedules, item_yaml("x", "date: 2026-06-10", RUNG))
    with Ledger.open(tmp_path / "l", kind=LedgerKind.DAEMON, now=at("2026-06-10 08:00")) as ledger:
        source = PlanSource(settings, "test")
        edition = examine(settings.schedules, settings.templates).edition
        assert edition is not None
        assert not source.changed(ledger, 10.0)

        def none(*_: object) -> None:
            raise RendererUnavailable("内存不足")

        with monkeypatch.context() as patch:
            patch.setattr(render.Templates, "section", none)
            found = source.read(ledger, edition)
        assert found.edition is None
        assert source.moving
        assert not source.changed(ledger, 10.0 + AGAIN_SECONDS - 1)
        assert source.changed(ledger, 10.0 + AGAIN_SECONDS)
        assert source.read(ledger, edition).edition is not None
        assert not source.moving

        def broken(*_: object) -> None:
            raise LedgerUnreachable("断了")

        with monkeypatch.context() as patch:
            patch.setattr(PlanSource, "_breaks", broken)
            with pytest.raises(LedgerUnreachable):
                source.read(ledger, edition)
        assert source.changed(ledger, 500.0), "nobody touches the file a second time"
        assert source.read(ledger, edition).edition is not None

        (settings.schedules / "plan.yaml").write_text("plan: [\n")
        assert source.read(ledger, edition).edition is None
        assert not source.changed(ledger, 1_000.0)  # seen, and not yet at rest
        assert source.changed(ledger, 1_010.0)
        assert source.read(ledger, edition).edition is None
        assert not source.changed(ledger, 1_010.0 + 2 * AGAIN_SECONDS)
