"""`meterbot db`: upgrade, back up and restore the database."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from meterbot.cli.root import ConfigPath, cli, database_url, done, option, refuse

db = typer.Typer(help="Upgrade, back up or restore the database.", no_args_is_help=True)
cli.add_typer(db, name="db")


@db.command("upgrade")
def db_upgrade(context: typer.Context, config: ConfigPath = None) -> None:
    """Upgrade the database to this version's schema.

    `meterbot run` does it, too.
    """
    from meterbot.store.database import upgrade

    url = database_url(context, config)
    done(upgrade(url.get_secret_value()))
    print("the database is up to date")


@db.command("clock-is-right")
def db_clock_is_right(context: typer.Context, config: ConfigPath = None) -> None:
    """Accept this machine's clock as right.

    For a clock that was more than a day ahead: readings are stored again, and those with later times are dropped.
    """
    from meterbot.cli import operations
    from meterbot.store import notes

    url, now = database_url(context, config), datetime.now(UTC)
    done(operations.transacted(url, lambda tx: notes.confirm_clock(tx, now)))
    print(f"the clock is accepted as right: it is {now:%Y-%m-%d %H:%M} UTC")


@db.command("backup")
def db_backup(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="The copy. Default: beside the database, with the time in its name."
        ),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Copy a SQLite database, even while the bot runs.

    For PostgreSQL, use pg_dump.
    """
    from meterbot.store.backup import back_up

    url = database_url(context, config)
    print(back_up(url.get_secret_value(), file, datetime.now(UTC)))


@db.command("restore")
def db_restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A copy made by `backup`, or by an upgrade.")],
    config: ConfigPath = None,
) -> None:
    """Replace a SQLite database with a copy.

    The replaced database is kept. Stop the bot first.
    """
    from meterbot.store.backup import restore

    url = database_url(context, config)
    kept = restore(url.get_secret_value(), file, datetime.now(UTC))
    print(f"restored from {file}" + ("" if kept is None else f"; the replaced database is kept as {kept}"))


@cli.command("failed")
def failed_items(
    context: typer.Context,
    retry: Annotated[str | None, option("ID", "Try this one again, or `all`.")] = None,
    config: ConfigPath = None,
) -> None:
    """List or retry messages and pull requests that were given up.

    A message is given up when the platform refuses it for its content again and again, a pull request when its cost
    cannot be calculated. The others continue.
    """
    from meterbot.cli import operations
    from meterbot.store import deliveries, pull_requests

    url = database_url(context, config)
    if retry is not None:
        item = None if retry == "all" else retry
        number = done(
            operations.transacted(
                url, lambda tx: deliveries.retry_failed(tx, item) + pull_requests.retry_failed(tx, item)
            )
        )
        if not number and retry != "all":
            refuse(f"there is no failed item {retry}: `meterbot failed` lists them", status=1)
        print(f"taken up again: {number}")
        raise typer.Exit(0 if number else 1)
    messages, pulls = done(
        operations.transacted(url, lambda tx: (deliveries.failed(tx), pull_requests.failed(tx)))
    )
    if not messages and not pulls:
        print("nothing failed")
    for each in messages:
        print(
            f"{each.id}  {each.created_at:%Y-%m-%d %H:%M} UTC  {each.chat} {each.channel}  {each.event}: {each.reason}"
        )
    for pull in pulls:
        print(f"{pull.name}  {pull.received_at:%Y-%m-%d %H:%M} UTC  {pull.reason}")
