"""The systemd unit: what it says exists, and systemd knows the words."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from reminder.daemon import DRAIN_SECONDS
from reminder.settings import Settings
from tests.packaging.dockerfile import ROOT

UNIT = ROOT / "deploy/reminder.service"

# From systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.kill(5) and systemd.resource-control(5):
# those a service of this kind may need.  A misspelt directive is ignored with a warning in a log
# nobody reads, so an unknown word fails here.
KNOWN = {
    "Unit": {
        *("Description", "Documentation", "Wants", "Requires", "After", "Before", "Conflicts", "PartOf"),
        *("StartLimitIntervalSec", "StartLimitBurst", "ConditionPathExists", "AssertPathExists", "OnFailure"),
    },
    "Service": {
        *(
            "Type",
            "NotifyAccess",
            "WatchdogSec",
            "User",
            "Group",
            "DynamicUser",
            "SupplementaryGroups",
            "ExecStart",
            "ExecStartPre",
        ),
        *("ExecReload", "ExecStop", "WorkingDirectory", "Environment", "EnvironmentFile", "StateDirectory"),
        *("StateDirectoryMode", "RuntimeDirectory", "LoadCredential", "LoadCredentialEncrypted", "Restart"),
        *("RestartSec", "RestartPreventExitStatus", "SuccessExitStatus", "TimeoutStartSec", "TimeoutStopSec"),
        *("KillSignal", "KillMode", "UMask", "NoNewPrivileges", "CapabilityBoundingSet", "ReadWritePaths"),
        *("AmbientCapabilities", "ProtectSystem", "ProtectHome", "ProtectClock", "ProtectHostname"),
        *("ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectControlGroups"),
        *("ProtectProc", "PrivateTmp", "PrivateDevices", "PrivateUsers", "RestrictAddressFamilies"),
        *("RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality", "RemoveIPC"),
        *("MemoryDenyWriteExecute", "MemoryMax", "SystemCallArchitectures", "SystemCallFilter", "TasksMax"),
    },
    "Install": {"WantedBy", "RequiredBy", "Alias", "Also"},
}


def directives() -> Iterator[tuple[str, str, str]]:
    """Section, name and value of every line."""
    section = ""
    for raw in UNIT.read_text("utf-8").splitlines():
        line = raw.strip()
        if not line or line.startswith(("#", ";")):
            continue
        if line.startswith("["):
            section = line.strip("[]")
            continue
        name, equals, value = line.partition("=")
        assert equals, f"neither section nor directive: {line}"
        yield section, name, value


def values(name: str) -> list[str]:
    return [value for _, each, value in directives() if each == name]


def environment() -> dict[str, str]:
    return dict(value.split("=", 1) for value in values("Environment"))


def test_every_directive_is_one_of_its_section() -> None:
    found = list(directives())
    assert {section for section, _, _ in found} == set(KNOWN)
    assert [(section, name) for section, name, _ in found if name not in KNOWN[section]] == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
def test_systemd_itself_finds_no_fault(tmp_path: Path) -> None:
    """With the command's path replaced by one that exists here."""
    (start,) = values("ExecStart")
    unit = tmp_path / "reminder.service"
    unit.write_text(UNIT.read_text("utf-8").replace(start.split()[0], "/bin/true"), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert "reminder.service" not in done.stderr, done.stderr
    assert done.returncode == 0


def test_the_command_that_is_started_is_one_the_project_installs() -> None:
    (start,) = values("ExecStart")
    path, *arguments = start.split()
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert Path(path).is_absolute()
    assert Path(path).name in scripts
    assert arguments == ["run"]


def test_the_settings_are_settings_of_the_program_and_lie_in_the_state_directory() -> None:
    found = environment()
    known = {f"REMINDER_{name.upper()}" for name in Settings.__dataclass_fields__}
    assert {name for name in found if name.startswith("REMINDER_")} <= known
    settings = Settings.from_environment(found)
    (state,) = values("StateDirectory")
    assert settings.data == Path("/var/lib") / state
    assert found["TMPDIR"] == str(settings.data), "the rest of the system is read-only"


def test_secrets_come_as_credentials_and_never_as_text() -> None:
    channels = yaml.safe_load((ROOT / "schedules/channels.yaml").read_text("utf-8"))["channels"]
    named = {each["secret"] for each in channels if "secret" in each}
    assert {value.partition(":")[0] for value in values("LoadCredential")} == named
    assert environment()["REMINDER_SECRETS"] == "%d"
    assert not named & environment().keys()


def test_a_stop_leaves_time_to_drain_and_a_crash_starts_again() -> None:
    assert int(values("TimeoutStopSec")[0]) > DRAIN_SECONDS
    assert values("KillSignal") == ["SIGTERM"]
    assert values("Restart") == ["on-failure"]


def test_the_service_may_write_its_state_and_nothing_else() -> None:
    assert values("ProtectSystem") == ["strict"]
    assert values("ReadWritePaths") == []
    assert values("NoNewPrivileges") == ["yes"]
    assert values("CapabilityBoundingSet") == [""]
    assert values("User") not in ([], ["root"])
