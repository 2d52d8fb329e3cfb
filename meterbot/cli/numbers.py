"""The commands that print numbers: snapshot, spend, ask, status, pr, export, replay."""

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from meterbot.cli.root import AsJson, ConfigPath, cli, configured, done, option, print_json, refuse

if TYPE_CHECKING:
    from meterbot.app.config import Config

_SAID_EVERY = 5.0


@cli.command()
def snapshot(
    context: typer.Context,
    seat: Annotated[
        list[str] | None, typer.Argument(metavar="SEAT", help="The seats to read. Default: all.")
    ] = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
    emails: Annotated[bool, typer.Option("--emails", help="Show the accounts' e-mail addresses.")] = False,
) -> None:
    """Read the seats now and print the result.

    Posts nothing, and stores nothing except a session key that claude.ai renews.
    """
    from meterbot.cli import seat_reads
    from meterbot.commands import report_json, seat_lines
    from meterbot.core.models import Health

    settings = configured(context, config)
    seats = done(seat_reads.seats_at_hand(settings, seat or []))
    if unknown := [name for name in seat or [] if name not in seats]:
        refuse(f"no such seat: {', '.join(unknown)} (there are {', '.join(sorted(seats))})")
    now, tz = datetime.now(UTC), settings.timezone
    shots = done(seat_reads.read_seats(settings, list(dict.fromkeys(seat or [])), now))
    if as_json:
        print_json([report_json.snapshot_json(shot, now, tz, emails=emails) for shot in shots])
    else:
        print("\n\n".join(seat_lines.snapshot_text(shot, now, tz, emails=emails) for shot in shots))
    raise typer.Exit(1 if any(shot.health is not Health.OK for shot in shots) else 0)


@cli.command()
def spend(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Print the team's spend, as /claude-spend answers it.

    The numbers are from the bot's database; no service is contacted.
    """
    from meterbot.cli import answers
    from meterbot.commands import report_json

    settings = configured(context, config)
    now = datetime.now(UTC)
    if as_json:
        report, outlooks = done(answers.team_report_with_outlooks(settings, now))
        print_json(report_json.spend_json(report, settings.timezone, outlooks))
    else:
        done(answers.print_answer(settings, now, "team"))


@cli.command()
def ask(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORDS", help="The words after /claude-spend, such as: history 7d. Try: help."
        ),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Print what /claude-spend answers to these words."""
    from meterbot.cli import answers

    settings = configured(context, config)
    done(answers.print_answer(settings, datetime.now(UTC), " ".join(words or ["team"])))


@cli.command()
def status(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Print the state of seats, channels and processes.

    It reads the bot's database, so it also works while the bot runs.
    """
    from meterbot.cli import answers

    settings = configured(context, config)
    now = datetime.now(UTC)
    if as_json:
        print_json(done(answers.status_json(settings, now)))
    else:
        done(answers.print_answer(settings, now, "status"))


@cli.command()
def pr(
    context: typer.Context,
    numbers: Annotated[
        list[str] | None,
        typer.Argument(metavar="NUMBER", help="Merged pull requests. Default: this month's."),
    ] = None,
    *,
    config: ConfigPath = None,
    as_json: AsJson = False,
    repo: Annotated[Path | None, option("PATH", "Calculate a branch of this git checkout instead.")] = None,
    branch: Annotated[
        str, typer.Option(metavar="NAME", show_default=False, help="The branch. Default: the current one.")
    ] = "HEAD",
    base: Annotated[
        str | None,
        option("NAME", "The branch that it started from. Default: origin/HEAD, main or master."),
    ] = None,
    seat: Annotated[
        str | None,
        option("NAME", "The branch owner's seat, if it cannot be inferred from the commits."),
    ] = None,
    email: Annotated[str | None, option("ADDRESS", "Only the commits with this author's address.")] = None,
) -> None:
    """Print the cost of merged pull requests, or of a branch.

    Merged pull requests are those that the bot recorded from GitHub's webhook.
    """
    from meterbot.cli import answers
    from meterbot.cli.checkout import WhoseError
    from meterbot.commands.words import pull_requests

    settings = configured(context, config)
    now = datetime.now(UTC)
    if repo is not None:
        if numbers:
            refuse("NUMBER and --repo exclude each other: give one of them")
        try:
            pull = done(answers.branch_cost(settings, now, repo, branch, base=base, seat=seat, email=email))
        except WhoseError as error:
            refuse(str(error))
        if as_json:
            print_json({"branch": branch, **pull_requests.cost_json(pull)})
        else:
            done(answers.print_branch(settings, branch, pull))
        return
    if (branch, base, seat, email) != ("HEAD", None, None, None):
        refuse("--branch, --base, --seat and --email need a checkout: name it with --repo")
    _print_recorded(settings, numbers or [], now, as_json=as_json)


def _print_recorded(settings: "Config", numbers: list[str], now: datetime, *, as_json: bool) -> NoReturn:
    from meterbot.cli import answers
    from meterbot.commands.words import pull_requests

    wanted = [number.removeprefix("#") for number in numbers]
    if bad := [number for number in wanted if not re.fullmatch(r"[0-9]{1,10}", number)]:
        refuse(f"{bad[0]} is not the number of a pull request")
    found = done(answers.recorded_pull_requests(settings, list(map(int, wanted))))
    missing = [number for number, pulls in zip(wanted, found, strict=True) if not pulls]
    if as_json and wanted:
        print_json([pull_requests.pull_json(pull) for pulls in found for pull in pulls])
    elif as_json:
        print_json(pull_requests.month_json(done(answers.month_of_pull_requests(settings, now))))
    else:
        asked = [f"pr {number}" for number in wanted if number not in missing]
        if asked or not wanted:
            done(answers.print_answer(settings, now, *(asked or ["pr"])))
    for number in missing:
        print(f"PR #{number} is not in the record", file=sys.stderr)
    if settings.github is None:
        print(
            "Nothing new is recorded: GitHub reports merges only to a bot with [github] in its configuration "
            "(docs/pull-requests.md). --repo calculates a branch without that.",
            file=sys.stderr,
        )
    raise typer.Exit(1 if missing else 0)


@cli.command("export")
def export_history(
    context: typer.Context,
    config: ConfigPath = None,
    since: Annotated[str, option("DAYS", "How far back, such as 30d.")] = "90d",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV (the default).")] = False,
    as_json: AsJson = False,
) -> None:
    """Print every stored change of the seats' spend.

    Amounts are in minor units and in whole units of the currency, times are UTC.
    """
    from meterbot.cli import answers
    from meterbot.commands import export

    if as_csv and as_json:
        raise typer.BadParameter("one of --csv and --json, not both")
    settings = configured(context, config)
    found = done(answers.history_of(settings, datetime.now(UTC) - _days(since)))
    if as_json:
        print_json(found)
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
            help="The configuration with the rules to test. Its database is read, too, unless `meterbot --config` "
            "before the command names another.",
        ),
    ] = None,
    since: Annotated[str, option("DAYS", "How far back, such as 30d.")] = "30d",
    as_json: AsJson = False,
) -> None:
    """Print the alerts that other rules would have sent.

    It applies the rules of a configuration to the stored history, and shows their alerts beside those that were sent.
    """
    from meterbot.cli import answers
    from meterbot.ingest import replay as replaying

    length = _days(since)
    tried = configured(context, config)
    own = configured(context, None) if context.find_root().obj else tried
    now = datetime.now(UTC)
    found = done(answers.replay_of(own, tried.rule_settings(), now - length, now, says_how_far()))
    if as_json:
        print_json(replaying.as_json(found))
    else:
        print(replaying.as_text(found, tried.timezone))


def says_how_far(clock: Callable[[], float] = monotonic) -> Callable[[int, int], None]:
    """Reports the progress on standard error every five seconds. `clock`: in seconds."""
    said = clock()

    def say(number: int, of: int) -> None:
        nonlocal said
        if clock() - said >= _SAID_EVERY:
            said = clock()
            print(f"{number:,} of {of:,} readings", file=sys.stderr)

    return say


def _days(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})d", text)
    if match is None or not int(match[1]):
        raise typer.BadParameter(f'--since must be a number of days like "30d", at most 99999d, got "{text}"')
    return timedelta(days=int(match[1]))
