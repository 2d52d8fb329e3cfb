"""Amounts in dollars are stored without their currency: `1720` for `1720 USD 2`. What is there stays readable as it is,
and an earlier version, which would not understand the new ones, does not open this database."""

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Changes nothing."""
