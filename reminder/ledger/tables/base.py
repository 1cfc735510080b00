"""What all tables have in common: their names, and how an index over a part of one is made."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    MetaData,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


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
