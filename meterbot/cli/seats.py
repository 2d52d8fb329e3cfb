"""`meterbot seat`: push tokens, how each seat is doing, forgetting one."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from meterbot.cli.root import (
    AsJson,
    ConfigPath,
    cli,
    configured,
    confirm,
    database_url,
    done,
    print_json,
    refuse,
)

seat = typer.Typer(help="Look after the seats: tokens, health, forgetting one.", no_args_is_help=True)
cli.add_typer(seat, name="seat")


SeatName = Annotated[str, typer.Argument(metavar="NAME", help="The seat, as the configuration names it.")]


@seat.command("add")
def seat_add(
    context: typer.Context,
    name: SeatName,
    *,
    config: ConfigPath = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Make a new token; the one before is worthless at once.")
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Where the seat's machine reaches this bot. Otherwise [http] public_url."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the token with which a seat's machine pushes. It is shown once, in the line to run there."""
    from meterbot.app import log_setup
    from meterbot.cli import operations
    from meterbot.commands import seat_admin

    settings = configured(context, config)
    known = {each.name: each for each in settings.seat_list()}
    if name not in known:
        refuse(
            f"{name} is not in the configuration. Add it, then run this again:\n\n{seat_admin.toml_block(name)}"
        )
    if (source := known[name].source) != "push":
        refuse(f'{name} has source = "{source}": only a seat with source = "push" has a token')
    log_setup.set_up()
    token = done(operations.make_push_token(settings, name, datetime.now(UTC), replace=replace))
    if token is None:
        print(f"{name} has a token already: --replace makes a new one instead of it", file=sys.stderr)
        raise typer.Exit(1)
    told = url or (settings.http and settings.http.public_url)
    address = told or "https://meterbot.example.com"
    interval, address = known[name].interval, address.rstrip("/")
    if as_json:
        print_json(
            {"seat": name, "token": token, "command": seat_admin.push_command(token, interval, address)}
        )
    else:
        print(seat_admin.push_instructions(name, token, interval, address))
        if not told:
            print(
                f"Put your bot's own address in place of {address}: it is neither in --url nor in [http] public_url.",
                file=sys.stderr,
            )


@seat.command("list")
def seat_list(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Print every seat and how it is doing. With its source, its last reading, and when its token was made."""
    from meterbot.app import log_setup
    from meterbot.cli import operations
    from meterbot.commands import seat_admin

    settings = configured(context, config)
    log_setup.set_up()
    found = done(operations.seat_overview(settings, datetime.now(UTC)))
    if as_json:
        print_json([each.as_json() for each in found])
    else:
        print(seat_admin.overview_text(found, settings.timezone))


@seat.command("forget")
def seat_forget(
    context: typer.Context,
    name: SeatName,
    *,
    config: ConfigPath = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    token: Annotated[
        bool, typer.Option("--token", help="Only its push token, which is worthless then.")
    ] = False,
    account: Annotated[
        bool, typer.Option("--account", help="Only which account it is, so that it may be another one.")
    ] = False,
) -> None:
    """Delete everything that is stored of a seat. Be it in the configuration or not."""
    from meterbot.app import log_setup
    from meterbot.cli import operations
    from meterbot.commands import seat_admin

    if token and account:
        refuse("--token and --account are two things: name one of them, or neither to delete everything")
    url = database_url(context, config)
    log_setup.set_up()
    if not yes:
        what = "the push token" if token else "the account" if account else "everything that is stored"
        confirm(f"Delete {what} of {name}?")
    if token:
        gone = done(operations.revoke_push_token(url, name))
        text = (
            f"the token of {name} is worthless from now on"
            if gone
            else f"{name} has no token that was made here"
        )
    elif account:
        gone = done(operations.forget_account(url, name))
        text = (
            f"{name} may be another account from its next reading on"
            if gone
            else f"no account of {name} is known"
        )
    else:
        forgotten = done(operations.forget_seat(url, name))
        gone, text = bool(forgotten), seat_admin.forgotten_text(name, forgotten)
    print(text, file=sys.stdout if gone else sys.stderr)
    raise typer.Exit(0 if gone else 1)
