"""Rungs that depend on what is still owed: to whom they may go, and what they need."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from reminder.errors import Problem, Severity
from reminder.plan.audience import TermKind
from reminder.plan.model import MISSING_LIST, Anchor, ItemSpec, Rung
from reminder.plan.place import Place
from reminder.plan.via import channels_of
from reminder.source import Loc

_BEFORE_DUE = (Anchor.OPENS, Anchor.MIDPOINT, Anchor.PERIOD_START)

Where = Callable[[Rung], Loc]
"""Where a rung stands, seen from its item."""


def names_who_owes(rung: Rung) -> bool:
    """Whether the message tells who still owes something, or goes only to those."""
    return (
        rung.template == MISSING_LIST
        or rung.condition is not None
        or has(rung, TermKind.OWING)
        or has(rung, TermKind.ESCALATION)
    )


def has(rung: Rung, kind: TermKind) -> bool:
    """Whether the rung's audience has such a term."""
    return any(term.kind is kind and not term.excluded for term in rung.to)


def check_listening(
    spec: ItemSpec, place: Place, rungs: Sequence[Rung], where: Where, groups: Collection[str]
) -> Iterator[Problem]:
    """What names who still owes goes to persons only; what depends on a duty needs one.

    ``groups`` are the channels that reach a group.  A private item's groups are
    a problem of their own.
    """
    for rung in rungs:
        reached = sorted({*channels_of(rung.via)} & {*groups})
        if names_who_owes(rung) and reached and not spec.private:
            found = f"提醒“{rung.id}”点到未办结的人，而通道里有群：{'、'.join(reached)}"
            allowed = f"owing、escalation、if 和 {MISSING_LIST} 只能逐人发送"
            yield place.problem(where(rung), found, allowed, "请改该提醒的 via")
        if spec.duty is None and (rung.condition is not None or rung.template == MISSING_LIST):
            what = f"if: {rung.condition}" if rung.condition is not None else f"template: {MISSING_LIST}"
            found = f"提醒“{rung.id}”写了 {what}，而本项没有写 duty"
            yield place.problem(where(rung), found, "", "请写 duty（谁承担），或删去这一行")
        if spec.duty is not None and has(rung, TermKind.ESCALATION) and _comes_before_due(rung, spec):
            found = f"提醒“{rung.id}”在截止之前就提请上级关注"
            yield place.problem(
                where(rung), found, "", "通常从截止之后开始，如 workdays: +3", Severity.WARNING
            )
    if spec.duty is not None and spec.duty.each == "unit" and "on_rotation" in spec.duty.model_fields_set:
        found = "each: unit 而写了 on_rotation：单位承担的，不因换人而另起一份"
        yield place.problem(("duty", "on_rotation"), found, "", "请删去这一行", Severity.WARNING)


def _comes_before_due(rung: Rung, spec: ItemSpec) -> bool:
    offset = rung.workdays if rung.workdays is not None else rung.days
    if offset is None or rung.anchor is None:
        return False
    if rung.anchor is Anchor.DUE:
        return offset < 0 or (offset == 0 and rung.at < spec.when.at)
    return rung.anchor in _BEFORE_DUE and offset <= 0
