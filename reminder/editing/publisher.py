"""Save a file of a plan that is published in the ledger: as a version of the whole, for all nodes."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, replace
from datetime import datetime

from reminder.check import Edition
from reminder.editing.bundle import in_histories
from reminder.editing.errors import EditRefused, Stale
from reminder.editing.store import Brought, PlanStore
from reminder.errors import ReminderError
from reminder.ledger.errors import PublishedMeanwhile
from reminder.ledger.file_versions import digest_of
from reminder.ledger.ledger import Ledger

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Publisher:
    """Over the version that lies in ``store``.  Safe to use from several threads."""

    store: PlanStore
    ledger: Ledger

    def started_from(self) -> Brought:
        """The version that is looked at now.  Raises :class:`EditRefused` if there is none."""
        brought = self.store.brought()
        if brought is None:
            raise EditRefused("本节点还没有取出台账中发布的计划，没有保存；请稍后再试")
        return brought

    def publish(
        self,
        started: Brought,
        name: str,
        content: bytes,
        edition: Edition,
        *,
        by: str,
        remark: str,
        now: datetime,
    ) -> int:
        """Put the version with this file changed into force; the number among the file's own versions.

        ``edition`` is what the gate made of it.  Raises :class:`Stale` where
        another version came into force since it was started from.
        """
        plans, plan_id = self.ledger.published, started.plan_id
        before = plans.get(plan_id, started.number)
        if before is None:
            raise EditRefused(f"台账中没有第 {started.number} 版计划，没有保存")
        contents = {**plans.contents(before), name: content}
        files = {each: digest_of(said) for each, said in contents.items()}
        if not replace(started, files=files).made(edition):
            raise EditRefused("本节点上的计划文件被改动过，正在重新取出，没有保存；请稍后再试")
        try:
            plans.publish(
                plan_id,
                contents,
                edition.digest,
                at=now,
                author=by,
                remark=remark or f"在控制台修改 {name}",
                over=started.number,
                kept=in_histories(contents),
            )
        except PublishedMeanwhile as error:
            raise Stale(
                f"在您打开之后已有人发布了第 {error.found} 版计划，没有保存，以免覆盖。"
                "您写的内容仍在下面，请对照现在的文件，把改动并进去再保存"
            ) from None
        # The page shows it at once; if that fails, the daemon says so at its next look.
        with contextlib.suppress(ReminderError):
            self.store.bring(self.ledger, plan_id)
        log.info("plan published", extra={"file": name, "by": by})
        return self.ledger.files.every(plan_id, name, 1)[0].id
