"""审批: what waits for somebody's word, each text as its receivers will see it, and how it differs from before.

Whoever may not see private items sees none here, unless they are asked to
approve it: then as the request itself shows it, with numbers in place of names.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from reminder.agenda.approvals import may_read
from reminder.check import Edition
from reminder.ledger.ledger import Ledger
from reminder.plan.channels import EmailChannel
from reminder.sweep.approvals import (
    APPROVAL_ITEM,
    FURTHEST,
    STATE_TEXT,
    Memory,
    State,
    Waiting,
    pending,
    submitter_of,
)
from reminder.sweep.approving import REMARK_LENGTH, ApprovalRefused, Given, approve, find, why_not
from reminder.sweep.request import OWN_LINK, differences, named, to_whom, without_names
from reminder.sweep.texts import CODE_LENGTH, Said, Text
from reminder.views.kept import Kept
from reminder.views.look import Look

__all__ = ["FURTHEST", "REMARK_LENGTH", "ApprovalRefused", "Case", "Change", "Letter", "Reading"]

EDITIONS, LISTS = 3, 4
"""Of so many editions the rendered texts are kept, and so many lists of what waits."""
_MARKS = {State.WAITING: "wait", State.APPROVED: "done", State.RETURNED: "overdue"}
_QUOTED = ("｜", "> ")
"""How a request marks the text it quotes, in mail and in WeCom."""


class _Texts:
    """What was rendered of an edition, and what waited by it; for one thread at a time, under the lock."""

    def __init__(self, edition: Edition) -> None:
        self.edition = edition
        self.memory = Memory(edition)
        self.lock = threading.Lock()
        self.waiting: Kept[tuple[Ledger, list[Waiting]]] = Kept(LISTS)


_editions: Kept[_Texts] = Kept(EDITIONS)


@contextmanager
def _texts_of(edition: Edition) -> Iterator[_Texts]:
    known = _editions.of(id(edition), lambda: _Texts(edition), lambda kept: kept.edition is edition)
    with known.lock:
        yield known


def _waiting(look: Look, ahead: timedelta) -> list[Waiting]:
    """What waits, expanded once a minute while nothing is recorded: not what has gone out since."""
    ledger, plan_id = look.ledger, look.plan_id
    minute = look.now.replace(second=0, microsecond=0)
    submitter = submitter_of(ledger, plan_id)
    key = (id(ledger), look.transport, look.facts.number, submitter, minute, ahead)
    with _texts_of(look.edition) as texts:
        memory = texts.memory
        _, found = texts.waiting.of(
            key,
            lambda: (
                ledger,
                pending(ledger, look.edition, look.now, ahead=ahead, decided=True, memory=memory),
            ),
            lambda kept: kept[0] is ledger,
        )
    keys = {key for each in found for key in each.said.keys}
    settled = ledger.settled_of(plan_id, look.transport, keys)
    return [each for each in found if settled.isdisjoint(each.said.keys)]


@dataclass(frozen=True, slots=True)
class Case:
    """A text that has to be approved.  Instants are in the plan's zone; ``word`` says who spoke, and what."""

    waiting: Waiting
    code: str
    title: str
    state: str
    mark: str
    goes_at: datetime
    useful_until: datetime
    asked_at: datetime | None
    asks_at: datetime
    late: bool
    to: str
    approvers: tuple[str, ...]
    submitter: str
    word: str
    mine: bool
    """Whether the reader may approve it."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What one receiver will get on one channel.  ``html`` is None where the channel has only text."""

    receiver: str
    channel: str
    subject: str
    text: str
    html: str | None
    mail: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A line that came (``+``) or went (``-``) since an earlier version."""

    sign: str
    line: str


@dataclass(frozen=True, slots=True)
class Reading:
    """One text, opened: for whom it may be looked at, and the letter that was chosen.

    ``barred`` says why the reader may not approve it, empty if they may;
    ``changes`` is None when no earlier version was shown, and empty when only
    dates or receivers differ.
    """

    case: Case
    receivers: tuple[str, ...]
    chosen: int
    letter: Letter
    hidden: bool
    others: tuple[str, ...]
    changes: tuple[Change, ...] | None
    barred: str


def cases(look: Look, ahead: timedelta = timedelta(0)) -> tuple[Case, ...]:
    """What waits, and what was said and has not gone out yet, in order of its hour."""
    return tuple(_case(look, waiting) for waiting in _waiting(look, ahead) if may_see(look, waiting))


def reading(look: Look, code: str, receiver: int = 0) -> Reading:
    """The text of a code, for the receiver of that number.  Raises ``ApprovalRefused``."""
    waiting = _find(look, code)
    if not may_see(look, waiting):
        raise ApprovalRefused("没有这个审批编号")
    person = look.edition.plan.directory.person(look.user.id)
    item = waiting.said.first.item
    hidden = item.spec.private and not look.private
    if hidden and person is not None:
        hidden = not may_read(person, item, look.edition.plan, look.today)
    made = without_names(waiting.said, look.edition, look.facts) if hidden else waiting.said
    texts = made.texts
    chosen = receiver if 0 <= receiver < len(texts) else _first(texts)
    sample = texts[_first(texts)]
    able = {each.id for each in waiting.panel.able}
    return Reading(
        case=_case(look, waiting),
        receivers=tuple(f"{each.addressee.name}（{_channel(look, each)}）" for each in texts),
        chosen=chosen,
        letter=_letter(look, texts[chosen]),
        hidden=hidden,
        others=tuple(differences(sample, [each for each in texts if each is not sample])),
        changes=_changes(look, waiting, made, hidden=hidden),
        barred="" if look.user.id in able else why_not(person, waiting, look.user.id),
    )


def say(look: Look, code: str, remark: str, *, granted: bool) -> Given:
    """Record the reader's word.  Raises ``ApprovalRefused``."""
    with _texts_of(look.edition) as texts:
        waiting = find(look.ledger, look.edition, code, look.now, texts.memory)
        if not may_see(look, waiting):
            raise ApprovalRefused("没有这个审批编号")
        return approve(
            look.ledger, look.edition, look.user.id, code, look.now,
            granted=granted, remark=remark, memory=texts.memory,
        )  # fmt: skip


def _find(look: Look, code: str) -> Waiting:
    """The text of a code.  Raises ``ApprovalRefused`` as :func:`~reminder.sweep.approving.find` does."""
    for ahead in (timedelta(0), FURTHEST):
        for waiting in _waiting(look, ahead):
            if waiting.said.code == code:
                return waiting
    with _texts_of(look.edition) as texts:
        return find(look.ledger, look.edition, code, look.now, texts.memory)


def may_see(look: Look, waiting: Waiting) -> bool:
    """Whether the reader may know of a text: its item may be seen, or they are asked to approve it."""
    panel = waiting.panel
    return look.sees(waiting.said.first.item) or look.user.id in {
        each.id for each in (*panel.able, *panel.asked)
    }


def _case(look: Look, waiting: Waiting) -> Case:
    word = waiting.word
    said = ""
    if word is not None:
        at = word.at.astimezone(look.zone)
        place = f"（代{'、'.join(look.name_of(each) for each in word.for_)}）" if word.for_ else ""
        said = f"{look.name_of(word.by)}{place}于 {at:%Y-%m-%d %H:%M} {'批准' if word.granted else '退回'}"
        said += f"：{word.remark}" if word.remark else ""
    return Case(
        waiting=waiting,
        code=waiting.said.code,
        title=waiting.title,
        state=STATE_TEXT[waiting.state],
        mark=_MARKS[waiting.state],
        goes_at=waiting.goes_at.astimezone(look.zone),
        useful_until=waiting.useful_until.astimezone(look.zone),
        asked_at=waiting.asked.at.astimezone(look.zone) if waiting.asked is not None else None,
        asks_at=waiting.asks_at.astimezone(look.zone),
        late=look.now >= waiting.goes_at,
        to=to_whom(waiting.said, look.edition),
        approvers=tuple(each.name for each in waiting.panel.able),
        submitter=named(waiting.panel.submitter, look.edition),
        word=said,
        mine=look.user.id in {each.id for each in waiting.panel.able},
    )


def _first(texts: Sequence[Text]) -> int:
    """The first person's."""
    return next((place for place, each in enumerate(texts) if each.addressee.kind == "person"), 0)


def _channel(look: Look, text: Text) -> str:
    config = look.edition.plan.channels[text.channel]
    return "邮件" if isinstance(config, EmailChannel) else getattr(config, "name", None) or text.channel


def _letter(look: Look, text: Text) -> Letter:
    link, message = look.edition.link, text.message
    mail = isinstance(look.edition.plan.channels[text.channel], EmailChannel)
    words = message.text if mail else message.markdown
    # A link is its receiver's own: here it leads nowhere.
    return Letter(
        receiver=text.addressee.name,
        channel=_channel(look, text),
        subject=message.subject,
        text=words.replace(link, OWN_LINK) if link else words,
        html=(message.html.replace(link, "#") if link else message.html) if mail and message.html else None,
        mail=mail,
    )


def _changes(look: Look, waiting: Waiting, made: Said, *, hidden: bool) -> tuple[Change, ...] | None:
    """How the text differs from the one that was shown before, as that stands in the requests that were sent."""
    earlier = waiting.earlier
    if earlier is None:
        return None
    people = [look.user.id] if hidden else [each.id for each in look.edition.plan.directory.people]
    code = earlier.digest[:CODE_LENGTH]
    keys = [f"{APPROVAL_ITEM}/{earlier.alarm}@{code}~{person}" for person in people]
    letter = look.ledger.book.letter_text(look.plan_id, look.transport, keys)
    quoted = [line for line in (letter or "").splitlines() if line.startswith(_QUOTED)]
    before = _words([line.removeprefix(_QUOTED[0]).removeprefix(_QUOTED[1]) for line in quoted])
    if not before:
        return ()
    sample = _letter(look, made.texts[_first(made.texts)])
    after = _words([f"主题：{sample.subject}", *sample.text.splitlines()])
    found = difflib.ndiff(before, after)
    return tuple(Change(line[0], line[2:]) for line in found if line[0] in "+-")


def _words(lines: Sequence[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip()]
