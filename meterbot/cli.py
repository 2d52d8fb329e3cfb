"""The commands an operator types. Exit status: 0 done · 1 it ran and something failed · 2 bad usage or configuration."""

import json
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

import meterbot
from meterbot import cli_init
from meterbot.errors import MeterbotError, StartError

# Every command imports its own parts so that --help answers at once.
if TYPE_CHECKING:
    from collections.abc import Coroutine

    from pydantic import SecretStr

    from meterbot.config import Config

Result = TypeVar("Result")

cli = typer.Typer(
    help="Tells a team what its Claude seats really spend: alerts and /claude-spend on Slack and Discord.",
    epilog="New here? `meterbot demo` shows the whole bot without any account; `meterbot init` sets yours up.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
db = typer.Typer(help="Look after the database.", no_args_is_help=True)
slack = typer.Typer(help="Set up the Slack side.", no_args_is_help=True)
discord = typer.Typer(help="Set up the Discord side.", no_args_is_help=True)
seat = typer.Typer(
    help="Look after the seats: push tokens, how each is doing, forgetting one.", no_args_is_help=True
)
cli.add_typer(db, name="db")
cli.add_typer(seat, name="seat")
cli.add_typer(slack, name="slack")
cli.add_typer(discord, name="discord")
push = typer.Typer(invoke_without_command=True)
cli.add_typer(push, name="push")
cli.command("init")(cli_init.init)

ConfigPath = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="PATH",
        help="The configuration file. Otherwise METERBOT_CONFIG, METERBOT_CONFIG_TOML, ./config.toml, "
        "~/.config/meterbot/config.toml.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def main() -> None:
    """Runs a command; a failure of ours is one sentence, never a traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no € still shows the rest
    try:
        cli()
    except MeterbotError as error:
        from meterbot import secret

        print(f"meterbot: {secret.hide(str(error))}", file=sys.stderr)
        # A part that cannot start as configured is a matter of configuration.
        raise SystemExit(2 if isinstance(error, StartError) else 1) from None


def _done(work: "Coroutine[Any, Any, Result]") -> "Result":
    """What a command's work comes to. Half the time of --help would go into importing this module."""
    import asyncio

    return asyncio.run(work)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"meterbot {meterbot.__version__}")
        raise typer.Exit


@cli.callback()
def _root(
    context: typer.Context,
    config: ConfigPath = None,
    version: Annotated[  # noqa: ARG001 - typer calls `_version`
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = config


def _configured(context: typer.Context, path: str | None) -> "Config":
    """The configuration, or exit status 2 with every problem on standard error."""
    from meterbot.config import ConfigError, load

    try:
        return load(path or context.find_root().obj, os.environ, Path.cwd())
    except ConfigError as error:
        _refuse(str(error))


def _database_url(context: typer.Context, path: str | None) -> "SecretStr":
    """Where the database is; DATABASE_URL alone says that, without any configuration."""
    from meterbot.config import ConfigError, load_database_url

    try:
        return load_database_url(path or context.find_root().obj, os.environ, Path.cwd())
    except ConfigError as error:
        _refuse(str(error))


def _refuse(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    raise typer.Exit(2)


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=1))  # in ASCII: whatever the terminal's encoding, it stays JSON


@cli.command()
def run(context: typer.Context, config: ConfigPath = None) -> None:
    """Run the bot: poll the seats, post alerts, answer /claude-spend. Ctrl-C or SIGTERM ends it."""
    from meterbot import app, log, sentry

    settings = _configured(context, config)
    dsn = settings.watch.sentry_dsn
    log.set_up(also=None if dsn is None else sentry.reporter(dsn.get_secret_value()))
    try:
        _done(app.run(settings))
    finally:
        sentry.flush()


@cli.command()
def demo(
    speed: Annotated[
        float | None, typer.Option(min=1, help="How many times faster than life the month runs.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Play the month in one go, unattended.")] = False,
) -> None:
    """Show the whole bot on a simulated claude.ai and a team of five: no account, no token, nothing kept."""
    import logging

    from meterbot import demo as show
    from meterbot import log

    # The screen belongs to the team; and at ten thousand times life's speed every machine is late now and then.
    log.set_up(level=logging.WARNING if once else logging.ERROR)
    _done(show.play_once() if once else show.play_live(speed or show.SPEED))


@cli.command()
def check(
    context: typer.Context,
    config: ConfigPath = None,
    as_json: AsJson = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Also ask the services: tokens, scopes, channels, permissions, one read of every seat, the clock.",
        ),
    ] = False,
) -> None:
    """Check the configuration and its surroundings: one line each, with what to do about it.

    With --live it also asks Slack, Discord and the seats' services; it posts nothing. docs/checks.md explains each line.
    """
    from meterbot import check as checks

    def stored(settings: "Config") -> "dict[str, str | None]":
        from meterbot import operations

        return {seat: row.ciphertext for seat, row in _done(operations.stored_sessions(settings)).items()}

    path = config or context.find_root().obj
    found = checks.run_checks(path, os.environ, Path.cwd(), stored)
    if live and checks.exit_status(found) != 2:
        from meterbot import log
        from meterbot.check.live import look

        log.set_up()
        found += _done(look(_configured(context, path), lambda: datetime.now(UTC)))
    if as_json:
        _print_json(checks.as_json(found))
    else:
        print(checks.as_text(found))
    raise typer.Exit(checks.exit_status(found))


@cli.command("test-alert")
def try_alerts(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Post a test message wherever alerts go, the way alerts are posted, and say where each stands.

    Needs no database, and disturbs no running bot. Where it fails, `meterbot check --live` says why.
    """
    from meterbot import check as checks
    from meterbot import log, operations

    settings = _configured(context, config)
    log.set_up()
    found = _done(operations.try_alerts(settings, datetime.now(UTC)))
    if as_json:
        _print_json(checks.as_json(found))
    else:
        print(checks.as_text(found))
    raise typer.Exit(checks.exit_status(found))


@cli.command()
def snapshot(
    context: typer.Context,
    seat: Annotated[list[str] | None, typer.Argument(help="Seats to read; all when none is named.")] = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
    emails: Annotated[bool, typer.Option("--emails", help="Show the accounts' e-mail addresses.")] = False,
) -> None:
    """Read the seats now and print what they say. Posts nothing, stores nothing but a session key that was renewed."""
    from meterbot import lines, log, operations, report_json

    settings = _configured(context, config)
    seats = {each.name: each for each in settings.seat_list()}
    if unknown := [name for name in seat or [] if name not in seats]:
        _refuse(f"no such seat: {', '.join(unknown)} (there are {', '.join(sorted(seats))})")
    log.set_up()
    now, tz = datetime.now(UTC), settings.timezone
    shots = _done(operations.read_seats(settings, list(dict.fromkeys(seat or [])), now))
    if as_json:
        _print_json([report_json.snapshot_json(shot, now, tz, emails=emails) for shot in shots])
    else:
        print("\n\n".join(lines.snapshot_text(shot, now, tz, emails=emails) for shot in shots))
    raise typer.Exit(1 if any(operations.unread(shot) for shot in shots) else 0)


@cli.command()
def spend(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Print what /claude-spend answers, from the database of the running bot."""
    from meterbot import log, operations, report_json

    settings = _configured(context, config)
    log.set_up()
    now = datetime.now(UTC)
    if as_json:
        report, headings = _done(operations.team_heading(settings, now))
        _print_json(report_json.spend_json(report, settings.timezone, headings))
    else:
        _done(operations.print_team(settings, now))


@cli.command()
def status(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Print how sources, destinations and processes are doing, from the database of the running bot."""
    from meterbot import log, operations

    settings = _configured(context, config)
    log.set_up()
    now = datetime.now(UTC)
    if as_json:
        _print_json(_done(operations.status_json(settings, now)))
    else:
        _done(operations.print_team(settings, now, "status"))


@cli.command()
def pr(
    context: typer.Context,
    numbers: Annotated[
        list[str] | None,
        typer.Argument(metavar="NUMBER", help="Merged pull requests; without any, the month's."),
    ] = None,
    *,
    config: ConfigPath = None,
    as_json: AsJson = False,
    repo: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Reckon a branch of this git checkout instead.")
    ] = None,
    branch: Annotated[str, typer.Option(metavar="NAME", help="The branch.")] = "HEAD",
    base: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What it started from. Otherwise origin/HEAD, main or master."),
    ] = None,
    seat: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose branch it is, where its commits do not tell.")
    ] = None,
    email: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Only the commits with this author's address.")
    ] = None,
) -> None:
    """Print what merged pull requests cost, as the running bot recorded them, or a branch that is not merged yet."""
    from meterbot import log, operations, pull_request_answers

    settings = _configured(context, config)
    log.set_up()
    now = datetime.now(UTC)
    if repo is not None:
        if numbers:
            _refuse("NUMBER and --repo are two things: name one of them")
        _print_branch(settings, repo, branch, base=base, seat=seat, email=email, now=now, as_json=as_json)
        return
    if (branch, base, seat, email) != ("HEAD", None, None, None):
        _refuse("--branch, --base, --seat and --email are of a checkout: name it with --repo")
    wanted = [number.removeprefix("#") for number in numbers or []]
    if bad := [number for number in wanted if not re.fullmatch(r"[0-9]{1,10}", number)]:
        _refuse(f"{bad[0]} is not the number of a pull request")
    found = _done(operations.recorded_pull_requests(settings, list(map(int, wanted))))
    missing = [number for number, pulls in zip(wanted, found, strict=True) if not pulls]
    if as_json and wanted:
        _print_json([pull_request_answers.pull_json(pull) for pulls in found for pull in pulls])
    elif as_json:
        _print_json(pull_request_answers.month_json(_done(operations.month_of_pull_requests(settings, now))))
    else:
        asked = [f"pr {number}" for number in wanted if number not in missing]
        if asked or not wanted:
            _done(operations.print_team(settings, now, *(asked or ["pr"])))
    for number in missing:
        print(f"PR #{number} is not in the record", file=sys.stderr)
    raise typer.Exit(1 if missing else 0)


def _print_branch(
    settings: "Config",
    repo: Path,
    branch: str,
    *,
    base: str | None,
    seat: str | None,
    email: str | None,
    now: datetime,
    as_json: bool,
) -> None:
    from meterbot import checkout, operations, pull_request_answers

    commits = checkout.branch_commits(repo, branch, base)
    try:
        commits, names = checkout.authored(commits, settings.seat_list(), seat, email)
    except checkout.WhoseError as error:
        _refuse(str(error))
    pull = _done(operations.branch_cost(settings, commits, names, now))
    if as_json:
        _print_json({"branch": branch, **pull_request_answers.cost_json(pull)})
    else:
        _done(operations.print_branch(settings, branch, pull))


@cli.command("export")
def export_history(
    context: typer.Context,
    config: ConfigPath = None,
    since: Annotated[str, typer.Option(metavar="DAYS", help="How far back, such as 30d.")] = "90d",
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV, the default.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print every kept change of the seats' spend: minor units and whole ones, UTC."""
    from meterbot import export, log, operations

    if as_csv and as_json:
        raise typer.BadParameter("one of --csv and --json, not both")
    settings = _configured(context, config)
    log.set_up()
    found = _done(operations.history_of(settings, datetime.now(UTC) - _days(since)))
    if as_json:
        _print_json(found)
    else:
        print(export.as_csv(found), end="")


@cli.command("replay")
def replay_history(
    context: typer.Context,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            "-c",
            metavar="PATH",
            help="The configuration whose rules are tried. Its database is read, too, unless `meterbot --config` before the "
            "command names another.",
        ),
    ] = None,
    since: Annotated[str, typer.Option(metavar="DAYS", help="How far back, such as 30d.")] = "30d",
    as_json: AsJson = False,
) -> None:
    """Print what a set of rules would have told on the recorded history, beside what was told."""
    from meterbot import log, operations
    from meterbot import replay as replaying

    length = _days(since)
    tried = _configured(context, config)
    own = _configured(context, None) if context.find_root().obj else tried
    log.set_up()
    now = datetime.now(UTC)
    found = _done(operations.replay_of(own, tried.rule_settings(), now - length, now))
    if as_json:
        _print_json(replaying.as_json(found))
    else:
        print(replaying.as_text(found, tried.timezone))


def _days(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})d", text)
    if match is None or not int(match[1]):
        raise typer.BadParameter(f'--since must be a number of days like "30d", got "{text}"')
    return timedelta(days=int(match[1]))


@cli.command("secret-key")
def secret_key(
    context: typer.Context,
    config: ConfigPath = None,
    discard: Annotated[
        bool,
        typer.Option(
            "--discard-unreadable", help="Delete what is stored and the present key does not decrypt."
        ),
    ] = False,
) -> None:
    """Print a new key for METERBOT_SECRET_KEY: renewed session keys are stored encrypted with it."""
    from meterbot import cipher, log, operations

    if not discard:
        print(cipher.new_key())
        return
    settings = _configured(context, config)
    if not settings.secret_key:
        _refuse("METERBOT_SECRET_KEY is not set: nothing that is stored could be told readable")
    log.set_up()
    seats = _done(operations.discard_unreadable_sessions(settings))
    print(
        f"deleted what was stored of {', '.join(seats)}"
        if seats
        else "everything that is stored can be decrypted"
    )


@cli.command()
def healthcheck(
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="What to ask. Otherwise /healthz at PORT, or 8080, on this machine."
        ),
    ] = None,
) -> None:
    """Ask the running bot whether it lives, as a container's health check: exit status 0 if it does, 1 if not."""
    from urllib.error import HTTPError
    from urllib.request import urlopen

    asked = url or f"http://127.0.0.1:{os.environ.get('PORT') or 8080}/healthz"
    if not asked.startswith(("http://", "https://")):
        _refuse("--url must start with http:// or https://")
    try:
        with urlopen(asked, timeout=4):  # noqa: S310 - by http alone, see above
            print("alive")
            return
    except HTTPError as error:
        error.close()
        why = f"answers HTTP {error.code}"
    except OSError as error:
        why = f"does not answer: {getattr(error, 'reason', error)}"
    print(f"{asked} {why}", file=sys.stderr)
    raise typer.Exit(1)


@cli.command("systemd")
def systemd_unit(
    context: typer.Context,
    config: ConfigPath = None,
    program: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where meterbot is installed. Otherwise this one.")
    ] = None,
) -> None:
    """Print a hardened systemd unit that hands over each secret of the configuration. Nothing is written."""
    import shutil

    from meterbot import systemd_unit as units
    from meterbot.config import ConfigError, credentials_needed

    try:
        files, variables = credentials_needed(config or context.find_root().obj, os.environ, Path.cwd())
    except ConfigError as error:
        _refuse(str(error))
    where = program or shutil.which("meterbot") or sys.argv[0]
    print(units.unit(files, where), end="")
    said = [
        f"it expects in {units.DIRECTORY}, for root alone: config.toml and these files: {', '.join(files)}"
    ]
    said += [
        f"{name} is read from the environment, which the unit does not set: use a file" for name in variables
    ]
    if units.hidden_by_it(where):
        said.append(f"it cannot see {where}, as no home directory: install with `pipx install --global`")
    print(
        "\n".join(said if files else said[1:] or [f"it expects {units.DIRECTORY}/config.toml"]),
        file=sys.stderr,
    )


@db.command("upgrade")
def db_upgrade(context: typer.Context, config: ConfigPath = None) -> None:
    """Bring the database to this version's schema; `run` does it, too."""
    from meterbot import log, operations

    url = _database_url(context, config)
    log.set_up()
    _done(operations.upgrade_database(url))
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
    from meterbot import log, operations

    url = _database_url(context, config)
    log.set_up()
    print(_done(operations.back_up(url, file, datetime.now(UTC))))


@db.command("restore")
def db_restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `backup` made, or a start kept.")],
    config: ConfigPath = None,
) -> None:
    """Put a copy in the place of a SQLite database, and keep what was there. Not while the bot runs."""
    from meterbot import log, operations

    url = _database_url(context, config)
    log.set_up()
    kept = _done(operations.restore(url, file, datetime.now(UTC)))
    print(f"restored from {file}" + ("" if kept is None else f"; what was there is kept as {kept}"))


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
    """Make the token with which a seat's machine pushes, and print the line to run there. It is shown once."""
    from meterbot import log, operations, seats

    settings = _configured(context, config)
    configured = {each.name: each for each in settings.seat_list()}
    if name not in configured:
        _refuse(
            f"{name} is not in the configuration. Add it, then run this again:\n\n{seats.toml_block(name)}"
        )
    if (source := configured[name].source) != "push":
        _refuse(f'{name} has source = "{source}": only a seat with source = "push" has a token')
    log.set_up()
    token = _done(operations.make_push_token(settings, name, datetime.now(UTC), replace=replace))
    if token is None:
        print(f"{name} has a token already: --replace makes a new one instead of it", file=sys.stderr)
        raise typer.Exit(1)
    known = url or (settings.http and settings.http.public_url) or "https://meterbot.example.com"
    line = seats.push_command(token, configured[name].interval, known.rstrip("/"))
    if as_json:
        _print_json({"seat": name, "token": token, "command": line})
    else:
        print(f"Run this on the machine of {name}. The token is shown only now:\n\n    {line}\n")


@seat.command("list")
def seat_list(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Print every seat: its source, how it is doing, its last reading, and when its token was made."""
    from meterbot import log, operations, seats

    settings = _configured(context, config)
    log.set_up()
    found = _done(operations.seat_overview(settings, datetime.now(UTC)))
    if as_json:
        _print_json([each.as_json() for each in found])
    else:
        print(seats.overview_text(found))


def _confirm(question: str) -> None:
    """Ends the command unless somebody says yes."""
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:  # the end of the input, or Ctrl-C
        print("\nnothing was deleted: nobody answered (--yes does not ask)", file=sys.stderr)
        raise typer.Exit(1) from None
    if not agreed:
        print("nothing was deleted", file=sys.stderr)
        raise typer.Exit(1)


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
    """Delete everything that is stored of a seat, be it in the configuration or not."""
    from meterbot import log, operations, seats

    if token and account:
        _refuse("--token and --account are two things: name one of them, or neither to delete everything")
    url = _database_url(context, config)
    log.set_up()
    if not yes:
        what = "the push token" if token else "the account" if account else "everything that is stored"
        _confirm(f"Delete {what} of {name}?")
    if token:
        done = _done(operations.revoke_push_token(url, name))
        text = (
            f"the token of {name} is worthless from now on"
            if done
            else f"{name} has no token that was made here"
        )
    elif account:
        done = _done(operations.forget_account(url, name))
        text = (
            f"{name} may be another account from its next reading on"
            if done
            else f"no account of {name} is known"
        )
    else:
        forgotten = _done(operations.forget_seat(url, name))
        done, text = bool(forgotten), seats.forgotten_text(name, forgotten)
    print(text, file=sys.stdout if done else sys.stderr)
    raise typer.Exit(0 if done else 1)


@slack.command("manifest")
def slack_manifest(
    http: Annotated[
        str | None, typer.Option(metavar="URL", help="For HTTP mode: where Slack reaches the bot.")
    ] = None,
) -> None:
    """Print the Slack app's manifest, and the link that makes the app of it in one click.

    Without the link: at api.slack.com/apps choose Create New App, From a manifest, and paste what is printed.
    """
    from meterbot import operations

    manifest, link = operations.slack_manifest(http)
    print(f"# One click makes the app: {link}\n{manifest}", end="")


@discord.command("invite")
def discord_invite(
    application_id: Annotated[
        int, typer.Argument(help="The application's id, on its General Information page.")
    ],
    guild_id: Annotated[int | None, typer.Option("--guild", help="The server to preselect.")] = None,
) -> None:
    """Print the link that adds the bot to a server, with exactly the permissions it needs and no intents."""
    from meterbot import operations

    print(operations.discord_invite(application_id, guild_id))


Every = Annotated[
    str | None,
    typer.Option("--every", metavar="TIME", help="One reading about every 15m (or 1h, …), until stopped."),
]
Extras = Annotated[
    str,
    typer.Option(
        "--with", metavar="NAMES", help="Also send what these know of this machine: pace-maker,ccusage."
    ),
]
PushUrl = Annotated[
    str | None, typer.Option("--url", help="Where meterbot is. Otherwise METERBOT_URL.", metavar="URL")
]


@push.callback()
def push_numbers(  # noqa: PLR0917 - typer passes them by name
    context: typer.Context,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="claude-code|FILE|-",
            help="Claude Code on this machine, or claude-meter's JSON from a file or the standard input.",
        ),
    ] = "claude-code",
    every: Every = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show exactly the bytes and where they would go. Sends nothing.")
    ] = False,
    url: PushUrl = None,
    email: Annotated[
        bool, typer.Option("--email", help="Let the e-mail address in claude-meter's JSON go along.")
    ] = False,
    extras: Extras = "",
    env_file: Annotated[
        str | None,
        typer.Option(
            "--env-file", metavar="PATH", help="Settings, one NAME=VALUE per line (`install` writes it)."
        ),
    ] = None,
) -> None:
    """Send this machine's Claude numbers to your team's meterbot.

    METERBOT_URL says where it is, METERBOT_PUSH_TOKEN (or METERBOT_PUSH_TOKEN_FILE) opens it. Numbers leave the
    machine, and nothing else: see for yourself with --dry-run.
    """
    if context.invoked_subcommand is not None:
        return
    import signal

    from meterbot.clock import SystemClock
    from meterbot.push import main as agent
    from meterbot.push.machine import this_machine

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # ends what it started, too
    # A dry run's bytes stand alone on the standard output.
    spoken = sys.stderr if dry_run else sys.stdout
    agent.push(
        agent.Options(source, every, dry_run, url, email, extras, env_file),
        this_machine(),
        SystemClock(),
        say=lambda text: print(text, file=spoken, flush=True),
        # Looked up when needed: a scheduler's run may have neither.
        read_input=lambda most: sys.stdin.buffer.read(most),  # noqa: PLW0108 - see above
        show=lambda body: sys.stdout.buffer.write(body),  # noqa: PLW0108 - see above
    )


@push.command("install")
def push_install(
    every: Every = None,
    url: PushUrl = None,
    extras: Extras = "",
    only_print: Annotated[
        bool, typer.Option("--print", help="Show what would be written. Writes nothing.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Delete what was written.")] = False,
) -> None:
    """Let the system's scheduler push.

    Writes a systemd user timer, a launchd agent or a task of Task Scheduler, and with it the settings of this shell
    (METERBOT_URL, METERBOT_PUSH_TOKEN) to a file for your eyes only. Says how to start, see and undo it.
    """
    from meterbot.push import main as agent
    from meterbot.push.machine import this_machine

    agent.set_up(
        agent.Options(every=every, url=url, extras=extras),
        this_machine(),
        say=print,
        only_print=only_print,
        undo=remove,
    )
