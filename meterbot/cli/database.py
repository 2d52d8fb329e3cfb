"""`meterbot db`: look after the database."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from meterbot.cli.root import ConfigPath, cli, database_url, done

db = typer.Typer(help="Look after the database.", no_args_is_help=True)
cli.add_typer(db, name="db")


@db.command("upgrade")
def db_upgrade(context: typer.Context, config: ConfigPath = None) -> None:
    """Bring the database to this version's schema; `run` does it, too."""
    from meterbot.app import log_setup
    from meterbot.cli import operations

    url = database_url(context, config)
    log_setup.set_up()
    done(operations.upgrade_database(url))
    print("the database is up to date")


@db.command("backup")
def db_backup(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="Where to. Otherwise beside the database, named after this moment."
        ),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Copy a SQLite database, whole, while the bot runs or not. PostgreSQL has pg_dump for that."""
    from meterbot.app import log_setup
    from meterbot.cli import operations

    url = database_url(context, config)
    log_setup.set_up()
    print(done(operations.back_up(url, file, datetime.now(UTC))))


@db.command("restore")
def db_restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `backup` made, or a start kept.")],
    config: ConfigPath = None,
) -> None:
    """Put a copy in the place of a SQLite database. What was there is kept. Not while the bot runs."""
    from meterbot.app import log_setup
    from meterbot.cli import operations

    url = database_url(context, config)
    log_setup.set_up()
    kept = done(operations.restore(url, file, datetime.now(UTC)))
    print(f"restored from {file}" + ("" if kept is None else f"; what was there is kept as {kept}"))
