"""What the interface says and takes.  Descriptions are for people who program against it, in Chinese.

Instants carry the plan's zone.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from reminder.calendars.lunar import FIRST_YEAR, LAST_YEAR

Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Words = Annotated[str, StringConstraints(max_length=200)]
Transport = Literal["outbox", "live"]
DayIn = Annotated[date, Field(ge=date(FIRST_YEAR, 1, 1), le=date(LAST_YEAR, 12, 31))]
"""A day that somebody asks for: of the years that the calendar knows."""


class Shape(BaseModel):
    """Strict both ways: nothing unknown comes in or goes out."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# -- state ---------------------------------------------------------------------


class Me(Shape):
    """调用者是谁、可以做什么。"""

    id: str = Field(description="人员编号，或令牌的名称")
    name: str
    kind: Literal["person", "program"]
    roles: list[str]
    rights: list[str] = Field(description="read、read-private、record、edit-plan、approve、operate、manage")
    plan: str = Field(description="计划编号")
    title: str
    timezone: str
    transport: Transport = Field(description="outbox：试运行；live：正式发送")


class Health(Shape):
    """守护进程最近一次留下的状况。"""

    healthy: bool
    problem: str = Field(description="哪里不正常、怎么办；正常时为空")
    at: datetime | None = Field(description="最近一次动静")
    transport: Transport
    next: datetime | None = Field(description="下一次提醒；无权查看非公开事项的，为其可见的下一次")
    held: bool = Field(description="台账有待确认，暂停全部发送（reminder resume）")
    paused: list[str] = Field(description="暂停发送的通道")
    plan_refused: bool = Field(description="有一份新计划因错误未被采用")


class Day(Shape):
    """日历上的一天。"""

    date: date
    kind: Literal["workday", "restday", "holiday", "makeup"]
    words: str = Field(description="如 端午节放假、调休上班（国庆节）")
    reminders: int = Field(description="当天的提醒数")
    due: int = Field(description="当天截止的期次数")


class Year(Shape):
    """一年的日历。"""

    year: int
    status: Literal["official", "may-change", "provisional"] = Field(
        description="official：官方安排；may-change：仍可能调整；provisional：预计"
    )
    days: list[Day]


# -- plan ----------------------------------------------------------------------


class Alarm(Shape):
    """一次提醒。"""

    alarm: str = Field(description="提醒的编号")
    item: str
    title: str
    clause: str
    occurrence: str
    label: str = Field(description="期次，如 2026年第三季度")
    rung: str
    at: datetime
    due: datetime
    channels: list[str]
    template: str
    status: str = Field(description="日期是否已定：official、may-change、provisional")
    receivers: list[str] | None = Field(description="按现在的办理情况会发给谁；参数 receivers=true 时才有")


class Unpublished(Shape):
    """尚未公布的抽取：日期谁也不知道。"""

    item: str
    title: str
    occurrence: str
    label: str


class Agenda(Shape):
    """一段日期的日程。"""

    since: date
    until: date
    alarms: list[Alarm]
    unpublished: list[Unpublished]


class Rung(Shape):
    """阶梯上的一级提醒。"""

    id: str
    words: str = Field(description="何时，如 截止前10个工作日 09:00")
    to: str
    channels: list[str]
    template: str


class Item(Shape):
    """计划中的一项任务。"""

    id: str
    clause: str
    basis: str = Field(description="明：时间由通知写明；拟：由本单位拟定")
    title: str
    brief: str
    private: bool
    cadence: str = Field(description="如 每季度，末月10日截止")
    leaders: list[str]
    units: list[str]
    duty: str = Field(description="谁各办一次；不登记办结的为空")
    rungs: list[Rung]


class Tally(Shape):
    """承担情况的数目。"""

    done: int
    late: int = Field(description="办结，但过了截止日期")
    waived: int
    open: int
    overdue: int


class Occurrence(Shape):
    """任务的一期。"""

    id: str
    label: str
    opens: date
    due: datetime
    status: str
    tally: Tally | None = Field(description="不登记办结的为 null")


# -- duties ----------------------------------------------------------------------


class Owner(Shape):
    """承担者。"""

    id: str
    name: str


class Duty(Shape):
    """一个承担者在一期中的一件。"""

    occurrence: str
    cell: str = Field(description="承担者的编号：单位、人员，或 领导/科室负责人")
    item: str
    title: str
    label: str
    who: str
    unit: str
    owners: list[Owner]
    due: date
    state: Literal["open", "in-progress", "done", "returned", "waived"]
    overdue: bool
    done_on: date | None
    booked_on: date | None
    note: str = Field(description="最近一次登记的说明；非公开事项没有")
    recorded_at: datetime | None
    recorded_by: str


class Duties(Shape):
    """一页承担情况，按截止日期排列。"""

    duties: list[Duty]
    next: str | None = Field(description="下一页的 cursor；没有更多时为 null")


class Transition(Shape):
    """要登记的内容。"""

    occurrence: Id = Field(description="期次，如 quarterly-report/2026Q3")
    cell: Id = Field(description="承担者的编号、姓名或职务；谈话写 领导/科室负责人")
    action: Literal["done", "book", "return", "waive", "reopen"] = Field(
        description="办结、安排、退回、免办、撤销登记"
    )
    on: DayIn | None = Field(None, description="办结或安排的日期；办结不写为今天")
    note: Words = Field("", description="说明；退回、免办、撤销登记须写理由；非公开事项不写")


class Recorded(Shape):
    """登记的结果。"""

    effect: Literal["recorded", "already"] = Field(description="already：本来就是这样，没有重复登记")
    duty: Duty | None


class Snooze(Shape):
    """暂缓一人在一期事项上的提醒。"""

    occurrence: Id
    person: Id = Field(description="人员编号")
    until: DayIn = Field(description="到这一天早上为止")


# -- approvals -------------------------------------------------------------------


class Approval(Shape):
    """一件须经审批的内容。"""

    code: str
    title: str
    item: str
    state: Literal["waiting", "approved", "returned"]
    goes_at: datetime
    useful_until: datetime
    asks_at: datetime = Field(description="何时提请审批")
    approvers: list[Owner] = Field(description="现在可以审批的人")
    submitter: str = Field(description="计划由谁提交；未写明时为空")
    remark: str
    people: int = Field(description="发给多少人")


class ApprovalText(Shape):
    """一件内容的原文。"""

    approval: Approval
    receiver: str = Field(description="下面是发给谁的一份")
    subject: str
    text: str
    differences: list[str] = Field(description="其他收件人的有何不同")
    hidden: bool = Field(description="非公开事项，名单已略去")


class Decision(Shape):
    """审批人的意见。"""

    granted: bool = Field(description="true 批准，false 退回")
    remark: Words = Field("", description="退回须写理由")


class Decided(Shape):
    """审批的结果。"""

    already: bool = Field(description="本来就是这样，没有重复登记")
    approval: Approval


# -- ledger ------------------------------------------------------------------------


class Line(Shape):
    """台账的一行：一次提醒对一个收件人、一个通道的决定及其结果。"""

    planned_at: datetime
    recorded_at: datetime
    item: str
    title: str
    occurrence: str
    alarm: str
    receiver: str
    channel: str
    transport: Transport
    decision: str
    reason: str
    state: str | None = Field(
        description="pending、sending、accepted、failed、uncertain、expired；retired：已归档，结果在档案中；没有消息时为 null"
    )
    words: str = Field(description="结果的中文说法；“服务器已接收”不等于已读或办结")
    subject: str
    attempts: int
    late: bool
    deliveries: list[str]


class Lines(Shape):
    """一页台账，新的在前。"""

    lines: list[Line]
    next: str | None = Field(description="下一页的 cursor；没有更多时为 null")


class Attempt(Shape):
    """一次发送。"""

    number: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    code: str
    detail: str = Field(description="服务器原话")


class Claim(Shape):
    """消息为什么而发。"""

    item: str
    title: str
    occurrence: str
    alarm: str
    receiver: str
    reason: str


class Delivery(Shape):
    """一条消息（或其一部分）及每次发送。"""

    id: str
    message: str
    channel: str
    receiver: str
    address: str
    part: int
    parts: int
    subject: str
    text: str | None = Field(description="发出的原文，链接以占位符代替；含无权查看的内容时为 null")
    state: str
    transport: Transport
    planned_at: datetime
    not_before: datetime
    expires_at: datetime
    late: bool
    claims: list[Claim]
    attempts: list[Attempt]


class SendingDecision(Shape):
    """对“结果不明”或“发送失败”的消息作出的决定。"""

    decision: Literal["resend", "arrived", "drop"] = Field(
        description="再发一次、认定已收到（限结果不明）、不再发"
    )


# -- silences ------------------------------------------------------------------------


class Silence(Shape):
    """一段时间内不发送、不补发。"""

    id: str
    kind: Literal["item", "unit", "person"]
    name: str
    since: datetime
    until: datetime
    running: bool
    reason: str
    by: str


class NewSilence(Shape):
    """要设的静默。"""

    kind: Literal["item", "unit", "person"]
    name: Id = Field(description="任务、单位或人员的编号")
    until: DayIn = Field(description="到哪一天（含当日）")
    reason: Annotated[str, StringConstraints(min_length=1, max_length=200)]
