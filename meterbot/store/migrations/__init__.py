"""The database's schema, step by step: which steps there are, and how alembic is told of them."""

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

VERSION_TABLE = "meterbot_version"
"""Names the schema's version; alembic's own name for it may be taken by a neighbour in the same database."""


def settings(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def schemas() -> set[str]:
    """Every schema that this version can bring up to date."""
    return {script.revision for script in ScriptDirectory.from_config(settings()).walk_revisions()}


def newest_schema() -> str | None:
    return ScriptDirectory.from_config(settings()).get_current_head()
