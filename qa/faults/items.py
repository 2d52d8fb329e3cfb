"""Faults of single items: one message, reading or pull request that cannot be handled, while all the others can.

A schedule has at most one. All other facts must be posted in time; the bad item must be set aside, with its reason,
where the operator sees it.
"""

import json
import random
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Text, insert, literal, select, text, update

from meterbot.core.deliveries import (
    MAY_REPEAT,
    DeliveryKind,
    DeliveryState,
    Destination,
    NewDelivery,
    Priority,
)
from meterbot.core.models import Event, EventKind, Severity
from meterbot.delivery.alerts import KIND_WORDS
from meterbot.delivery.planner import delivery_id
from meterbot.rules.pull_requests import Merged, PullRequest
from meterbot.store import Batch, batches, counter_states, pull_requests, source_states, tables
from meterbot.store.column_types import json_of
from qa.faults.bases import Base
from qa.faults.oracle import Sighting, Verdict
from qa.faults.refusals import DISCORD_WORDS, SLACK_WORDS, Refusal
from qa.faults.stage import StormyDiscord, StormySlack, World
from qa.faults.stories import Fact, Story
from qa.faults.weather import Fault, Weather
from tests.simulator.github import SimulatedPull, closed, sign

T = TypeVar("T")
ITEM_FAULTS = (
    "unrenderable event",
    "unreadable event",
    "refused message",
    "refused form",
    "refused edits",
    "unstorable reading",
    "exhausted lookup",
    "unreadable pull request",
    "incalculable pull request",
)
EVERY = 7
"""One schedule in this many has a bad item."""
SPARE_SEAT = "zed"
"""The seat whose reading cannot be stored. No story uses it."""
SPARE_CENTS = 10_00
HOOK_SECRET = "webhook-secret-of-the-campaign"
_GAVE_UP = "gave up on a"
_REPO, _BAD_PULL, _GOOD_PULL = "acme/app", 666, 12
LATE_SECONDS = 900.0
"""A fact that takes longer than this, without any other fault, was held up."""
_WAIT_SECONDS = 2 * 3600.0


def choose_item(rng: random.Random, story: Story, platforms: tuple[str, ...]) -> Fault:
    """The item fault of a schedule. It affects what happens at its step."""
    kind, platform = rng.choice(ITEM_FAULTS), rng.choice(platforms)
    steps = range(len(story.steps))
    if kind.endswith("pull request"):
        return Fault(kind, rng.choice(steps[1:]))
    if kind == "refused message":
        # Only a message with an amount of its own can be distinguished from the others.
        spends = [step for step in steps if story.steps[step].what == "spends" and story.steps[step].facts]
        return Fault(kind, rng.choice(spends), platform)
    return Fault(kind, rng.choice(steps), "" if kind.endswith(("event", "reading")) else platform)


@dataclass
class Stage:
    """The parts of a schedule that an item fault changes."""

    base: Base
    world: World
    weather: Weather
    slack: StormySlack
    discord: StormyDiscord
    places: tuple[Destination, ...]
    deliver: Callable[[str, Callable[[], bytes], dict[str, str]], Awaitable[None]]
    """Sends an HTTP request to a bot until one takes it: path, body, headers."""
    ask: Callable[[str], Awaitable[str]]
    """A path's answer, from a bot that is up."""


@dataclass
class Item:
    """The bad item of one schedule. `problems`: what went wrong with it beyond the fault itself. `met`: whether a bot
    or a platform came upon it; otherwise the schedule is no test of it."""

    fault: Fault
    story: Story
    stage: Stage
    problems: list[str] = field(default_factory=list)
    met: bool = False
    _began_at: datetime | None = None
    _set_aside: set[str] = field(default_factory=set)
    """The ids of the messages or pull requests that were set aside when that was looked at."""

    @property
    def kind(self) -> str:
        return self.fault.kind

    @property
    def _facts(self) -> tuple[Fact, ...]:
        return self.story.steps[self.fault.step].facts

    # What goes wrong.

    def note_start(self) -> None:
        """Every seat has been read once."""
        self._began_at = self.stage.world.page.wall

    async def begin(self) -> None:
        stage = self.stage
        if self.kind.endswith("event"):
            now = stage.world.page.wall
            await self._run(lambda connection: _queue_bad_event(connection, self.kind, stage.places, now))
        elif self.kind.startswith("refused"):
            stage.weather.refusal = Refusal(self.kind, self.fault.platform, self._meet, self._facts)
        elif self.kind == "unstorable reading":
            await self._run(_refuse_rows)
        elif self.kind == "exhausted lookup":
            stage.weather.flood = self._flood
            stage.weather.arm(Fault("flood", self.fault.step, self.fault.platform, "post", accept=True))
        else:
            await self._merge()

    def _meet(self) -> None:
        self.met = True
        self.stage.weather.hits[self.kind] += 1

    async def _flood(self) -> None:
        self._meet()
        await (self.stage.slack if self.fault.platform == "slack" else self.stage.discord).flood()

    async def _merge(self) -> None:
        """Stores a bad pull request of another version, and then a good one."""
        assert self._began_at is not None
        merged_at, author = self.stage.world.page.wall, self.story.steps[0].seat
        bad = SimulatedPull(_REPO, _BAD_PULL, author, self._began_at, merged_at)
        await self._run(lambda connection: _add_bad_pull(connection, self.kind, bad))
        good = SimulatedPull(_REPO, _GOOD_PULL, author, self._began_at, merged_at)
        body = json.dumps(closed(good)).encode()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "pull_request",
            "X-GitHub-Delivery": "good",
            "X-Hub-Signature-256": sign(body, HOOK_SECRET),
        }
        await self.stage.deliver("/hooks/github", lambda: body, headers)

    # What happens to it.

    async def settle(self) -> None:
        """Runs after all other faults have ended. Waits until the bad item is set aside as it should be."""
        if self.kind == "unstorable reading":
            await self._until(
                "the seat's health does not say that its reading cannot be stored", _cannot_store
            )
            await self._see_note("cannot be read")
            await self._run(_store_rows)
            await self._until("the seat is not read again", _spare_is_stored)
        elif self.kind.endswith("pull request"):
            await self._until("the pull request is not set aside", _pull_is_set_aside)
            self._set_aside = {f"{_REPO}#{_BAD_PULL}"}
            await self._see_note("pull request")
            await self._until("the good pull request was never reported", _pull_is_reported)
        elif self.kind in {"refused message", "unreadable event"}:
            await self._until("no message failed", lambda connection: bool(_failed(connection)))
            await self._see_note("failed")

    async def judge_failed(self) -> None:
        """Checks, once nothing waits any more, that only the bad messages failed, each with its reason."""
        if self.kind in {"refused message", "unreadable event"}:
            await self._judge_bad_ones()
        elif failed := await self._run(_failed):
            self.problems.append(f"messages failed: {failed}")

    async def _judge_bad_ones(self) -> None:
        words = SLACK_WORDS if self.fault.platform == "slack" else DISCORD_WORDS
        most = len(self._facts)
        if self.kind == "unreadable event":
            words, most = "cannot read", len(self.stage.places)
        failed = await self._run(_failed)
        self._set_aside = {row.id for row in failed}
        if len(failed) > most:
            self.problems.append(f"{len(failed)} messages failed, and only {most} are bad: {failed}")
        for row in failed:
            if self.fault.platform not in {"", row.chat} or words not in (row.trouble or ""):
                self.problems.append(f"a message failed on {row.chat} because {row.trouble!r}")

    async def _see_note(self, words: str) -> None:
        world = self.stage.world
        until = world.now + round(_WAIT_SECONDS * 1e6)
        while words not in (answer := await self.stage.ask("/readyz")):
            if world.now >= until:
                self.problems.append(f"/readyz does not say {words!r}: {answer}")
                return
            await world.sleep(30)

    async def _until(self, otherwise: str, condition: Callable[[Connection], bool]) -> None:
        world = self.stage.world
        until = world.now + round(_WAIT_SECONDS * 1e6)
        while not await self._run(condition):
            if world.now >= until:
                self.problems.append(otherwise)
                return
            await world.sleep(30)
        if not self.kind.startswith("refused") and not self.met:
            self._meet()

    async def _run(self, work: Callable[[Connection], T]) -> T:
        return await self.stage.base.run(work, self.stage.world)

    def judge_log(self, lines: Sequence[str], *, alone: bool) -> None:
        """Checks that the log says of each item that was set aside that it was, and says so once. `alone`: there was no
        other fault that may end a bot between the commit and the line."""
        self.problems += log_problems(self._set_aside, lines, alone=alone)

    # The channels' contents.

    def excuses(self, platform: str) -> tuple[Fact, ...]:
        """The facts that need not, and must not, be in the channels."""
        bad = self.kind == "refused message" and platform == self.fault.platform
        return self._facts if bad else ()

    def judge(self, platform: str, verdict: Verdict, seen: list[Sighting]) -> None:
        """Removes from the verdict what the bad item excuses, and adds what it does not."""
        excused = self.excuses(platform)
        for fact in excused:
            if any(fact.is_in(each) for sighting in seen for each in sighting.texts):
                self.problems.append(f"{fact} stands although it was refused")
        verdict.lost = [
            each for each in verdict.lost if not any(each.startswith(str(fact)) for fact in excused)
        ]
        if self.kind == "unrenderable event":
            self._expect_once(platform, seen, f": {KIND_WORDS[EventKind.THRESHOLD_CROSSED]}")
        if self.kind.endswith("pull request"):
            self._expect_once(platform, seen, f"#{_GOOD_PULL}")
        if self.kind == "exhausted lookup" and platform == self.fault.platform:
            repeats = {each.mark for each in seen if any(MAY_REPEAT in said for said in each.texts)}
            verdict.doubled = [each for each in verdict.doubled if not _names(each, repeats)]

    def _expect_once(self, platform: str, seen: list[Sighting], words: str) -> None:
        times = sum(words in each.texts[0] for each in seen)
        if times and not self.met:
            self._meet()
        if times != 1:
            self.problems.append(f"{words!r} stands {times} times on {platform}")


def log_problems(set_aside: set[str], lines: Sequence[str], *, alone: bool) -> list[str]:
    """Where the log and the ids of what was set aside differ. Only `alone` every id must be in the log."""
    said = [json.loads(line) for line in lines if _GAVE_UP in line]
    items = [each.get("delivery") or each.get("pull") for each in said]
    if len({*items}) == len(items) and (set_aside == {*items} if alone else set_aside >= {*items}):
        return []
    return [f"{sorted(set_aside)} were set aside, and the log says so of {items}"]


def _names(sentence: str, marks: set[str | None]) -> bool:
    return any(mark is not None and mark in sentence for mark in marks)


# What is done to the database, and seen in it.


def _queue_bad_event(connection: Connection, kind: str, places: Sequence[Destination], now: datetime) -> None:
    """An alert of the highest priority, whose facts or kind are those of another version."""
    event = Event(
        key="bad",
        kind=EventKind.THRESHOLD_CROSSED,
        at=now,
        severity=Severity.CRITICAL,
        reason="stored by another version",
        level="80%",
        facts={"used": "a lot", "cap": 50, "percent": None},
    )
    posts = [
        NewDelivery(
            delivery_id(event.key, place, DeliveryKind.POST),
            event.key,
            place.chat,
            place.channel,
            DeliveryKind.POST,
            priority=Priority.BLOCKED,
        )
        for place in places
    ]
    batches.write(connection, Batch(events=[event], deliveries=posts))
    if kind == "unreadable event":
        stored = json_of(Event, event).replace(event.kind, "a_kind_of_the_future")
        rows = update(tables.events).where(tables.events.c.key == event.key)
        connection.execute(rows.values(event=literal(stored, Text())))


_REFUSE = {
    "sqlite": [
        f"""create trigger item_fault before insert on latest when new.seat = '{SPARE_SEAT}'
        begin select raise(abort, 'this row is refused'); end"""
    ],
    "postgresql": [
        """create or replace function item_fault() returns trigger language plpgsql as
        'begin raise exception ''this row is refused''; end'""",
        f"""create trigger item_fault before insert on latest for each row when (new.seat = '{SPARE_SEAT}')
        execute function item_fault()""",
    ],
}
_STORE = {
    "sqlite": "drop trigger if exists item_fault",
    "postgresql": "drop trigger if exists item_fault on latest",
}


def _refuse_rows(connection: Connection) -> None:
    """From now on the database refuses every reading of the spare seat."""
    for statement in _REFUSE[connection.dialect.name]:
        connection.execute(text(statement))


def _store_rows(connection: Connection) -> None:
    connection.execute(text(_STORE[connection.dialect.name]))


def _cannot_store(connection: Connection) -> bool:
    state = source_states.read_sources(connection).get(SPARE_SEAT)
    return state is not None and "could not be stored" in (state.detail or "")


def _spare_is_stored(connection: Connection) -> bool:
    extras = [one.known.snapshot.extra_usage for one in counter_states.read_latest(connection, [SPARE_SEAT])]
    return any(extra and extra.used and extra.used.minor == SPARE_CENTS for extra in extras)


def _failed(connection: Connection) -> list[Any]:
    rows = tables.deliveries.c
    query = select(rows.id, rows.chat, rows.kind, rows.trouble).where(rows.state == DeliveryState.FAILED)
    return [*connection.execute(query)]


def _add_bad_pull(connection: Connection, kind: str, pull: SimulatedPull) -> None:
    merged = Merged(pull.repo, pull.number, pull.sha, pull.author, pull.opened_at, pull.merged_at)
    stored = json_of(PullRequest, PullRequest(merged, (pull.author,), no_commits="no token"))
    if kind == "unreadable pull request":
        stored = stored.replace('"merged"', '"merged_by_another_version"')
    else:
        # Without a time zone it cannot be compared with the others.
        stored = re.sub(r'(_at":"[^"]*)Z"', r'\1"', stored)
    row = {
        "repo": pull.repo,
        "number": pull.number,
        "merge": pull.sha,
        "delivery": "bad",
        "pull": literal(stored, Text()),
        "starts_at": pull.opened_at,
        "ends_at": pull.merged_at,
        "merged_at": pull.merged_at,
        "received_at": pull.merged_at,
        "open": True,
        "attempts": 0,
    }
    connection.execute(insert(tables.pull_requests).values(row))


def _pull_is_set_aside(connection: Connection) -> bool:
    return [failed.number for failed in pull_requests.failed(connection)] == [_BAD_PULL]


def _pull_is_reported(connection: Connection) -> bool:
    rows = tables.pull_requests.c
    return connection.scalar(select(rows.reported_at).where(rows.number == _GOOD_PULL)) is not None
