"""The oldest schema that a database can have, because those before it were never released. A new database gets the
newest one at once, so nothing here makes the tables of this one."""

revision = "0008"
down_revision = None


def upgrade() -> None:
    """Changes nothing."""
