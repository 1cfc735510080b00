"""计划: the files behind the plan, edited with a check and a comparison before anything is saved."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Response
from starlette.exceptions import HTTPException

from reminder.access.rights import Right
from reminder.check import TEMPLATES_FOLDER
from reminder.editing.compare import compare
from reminder.editing.errors import EditRefused, NoSuchDocument, Stale, Unchanged
from reminder.editing.publisher import Publisher
from reminder.editing.shelf import Document, DocumentKind, Shelf, content_of, text_of
from reminder.editing.store import PlanStore
from reminder.editing.workshop import Faulty, Trial, Workshop
from reminder.ledger.file_versions import FileVersion, digest_of
from reminder.source import MAX_BYTES
from reminder.views import files as views
from reminder.views.trials import TrialView, trial_view
from reminder.web.console.ask import Ask, Method, Route
from reminder.web.console.rooms.panel import panel_of

LARGEST = MAX_BYTES + 64 * 1024
VERSIONS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in the editor: the text, the file it was opened over, and what came of it."""

    text: str
    base: str
    remark: str = ""
    trial: TrialView | None = None
    refused: str = ""
    warned: str = ""
    status: int = 200

    @property
    def checked(self) -> str:
        """What the next save must still say: whoever saves has seen this comparison."""
        return digest_of(self.text.encode("utf-8", "replace"))


def shelf_of(ask: Ask) -> Shelf:
    """The folders of the plan in force."""
    return Shelf(ask.site.settings.schedules, ask.site.settings.templates)


def workshop_of(ask: Ask, shelf: Shelf) -> Workshop:
    """Where files are changed."""
    look, settings = ask.look, ask.site.settings
    store = PlanStore(settings.published) if settings.follows_ledger else None
    publisher = Publisher(store, look.ledger) if store is not None else None
    return Workshop(shelf, look.ledger, look.edition, look.facts, settings.public_url, publisher)


def overview(ask: Ask) -> Response:
    """Every file, whether it is in force, and what was changed last."""
    shelf = shelf_of(ask)
    accepted = ask.look.ledger.last_plan(ask.look.plan_id)
    return ask.page(
        "plan",
        files=views.files(ask.look, shelf),
        state_text=views.STATE_TEXT,
        templates=views.templates(ask.look, shelf),
        versions=views.versions(ask.look, shelf, limit=VERSIONS_SHOWN, changes=True),
        refused_at=views.refused_at(ask.look),
        accepted_at=accepted.accepted_at.astimezone(ask.look.zone) if accepted is not None else None,
        items=len(ask.look.items),
        head=ask.look.edition.plan.head,
    )


def show(ask: Ask) -> Response:
    """One file; with ``?version=…`` an earlier content of it in the editor."""
    shelf, name = shelf_of(ask), name_of(ask)
    document = found(ask, shelf, name)
    draft = Draft(document.text if not document.closed else "", document.document.sha256)
    return editor(ask, shelf, document, draft)


def change(ask: Ask) -> Response:
    """Check, or save, what was typed; what was typed is kept whatever comes of it."""
    shelf, name = shelf_of(ask), name_of(ask)
    view = found(ask, shelf, name)
    if view.why_not:
        raise HTTPException(403, view.why_not)
    text, base = ask.form.get("content", ""), ask.form.get("base", "")
    draft = Draft(text, base, ask.form.get("remark", ""))
    content = content_of(text, view.document.content)
    if not views.may_open(ask.look, view.document.kind, content):
        refused = "改后的文件含有非公开事项，须由有查看非公开事项权限的人保存；没有保存"
        return editor(ask, shelf, view, Draft(text, base, draft.remark, refused=refused, status=403))
    if ask.form.get("action") == "save":
        if ask.form.get("checked") == digest_of(text.encode("utf-8", "replace")):
            return _save(ask, shelf, view, draft, content)
        warned = "内容在检查之后又有改动，已重新检查；请看过下面的变动再保存。"
        return _check(ask, shelf, view, draft, content, warned)
    return _check(ask, shelf, view, draft, content)


def _check(
    ask: Ask, shelf: Shelf, view: views.FileView, draft: Draft, content: bytes, warned: str = ""
) -> Response:
    name, now = view.document.name, ask.look.now
    if draft.base != view.document.sha256:
        warned = "文件在您打开之后已被改过。下面的对照以现在的文件为准，请把别人的改动并进来再保存。"
    workshop = workshop_of(ask, shelf)
    trial = workshop.trial(name, content, now)
    savable = workshop.savable(name, trial, now)
    return _tried(ask, shelf, view, draft, trial, savable=savable, warned=warned, status=200)


def _save(ask: Ask, shelf: Shelf, view: views.FileView, draft: Draft, content: bytes) -> Response:
    workshop, name = workshop_of(ask, shelf), view.document.name
    try:
        workshop.save(
            name, draft.base, content, by=ask.entered.user.id, remark=draft.remark, now=ask.look.now
        )
    except Faulty as error:
        return _tried(ask, shelf, view, draft, error.trial, savable=False, refused=str(error), status=422)
    except Stale as error:
        now = found(ask, shelf, name)  # as it is by now
        trial = workshop.trial(name, content, ask.look.now)
        savable = workshop.savable(name, trial, ask.look.now)
        return _tried(ask, shelf, now, draft, trial, savable=savable, refused=str(error), status=409)
    except Unchanged as error:
        return editor(ask, shelf, view, Draft(draft.text, draft.base, draft.remark, warned=str(error)))
    except EditRefused as error:
        again = Draft(draft.text, draft.base, draft.remark, refused=str(error), status=422)
        return editor(ask, shelf, view, again)
    return ask.redirect(address_of(name), "plan-saved")


def _tried(
    ask: Ask,
    shelf: Shelf,
    view: views.FileView,
    draft: Draft,
    trial: Trial,
    *,
    savable: bool,
    refused: str = "",
    warned: str = "",
    status: int,
) -> Response:
    name = view.document.name
    shown = trial_view(ask.look, shelf, name, draft.text, trial, view.document.text, savable=savable)
    # From here on over the file as it is now: the comparison shows what a save would take away.
    now = Draft(draft.text, view.document.sha256, draft.remark, shown, refused, warned, status)
    return editor(ask, shelf, view, now)


def editor(ask: Ask, shelf: Shelf, view: views.FileView, draft: Draft) -> Response:
    """The page of one file."""
    document = view.document
    return ask.page(
        "plan_file",
        draft.status,
        name=document.name,
        title=title_of(document),
        about=views.about(document.name, document.kind),
        view=view,
        draft=draft,
        end_marked=document.kind in (DocumentKind.PLAN, DocumentKind.YEAR),
        versions=views.versions(ask.look, shelf, document.name, VERSIONS_SHOWN),
        panel=panel_of(ask, document),
        address=address_of(document.name),
        differs=document.name in ask.look.edition.files()
        and ask.look.edition.files()[document.name] != document.sha256,
    )


def history(ask: Ask) -> Response:
    """The versions of a file, or of all."""
    shelf, name = shelf_of(ask), ask.query.get("file", "")
    if name:
        kind(shelf, name)
    return ask.page(
        "plan_versions", name=name, versions=views.versions(ask.look, shelf, name or None, limit=200)
    )


def version(ask: Ask) -> Response:
    """One version: what it said, and how that differs from what stands there now."""
    shelf = shelf_of(ask)
    kept, content = _version(ask, shelf)
    now = shelf.read(kept.name)
    closed_now = now is not None and not views.may_open(ask.look, now.kind, now.content)
    text, current = text_of(content), now.text if now is not None and not closed_now else ""
    return ask.page(
        "plan_version",
        kept=kept,
        at=kept.at.astimezone(ask.look.zone),
        who=views.author(ask.look, kept.author),
        what=views.KIND_TEXT[kept.kind],
        text=text,
        lines=text.rstrip("\n").split("\n"),
        difference=() if closed_now else compare(current, text),
        closed_now=closed_now,
        gone=now is None,
        current=now is not None and now.sha256 == kept.sha256,
        address=address_of(kept.name),
    )


def restore(ask: Ask) -> Response:
    """Put an earlier version into the editor, checked: it is saved like any other text."""
    shelf = shelf_of(ask)
    kept, content = _version(ask, shelf)
    remark = f"恢复 {kept.at.astimezone(ask.look.zone):%Y-%m-%d %H:%M} 的版本"
    if shelf.read(kept.name) is None:
        return _bring_back(ask, shelf, kept, content, remark)
    view = found(ask, shelf, kept.name)
    if view.why_not:
        raise HTTPException(403, view.why_not)
    draft = Draft(text_of(content), view.document.sha256, remark)
    warned = "下面是从前的版本，已检查，还没有保存；看过变动后点“保存”即恢复。"
    return _check(ask, shelf, view, draft, content_of(text_of(content), view.document.content), warned)


def _bring_back(ask: Ask, shelf: Shelf, kept: FileVersion, content: bytes, remark: str) -> Response:
    """A file that is there no more is put back at once: there is nothing it would overwrite."""
    try:
        workshop_of(ask, shelf).save(
            kept.name, "", content, by=ask.entered.user.id, remark=remark, now=ask.look.now
        )
    except Faulty as error:
        shown = trial_view(ask.look, shelf, kept.name, text_of(content), error.trial, "", savable=False)
        return ask.page("plan_refused", 422, name=kept.name, trial=shown, refused=str(error))
    return ask.redirect(address_of(kept.name), "plan-saved")


def _version(ask: Ask, shelf: Shelf) -> tuple[FileVersion, bytes]:
    """The version an address names, if its reader may see it."""
    number = ask.params["number"]
    kept = ask.look.ledger.files.get(ask.look.plan_id, int(number)) if _is_number(number) else None
    content = ask.look.ledger.files.content(ask.look.plan_id, kept.sha256) if kept is not None else None
    if kept is None or content is None:
        raise HTTPException(404)
    if not views.may_open(ask.look, kind(shelf, kept.name), content):
        raise HTTPException(
            403, "这个版本里有非公开事项，您的账户没有查看非公开事项的权限，不能查看，也不能恢复"
        )
    return kept, content


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def name_of(ask: Ask) -> str:
    """The name of the document that the address is about."""
    if "folder" in ask.params:
        return f"{TEMPLATES_FOLDER}/{ask.params['folder']}/{ask.params['file']}"
    if "year" in ask.params:
        return f"calendar/{ask.params['year']}"
    return (
        f"{TEMPLATES_FOLDER}/wording.yaml" if ask.path.startswith("/plan/templates/") else ask.params["name"]
    )


def address_of(name: str) -> str:
    """The address of a document below the root."""
    return f"plan/{name}"


def title_of(document: Document) -> str:
    """How its page is headed."""
    return document.name.removeprefix(f"{TEMPLATES_FOLDER}/")


def kind(shelf: Shelf, name: str) -> DocumentKind:
    """What a document is; 404 for a name that is none."""
    try:
        return shelf.kind_of(name)
    except NoSuchDocument:
        raise HTTPException(404) from None


def found(ask: Ask, shelf: Shelf, name: str) -> views.FileView:
    """A file to show; 404 where there is none.  Raises ``EditRefused`` for one that cannot be read."""
    try:
        return views.file(ask.look, shelf, name)
    except NoSuchDocument:
        raise HTTPException(404) from None


ROUTES = (
    Route(Method.GET, "/plan", Right.READ, overview),
    Route(Method.GET, "/plan/versions", Right.READ, history),
    Route(Method.GET, "/plan/versions/{number}", Right.READ, version),
    Route(Method.POST, "/plan/versions/{number}", Right.EDIT_PLAN, restore),
    Route(Method.GET, "/plan/calendar/{year}", Right.READ, show),
    Route(Method.POST, "/plan/calendar/{year}", Right.EDIT_PLAN, change, LARGEST),
    Route(Method.GET, "/plan/templates/wording.yaml", Right.READ, show),
    Route(Method.POST, "/plan/templates/wording.yaml", Right.EDIT_PLAN, change, LARGEST),
    Route(Method.GET, "/plan/templates/{folder}/{file}", Right.READ, show),
    Route(Method.POST, "/plan/templates/{folder}/{file}", Right.EDIT_PLAN, change, LARGEST),
    Route(Method.GET, "/plan/{name}", Right.READ, show),
    Route(Method.POST, "/plan/{name}", Right.EDIT_PLAN, change, LARGEST),
)
