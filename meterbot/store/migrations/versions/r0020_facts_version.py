"""The facts of a counter's newest state say which version of meterbot has made them, in place of the checksum of what
they were made of. They stay unused until its seat is read again."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute("ALTER TABLE latest RENAME COLUMN known_crc32 TO facts_version")
    op.execute(sa.text("UPDATE latest SET facts_version = NULL"))
