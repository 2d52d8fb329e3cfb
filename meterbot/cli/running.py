"""`meterbot run`, `demo`, `check` and `test-alert`."""

import gc
import os
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, NoReturn

import typer

from meterbot.cli.root import AsJson, ConfigPath, cli, configured, done, print_json, working_directory
from meterbot.core.findings import Check


@cli.command()
def run(context: typer.Context, config: ConfigPath = None) -> None:
    """Run the bot until Ctrl-C or SIGTERM.

    It reads the seats, posts alerts, and answers /claude-spend. On SIGHUP it reloads its configuration. If the new one
    has a mistake, or its database or listening address cannot be used, the bot keeps the old one.
    """
    gc.disable()  # what is imported stays: `serve` enables it again once the bot has started
    from meterbot.app import log_setup, sentry, serve
    from meterbot.app.config import load
    from meterbot.store import errors

    path = config or context.find_root().obj
    settings = configured(context, path)
    dsn = settings.watch.sentry_dsn
    reporters = [] if dsn is None else [sentry.reporter(dsn.get_secret_value())]
    log_setup.set_up(also=[errors.as_warning, *reporters])
    try:
        done(serve.serve(settings, reload=partial(load, path, os.environ, working_directory())))
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
    from meterbot.cli.check.seats import read_stored

    path = config or context.find_root().obj
    found = checks.run_checks(
        path, os.environ, working_directory(), lambda settings: done(read_stored(settings))
    )
    if live and checks.exit_status(found) != 2:
        from meterbot.cli.check.live import live_checks

        found += done(live_checks(configured(context, path), lambda: datetime.now(UTC), os.environ))
    _print_checks(found, as_json=as_json)


@cli.command("test-alert")
def try_alerts(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Post a test message to every channel that gets alerts.

    The message is sent like an alert. The command needs no database and does not disturb a running bot.
    """
    from meterbot.cli import operations

    settings = configured(context, config)
    _print_checks(done(operations.try_alerts(settings, datetime.now(UTC), "test-alert")), as_json=as_json)


def _print_checks(found: list[Check], *, as_json: bool) -> NoReturn:
    """Ends the command."""
    from meterbot.cli import check as checks

    if as_json:
        print_json(checks.as_json(found))
    else:
        print(checks.as_text(found))
    raise typer.Exit(checks.exit_status(found))
