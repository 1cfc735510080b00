"""The operator's mute: set it, end it, see what is in force."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from reminder.agenda.facts import Facts, Silence, SilenceKind
from reminder.agenda.instants import zone_of
from reminder.check import Edition
from reminder.ledger.facts import FactKind
from reminder.ledger.ledger import Ledger
from reminder.plan.fields import did_you_mean
from reminder.recording.recorder import LONGEST_NOTE, Recorder
from reminder.recording.view import Refused

LONGEST = timedelta(days=366)
KIND_TEXT = {SilenceKind.ITEM: "事项", SilenceKind.UNIT: "单位", SilenceKind.PERSON: "人员"}


class Silences:
    """The silences of one plan.  Safe to use from several threads."""

    def __init__(self, ledger: Ledger, edition: Edition) -> None:
        self._ledger = ledger
        self._edition = edition
        self._zone = zone_of(edition.plan.head.timezone)

    def all(self) -> tuple[Silence, ...]:
        """Every silence that was ever set, in order."""
        return self._facts().silences

    def add(
        self, kind: SilenceKind, name: str, until: date, *, by: str, reason: str, now: datetime
    ) -> Silence:
        """Nothing of an item, about a unit or to a person from now to the end of a day.

        Raises ``Refused`` for a name nobody has, a day that is past or more than a
        year away, no reason, and one that is silenced so long already.
        """
        name, today = self._named(kind, name), now.astimezone(self._zone).date()
        if not today <= until <= today + LONGEST:
            raise Refused(f"静默至 {until} 不行：可选 {today} 至 {today + LONGEST}；没有设置")
        reason = _reason(reason)
        end = datetime.combine(until + timedelta(days=1), time.min, tzinfo=self._zone)
        known = self.all()
        for each in known:
            if (each.kind, each.name) == (kind, name) and each.holds(now) and each.until >= end:
                raise Refused(f"{KIND_TEXT[kind]}“{name}”已在静默中（{each.id}），不需要再设")
        key = f"S{len({each.id for each in known}) + 1}"
        detail = {
            "kind": kind.value,
            "name": name,
            "since": now.isoformat(),
            "until": end.isoformat(),
            "reason": reason,
        }
        plan_id = self._edition.plan.id
        if not self._ledger.remember(plan_id, FactKind.SILENCE, key, by=by, detail=detail, now=now):
            return self.add(kind, name, until, by=by, reason=reason, now=now)  # somebody was quicker
        return next(each for each in self.all() if each.id == key)

    def end(self, silence_id: str, *, by: str, now: datetime) -> Silence:
        """End one before its time; what came due meanwhile stays unsent.

        Raises ``Refused`` for one that is not there or has ended.
        """
        known = {each.id: each for each in self.all()}
        found = known.get(silence_id.strip().upper())
        running = "、".join(each.id for each in known.values() if each.holds(now)) or "（无）"
        if found is None:
            raise Refused(f"没有编号为“{silence_id}”的静默；现行的：{running}；未作更改")
        if not found.holds(now):
            ended = f"{found.until.astimezone(self._zone):%Y-%m-%d %H:%M}"
            raise Refused(f"静默 {found.id} 已于 {ended} 结束；现行的：{running}；未作更改")
        self._ledger.remember(
            self._edition.plan.id, FactKind.SILENCE_END, found.id, by=by, detail={}, now=now
        )
        return found

    def _named(self, kind: SilenceKind, name: str) -> str:
        plan = self._edition.plan
        name = name.strip()
        if kind is SilenceKind.ITEM:
            item = plan.item(name)
            known = [each.id for each in plan.items]
            found = item.id if item is not None else None
        elif kind is SilenceKind.UNIT:
            known = [each.id for each in plan.directory.units]
            found = name if plan.directory.unit(name) is not None else None
        else:
            known = [each.id for each in plan.directory.people]
            found = name if plan.directory.person(name) is not None else None
        if found is None:
            hint = did_you_mean(name, known)
            raise Refused(f"没有{KIND_TEXT[kind]}“{name}”{'；' + hint if hint else ''}；没有设置")
        return found

    def _facts(self) -> Facts:
        return Recorder(self._ledger, self._edition).facts()


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if not reason:
        raise Refused("静默须写明理由（--reason）；没有设置")
    if len(reason) > LONGEST_NOTE or not reason.isprintable():
        raise Refused(f"理由写一行，最多{LONGEST_NOTE}字；没有设置")
    return reason
