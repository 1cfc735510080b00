"""Silences: what is not sent for a while, and is not made up for."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from reminder.agenda.facts import Silence as Known
from reminder.agenda.facts import SilenceKind
from reminder.recording.silences import Silences
from reminder.views.look import Look
from reminder.web.api.caller import Operating, Reader
from reminder.web.api.models import NewSilence, Silence
from reminder.web.api.problems import not_found

router = APIRouter(prefix="/silences", tags=["静默"])


@router.get("", summary="静默")
def silences(
    caller: Reader, *, all: Annotated[bool, Query(description="也列出已经结束的")] = False
) -> list[Silence]:
    """现行的静默，按设置的先后。"""
    look = caller.look
    known = Silences(look.ledger, look.edition).all()
    return [_silence(look, each) for each in known if (all or each.holds(look.now)) and _seen(look, each)]


@router.post("", summary="设静默", status_code=201)
def add(caller: Operating, wanted: NewSilence) -> Silence:
    """从现在起到某天为止：其间到时的提醒不发送、不补发，记入台账。"""
    look = caller.look
    if wanted.kind == "item":
        item = look.edition.plan.item(wanted.name)
        if item is None or not look.sees(item):
            raise not_found(f"任务“{wanted.name}”")
    made = Silences(look.ledger, look.edition).add(
        SilenceKind(wanted.kind),
        wanted.name,
        wanted.until,
        by=look.user.id,
        reason=wanted.reason,
        now=look.now,
    )
    return _silence(look, made)


@router.post("/{silence_id}/end", summary="提前结束静默")
def end(
    caller: Operating, silence_id: Annotated[str, Path(max_length=20, description="编号，如 S1")]
) -> Silence:
    """此前没有发的不补发。"""
    look = caller.look
    silences = Silences(look.ledger, look.edition)
    known = {each.id: each for each in silences.all()}
    found = known.get(silence_id.strip().upper())
    if found is None or not _seen(look, found):
        raise not_found(f"静默“{silence_id}”")
    silences.end(found.id, by=look.user.id, now=look.now)
    return _silence(look, next(each for each in silences.all() if each.id == found.id))


def _seen(look: Look, silence: Known) -> bool:
    return silence.kind is not SilenceKind.ITEM or look.sees(look.edition.plan.item(silence.name))


def _silence(look: Look, each: Known) -> Silence:
    return Silence(
        id=each.id,
        kind=each.kind.value,
        name=each.name,
        since=each.since.astimezone(look.zone),
        until=each.until.astimezone(look.zone),
        running=each.holds(look.now),
        reason=each.reason,
        by=each.by,
    )
