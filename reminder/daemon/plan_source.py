"""Where a node's plan comes from: a folder that somebody keeps, or what was published in the ledger.

Either way it is read from files, by the same gate.  What was published is laid
out in the node's own data folder first, and looked for at every tick.
"""

from __future__ import annotations

import logging

from reminder.check import Edition, Examination, examine
from reminder.checked import note_checked, was_checked
from reminder.editing.continuity import continuity
from reminder.editing.store import Brought, NothingPublished, PlanStore, StoreFailed
from reminder.errors import Position, Problem, errors_of
from reminder.ledger.errors import LedgerCorrupt, LedgerError
from reminder.ledger.ledger import Ledger
from reminder.settings import Settings
from reminder.watch import Watcher

log = logging.getLogger(__package__)

AGAIN_SECONDS = 30.0
"""Before what was refused for a reason that no file is to blame for is read again."""


class PlanSource:
    """Used by one thread."""

    def __init__(self, settings: Settings, plan_id: str) -> None:
        self._settings = settings
        self._plan_id = plan_id
        self._store = PlanStore(settings.published) if settings.follows_ledger else None
        self._watcher = Watcher([settings.schedules, settings.templates])
        self._brought: Brought | None = self._store.brought() if self._store is not None else None
        self._tried = self._brought.number if self._brought is not None else 0
        self._looked_at = 0.0
        self._again_at = float("inf")
        self.problem = ""
        """Why the version in force could not be taken from the ledger, in Chinese; the old one goes on."""

    @property
    def published(self) -> bool:
        """Whether it is the ledger."""
        return self._store is not None

    @property
    def moving(self) -> bool:
        """Whether files are being changed just now, or are to be read again although nobody changes them."""
        return self._watcher.moving or self._again_at < float("inf")

    def differs(self, ledger: Ledger) -> bool:
        """Whether :meth:`changed` may have something to say; cheap, and for a look between ticks."""
        try:
            return self._watcher.differs() or (
                self._store is not None and ledger.published.number(self._plan_id) not in (0, self._tried)
            )
        except LedgerError:
            return False  # a tick would tell of it

    def changed(self, ledger: Ledger, monotonic: float) -> bool:
        """Whether there is something to be read anew.  Raises ``LedgerError``.

        Files that somebody changed where the published plan is laid out are put
        right again, which is no change of the plan.
        """
        self._looked_at = monotonic
        at_rest = self._watcher.at_rest(monotonic)
        if monotonic >= self._again_at:
            return True
        if self._store is None:
            return at_rest
        number = ledger.published.number(self._plan_id)
        if not number or (number == self._tried and not at_rest and not self.problem):
            return False  # none published any more: the one in use goes on
        before = self._tried
        return self._bring(ledger) is not None and self._tried != before

    def read(self, ledger: Ledger, before: Edition) -> Examination | None:
        """All that is found in the files as they are now, as what is to follow ``before``.  Raises ``LedgerError``.

        Whoever asks for it while somebody is saving would be told of half a file:
        nothing is taken that changed while it was read, and nothing refused that has
        not come to rest.  Then there is no result, and :meth:`changed` tells when
        there will be one.

        What is refused for a passing reason :meth:`changed` calls new once more, soon;
        what could not be read for the ledger's sake, at the next look.
        """
        if self._store is not None:
            return self._examined(ledger, before)
        files = self._watcher.look()
        found = self._examined(ledger, before)
        if self._watcher.look() != files or (found.edition is None and not self._watcher.is_taken(files)):
            log.info("files are being changed, and read when they are still")
            return None
        self._watcher.take(files)
        return found

    def _examined(self, ledger: Ledger, before: Edition) -> Examination:
        try:
            found = self._read(ledger)
            if found.edition is not None and (broken := self._breaks(ledger, before, found.edition)):
                problems = (*found.problems, *broken)
                found = Examination(None if errors_of(problems) else found.edition, problems)
        except LedgerError:
            self._again_at = self._looked_at
            raise
        if found.edition is not None:
            note_checked(self._settings.checked, found.edition.digest, found.edition.public_url)
        passing = any(each.passing for each in found.errors)
        self._again_at = self._looked_at + AGAIN_SECONDS if passing else float("inf")
        return found

    def _read(self, ledger: Ledger) -> Examination:
        settings = self._settings
        if self._store is None:
            return examine(
                settings.schedules, settings.templates, settings.public_url, known=self._was_checked
            )
        brought = self._bring(ledger)
        if brought is None:
            return Examination(None, (Problem(Position("台账"), "", self.problem),))
        # Not through the link: what is read is one version, whatever comes meanwhile.
        found = examine(brought.schedules, brought.templates, settings.public_url, known=self._was_checked)
        if found.edition is not None and not (brought.made(found.edition) and brought.whole()):
            self._tried = 0  # put right, and read, at the next tick
            changed = Problem(Position(str(brought.folder)), "", "文件在读取时被改动，没有采用，即将重新取出")
            return Examination(None, (changed,))
        return found

    def _was_checked(self, edition: Edition) -> bool:
        return was_checked(self._settings.checked, edition.digest, edition.public_url)

    def _breaks(self, ledger: Ledger, before: Edition, after: Edition) -> tuple[Problem, ...]:
        """What would break the line of items.

        Of a published plan whoever published it has said so; of one that is in
        force already, the node that took it.
        """
        in_force = (
            ledger.shared
            and after.plan.id == before.plan.id
            and ledger.common(after.plan.id).digest == after.digest
        )
        if self.published or in_force:
            return ()
        return tuple(continuity(before, after, self._settings.schedules))

    def _bring(self, ledger: Ledger) -> Brought | None:
        assert self._store is not None
        try:
            brought = self._store.bring(ledger, self._plan_id)
        except (NothingPublished, StoreFailed, LedgerCorrupt) as error:
            self.problem = str(error)
            return None
        self.problem = ""
        self._watcher.take(self._watcher.look())
        self._brought, self._tried = brought, brought.number
        return brought

    def author(self, otherwise: str) -> str:
        """Who answers for the plan as it was read last: whoever put its version into force."""
        return self._brought.author if self._brought is not None else otherwise

    def version_of(self, edition: Edition) -> int | None:
        """The number of the version an edition was made from; None where it was read from a folder.

        0, which no version has, where it was made from another than was brought last.
        """
        if self._brought is None:
            return None
        return self._brought.number if self._brought.made(edition) else 0
