"""`meterbot seat`: push tokens, the state of each seat, deleting a seat's data."""

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

seat = typer.Typer(help="Manage the seats: push tokens, state, stored data.", no_args_is_help=True)
cli.add_typer(seat, name="seat")


SeatName = Annotated[str, typer.Argument(metavar="NAME", help="The seat's name in the configuration.")]


@seat.command("add")
def seat_add(
    context: typer.Context,
    name: SeatName,
    *,
    config: ConfigPath = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Make a new token; the old one stops working.")
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The address at which the seat's machine reaches this bot. Default: [http] public_url.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a push token for a seat's machine.

    It is shown once, in the command to run there.
    """
    from meterbot.app import log_setup
    from meterbot.cli import operations
    from meterbot.commands import seat_admin

    settings = configured(context, config)
    known = {each.name: each for each in settings.seat_list()}
    if name not in known:
        refuse(
            f"{name} is not in the configuration. Add this, then run the command again:\n\n{seat_admin.toml_block(name)}"
        )
    if (source := known[name].source) != "push":
        refuse(f'{name} has source = "{source}"; only seats with source = "push" have a push token')
    log_setup.set_up()
    token = done(operations.make_push_token(settings, name, datetime.now(UTC), replace=replace))
    if token is None:
        print(f"{name} already has a token: --replace makes a new one", file=sys.stderr)
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
                f"Replace {address} with your bot's address, which neither --url nor [http] public_url names.",
                file=sys.stderr,
            )


@seat.command("list")
def seat_list(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Print every seat and its state.

    With its source, its last reading, and the age of its token.
    """
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
    token: Annotated[bool, typer.Option("--token", help="Delete only its push token.")] = False,
    account: Annotated[
        bool,
        typer.Option("--account", help="Forget only which account the seat belongs to, so it can change."),
    ] = False,
) -> None:
    """Delete everything that is stored about a seat.

    It does not have to be in the configuration any more.
    """
    from meterbot.app import log_setup
    from meterbot.cli import operations
    from meterbot.commands import seat_admin

    if token and account:
        refuse("--token and --account exclude each other; without either, everything is deleted")
    url = database_url(context, config)
    log_setup.set_up()
    if not yes:
        what = "the push token" if token else "the account" if account else "everything stored"
        confirm(f"Delete {what} about {name}?")
    if token:
        gone = done(operations.revoke_push_token(url, name))
        text = f"the token of {name} no longer works" if gone else f"{name} has no stored token"
    elif account:
        gone = done(operations.forget_account(url, name))
        text = (
            f"the next reading of {name} may be from another account"
            if gone
            else f"no account of {name} is stored"
        )
    else:
        forgotten = done(operations.forget_seat(url, name))
        gone, text = bool(forgotten), seat_admin.forgotten_text(name, forgotten)
    print(text, file=sys.stdout if gone else sys.stderr)
    raise typer.Exit(0 if gone else 1)
