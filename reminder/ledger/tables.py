"""The ledger's tables; how to write to them alike on both databases stands in :mod:`~reminder.ledger.statements`.

Every row carries the id of its plan: on a cluster one database holds many
offices.  Identity is a UNIQUE key and nothing else.  No foreign key cascades:
nothing in the ledger is ever deleted by deleting something else.

The bytes of a delivery stand in a table of their own (``contents``): they are
frozen when written, while the row in ``deliveries`` changes its state several
times, and SQLite rewrites a changed row as a whole.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex

from reminder.ledger.columns import Json, RowId, UtcDateTime

AnyRow = Row[*tuple[Any, ...]]
"""A row of any query."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ledger_info = Table(
    "ledger_info",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""What this ledger is for (``kind``) and when it was made (``created``)."""

plan_versions = Table(
    "plan_versions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("accepted_at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("files", Json, nullable=False),
    Column("diff", Json, nullable=False),
    Index("ix_plan_versions_plan_id_id", "plan_id", "id"),
)
"""Each plan that was in force: from when, by whom, the hash of every file, what changed."""

adoptions = Table(
    "adoptions",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("transport", Text, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("rung", Text, primary_key=True),
    Column("adopted_at", UtcDateTime, nullable=False),
)
"""When a rung first stood in an accepted plan; instants before that are never sent."""

alarms = Table(
    "alarms",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("alarm", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("occurrence", Text, nullable=False),
    Column("rung", Text, nullable=False),
    Column("planned_at", UtcDateTime, nullable=False),
    Column("due", UtcDateTime, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    UniqueConstraint("plan_id", "transport", "alarm"),
    Index("ix_alarms_planned", "plan_id", "planned_at"),
    Index("ix_alarms_recorded", "plan_id", "recorded_at"),
    # The console pages through the lines of one item, or of one transport, newest first.
    Index("ix_alarms_item", "plan_id", "item", "planned_at"),
    Index("ix_alarms_transport", "plan_id", "transport", "planned_at"),
)
"""One rung of one occurrence, decided once for each transport."""

claims = Table(
    "claims",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("alarm_id", RowId, ForeignKey("alarms.id"), nullable=False),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
    UniqueConstraint("alarm_id", "receiver", "channel"),
    # From a delivery that failed back to what it was made for.
    Index("ix_claims_message", "plan_id", "transport", "message"),
    Index("ix_claims_receiver", "plan_id", "receiver", "alarm_id"),
    Index(
        "ix_claims_unsent",
        "plan_id",
        "decision",
        "alarm_id",
        sqlite_where=text("message IS NULL"),
    ),
    Index(
        "ix_claims_postponed",
        "plan_id",
        "transport",
        "until",
        sqlite_where=text("decision = 'postpone'"),
    ),
)
"""Alarm × receiver × channel; many claims may name one message (a digest).

``until`` is when a postponed one is looked at again.
"""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("delivery", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("planned_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # On several nodes: the job of the queue it is in, and who has its try in hand (see `work`).
    Column("job", RowId),
    Column("node", RowId),
    UniqueConstraint("plan_id", "delivery"),
    Index("ix_deliveries_message", "plan_id", "transport", "message"),
    Index("ix_deliveries_state", "plan_id", "transport", "state"),
    # What is still to be sent stays small however long the ledger grows.
    Index(
        "ix_deliveries_pending",
        "plan_id",
        "transport",
        "not_before",
        sqlite_where=text("state = 'pending'"),
    ),
    Index(
        "ix_deliveries_job",
        "job",
        sqlite_where=text("state = 'pending' AND job IS NOT NULL"),
    ),
    Index(
        "ix_deliveries_expiring",
        "plan_id",
        "transport",
        "expires_at",
        sqlite_where=text("state = 'pending'"),
    ),
)
"""One message, or one part of a split one: where it goes and where it stands."""

contents = Table(
    "contents",
    metadata,
    Column("delivery_id", RowId, ForeignKey("deliveries.id"), primary_key=True, autoincrement=False),
    Column("plan_id", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("payload_sha256", Text, nullable=False),
)
"""The frozen bytes of a delivery, and what a person reads of them; never updated."""

attempts = Table(
    "attempts",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("delivery_id", RowId, ForeignKey("deliveries.id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("outcome", Text),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    UniqueConstraint("delivery_id", "number"),
    Index("ix_attempts_started", "plan_id", "transport", "channel", "started_at"),
)
"""One try: its intent, committed before; its outcome, after."""

notes = Table(
    "notes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("detail", Json, nullable=False),
    Index("ix_notes_kind", "plan_id", "kind", "id"),
)
"""Anything else that happened."""

duty_events = Table(
    "duty_events",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("occurrence", Text, nullable=False),
    Column("cell", Text, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("action", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("way", Text, nullable=False),
    Column("on_day", Text),
    Column("note", Text, nullable=False),
    Column("in_place_of", Text, nullable=False),
    UniqueConstraint("plan_id", "occurrence", "cell", "turn"),
    Index("ix_duty_events_plan_id_id", "plan_id", "id"),
)
"""What became of what is owed: one row a transition, numbered within its cell.

``note`` is empty for every private item: of a talk the date is kept, and who
recorded it, and nothing else.
"""

happenings = Table(
    "happenings",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("detail", Json, nullable=False),
    UniqueConstraint("plan_id", "kind", "key"),
    Index("ix_happenings_plan_id_id", "plan_id", "id"),
)
"""Events registered, lots, silences, snoozes, approvals: what else the agenda listens to."""

accounts = Table(
    "accounts",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("roles", Text, nullable=False),
    Column("private", Boolean, nullable=False),
    Column("password", Text, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("initial", Boolean, nullable=False),
)
"""Who may log in to the console: roles, and the hash of a password."""

sessions = Table(
    "sessions",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("token", Text, primary_key=True),
    Column("user", Text, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)
"""Who is in, by the hash of the browser's token."""

logins = Table(
    "logins",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("user", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("event", Text, nullable=False),
    Index("ix_logins_user", "plan_id", "user", "id"),
    Index("ix_logins_at", "plan_id", "at"),
)
"""Who came to the door, when, from where, and what came of it.

``origin`` is what failures are counted by: an address, or an IPv6 network.
``device`` names a browser that the user has logged in with before.
"""

tokens = Table(
    "tokens",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("token", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("private", Boolean, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("revoked_by", Text),
    UniqueConstraint("token", name="uq_tokens_token"),
)
"""By what programs come in; ``token`` is the SHA-256 of what they show."""

file_contents = Table(
    "file_contents",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
"""What a file of the plan, its calendar or its templates said, once for each content."""

file_versions = Table(
    "file_versions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("remark", Text, nullable=False),
    Index("ix_file_versions_name", "plan_id", "name", "id"),
)
"""Which content stood in which file from when on, who put it there, and why."""

published_plans = Table(
    "published_plans",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("edition", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("remark", Text, nullable=False),
    Column("files", Json, nullable=False),
    UniqueConstraint("plan_id", "number"),
)
"""Each version of a plan that the nodes take from the ledger: all its files by name and SHA-256.

What they say stands in ``file_contents``.  ``edition`` is the digest under which
it comes into force.
"""

published_in_force = Table(
    "published_in_force",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("remark", Text, nullable=False),
)
"""Which of them is in force, since when, and who put it so; number 0: none any more."""


receivers = Table(
    "receivers",
    metadata,
    Column("delivery_id", RowId, ForeignKey("deliveries.id"), primary_key=True, autoincrement=False),
    Column("receiver", Text, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("address", Text, nullable=False),
)
"""Everyone a batch goes to; a delivery without rows here goes to its own ``receiver``."""

refusals = Table(
    "refusals",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("delivery_id", RowId, ForeignKey("deliveries.id"), nullable=False),
    Column("receiver", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    UniqueConstraint("delivery_id", "receiver"),
    Index("ix_refusals_message", "plan_id", "transport", "message"),
    Index("ix_refusals_at", "plan_id", "transport", "at"),
)
"""Receivers whom a server refused while it took the message for the others."""

resolutions = Table(
    "resolutions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("delivery_id", RowId, ForeignKey("deliveries.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Index("ix_resolutions_delivery", "delivery_id", "id"),
)
"""What was decided about deliveries beside their tries, and by whom."""

pauses = Table(
    "pauses",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
    Column("strikes", Integer, nullable=False),
    Column("lasting", Boolean, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("ended_by", Text),
    Index(
        "ix_pauses_open",
        "plan_id",
        "transport",
        "channel",
        sqlite_where=text("ended_at IS NULL"),
    ),
)
"""When nothing was tried on a channel, why, and who or what ended it."""

troubles = Table(
    "troubles",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("channel", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("delivery_id", RowId, ForeignKey("deliveries.id")),
    Column("receiver", Text, nullable=False),
    Column("told_at", UtcDateTime),
    # Before a delivery leaves the ledger it is asked for by number whether a trouble names it.
    Index("ix_troubles_delivery", "delivery_id"),
    Index(
        "ix_troubles_untold",
        "plan_id",
        "transport",
        sqlite_where=text("told_at IS NULL"),
    ),
)
"""What the admins must be told of, written with the change that caused it, and when they were."""


@compiles(CreateIndex, "postgresql")
def _partial_there_too(create: CreateIndex, compiler: Any, **options: Any) -> str:
    """An index over a part of a table has the same condition on PostgreSQL as on SQLite.

    Said where it is declared, it would load all that SQLAlchemy knows of
    PostgreSQL into every program whose ledger is a file.
    """
    index = create.element
    if (where := index.dialect_options["sqlite"]["where"]) is not None:
        index.dialect_kwargs["postgresql_where"] = where
    text: str = compiler.visit_create_index(create, **options)
    return text
