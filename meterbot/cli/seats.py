"""`meterbot seat`: push tokens, the state of each seat, deleting a seat's data."""

import sys
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import typer

from meterbot.cli.root import (
    AsJson,
    ConfigPath,
    cli,
    configured,
    confirm,
    database_url,
    done,
    option,
    print_json,
    refuse,
)

seat = typer.Typer(help="Manage the seats: push tokens, state, stored data.", no_args_is_help=True)
cli.add_typer(seat, name="seat")


SeatName = Annotated[str, typer.Argument(metavar="NAME", help="The seat's name.")]


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
        option(
            "URL", "The address at which the seat's machine reaches this bot. Default: [http] public_url."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a push token for a seat's machine.

    The token is shown once, in the line to run on that machine.
    """
    from meterbot.app.config.types import AGENT_URL
    from meterbot.cli import operations
    from meterbot.commands import seat_admin

    settings = configured(context, config)
    try:
        given = AGENT_URL.parse(url) if url else settings.http and settings.http.public_url
    except ValueError as error:
        refuse(f"--url {error}; nothing was changed")
    known = done(operations.all_seats(settings))
    if name not in known:
        refuse(
            f"{name} is not in the configuration. Add this, or run meterbot seat invite {name}, then run the command "
            f"again:\n\n{seat_admin.toml_block(name)}"
        )
    if (source := known[name].source) != "push":
        refuse(f'{name} has source = "{source}"; only seats with source = "push" have a push token')
    token = done(operations.make_push_token(settings, name, datetime.now(UTC), replace=replace))
    if token is None:
        refuse(f"{name} already has a token: --replace makes a new one", status=1)
    address, interval = given or "https://meterbot.example.com", known[name].interval
    if as_json:
        print_json(
            {"seat": name, "token": token, "command": seat_admin.push_command(token, interval, address)}
        )
    else:
        print(seat_admin.push_instructions(name, token, interval, address))
        if not given:
            print(
                f"Replace {address} with your bot's address, which neither --url nor [http] public_url names.",
                file=sys.stderr,
            )


@seat.command("invite")
def seat_invite(
    context: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME[=OWNER]",
            help="Seats, each with its owner's Slack member id or Discord user id, such as bo=U0123456789.",
        ),
    ],
    config: ConfigPath = None,
) -> None:
    """Invite people to connect their machines.

    A seat that is not in the configuration is made in the database. The running bot sends each owner a direct message
    with a button for the line; if it cannot, the command prints it.
    """
    from meterbot.cli import operations
    from meterbot.commands.invitations import NotInvitedError, owner_of
    from meterbot.commands.seat_admin import only_here

    settings = configured(context, config)
    now = datetime.now(UTC)
    url = settings.http and settings.http.public_url
    try:
        owners = {
            name: owner_of(owner) if equals else None
            for name, equals, owner in (text.partition("=") for text in names)
        }
        invited = done(operations.invite(settings, owners, now))
    except NotInvitedError as error:
        refuse(str(error))
    for each in invited:
        print(each.sentence)
        if each.needs_line and url:
            line = done(operations.join_line(settings, each.seat.name, url, now))
            print(f"It works once, within ten minutes:\n\n    {line}\n")
            if warning := only_here(url):
                print(warning, file=sys.stderr)
        elif each.needs_line:
            print(f"Set [http] public_url to get a line for {each.seat.name}.", file=sys.stderr)


@seat.command("export")
def seat_export(context: typer.Context, config: ConfigPath = None) -> None:
    """Print the invited seats as entries for the configuration.

    From the next start of the bot, an entry there replaces the invitation.
    """
    from meterbot.cli import operations
    from meterbot.commands.invitations import as_toml

    settings = configured(context, config)
    print(as_toml(done(operations.invited(settings))), end="")


@seat.command("list")
def seat_list(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Print every seat and its state.

    Each line has the seat's source, its last reading, and the age of its token.
    """
    from meterbot.cli import operations
    from meterbot.commands import seat_admin

    settings = configured(context, config)
    found = done(operations.seat_overview(settings, datetime.now(UTC)))
    if as_json:
        print_json([each.as_json() for each in found])
    else:
        print(seat_admin.overview_text(found, settings.timezone))


class _Part(NamedTuple):
    """What `seat forget` asks and says where it deletes one thing alone; `{}` is the seat's name."""

    question: str
    deleted: str
    nothing: str


_TOKEN = _Part("Delete the push token of {}?", "the token of {} no longer works", "{} has no stored token")
_ACCOUNT = _Part(
    "Forget which account {} belongs to?",
    "the next reading of {} may be from another account",
    "no account of {} is stored",
)
_INVITATION = _Part(
    "Remove the invitation of {} and its token?", "{} is no longer invited", "{} is not an invited seat"
)


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
    invitation: Annotated[
        bool,
        typer.Option("--invitation", help="Remove the invited seat and its token; its numbers stay."),
    ] = False,
) -> None:
    """Delete everything that is stored about a seat.

    The seat need not be in the configuration any more.
    """
    from meterbot.cli import operations
    from meterbot.commands import seat_admin
    from meterbot.commands.invitations import remove_invitation
    from meterbot.ingest.ingest import forget_account
    from meterbot.store import forgetting, push_tokens

    if token + account + invitation > 1:
        refuse("--token, --account and --invitation exclude each other; without them, everything is deleted")
    url = database_url(context, config)
    part, delete = None, None
    if token:
        part, delete = _TOKEN, push_tokens.revoke
    elif account:
        part, delete = _ACCOUNT, forget_account
    elif invitation:
        part, delete = _INVITATION, remove_invitation
    if not yes:
        confirm((part.question if part else "Delete everything stored about {}?").format(name))
    if part and delete:
        gone = done(operations.transacted(url, lambda tx: delete(tx, name)))
        text = (part.deleted if gone else part.nothing).format(name)
    else:
        forgotten = done(operations.transacted(url, lambda tx: forgetting.forget(tx, name)))
        gone, text = bool(forgotten), seat_admin.forgotten_text(name, forgotten)
    print(text, file=sys.stdout if gone else sys.stderr)
    raise typer.Exit(0 if gone else 1)
