"""Hostile templates: each ends in a text or in one clear error, soon, and harms nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from reminder.messages.forms import FORMS, MAX_CHARACTERS, Bundle
from reminder.messages.limited import Limited, Limits
from reminder.messages.trouble import TemplateError
from tests.amounts import amount, report
from tests.torture.hostile_templates import CANARY, hostile_templates

CONTEXT: dict[str, Any] = {
    "item": {"id": "x", "title": "标题", "private": False},
    "cells": [{"label": "理论科"}],
    "receiver": {"id": "p", "name": "理论科科长", "kind": "person"},
}
SECONDS = 0.5
HONEST = Bundle("honest", {f"own/{file}": "{{ item.title }}" for file in FORMS})
WORDS_OF_A_WAY_OUT = ("<class", "<module", "<function", "root:", "PATH=", "_subclasses", CANARY)


def resident() -> float:
    """Megabytes of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def rendered(renderer: Limited, bundle: Bundle) -> tuple[str, str]:
    """What became of a template, and its texts or its error."""
    try:
        forms = renderer.forms(bundle, "own", CONTEXT)
    except TemplateError as error:
        return "stopped" if "已停止" in str(error) else "refused", str(error)
    assert all(len(text) <= MAX_CHARACTERS for text in forms.values())
    return "text", "".join(forms.values())


def test_no_hostile_template_crashes_escapes_or_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", CANARY)
    renderer = Limited(Limits(seconds=SECONDS))
    count = amount(500, 40)
    outcomes = {"text": 0, "refused": 0, "stopped": 0}
    slowest = 0.0
    before = resident()
    for case in hostile_templates(count):
        sources = {f"own/{file}": "{{ item.title }}" for file in FORMS} | {f"own/{case.file}": case.text}
        bundle = Bundle("templates", sources)
        began = time.monotonic()
        for problem in renderer.faults(bundle, f"own/{case.file}"):
            assert str(problem).startswith(f"templates/own/{case.file}"), case
            assert len(str(problem)) < 4_500, case
        outcome, told = rendered(renderer, bundle)
        outcomes[outcome] += 1
        if outcome != "text":
            assert told.startswith("templates/own"), case
            assert len(told) < 4_500, case
        assert not [word for word in WORDS_OF_A_WAY_OUT if word in told.replace(case.text, "")], case
        slowest = max(slowest, time.monotonic() - began)
    assert renderer.forms(HONEST, "own", CONTEXT)["subject.j2"] == "标题"
    assert CONTEXT["item"]["title"] == "标题"
    # Two requests and the start of two processes; a machine that others use gets patience.
    assert slowest < 2 * (SECONDS + 2) + 5
    assert resident() - before < 40
    assert min(outcomes.values()) > 0
    renderer.close()
    report(f"{count} hostile templates: {outcomes}, slowest {slowest:.1f} s")
