"""What is read again although nobody has changed a file, and what is left alone while somebody does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reminder.check import Edition, examine
from reminder.daemon import plan_source
from reminder.daemon.plan_source import AGAIN_SECONDS, PlanSource
from reminder.ledger.errors import LedgerUnreachable
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.messages import render
from reminder.messages.render import RendererUnavailable
from reminder.settings import Settings
from reminder.watch import STILL_SECONDS
from tests.editions import TEMPLATES
from tests.plans import at, item_yaml, write_plan

RUNG = "- from: due\n  workdays: 0\n  to: person:p-office\n"


def reads(source: PlanSource, ledger: Ledger, before: Edition) -> Edition | None:
    """The edition that is read, or None of one that is refused."""
    found = source.read(ledger, before)
    assert found is not None
    return found.edition


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
            assert reads(source, ledger, edition) is None
        assert source.moving
        assert not source.changed(ledger, 10.0 + AGAIN_SECONDS - 1)
        assert source.changed(ledger, 10.0 + AGAIN_SECONDS)
        assert reads(source, ledger, edition) is not None
        assert not source.moving

        def broken(*_: object) -> None:
            raise LedgerUnreachable("断了")

        with monkeypatch.context() as patch:
            patch.setattr(PlanSource, "_breaks", broken)
            with pytest.raises(LedgerUnreachable):
                source.read(ledger, edition)
        assert source.changed(ledger, 500.0), "nobody touches the file a second time"
        assert reads(source, ledger, edition) is not None

        (settings.schedules / "plan.yaml").write_text("plan: [\n")
        assert not source.changed(ledger, 1_000.0)  # seen, and not yet at rest
        assert source.changed(ledger, 1_010.0)
        assert reads(source, ledger, edition) is None
        assert not source.changed(ledger, 1_010.0 + 2 * AGAIN_SECONDS)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[tuple[Settings, Ledger, Edition]]:
    """A plan folder, a ledger and the edition in force."""
    settings = Settings(schedules=tmp_path / "schedules", templates=TEMPLATES, data=tmp_path)
    write_plan(settings.schedules, item_yaml("x", "date: 2026-06-10", RUNG))
    with Ledger.open(tmp_path / "l", kind=LedgerKind.DAEMON, now=at("2026-06-10 08:00")) as ledger:
        edition = examine(settings.schedules, settings.templates).edition
        assert edition is not None
        yield settings, ledger, edition


def test_half_a_file_is_refused_only_if_it_stays_so(office: tuple[Settings, Ledger, Edition]) -> None:
    """Somebody asks for a reload while an editor is saving: nobody is told of faults that are gone in a moment."""
    settings, ledger, edition = office
    source = PlanSource(settings, "test")
    plan = settings.schedules / "plan.yaml"
    whole = plan.read_bytes()
    plan.write_bytes(whole[:-20])
    assert not source.changed(ledger, 10.0)
    assert source.read(ledger, edition) is None
    assert not source.changed(ledger, 11.0)
    plan.write_bytes(b"# saved\n" + whole)
    assert not source.changed(ledger, 12.5)
    assert source.changed(ledger, 12.5 + STILL_SECONDS)
    assert reads(source, ledger, edition) is not None

    plan.write_bytes(whole[:-20])
    assert not source.changed(ledger, 20.0)
    assert source.read(ledger, edition) is None
    assert source.changed(ledger, 20.0 + STILL_SECONDS)
    assert reads(source, ledger, edition) is None
    assert reads(source, ledger, edition) is None, "asked for again, it is told again"


def test_what_changes_while_it_is_read_is_read_again(
    office: tuple[Settings, Ledger, Edition], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file of the old plan and one of the new may go together well, and are nobody's plan."""
    settings, ledger, edition = office
    source = PlanSource(settings, "test")
    plan = settings.schedules / "plan.yaml"

    def while_saving(*arguments: object, **options: object) -> object:
        found = examine(*arguments, **options)  # type: ignore[arg-type]
        plan.write_bytes(b"# saved\n" + plan.read_bytes())
        return found

    with monkeypatch.context() as patch:
        patch.setattr(plan_source, "examine", while_saving)
        assert source.read(ledger, edition) is None
    assert not source.changed(ledger, 10.0)
    assert source.changed(ledger, 10.0 + STILL_SECONDS)
    assert source.read(ledger, edition) is not None


def test_what_was_read_because_somebody_asked_is_not_read_again(
    office: tuple[Settings, Ledger, Edition],
) -> None:
    """A reload asked for just after saving is one reload."""
    settings, ledger, edition = office
    source = PlanSource(settings, "test")
    plan = settings.schedules / "plan.yaml"
    plan.write_bytes(b"# saved\n" + plan.read_bytes())
    assert not source.changed(ledger, 10.0)
    assert source.read(ledger, edition) is not None
    assert not source.moving
    assert not source.changed(ledger, 10.0 + 2 * STILL_SECONDS)
