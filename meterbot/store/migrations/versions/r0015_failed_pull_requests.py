"""Pull requests that could not be calculated are set aside with their reason."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("pull_requests", sa.Column("failed_because", sa.Text))
