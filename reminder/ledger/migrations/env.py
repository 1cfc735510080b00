"""Run by Alembic: migrate over the connection, and in the transaction, it was given."""

from alembic import context

from reminder.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter most of a table: copy, drop, rename.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
