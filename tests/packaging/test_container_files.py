"""Dockerfile, .dockerignore and the compose example, read as they stand."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from reminder.daemon import DRAIN_SECONDS
from reminder.settings import Settings
from tests.packaging.dockerfile import ROOT, Stage, ignored, read_dockerfile

RULES = (ROOT / ".dockerignore").read_text("utf-8")
TOOLS = re.compile(
    r"\b(apt|apt-get|apk|pip|gcc|g\+\+|make|git|curl|wget|uv|setuptools|hatchling|build-essential)\b"
)
COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))


def sources(stages: list[Stage]) -> list[str]:
    copies = [each for stage in stages for each in stage.all("COPY") if "from" not in each.flags]
    return [source for each in copies for source in each.words[:-1]]


def test_every_source_that_is_copied_exists_and_reaches_the_builder(stages: list[Stage]) -> None:
    """A folder counts as reaching it only if all its tracked files do."""
    found = sources(stages)
    assert {"reminder", "schedules", "message_templates", "requirements.lock"} <= set(found)
    tracked = subprocess.run(
        ["git", "ls-files", "-z", *found], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")[:-1]
    for source in found:
        assert (ROOT / source).exists(), source
        assert not ignored(source, RULES), source
    assert [path for path in tracked if ignored(path, RULES)] == []


@pytest.mark.parametrize(
    "path",
    [
        "var/ledger.sqlite3",
        "var/secrets/SMTP_PASSWORD",
        "deploy/secrets/SMTP_PASSWORD",
        ".git/config",
        ".venv/bin/python",
        "tests/conftest.py",
        "reminder/__pycache__/clock.cpython-312.pyc",
        "schedules/~$plan.yaml",
        "schedules/.plan.yaml.swp",
        "requirements-dev.lock",
        "notes.txt",
    ],
)
def test_what_is_not_named_never_reaches_the_builder(path: str) -> None:
    """Ledger, secrets, history and caches, and whatever will lie there tomorrow."""
    assert ignored(path, RULES)


def test_the_later_rule_of_an_ignore_file_wins() -> None:
    rules = "*\n!kept\n**/*.pyc\n"
    assert ignored("other", rules)
    assert not ignored("kept/deep/file.py", rules)
    assert ignored("kept/deep/file.pyc", rules)


def test_continued_lines_and_flags_of_a_dockerfile_are_read() -> None:
    stages = read_dockerfile("FROM a AS b\nENV X=1 \\\n  Y=2\nFROM c\nCOPY --from=b --chown=1:1 /x /y\n")
    assert [(stage.base, stage.name) for stage in stages] == [("a", "b"), ("c", "")]
    assert stages[0].environment == {"X": "1", "Y": "2"}
    assert stages[1].last("COPY").flags == {"from": "b", "chown": "1:1"}
    assert stages[1].last("COPY").words == ["/x", "/y"]


def test_both_stages_have_one_base_that_names_no_registry(stages: list[Stage]) -> None:
    """The venv links to the base's interpreter; a host in the name would bind the office to it."""
    assert {stage.base for stage in stages} == {"python:3.12-slim"}
    assert "://" not in (ROOT / "Dockerfile").read_text("utf-8")


def test_the_final_stage_runs_no_command_and_names_no_tool(stages: list[Stage]) -> None:
    """Nothing is installed into it: it is copied together."""
    final = stages[-1]
    assert final.all("RUN") == []
    for each in final.instructions:
        assert not TOOLS.search(each.rest), each
    copied = [each.words[0] for each in final.all("COPY") if "from" in each.flags]
    assert copied == ["/opt/reminder/venv", "/data"]


def test_the_user_is_a_number_and_not_root(stages: list[Stage]) -> None:
    user, group = map(int, stages[-1].last("USER").rest.split(":"))
    assert user > 0
    assert group > 0
    (data,) = (each for each in stages[-1].all("COPY") if each.words[-1] == "/data")
    assert data.flags["chown"] == f"{user}:{group}"


def test_health_entry_point_and_signals_are_declared(stages: list[Stage]) -> None:
    final = stages[-1]
    check = final.last("HEALTHCHECK")
    assert {"interval", "timeout", "start-period", "retries"} <= set(check.flags)
    assert check.rest == 'CMD ["reminder", "health"]'
    assert final.last("ENTRYPOINT").words == ["reminder"]
    assert final.last("CMD").words == ["run"]
    assert final.last("STOPSIGNAL").rest == "SIGTERM"


def test_all_that_is_written_lies_in_the_volume(stages: list[Stage]) -> None:
    final = stages[-1]
    environment = final.environment
    volume = final.last("VOLUME").rest
    assert environment["REMINDER_DATA"] == environment["TMPDIR"] == volume == final.last("WORKDIR").rest
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"


def test_the_settings_of_the_image_are_settings_of_the_program(stages: list[Stage]) -> None:
    environment = stages[-1].environment
    settings = Settings.from_environment(environment)
    targets = {each.words[-1] for each in stages[-1].all("COPY")}
    assert {str(settings.schedules), str(settings.templates), str(settings.data)} <= targets
    known = {f"REMINDER_{name.upper()}" for name in Settings.__dataclass_fields__}
    assert {name for name in environment if name.startswith("REMINDER_")} <= known


def test_locks_are_installed_with_their_hashes(stages: list[Stage]) -> None:
    """Every command that reads a lock checks hashes; every other one reaches no index."""
    for each in stages[0].all("RUN"):
        if "-m pip" not in each.rest:
            continue
        if ".lock" in each.rest:
            assert "--require-hashes" in each.rest, each.rest
        else:
            assert "--no-deps" in each.rest, each.rest
        if "pip wheel" in each.rest:
            assert "--no-build-isolation" in each.rest, each.rest


def test_the_compose_example_is_read_only_and_without_privileges() -> None:
    (service,) = COMPOSE["services"].values()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service
    assert "user" not in service, "the image's own number stands"


def test_the_compose_example_mounts_what_the_image_names(stages: list[Stage]) -> None:
    (service,) = COMPOSE["services"].values()
    environment = stages[-1].environment
    mounts = dict(each.split(":", 1) for each in service["volumes"])
    assert mounts["data"] == environment["REMINDER_DATA"]
    assert mounts["../schedules"] == f"{environment['REMINDER_SCHEDULES']}:ro"
    assert mounts["../message_templates"] == f"{environment['REMINDER_TEMPLATES']}:ro"
    assert COMPOSE["volumes"].keys() == {"data"}
    assert (ROOT / "deploy" / service["build"]["context"]).resolve() == ROOT


def test_the_compose_example_gives_the_daemon_time_to_drain() -> None:
    (service,) = COMPOSE["services"].values()
    assert int(service["stop_grace_period"].removesuffix("s")) > DRAIN_SECONDS


def test_the_compose_example_names_the_secrets_of_the_channels() -> None:
    channels = yaml.safe_load((ROOT / "schedules/channels.yaml").read_text("utf-8"))["channels"]
    named = {each["secret"] for each in channels if "secret" in each}
    (service,) = COMPOSE["services"].values()
    assert set(service["secrets"]) == set(COMPOSE["secrets"]) == named
