"""Run by alembic on a connection that `store.database` has opened, inside its transaction."""

from alembic import context

from meterbot.store import tables
from meterbot.store.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
