"""What a plan may say already and this version does not do yet (尚未启用)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reminder.plan.audience import TermKind
from reminder.plan.model import DrawWhen, EventWhen, ItemSpec, Rung

MISSING_LIST = "missing-list"
"""The template that lists who still owes."""


def inactive_parts(spec: ItemSpec, rungs: Sequence[Rung]) -> tuple[str, ...]:
    """Short Chinese phrases, one for each feature of the item without effect for now."""
    return tuple(_parts(spec, rungs))


def _parts(spec: ItemSpec, rungs: Sequence[Rung]) -> Iterator[str]:
    kinds = {term.kind for rung in rungs for term in rung.to}
    if isinstance(spec.when, EventWhen):
        yield "event（事件登记，暂无提醒）"
    if isinstance(spec.when, DrawWhen):
        yield "draw（随机抽取，暂无提醒）"
    if spec.approval is not None:
        yield "approval（发送前审核，暂只在试运行中发出）"
    if TermKind.OWING in kinds:
        yield "owing（暂指全部承担者）"
    if TermKind.ESCALATION in kinds:
        yield "escalation（提请上级，暂不发送）"
    if any(rung.template == MISSING_LIST for rung in rungs):
        yield "missing-list（未办名单，暂不发送）"
    if any(rung.repeat is not None for rung in rungs):
        yield "repeat（重复提醒，暂只发一次）"
    if any(rung.condition is not None for rung in rungs):
        yield "if（附条件的提醒，暂不发送）"
