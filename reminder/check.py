"""Every problem of plan, audiences, calendar and templates at once.

``examine`` is the gate through which an edition comes into force: the daemon,
``check``, ``agenda`` and ``simulate`` all pass it.  It reads files and nothing
else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from reminder.agenda.alarms import Alarm, ladder
from reminder.agenda.approval_checks import asked_too_late, asks_approvers, leaders_unapproved
from reminder.agenda.chains import broken_chains
from reminder.agenda.draws import candidate_units
from reminder.agenda.facts import NOTHING, Commitment, Draw, Facts, Lot, Registered
from reminder.agenda.instants import zone_of
from reminder.agenda.occurrences import Occurrence, occurrences
from reminder.agenda.reach import Receiver, asks_above, reach
from reminder.calendars.periods import PeriodKind, periods
from reminder.calendars.workdays import WorkCalendar
from reminder.calendars.yearfile import load_years
from reminder.errors import Position, Problem, ReminderError, Severity, errors_of
from reminder.links import APPROVAL_PATH, PATH, PLACEHOLDER
from reminder.messages.context import (
    Addressee,
    Request,
    confined,
    layout_context,
    request_context,
    section_context,
)
from reminder.messages.render import RendererUnavailable, TemplateError, Templates
from reminder.messages.wording import FILE as WORDING_FILE
from reminder.messages.wording import load_wording
from reminder.plan.authorities import Authorities, read_authorities
from reminder.plan.loader import load_plan
from reminder.plan.model import DEFAULT_ALARM_TIME, Item, Plan
from reminder.plan.via import channels_of
from reminder.plan.when import DrawWhen, EventWhen

CALENDAR_FOLDER = "calendar"
TEMPLATES_FOLDER = "templates"
"""What the folder of templates is called in the names of an edition's files, wherever it lies."""
APPROVAL_TEMPLATE = "approval"
"""The template by which approvers are asked."""
LONG_AFTER = timedelta(days=400)
SAMPLE_SUBJECT = "示例-1"
SAMPLE_AHEAD = timedelta(days=30)
"""How long before its day the sample of an event is registered."""
SAMPLES = (Addressee("sample", "理论科科长", "person"), Addressee("group:sample", "工作群", "group"))
"""For whom every template is rendered: a person and a group."""


@dataclass(frozen=True)
class Edition:
    """One plan with its calendar and its templates, proven to fit together."""

    plan: Plan
    calendar: WorkCalendar
    templates: Templates
    wording: Mapping[str, Any]
    authorities: Authorities = field(default_factory=Authorities)
    """Whom the channels trust besides the usual."""
    public_url: str | None = None
    """What links in messages begin with; None for messages without links."""

    @property
    def link(self) -> str | None:
        """The link of every message, before its receiver's token takes the placeholder's place."""
        return f"{self.public_url}{PATH}{PLACEHOLDER}" if self.public_url else None

    @property
    def approval_link(self) -> str | None:
        """The link of a request for an approval, likewise."""
        return f"{self.public_url}{APPROVAL_PATH}{PLACEHOLDER}" if self.public_url else None

    def files(self) -> dict[str, str]:
        """SHA-256 of everything the edition was made from, by name."""
        return {
            **{file.name: file.sha256 for file in self.plan.files},
            **{f"{TEMPLATES_FOLDER}/{name}": digest for name, digest in self.templates.files().items()},
            **self.authorities.files(),
            "calendar": self.calendar.fingerprint,
        }

    @property
    def digest(self) -> str:
        """SHA-256 over :meth:`files`: two editions with the same digest say the same."""
        text = "\n".join(f"{digest} {name}" for name, digest in sorted(self.files().items()))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Examination:
    """The edition, or None where an error stands; and everything found."""

    edition: Edition | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> list[Problem]:
        return errors_of(self.problems)


def examine(
    schedules: Path,
    templates_folder: Path,
    public_url: str | None = None,
    replaced: Mapping[str, bytes] | None = None,
    known: Callable[[Edition], bool] | None = None,
) -> Examination:
    """Read and check everything of an office's folders.

    ``public_url`` is what links in messages begin with, if they have any.
    ``replaced`` are contents taken instead of what stands in the files, by name:
    ``plan.yaml``, ``calendar/2027.yaml``, ``templates/general/words.j2``.
    One that is ``known`` was found good before: nothing is rendered, and nothing
    is found besides what does not fit its form.
    """
    of_plan, of_years, of_templates = _by_folder(replaced or {})
    with ThreadPoolExecutor(1, "templates") as beside:
        # Another process looks through the templates: the plan is read meanwhile.
        reading = beside.submit(Templates.load, templates_folder, replaced=of_templates)
        loaded = load_plan(schedules, of_plan)
        years, year_problems = load_years(schedules / CALENDAR_FOLDER, of_years)
        templates, template_problems = reading.result()
    problems = [*loaded.problems, *year_problems, *template_problems]
    wording, wording_problems = load_wording(templates_folder, of_templates.get(WORDING_FILE))
    if templates_folder.is_dir():  # else it is the folder that is missing, and not this file
        problems += wording_problems
    authorities = Authorities()
    if loaded.plan is not None:
        authorities, authority_problems = read_authorities(loaded.plan, schedules)
        problems += authority_problems
    edition = None
    if loaded.plan is not None and not errors_of(problems):
        edition = Edition(loaded.plan, WorkCalendar(years), templates, wording.terms, authorities, public_url)
        if known is None or not known(edition):
            problems += _unique(_of_edition(edition))
    problems.sort(key=lambda problem: problem.sort_key)
    return Examination(None if errors_of(problems) else edition, tuple(problems))


def _by_folder(replaced: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, bytes], dict[str, bytes]]:
    """Contents of the plan's own files, of the calendar's and of the templates'."""
    of_plan: dict[str, bytes] = {}
    of_years: dict[str, bytes] = {}
    of_templates: dict[str, bytes] = {}
    for name, content in replaced.items():
        folder, _, inner = name.partition("/")
        if not inner:
            of_plan[name] = content
        elif folder == CALENDAR_FOLDER:
            of_years[inner] = content
        else:
            of_templates[inner] = content
    return of_plan, of_years, of_templates


def _unique(problems: Iterator[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


def _of_edition(edition: Edition) -> Iterator[Problem]:
    names = set(edition.templates.names())
    asked = False
    unaskable: ReminderError | None = None
    for item in edition.plan.items:
        position = edition.plan.positions.get(item.id, Position("plan.yaml"))
        path = f"items[{item.id}]"
        unknown = sorted({rung.template for rung in item.rungs} - names)
        for name in unknown:
            allowed = "可用：" + "、".join(edition.templates.names())
            yield Problem(position, path, f"没有名为“{name}”的模板", allowed)
        yield from leaders_unapproved(item, edition.plan, position, path)
        yield from _of_escalation(item, edition, position, path)
        if asks_approvers(item, edition.plan):
            if not asked:
                asked, unaskable = True, _unaskable(edition)  # it has nothing of the item: once is enough
            if unaskable is not None:
                passing = isinstance(unaskable, RendererUnavailable)
                yield Problem(position, f"{path}.approval", f"不能提请审批：{unaskable}", passing=passing)
        occurrence = sample_occurrence(item, edition)
        if occurrence is None:
            if not isinstance(item.spec.when, EventWhen | DrawWhen):
                found = "在计划的起止日期之内没有任何一次"
                yield Problem(
                    position, path, found, "请检查 when 与 plan.from、plan.until", "", Severity.WARNING
                )
            continue
        if isinstance(item.spec.when, DrawWhen):
            yield from _of_draw(item, item.spec.when, occurrence, edition, position, path)
        if not unknown:
            yield from _of_item(item, occurrence, edition, position, path)


def sample_occurrence(item: Item, edition: Edition) -> Occurrence | None:
    """The item's first occurrence in the plan; of an event or a draw what it would be like."""
    head = edition.plan.head
    facts = sample_facts(item, edition)
    return next(iter(occurrences(item, head, edition.calendar, head.from_, head.until, facts)), None)


def sample_facts(item: Item, edition: Edition) -> Facts:
    """An event registered, or a lot drawn, in the middle of the plan: for checks and previews only."""
    head, when = edition.plan.head, item.spec.when
    middle = head.from_ + (head.until - head.from_) / 2
    at = datetime.combine(middle - SAMPLE_AHEAD, DEFAULT_ALARM_TIME, tzinfo=zone_of(head.timezone))
    match when:
        case EventWhen():
            event = Registered(when.event, SAMPLE_SUBJECT, edition.calendar.after(middle, 1), at, "")
            return Facts(events=(event,))
        case DrawWhen():
            (period,) = periods(PeriodKind(when.draw.per), middle, middle)
            day = edition.calendar.last_workday(period.first, period.last) or period.last
            units = candidate_units(when.draw, edition.plan.directory, day)
            lot = Lot(1, when.draw.times, day, day, units[0] if units else "", (day,), units, "", at)
            made = Commitment("", period.first, at)
            return Facts(draws={(item.id, period.id): Draw(item.id, period.id, (made,), (lot,))})
        case _:
            return NOTHING


def _of_draw(
    item: Item, when: DrawWhen, occurrence: Occurrence, edition: Edition, position: Position, path: str
) -> Iterator[Problem]:
    """Whether those who are told of a draw could be among those it falls on."""
    directory, day = edition.plan.directory, occurrence.due
    units = candidate_units(when.draw, directory, day)
    told = {p.id: p for rung in item.rungs for p in directory.people_meant(rung.to, day)}
    for person in told.values():
        for unit in units:
            if directory.belongs_to(person, unit, day):
                yield Problem(
                    position,
                    f"{path}.when.draw.from",
                    f"{person.name}会收到抽查提醒，又属于可能抽中的“{unit}”",
                    "抽中该单位时系统不告知此人",
                    "请从 draw.from 的单位中去掉该单位，或调整检查人员",
                    Severity.WARNING,
                )


def _of_item(
    item: Item, occurrence: Occurrence, edition: Edition, position: Position, path: str
) -> Iterator[Problem]:
    zone = zone_of(edition.plan.head.timezone)
    seen: set[object] = set()
    alarms = ladder(item, item.rungs, occurrence, edition.calendar, zone)
    yield from asked_too_late(alarms, edition.calendar, position, path)
    for alarm in alarms:
        receivers = reach(alarm, edition.plan, edition.calendar, NOTHING, alarm.at).receivers
        if not receivers and not asks_above(alarm.rung):
            audience = "、".join(str(term) for term in alarm.rung.to)
            yield Problem(
                position,
                f"{path}.{alarm.rung.id}",
                f"受众“{audience}”在 {alarm.at.date()} 没有任何人",
                "请检查 directory.yaml 中的任职（holdings）与起止日期",
                severity=Severity.WARNING,
            )
        sample = receivers[0] if receivers else None
        # On time and long after: what a template says then differs, and nothing may be undefined.
        for now in (alarm.at, alarm.at + LONG_AFTER):
            phase = (
                alarm.rung.template,
                now < occurrence.due_at,
                now.date() == occurrence.due,
                now > alarm.at,
            )
            if phase not in seen:
                seen.add(phase)
                for addressee in SAMPLES:
                    yield from _render(alarm, addressee, sample, now, edition, position, path)


def _of_escalation(item: Item, edition: Edition, position: Position, path: str) -> Iterator[Problem]:
    """Cells with nobody above them: what is not done would never come before anybody."""
    for broken in broken_chains(item, edition.plan, edition.calendar):
        found = f"“{broken.cell.title}”没有可提请关注的人"
        if broken.own:
            found = f"“{broken.cell.title}”的上级就是承担者本人，没有可提请关注的人"
        duty = item.spec.duty
        pair = duty is not None and duty.each == "pair"
        yield Problem(
            position,
            f"{path}.duty",
            found + (f"（{broken.on} 时，其后已有人）" if broken.mended else ""),
            "提请关注的对象：duty.escalate_to；不写时，谈话为 plan.in_charge，其余为 supervision 中分管该单位的职务",
            "请写 plan.in_charge 或本项的 escalate_to"
            if pair
            else "请在名录 supervision 中写明谁分管该单位，或写本项的 escalate_to",
            Severity.WARNING if broken.mended else Severity.ERROR,
        )


def _render(
    alarm: Alarm,
    addressee: Addressee,
    receiver: Receiver | None,
    now: datetime,
    edition: Edition,
    position: Position,
    path: str,
) -> Iterator[Problem]:
    person = addressee.kind == "person"
    link = edition.link if person else None
    try:
        context = section_context(
            edition.plan,
            edition.calendar,
            [alarm],
            addressee,
            receiver.cells if receiver is not None else (),
            edition.wording,
            now,
            hidden=receiver is not None and receiver.counts_only,
            link=link,
        )
        networks = {edition.plan.channels[each].network for each in channels_of(alarm.rung.via)}
        rendered: list[tuple[str, Mapping[str, Any]]] = []
        for network in sorted(networks):
            template, variables = confined(alarm.item, network, alarm.rung.template, context)
            if (template, variables) in rendered:
                continue
            rendered.append((template, variables))
            section = edition.templates.section(template, variables)
            layout = layout_context(
                edition.plan, addressee, [section], edition.wording, now, owes=person, link=link
            )
            edition.templates.message([section], layout)
    except TemplateError as error:
        yield Problem(
            position, f"{path}.{alarm.rung.id}", str(error), "", "模板须对每个任务、每种收件人都能生成"
        )
    except ReminderError as error:
        passing = isinstance(error, RendererUnavailable)
        yield Problem(position, f"{path}.{alarm.rung.id}", str(error), passing=passing)


SAMPLE_REQUEST = Request(
    title="节日廉政提醒（2026年中秋节）",
    goes_at=datetime(2026, 9, 24, 9, 30),  # noqa: DTZ001 - only shown
    late=False,
    useful_until=datetime(2026, 9, 24, 17),  # noqa: DTZ001
    changed=False,
    people=36,
    to="邮件36人",
    submitter="机关党委干事",
    code="0123abcd",
    receiver="理论科科长",
    subject="主题",
    text="正文",
)


def _unaskable(edition: Edition) -> ReminderError | None:
    """Why approvers cannot be asked, in one of the forms that a request may take; None if they can."""
    for request in (
        SAMPLE_REQUEST,
        replace(SAMPLE_REQUEST, late=True, changed=True, hidden=True, rehearsal=True, submitter=""),
        replace(
            SAMPLE_REQUEST,
            link="https://djw.example.com/a/x",
            text="",
            differences=("办公室主任：“正文”",),
            deputy_for=("办公室主任",),
        ),
    ):
        try:
            context = request_context(edition.plan, SAMPLES[0], request, edition.wording, request.goes_at)
            edition.templates.section(APPROVAL_TEMPLATE, context)
        except ReminderError as error:
            return error
    return None


def last_day_of(plan: Plan) -> datetime:
    """The last instant of the plan's span, aware, in its zone."""
    return datetime.combine(plan.head.until, time.max, tzinfo=zone_of(plan.head.timezone))


def days_until_end(plan: Plan, today: date) -> int:
    """Days from today to the plan's ``until``; negative once it has passed."""
    return (plan.head.until - today).days
