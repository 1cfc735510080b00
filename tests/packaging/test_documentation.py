"""The documents say what the program does: names, settings, commands, outputs."""

from __future__ import annotations

import re
import shlex
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from packaging.requirements import Requirement

from reminder.cli import entry
from reminder.messages.filters import FILTERS
from reminder.messages.render import LAYOUT_NAMES, SECTION_NAMES
from reminder.settings import Settings
from tests.packaging.console import agrees, carry_out, code_blocks, examples, refreshed, scene
from tests.packaging.dockerfile import ROOT

READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
DOCUMENTS = sorted([*READMES, ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
VARIABLES = {f"REMINDER_{name.upper()}": name for name in Settings.__dataclass_fields__}


def text_of(path: Path) -> str:
    return path.read_text("utf-8")


def document(name: str) -> str:
    return text_of(ROOT / "docs" / name)


# -- dependencies, settings, templates, floors ---------------------------------


def test_every_runtime_dependency_has_its_reason() -> None:
    """And none is explained that is no longer there."""
    table = document("dependencies.md").partition("## For tests")[0]
    explained = set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE))
    extras = PROJECT["project"]["optional-dependencies"].values()
    asked_for = [*PROJECT["project"]["dependencies"], *(each for extra in extras for each in extra)]
    assert explained == {Requirement(each).name for each in asked_for}


def test_every_dependency_of_tests_checks_and_building_has_its_reason() -> None:
    text = document("dependencies.md").partition("## For tests")[2]
    groups = PROJECT["dependency-groups"]
    for each in (*groups["test"], *groups["check"], *groups["build"]):
        assert f"`{Requirement(each).name}`" in text, each


def test_every_setting_is_documented_with_its_default() -> None:
    rows = {
        match[1]: match[2]
        for match in re.finditer(
            r"^\| `(REMINDER_\w+)` \| [^|]+ \| ([^|]+) \|", document("settings.md"), re.MULTILINE
        )
    }
    assert rows.keys() == VARIABLES.keys()
    default = Settings()
    for variable, name in VARIABLES.items():
        value = getattr(default, name)
        if value is not None:
            assert f"`{value}`" in rows[variable], variable
    assert f"`{Path(default.ledger).name}`" in rows["REMINDER_DATABASE_URL"]


@pytest.mark.parametrize(
    "path", [*DOCUMENTS, *sorted((ROOT / "deploy").glob("*.*"))], ids=lambda path: path.name
)
def test_no_document_names_a_setting_that_does_not_exist(path: Path) -> None:
    assert set(re.findall(r"REMINDER_[A-Z_]+", text_of(path))) <= VARIABLES.keys()


def test_every_name_and_filter_a_template_may_use_is_documented() -> None:
    rows = set(re.findall(r"^\| `(\w+)", document("templates.md"), re.MULTILINE))
    assert rows >= {*SECTION_NAMES, *LAYOUT_NAMES}
    assert set(FILTERS) <= rows


def test_every_floor_of_the_house_is_drawn_in_its_order() -> None:
    """The drawing and the contract that import-linter checks are one."""
    (contract,) = (each for each in PROJECT["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    rows = [line.split() for line in document("house.md").split("```")[1].splitlines() if line.strip()]
    floors = [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]
    assert [row[: len(floor)] for row, floor in zip(rows, floors, strict=True)] == floors


# -- links ---------------------------------------------------------------------


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", text_of(path)):
        assert (path.parent / target).exists(), target


# -- the two READMEs -----------------------------------------------------------


def test_the_two_readmes_have_the_same_headings() -> None:
    levels = [re.findall(r"^(#+) ", _prose(text_of(path)), re.MULTILINE) for path in READMES]
    assert len(levels[0]) > 10
    assert levels[0] == levels[1]


def test_the_two_readmes_have_the_same_code() -> None:
    english, chinese = (code_blocks(text_of(path)) for path in READMES)
    assert english == chinese


def test_the_two_readmes_lead_to_the_same_files() -> None:
    english, chinese = (
        sorted(re.findall(r"\]\((docs/[^)]+|[A-Z]\w+\.md)\)", text_of(path))) for path in READMES
    )
    assert {*english} - {"CHANGELOG.md"} == {*chinese} - {"CHANGELOG.md", "README.md"}


def test_the_first_code_of_a_readme_is_the_two_commands() -> None:
    assert code_blocks(text_of(READMES[0]))[0] == ("sh", "make run\nmake test\n")


def _prose(text: str) -> str:
    """Without code, in which a ``#`` is no heading."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


# -- commands ------------------------------------------------------------------


@cache
def root_command() -> Any:
    """The command with all its subcommands, as ``main`` registers them."""
    return typer.main.get_command(entry.app)


def written_commands() -> list[str]:
    """Every ``reminder …`` of the documents' shell and console blocks."""
    found = []
    for path in DOCUMENTS:
        for language, block in code_blocks(text_of(path)):
            if language in ("sh", "console", ""):
                found += re.findall(r"^(?:\$ )?(reminder [^\n]*)$", block, re.MULTILINE)
    return sorted(set(found))


def resolve(words: list[str]) -> tuple[list[str], Any]:
    """The names that lead to the command these words call, and the command."""
    path: list[str] = []
    command = root_command()
    for word in words:
        if not hasattr(command, "commands"):
            break
        if word.startswith("-"):
            if command.invoke_without_command:
                break  # options of its own, with their values
            continue
        assert word in command.commands, f"no command {word!r} in {' '.join(words)}"
        command = command.commands[word]
        path.append(word)
    return path, command


@pytest.mark.parametrize("written", written_commands())
def test_every_command_in_the_documents_exists_with_its_options(written: str) -> None:
    """Its help ends with 0, and each option written is one of its own."""
    _, *words = shlex.split(written)
    path, command = resolve(words)
    help_code = root_command().main([*path, "--help"], standalone_mode=False)
    assert help_code in (0, None)
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
    assert {word for word in words if word.startswith("--")} <= known


def test_every_command_is_named_in_the_readme() -> None:
    text = text_of(READMES[0])
    for name in root_command().commands:
        assert re.search(rf"reminder {name}\b", text), name


def test_the_readme_shows_what_the_commands_print(tmp_path: Path) -> None:
    """Carried out in order in a folder that holds the shipped plan; ``make readme`` writes them anew."""
    place = scene(tmp_path)
    shown = list(examples(text_of(READMES[0])))
    assert len(shown) >= 7
    for each in shown:
        printed = carry_out(each.command, place)
        assert agrees(each.shown, printed), f"{each.command}\n" + "\n".join(printed)


def test_three_dots_stand_for_any_lines_and_nothing_else_does() -> None:
    assert agrees(("a", "…", "d"), ("a", "b", "c", "d"))
    assert agrees(("a", "…", "d"), ("a", "d"))
    assert not agrees(("a", "…", "d"), ("a", "b"))
    assert not agrees(("a.",), ("ab",))
    assert agrees((), ())
    assert not agrees((), ("a warning",))


def test_new_output_replaces_the_old_and_leaves_all_else() -> None:
    text = "x\n\n```console\n$ a\nold\n$ b\n1\n…\n```\n\n```sh\n$ a\nold\n```\n"
    expected = "x\n\n```console\n$ a\nnew\n$ b\n1\n…\n```\n\n```sh\n$ a\nold\n```\n"
    assert refreshed(text, {"a": ("new",), "b": ("2",)}) == expected
