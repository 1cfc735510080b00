"""Row 3: SIGTERM in the middle of a send."""

from __future__ import annotations

import signal
import time
from datetime import timedelta
from pathlib import Path

from tests.harness.office import Office, items
from tests.harness.process import wait_for
from tests.harness.shims import DRAIN
from tests.plans import at

NINE = at("2026-06-10 09:00")
MAIL = "  via:\n    - mail\n"


def test_row_03_terminated_in_mid_send_it_waits_for_the_answer(tmp_path: Path) -> None:
    """The text is out and the server thinks: the daemon stays until it has the answer, then ends with 0."""
    with Office(tmp_path, items(2, via=MAIL)) as office:
        office.adopt()
        office.smtp.misbehave("dot", "hold", "250 queued at last", times=1)
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: len(office.smtp.messages) == 1, "the text")
        office.daemon.signal(signal.SIGTERM)
        wait_for(lambda: "stopping" in office.daemon.log.read_text(), "the signal to be heard")
        # What comes due while it drains is left to the next start.
        office.set(NINE + timedelta(minutes=1))
        time.sleep(1)
        assert office.daemon.alive
        office.smtp.go_on()
        assert office.daemon.wait_for_end() == 0
        assert [each.outcome for each in office.tries("n0000", "mail")] == ["accepted"]
        assert len(office.smtp.messages) == 1
        office.daemon.start()
        report = office.judge(NINE + timedelta(minutes=2))
        assert report.clean, report
        assert report.excused == []


def test_row_03_a_server_that_never_answers_does_not_keep_it_from_stopping(tmp_path: Path) -> None:
    """When the time to drain is over it ends with 0 and says what it left; the next start takes that up."""
    with Office(tmp_path, items(1, via=MAIL), environment={DRAIN: "1.5"}) as office:
        office.adopt()
        office.smtp.misbehave("dot", "hang", times=1, taken=False)
        office.set(NINE)
        office.daemon.start()
        wait_for(lambda: "DATA" in office.smtp.commands, "the attempt")
        begun = time.monotonic()
        office.daemon.signal(signal.SIGTERM)
        assert office.daemon.wait_for_end() == 0
        assert 1 < time.monotonic() - begun < 25
        assert "stopped with deliveries in flight deliveries=1" in office.daemon.log.read_text()
        office.set(NINE + timedelta(minutes=2))
        office.daemon.start()
        wait_for(lambda: office.states("n0000", "mail") == {"p-office": "accepted"}, "the second try")
        assert [each.outcome for each in office.tries("n0000", "mail")] == ["uncertain", "accepted"]
        assert len(office.smtp.messages) == 1
