"""The office's own certificate authorities: read with the plan, and refused with the cure."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from cryptography.x509 import load_pem_x509_certificate

from reminder.errors import Problem
from reminder.plan.authorities import Authorities, earliest_end, read_authorities
from reminder.plan.loader import load_plan

BASE = Path(__file__).parent / "base"
CHANNEL = """channels:
  - id: relay
    host: smtp.example.com
    from: jgdw@example.com
    ca_file: certificates/office.pem
"""


@pytest.fixture
def schedules(tmp_path: Path) -> Path:
    for path in BASE.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "relay.yaml").write_text(CHANNEL, encoding="utf-8")
    (tmp_path / "certificates").mkdir()
    return tmp_path


def _read(schedules: Path) -> tuple[Authorities, list[Problem]]:
    plan = load_plan(schedules).plan
    assert plan is not None
    return read_authorities(plan, schedules)


def test_a_file_beside_the_plan_is_read_and_counted_among_the_files(schedules: Path) -> None:
    """A byte-order mark in front does not matter; the text's hash is part of the edition."""
    authority = trustme.CA()
    pem = authority.cert_pem.bytes()
    (schedules / "certificates" / "office.pem").write_bytes(b"\xef\xbb\xbf" + pem)
    found, problems = _read(schedules)
    assert not problems
    assert found.of_channel["relay"].encode() == pem
    assert list(found.files()) == ["ca_file/relay"]
    end = earliest_end(found.of_channel["relay"])
    assert end == load_pem_x509_certificate(pem).not_valid_after_utc


def test_an_absolute_path_is_taken_as_it_is(
    schedules: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As system administrators keep them."""
    path = tmp_path_factory.mktemp("elsewhere") / "ca.pem"
    path.write_bytes(trustme.CA().cert_pem.bytes())
    (schedules / "relay.yaml").write_text(CHANNEL.replace("certificates/office.pem", str(path)), "utf-8")
    found, problems = _read(schedules)
    assert not problems
    assert "relay" in found.of_channel


def _with_key() -> bytes:
    issued = trustme.CA().issue_cert("smtp.example.com")
    return issued.private_key_and_cert_chain_pem.bytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "没有这个文件"),
        (b"", "不是 PEM 证书"),
        (b"\x30\x82\x01\x00\xff", "不是 PEM 证书"),
        (b"x" * (1024 * 1024 + 1), "不是 PEM 证书"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "证书不完整或已损坏"),
        (trustme.CA().cert_pem.bytes()[:400], "证书不完整或已损坏"),
        (_with_key(), "里面有私钥"),
    ],
)
def test_a_file_that_cannot_serve_is_named_with_its_place_and_cure(
    schedules: Path, content: bytes | None, words: str
) -> None:
    """And nothing of its content is shown."""
    if content is not None:
        (schedules / "certificates" / "office.pem").write_bytes(content)
    found, problems = _read(schedules)
    assert not found.of_channel
    (problem,) = problems
    assert (problem.position.file, problem.position.line) == ("relay.yaml", 5)
    assert problem.path == "channels[relay].ca_file"
    assert words in problem.found
    assert problem.hint
    assert "BEGIN RSA" not in str(problem)
