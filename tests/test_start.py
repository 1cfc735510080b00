"""What a start must not do twice, or before it is needed: counted, never timed."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from jinja2 import nodes

from reminder.check import examine
from reminder.cli import entry
from reminder.cli.start import ALONE, MODULES
from reminder.ledger.ledger import Ledger
from reminder.ledger.records import LedgerKind
from reminder.messages import render
from reminder.messages.engine import Engine
from reminder.messages.forms import FORMS, LAYOUT, Bundle, Form
from reminder.messages.limited import Limited
from reminder.messages.render import Templates
from reminder.messages.sandbox import Sandbox
from reminder.messages.trouble import TemplateError

ROOT = Path(__file__).parent.parent
TEMPLATES = ROOT / "message_templates"


def shipped() -> Bundle:
    """The templates that are shipped."""
    return Templates.load(TEMPLATES)[0]._bundle


def modules_after(script: str) -> set[str]:
    """The top-level packages, and the product's modules, that a fresh process has loaded after a script."""
    code = f"import sys\n{textwrap.dedent(script)}\nprint('\\n' + ' '.join(sys.modules), flush=True)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=ROOT, timeout=120
    )
    names = done.stdout.splitlines()[-1].split()
    return {name if name.startswith("reminder.") else name.partition(".")[0] for name in names}


def test_each_template_is_parsed_once_and_compiled_once_a_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the faults were looked for in is what is rendered, in whatever form asks for it."""
    parsed: Counter[str] = Counter()
    generated: Counter[tuple[str, Form | None]] = Counter()
    of: dict[int, Form] = {}
    parse, generator = Sandbox._parse, Sandbox.code_generator_class

    def counting_parse(self: Sandbox, source: str, name: str, filename: str) -> nodes.Template:
        parsed[name] += 1
        return parse(self, source, name, filename)

    def counting_start(self: Any, tree: nodes.Template, frame: Any = None) -> None:
        generated[self.name, of.get(id(self.environment))] += 1
        visit(self, tree, frame)

    visit = generator.visit_Template
    monkeypatch.setattr(Sandbox, "_parse", counting_parse)
    monkeypatch.setattr(generator, "visit_Template", counting_start)
    bundle = shipped()
    engine = Engine(bundle)
    of.update({id(each): form for form, each in engine._environments.items()})
    for name in bundle.sources:
        assert engine.faults(name) == []
    for _ in range(2):
        for folder in {name.partition("/")[0] for name in bundle.sources} - {"_shared", LAYOUT}:
            with pytest.raises(TemplateError):  # there is nothing in what it is given
                engine.forms(folder, {})
    for form, environment in engine._environments.items():
        for name in bundle.sources:
            if FORMS.get(name.partition("/")[2], form) is form:
                environment.get_template(name)
    assert parsed == Counter(dict.fromkeys(bundle.sources, 1))
    assert set(generated.values()) == {1}


def test_code_kept_for_the_rendering_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder too large to be kept is compiled anew, and says the same."""
    bundle = Bundle(
        "t", {f"own/{file}": "{% from 'own/w.j2' import w %}{{ w() }}" for file in FORMS}
        | {"own/w.j2": "{% macro w() %}好{% endmacro %}"},
    )  # fmt: skip
    monkeypatch.setattr("reminder.messages.sandbox.MOST_CODE", 0)
    monkeypatch.setattr("reminder.messages.sandbox.MOST_PARSED", 0)
    engine = Engine(bundle)
    assert [engine.faults(name) for name in bundle.sources] == [[]] * len(bundle.sources)
    assert engine._environments[Form.TEXT].code == {}
    assert engine.forms("own", {}) == dict.fromkeys(FORMS, "好")


def test_a_check_asks_for_each_fault_once_and_for_few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two addressees and the phases of each rung; a second look does not read the templates again."""
    asked: list[str] = []
    ask = Limited._ask

    def counting(self: Limited, bundle: Bundle, request: dict[str, Any], *rest: Any) -> dict[str, Any]:
        asked.append(
            request["faults"] if "faults" in request else json.dumps(request, default=str, sort_keys=True)
        )
        return ask(self, bundle, request, *rest)

    monkeypatch.setattr(Limited, "_ask", counting)
    monkeypatch.setattr(render, "_sound", set())
    assert examine(ROOT / "schedules", TEMPLATES).errors == []
    count = len(shipped().sources)
    faults = [each for each in asked if not each.startswith("{")]
    texts = [each for each in asked if each.startswith("{")]
    assert len(faults) == len(set(faults)) == count
    assert len(texts) <= 420
    assert len([each for each in texts if '"common": "approval"' in each]) == 3, "the same for every item"
    asked.clear()
    examine(ROOT / "schedules", TEMPLATES)
    assert len(asked) == len(texts)


def test_a_command_alone_is_defined_by_the_module_that_is_named_for_it() -> None:
    """Whatever else is called loads all of them."""
    group = typer.main.get_group(entry.app)
    for command, module in ALONE.items():
        callback = group.commands[command].callback
        assert callback is not None
        assert callback.__module__ == f"reminder.cli.{module}"
        # Of a group only one that the module has with all its commands.
        for each in getattr(group.commands[command], "commands", {}).values():
            known = getattr(sys.modules[callback.__module__], each.callback.__name__)
            assert known.__module__ == each.callback.__module__


def test_a_command_loads_no_other(tmp_path: Path) -> None:
    """But those that it is made of; a slip is answered with all that there are."""
    for arguments, others in ((["health", "--help"], {"planning"}), (["ledger", "--help"], set())):
        loaded = modules_after(f"from reminder.cli.start import _run; _run({arguments!r})")
        modules = {f"reminder.cli.{each}" for each in (*MODULES, "tokens", "duties", "events")}
        assert loaded & modules == {f"reminder.cli.{each}" for each in {ALONE[arguments[0]], *others}}
    assert "reminder.cli.tokens" in modules_after("from reminder.cli.start import _run; _run(['chek'])")


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_help_loads_neither_plan_nor_ledger_nor_pages(arguments: list[str]) -> None:
    loaded = modules_after(f"from reminder.cli.start import _run; _run({arguments!r})")
    assert "reminder.cli.running" in loaded
    unwanted = {"reminder.check", "reminder.ledger.ledger", "reminder.daemon", "reminder.plan.model"}
    assert not loaded & (unwanted | {"sqlalchemy", "jinja2", "yaml", "fastapi", "uvicorn", "apscheduler"})


def test_a_check_without_findings_loads_no_database_and_no_tables() -> None:
    loaded = modules_after("from reminder.cli.start import _run; _run(['check'])")
    assert "reminder.check" in loaded
    assert not loaded & {"sqlalchemy", "jinja2", "rich", "fastapi", "uvicorn", "apscheduler"}


def test_the_ledger_is_shown_without_what_checks_a_plan_or_migrates(tmp_path: Path) -> None:
    """SQLAlchemy, of which it knows one database, is nearly all that a look into the ledger loads."""
    Ledger.open(tmp_path / "ledger.sqlite3", kind=LedgerKind.DAEMON, now=datetime.now(UTC)).close()
    loaded = modules_after(f"""
        from reminder.cli.start import _run
        assert _run(["ledger", "--data", {str(tmp_path)!r}]) == 0
        assert "sqlalchemy.dialects.postgresql" not in sys.modules
        assert "rich.console" not in sys.modules
    """)
    assert {"sqlalchemy", "reminder.ledger.ledger", "reminder.plan.heading"} <= loaded
    unwanted = {"reminder.plan.model", "reminder.agenda.alarms", "reminder.check", "reminder.views.ledger"}
    assert not loaded & (unwanted | {"alembic", "jinja2", "dateutil", "tyme4py", "requests"})


def test_the_console_is_loaded_after_the_first_tick(tmp_path: Path) -> None:
    """What is due does not wait for pages."""
    modules_after(f"""
        import os, signal
        from pathlib import Path
        from reminder.cli.start import _run
        from reminder.daemon.page import LatePage
        folder = Path({str(tmp_path)!r})
        def tend(self):
            if not (folder / "loaded").exists():
                assert (folder / "health.json").exists()
                (folder / "loaded").write_text(" ".join(sys.modules))
            os.kill(os.getpid(), signal.SIGTERM)
        LatePage.tend = tend
        os.environ["REMINDER_LISTEN"] = "127.0.0.1:0"
        _run(["run", "--data", str(folder)])
    """)
    loaded = set((tmp_path / "loaded").read_text().split())
    assert {"reminder.daemon", "sqlalchemy"} <= loaded
    unwanted = {"fastapi", "starlette", "uvicorn", "jinja2", "alembic", "rich", "reminder.web.app"}
    assert not loaded & (unwanted | {"psycopg", "procrastinate"})
