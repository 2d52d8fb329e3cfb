"""The database's schema, step by step: which steps there are, and how alembic is told of them.

alembic itself is imported by who has a step to take: it is a fifth of what a bot would load to start.
"""

from functools import cache
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select

from meterbot.store import tables

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE = "meterbot_version"
"""Names the schema's version; alembic's own name for it may be taken by a neighbour in the same database."""

# As alembic makes it.
_version = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))
_version.primary_key.name = f"{VERSION_TABLE}_pkc"


def settings(connection: Connection | None = None) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


@cache
def schemas() -> frozenset[str]:
    """Every schema that this version can bring up to date: `r0001_first_tables` makes 0001."""
    found = iter_modules([str(Path(__file__).parent / "versions")])
    return frozenset(module.name[1:].partition("_")[0] for module in found)


def newest_schema() -> str:
    return max(schemas())


def found_schema(connection: Connection) -> str | None:
    """The schema of a database; None where it has none yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.scalar(select(_version.c.version_num))


def make(connection: Connection) -> None:
    """The newest schema in a database that has none, at once: what all steps, one after the other, would come to."""
    if connection.dialect.name == "postgresql":
        tables.for_postgresql()
    tables.metadata.create_all(connection, checkfirst=False)
    _version.create(connection)
    connection.execute(insert(_version).values(version_num=newest_schema()))


def bring_up_to_date(connection: Connection) -> None:
    """Takes the steps that are left."""
    from alembic import command  # noqa: PLC0415 - see above

    command.upgrade(settings(connection), "head")
