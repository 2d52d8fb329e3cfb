"""The database's schema, step by step. alembic is imported only if there is a step: loading it is a fifth of the
start."""

import json
from functools import cache
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select

from meterbot.store import tables

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE = "meterbot_version"
"""The table with the schema's version; another program in the same database may use alembic's own name."""

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
    """Every schema that this version can upgrade, from 0008 on: `r0009_names` makes 0009."""
    found = iter_modules([str(Path(__file__).parent / "versions")])
    return frozenset(module.name[1:].partition("_")[0] for module in found)


def newest_schema() -> str:
    return max(schemas())


def why_unknown(schema: str, *, if_newer: str, if_older: str) -> str:
    """What is wrong with a schema that is not one of `schemas`, and the step to take, as the end of a sentence."""
    if schema < newest_schema():
        return f"which is older than this meterbot can upgrade (schema {min(schemas())} or newer): {if_older}"
    return f"which is newer than this meterbot (schema {newest_schema()}): {if_newer}"


def found_schema(connection: Connection) -> str | None:
    """The schema of a database; None if it has none yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.scalar(select(_version.c.version_num))


def make(connection: Connection) -> None:
    """Creates the newest schema in an empty database, without the single steps."""
    if connection.dialect.name == "postgresql":
        tables.for_postgresql()
    tables.metadata.create_all(connection, checkfirst=False)
    _version.create(connection)
    connection.execute(insert(_version).values(version_num=newest_schema()))


def stored_json(values: dict[str, Any]) -> str:
    """What a step writes into a JSON column."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def bring_up_to_date(connection: Connection) -> None:
    """Runs the remaining steps."""
    from alembic import command  # noqa: PLC0415 - see above

    command.upgrade(settings(connection), "head")
