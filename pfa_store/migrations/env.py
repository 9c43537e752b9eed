"""Alembic runs this file for every command. The caller hands over the connection: see pfa_store/database."""

from alembic import context

from pfa_store.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
