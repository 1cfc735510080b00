"""设置 › 放假安排: which years are known, and taking in a year's official arrangement."""

from __future__ import annotations

from fastapi import Response

from reminder.access.rights import Right
from reminder.decoding import decode
from reminder.editing.errors import EditRefused, Unchanged
from reminder.editing.workshop import Faulty
from reminder.errors import PlanProblems
from reminder.views import years as views
from reminder.views.trials import shown_text, trial_view
from reminder.web.console.ask import Ask, Method, Route
from reminder.web.console.rooms.plan import shelf_of, workshop_of

LARGEST = 256 * 1024
PASTED = "粘贴的内容"


def show(ask: Ask, status: int = 200, **more: object) -> Response:
    """The years, and the form."""
    nothing = {"preview": None, "problems": None, "trial": None, "refused": "", "text": "", "base": ""}
    return ask.page(
        "settings_years",
        status,
        years=views.years(ask.look),
        missing=views.missing(ask.look),
        **(nothing | more),
    )


def take_in(ask: Ask) -> Response:
    """Show what an arrangement says and changes; write it once that was confirmed."""
    upload = ask.files.get("file")
    text = ask.form.get("text", "")
    data, name = (upload.content, upload.name[:80]) if upload else (text.encode("utf-8", "replace"), PASTED)
    if not data.strip():
        return show(ask, 422, refused="请粘贴通知全文，或选择一个文件；没有录入")
    try:
        preview = views.imported(data, name)
    except PlanProblems as error:
        text = decode(data) or ""
        return show(ask, 422, problems=(shown_text(name, text, error.problems),), text=text)
    shelf = shelf_of(ask)
    workshop, content = workshop_of(ask, shelf), preview.text.encode()
    try:
        if ask.form.get("action") == "save":
            workshop.save(
                preview.name,
                ask.form.get("base", ""),
                content,
                by=ask.entered.user.id,
                remark=f"录入{preview.shown.year}年放假安排",
                now=ask.look.now,
            )
            return ask.redirect("settings/calendar", "year-saved")
        now = shelf.read(preview.name)
        trial = workshop.trial(preview.name, content, ask.look.now)
    except Faulty as error:
        shown = trial_view(ask.look, shelf, preview.name, preview.text, error.trial, "", savable=False)
        return show(ask, 422, refused=str(error), preview=preview, trial=shown)
    except Unchanged:
        return show(ask, refused=f"{preview.shown.year}年的安排与已录入的相同，不需要再录入", text=text)
    except EditRefused as error:
        return show(ask, 422, refused=str(error), text=preview.text)
    savable, before = workshop.savable(preview.name, trial, ask.look.now), now.text if now else ""
    shown = trial_view(ask.look, shelf, preview.name, preview.text, trial, before, savable=savable)
    base = now.sha256 if now is not None else ""
    return show(ask, preview=preview, trial=shown, base=base)


ROUTES = (
    Route(Method.GET, "/settings/calendar", Right.READ, show),
    Route(Method.POST, "/settings/calendar", Right.OPERATE, take_in, LARGEST),
)
