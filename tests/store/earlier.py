"""Databases that earlier versions left behind, as `tests/data/schemas` keeps them: with tables, and rows in them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
from sqlalchemy import make_url

SCHEMAS = Path(__file__).parents[1] / "data" / "schemas"
REVISIONS = sorted({path.name.partition(".")[0] for path in SCHEMAS.iterdir()})


async def load(url: str, revision: str) -> None:
    """Makes the database what the version with this schema left behind."""
    script = (SCHEMAS / f"{revision}.{make_url(url).get_backend_name()}.sql").read_text("utf-8")
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(str(make_url(url).database))) as connection:
            connection.executescript(script)
        return
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as opened:
        await opened.execute(script.encode())
