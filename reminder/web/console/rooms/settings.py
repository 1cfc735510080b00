"""设置: channels and a test message, silences."""

from __future__ import annotations

from datetime import date

from fastapi import Response
from starlette.exceptions import HTTPException

from reminder.access.rights import Right
from reminder.agenda.facts import SilenceKind
from reminder.errors import ReminderError
from reminder.recording.recorder import Refused
from reminder.recording.silences import Silences
from reminder.sweep.proof import Proof, ProofRefused, recipient_of, send_proof
from reminder.views import settings as views
from reminder.web.console.ask import Ask, Method, Route

PROOFS_SHOWN = 5


def overview(ask: Ask) -> Response:
    """Whether messages really go out, and the channels they go over."""
    return _channels(ask)


def _channels(
    ask: Ask, tried: str = "", proof: Proof | None = None, refused: str = "", status: int = 200
) -> Response:
    settings = ask.site.settings
    return ask.page(
        "settings",
        status,
        channels=views.channels(ask.look, lambda name: settings.secret(name) is not None),
        proofs=views.proofs(ask.look, PROOFS_SHOWN),
        outbox=settings.outbox,
        public_url=settings.public_url,
        tried=tried,
        proof=proof,
        refused=refused,
        person=ask.form.get("person", ""),
    )


def resume(ask: Ask) -> Response:
    """End the pauses of a channel."""
    look, channel = ask.look, ask.params["channel"]
    by = ask.entered.user.id
    if not look.ledger.resume(look.plan_id, look.transport, channel, by=by, now=look.now):
        raise Refused(f"通道“{channel}”没有暂停，不需要恢复")
    return ask.redirect("settings", "channel-resumed")


def test(ask: Ask) -> Response:
    """Send a test message to one person, and show what the server said."""
    look, channel_id = ask.look, ask.params["channel"]
    person = look.edition.plan.directory.person(ask.form.get("person", ""))
    try:
        to = recipient_of(look.edition, channel_id, person)
        channel = ask.site.channel(look.edition, channel_id)
    except ProofRefused as error:
        return _channels(ask, channel_id, refused=str(error), status=422)
    except ReminderError as error:
        return _channels(ask, channel_id, refused=f"没有发送：{error}", status=422)
    try:
        proof = send_proof(
            look.ledger,
            look.edition,
            look.transport,
            channel,
            to,
            by=ask.entered.user.id,
            now=ask.site.clock.now(),
        )
    except ProofRefused as error:
        return _channels(ask, channel_id, refused=str(error), status=422)
    finally:
        channel.close()
    return _channels(ask, channel_id, proof)


def silences(ask: Ask, refused: str = "", status: int = 200) -> Response:
    """The silences, and a form for another."""
    directory = ask.look.edition.plan.directory
    return ask.page(
        "settings_silences",
        status,
        silences=views.silences(ask.look),
        items=[(each.id, each.spec.title) for each in ask.look.items],
        units=[each.id for each in directory.units],
        people=[(each.id, each.name) for each in directory.people if each.holds(ask.look.today)],
        form={key: ask.form.get(key, "") for key in ("what", "until", "reason")},
        refused=refused,
    )


def silence(ask: Ask) -> Response:
    """Set a silence of what is chosen of one kind."""
    look, form = ask.look, ask.form
    kind, _, name = form.get("what", "").partition(":")
    try:
        if kind not in set(SilenceKind) or not name:
            raise Refused("请选择静默什么；没有设置")
        if kind == SilenceKind.ITEM and not look.sees(look.edition.plan.item(name)):
            raise Refused("没有这个事项；没有设置")
        if not form.get("reason", "").strip():
            raise Refused("静默须写明理由；没有设置")
        Silences(look.ledger, look.edition).add(
            SilenceKind(kind),
            name,
            _day(form.get("until", "")),
            by=ask.entered.user.id,
            reason=form.get("reason", ""),
            now=look.now,
        )
    except Refused as error:
        return silences(ask, str(error), 422)
    return ask.redirect("settings/silences", "silence-set")


def end_silence(ask: Ask) -> Response:
    """End one before its time."""
    wanted = ask.params["silence"]
    if wanted not in {each.silence.id for each in views.silences(ask.look)}:
        raise HTTPException(404)
    Silences(ask.look.ledger, ask.look.edition).end(wanted, by=ask.entered.user.id, now=ask.look.now)
    return ask.redirect("settings/silences", "silence-ended")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused("请写静默到哪一天（含当日），如 2026-06-30；没有设置") from None


ROUTES = (
    Route(Method.GET, "/settings", Right.READ, overview),
    Route(Method.POST, "/settings/channels/{channel}/resume", Right.OPERATE, resume),
    Route(Method.POST, "/settings/channels/{channel}/test", Right.OPERATE, test),
    Route(Method.GET, "/settings/silences", Right.READ, silences),
    Route(Method.POST, "/settings/silences", Right.OPERATE, silence),
    Route(Method.POST, "/settings/silences/{silence}/end", Right.OPERATE, end_silence),
)
