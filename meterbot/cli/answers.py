"""What commands read from the database: the team, its history, the status, pull requests."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import meterbot
from meterbot.app.config import Config
from meterbot.chat import Question
from meterbot.cli.checkout import authored, branch_commits
from meterbot.cli.operations import opened, opened_with_seats
from meterbot.commands import export
from meterbot.commands.commands import Commands
from meterbot.commands.context import CommandContext
from meterbot.commands.outlooks import Outlooks
from meterbot.commands.readings import current_outlooks, current_report
from meterbot.commands.team_report import TeamReport, plan_troubles
from meterbot.commands.words import pull_requests
from meterbot.core.deliveries import all_queues
from meterbot.core.messages import Message
from meterbot.core.models import Counter, Seat, SourceState
from meterbot.core.operators import Operators
from meterbot.core.seats import SeatDirectory
from meterbot.core.text import stamp
from meterbot.delivery.redaction import Redaction
from meterbot.ingest.changes import counts_in_team
from meterbot.ingest.pull_requests import calculated, counters_of, month_so_far
from meterbot.ingest.replay import WARM_UP, Progress, Replay, replay
from meterbot.rules.memory import seat_settings_name
from meterbot.rules.pull_requests import Commits, Merged, PullRequest, PullRequestMonth
from meterbot.rules.settings import RuleSettings
from meterbot.store import (
    LAST_TICK,
    Connection,
    Store,
    counter_states,
    deliveries,
    event_log,
    history,
    notes,
    rule_memories,
    source_states,
    workers,
)
from meterbot.store import pull_requests as records

_MOST_EVENTS = 1_000_000
_AT_THE_TERMINAL = Redaction(operators=Operators({"console": frozenset({"operator"})}))
"""Everybody who can run commands on this machine sees every seat and may change every setting."""


async def team_report_with_outlooks(config: Config, now: datetime) -> tuple[TeamReport, Outlooks]:
    """The team, from the database, with its forecasts."""
    async with opened_with_seats(config) as (store, seats):
        report = await current_report(store, seats.values(), now, config.timezone)
        return report, await current_outlooks(store, report)


async def history_of(config: Config, since: datetime) -> list[dict[str, object]]:
    """Every kept change of the configured seats since then, in order of time."""
    async with opened_with_seats(config) as (store, seats):
        readers = await _readers(store, seats)
        samples = await store.read(lambda c: history.read(c, readers, since))
        names = {counter: seat.name for counter, seat in readers.items()}
        return export.rows([sample for sample in samples if sample.at >= since], names)


async def replay_of(
    config: Config, settings: RuleSettings, since: datetime, now: datetime, progress: Progress | None = None
) -> Replay:
    """What these rules would have posted since then on the history of the configuration's seats, beside what was
    posted."""
    async with opened_with_seats(config) as (store, seats):
        readers = await _readers(store, seats)
        samples = await store.read(lambda c: history.read(c, readers, since - WARM_UP))
        fired = await store.read(lambda c: event_log.read_events(c, since, _MOST_EVENTS))
        names = [seat_settings_name(seat.name) for seat in readers.values()]
        set_by_owners = await store.read(lambda c: rule_memories.read_memories(c, names))
    made = partial(replay, since=since, until=now, memories=set_by_owners, progress=progress)
    return await asyncio.to_thread(made, samples, readers, fired, settings)


async def _readers(store: Store, seats: SeatDirectory) -> dict[Counter, Seat]:
    """Every counter of the team's total, with a seat that reads it."""
    readers: dict[Counter, Seat] = {}
    for one in await store.read(counter_states.read_latest):
        seat = seats.get(one.seat)
        if seat is not None and counts_in_team(seat, one.counter):
            readers.setdefault(one.counter, seat)
    return readers


async def print_answer(config: Config, now: datetime, *questions: str) -> None:
    """Prints what `/claude-spend` answers to each of these questions."""
    async with opened_with_seats(config) as (store, seats):
        context = CommandContext(
            store,
            seats,
            now=lambda: now,
            tz=config.timezone,
            version=meterbot.__version__,
            redaction=_AT_THE_TERMINAL,
            thresholds=config.rule_settings().thresholds,
            destinations=config.destinations(),
        )
        commands = Commands(context)
        for words in questions:
            answer = await commands.answer(Question(tuple(words.split()), "console", "operator"))
            await _print(answer.message)


async def status_json(config: Config, now: datetime) -> dict[str, object]:
    """The state of sources, destinations and processes, from the database. Instants are ISO, in UTC."""
    async with opened_with_seats(config) as (store, seats):
        known = await store.read(source_states.read_sources)
        queues = await store.read(lambda c: deliveries.read_queues(c, now))
        alive = [] if store.sole else await store.read(lambda c: workers.read(c, now))
        last_tick = await store.read(lambda c: notes.read(c, LAST_TICK))
        team = await current_report(store, seats.values(), now, config.timezone)
    states = [known.get(name) or SourceState(name) for name in seats]
    return {
        "as_of": stamp(now),
        "version": meterbot.__version__,
        "last_tick": None if last_tick is None else stamp(datetime.fromisoformat(last_tick)),
        "sources": [
            {
                "seat": state.seat,
                "health": state.health.value,
                "since": _stamp(state.since),
                "last_ok_at": _stamp(state.last_ok_at),
                "detail": state.detail,
            }
            for state in states
        ],
        "destinations": [
            {
                "chat": queue.chat,
                "channel": queue.channel,
                "waiting": queue.waiting,
                "held": queue.held,
                "held_until": _stamp(queue.held_until),
                "oldest": _stamp(queue.oldest),
                "trouble": queue.trouble,
            }
            for queue in all_queues(queues, config.destinations())
        ],
        "processes": [
            {"name": one.name, "since": _stamp(one.since), "holds": list(one.leases)} for one in alive
        ],
        "set_up": plan_troubles(team.rows),
    }


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


async def _print(message: Message) -> None:
    from meterbot.chat.console import Console

    await Console(None, sys.stdout).post("spend", "terminal", message)


async def recorded_pull_requests(config: Config, numbers: Sequence[int]) -> list[list[PullRequest]]:
    async with opened(config.database_url) as store:
        return [
            [one.pull for one in await store.read(partial(records.numbered, number=number))]
            for number in numbers
        ]


async def month_of_pull_requests(config: Config, now: datetime) -> PullRequestMonth:
    async with opened_with_seats(config) as (store, seats):
        return await month_so_far(store, seats, seats, now)


async def branch_cost(
    config: Config,
    now: datetime,
    repo: Path,
    branch: str,
    *,
    base: str | None,
    seat: str | None,
    email: str | None,
) -> PullRequest:
    """What a branch cost its author so far, as if it were merged now. Nothing is stored. Raises `CheckoutError` or
    `WhoseError`."""
    everybody = branch_commits(repo, branch, base)
    async with opened_with_seats(config) as (store, seats):
        commits, names = authored(everybody, [*seats.values()], seat, email)
        first = min(commit.authored_at for commit in commits)
        last = max(max(commit.authored_at, commit.committed_at) for commit in commits)
        merged = Merged("", 0, commits[-1].id, "", opened_at=first, merged_at=now)

        def calculate(connection: Connection) -> PullRequest:
            counters = counters_of(names, seats, counter_states.read_latest(connection, names))
            pull = PullRequest(merged, tuple(names), counters, Commits(first, last))
            return replace(pull, bill=calculated(connection, [pull])[pull.key])

        return await store.read(calculate)


async def print_branch(config: Config, name: str, pull: PullRequest) -> None:
    await _print(pull_requests.branch(name, pull, config.timezone))
