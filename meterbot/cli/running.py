"""`meterbot run`, `demo`, `check` and `test-alert`."""

import gc
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterbot.cli.root import (
    AsJson,
    ConfigPath,
    cli,
    configured,
    done,
    load_configuration,
    print_json,
)

if TYPE_CHECKING:
    from meterbot.app.config import Config


@cli.command()
def run(context: typer.Context, config: ConfigPath = None) -> None:
    """Run the bot until Ctrl-C or SIGTERM.

    It reads the seats, posts alerts, and answers /claude-spend. SIGHUP makes it read its configuration again; if that
    has a mistake, the bot keeps the old one.
    """
    gc.disable()  # what is imported stays: `serve` enables it again once the bot has started
    from meterbot.app import build, log_setup, sentry, serve

    settings = configured(context, config)
    dsn = settings.watch.sentry_dsn
    reporters = [] if dsn is None else [sentry.reporter(dsn.get_secret_value())]
    log_setup.set_up(also=[build.outage_as_warning, *reporters])
    try:
        done(serve.serve(settings, reload=partial(load_configuration, context, config)))
    finally:
        sentry.flush()


@cli.command()
def demo(
    speed: Annotated[
        float | None,
        typer.Option(metavar="FACTOR", min=1, help="How many times faster than real time the month runs."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Play one scripted month without waiting, and exit.")
    ] = False,
) -> None:
    """Show the whole bot with simulated services.

    A team of five people, a month of spending, and the terminal as the chat. It needs no account and no token, and
    stores nothing.
    """
    import logging

    from meterbot.app import log_setup
    from meterbot.demo import demo as show

    # The screen belongs to the team; and at ten thousand times life's speed every machine is late now and then.
    log_setup.set_up(level=logging.WARNING if once else logging.ERROR)
    done(show.play_once() if once else show.play_live(speed or show.SPEED))


@cli.command()
def check(
    context: typer.Context,
    config: ConfigPath = None,
    as_json: AsJson = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Also contact the services: tokens, scopes, channels, permissions, every seat, the clock.",
        ),
    ] = False,
) -> None:
    """Check the configuration, files, database and network address.

    Prints one line for each check, and what to do if it failed. With --live it also contacts Slack, Discord and the
    seats' services, but posts nothing. docs/checks.md explains every check.
    """
    from meterbot.cli import check as checks

    def stored(settings: "Config") -> "dict[str, str | None]":
        from meterbot.cli import operations

        return {seat: row.ciphertext for seat, row in done(operations.stored_sessions(settings)).items()}

    def owners_settings(settings: "Config") -> "dict[str, str]":
        from meterbot.cli import operations

        return done(operations.stored_settings(settings))

    path = config or context.find_root().obj
    found = checks.run_checks(path, os.environ, Path.cwd(), stored, owners_settings)
    if live and checks.exit_status(found) != 2:
        from meterbot.cli.check.live import live_checks

        found += done(live_checks(configured(context, path), lambda: datetime.now(UTC)))
    if as_json:
        print_json(checks.as_json(found))
    else:
        print(checks.as_text(found))
    raise typer.Exit(checks.exit_status(found))


@cli.command("test-alert")
def try_alerts(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Post a test message to every channel that gets alerts.

    The message is sent like an alert. The command needs no database and does not disturb a running bot.
    """
    from meterbot.cli import check as checks
    from meterbot.cli import operations

    settings = configured(context, config)
    found = done(operations.try_alerts(settings, datetime.now(UTC), "test-alert"))
    if as_json:
        print_json(checks.as_json(found))
    else:
        print(checks.as_text(found))
    raise typer.Exit(checks.exit_status(found))
