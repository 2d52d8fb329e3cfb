"""Merged pull requests on real databases, with a GitHub on loopback."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from meterbot.core.deliveries import Delivery, DeliveryKind, Destination
from meterbot.core.messages import Message
from meterbot.core.models import EventKind, Seat, Snapshot
from meterbot.delivery.alerts.message import renderer
from meterbot.delivery.routing import RoutingSettings
from meterbot.ingest.ingest import Ingest, forget_account
from meterbot.ingest.pull_requests import (
    MOST_TRIES,
    NO_TOKEN,
    PAUSES,
    HookReceipt,
    PullRequestTracker,
    month_so_far,
)
from meterbot.ingest.recording import Recorder
from meterbot.rules.pull_requests import (
    GIVEN_UP,
    LONGEST_WAIT,
    Bill,
    Commits,
    Merged,
    PullRequest,
)
from meterbot.rules.settings import RuleSettings
from meterbot.sources.github import GitHub
from meterbot.sources.http_client import HttpClient
from meterbot.store import Store, delivery_claims, delivery_outcomes, event_log, forgetting, pull_requests
from meterbot.store.delivery_claims import Claim
from tests.ingest.test_ingest import snapshot
from tests.simulator.github import GitHub as SimulatedGitHub
from tests.simulator.github import rate_limited, refused

START = datetime(2026, 4, 9, 9, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
MERGED_AT = START + 8 * HOUR
SEATS = {
    "ana": Seat("ana", "push", owner={"github": "Ana", "slack": "U1"}, interval=900.0),
    "bo": Seat("bo", "push", owner={"github": "bo"}, interval=900.0),
    "cy": Seat("cy", "push"),
}


def merged(number: int = 812, author: str = "ana", merge: str = "c0ffee") -> Merged:
    return Merged("acme/app", number, merge, author, START + HOUR, MERGED_AT)


def said(delivery: Delivery) -> Message:
    """Its words, as they would be sent now."""
    return renderer(SEATS, UTC, RoutingSettings())(delivery)


class Desk:
    """Merged pull requests with a database, and its input."""

    def __init__(self, store: Store, github: GitHub | None = None, **more: object) -> None:
        self.store = store
        self.ingest = Ingest(
            store, Recorder(SEATS, [Destination("slack", "C1")], RuleSettings()), lambda: None
        )
        read = None if github is None else github.commits
        self.merges = PullRequestTracker(store, SEATS, self.ingest, read_commits=read, **more)  # type: ignore[arg-type]  # passed on

    async def reads(self, used: str, at: datetime, of: str = "ana") -> None:
        await self.ingest.store_snapshots([self._snapshot(used, at, of)], at)

    @staticmethod
    def _snapshot(used: str, at: datetime, of: str) -> Snapshot:
        return replace(snapshot(used, at, of=of, account=f"acc-{of}"), source="push")

    async def take(
        self, one: Merged | None = None, hours: float = 4, *, delivery: str | None = None
    ) -> HookReceipt:
        one = one or merged()
        commits = Commits(START, START + hours * HOUR)
        return await self.merges.add(one, delivery or f"d-{one.name}-{one.merge}", MERGED_AT, commits)

    async def pull(self, number: int = 812) -> PullRequest:
        (record,) = await self.store.read(lambda c: pull_requests.numbered(c, number))
        return record.pull

    async def bill(self, number: int = 812) -> Bill:
        found = (await self.pull(number)).bill
        assert found is not None
        return found

    async def cost(self, number: int = 812) -> str | None:
        amounts = (await self.bill(number)).amounts
        return None if amounts is None else " + ".join(map(str, amounts))

    async def posted_titles(self) -> list[str]:
        """The titles of the posts about pull requests, delivered as they are asked for."""
        titles = []
        while (
            one := await self.store.run(
                lambda c: delivery_claims.claim(c, "slack", Claim("w", MERGED_AT + 900 * HOUR, 60)).delivery
            )
        ) is not None:
            assert one.kind is DeliveryKind.POST
            if one.event.key.startswith("pull:"):
                titles.append(said(one).title)
            await self.store.run(
                lambda c: delivery_outcomes.mark_superseded(c, one, "seen", MERGED_AT + 900 * HOUR)
            )
        return titles


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


async def spent_between_its_commits(desk: Desk) -> None:
    """$1.47 between its commits, $0.30 after, and a reading after the merge."""
    await desk.reads("1.00", START - HOUR)
    await desk.reads("2.47", START + 2 * HOUR)
    await desk.reads("2.77", START + 5 * HOUR)
    await desk.reads("2.77", MERGED_AT + MINUTE)


async def test_a_merged_pull_request_is_calculated_and_posted_once(desk: Desk) -> None:
    await spent_between_its_commits(desk)
    assert await desk.take() is HookReceipt.NEW
    await desk.merges.calculate_due(MERGED_AT + 2 * MINUTE)
    await desk.merges.calculate_due(MERGED_AT + 3 * MINUTE)
    assert await desk.cost() == "$1.47"
    assert await desk.posted_titles() == ["PR #812: $1.47 of extra usage (ana, app)"]
    assert await desk.store.read(pull_requests.still_open) == []


async def test_the_same_again_changes_nothing_whatever_its_delivery_is_called(desk: Desk) -> None:
    assert await desk.take() is HookReceipt.NEW
    assert await desk.take(delivery="another") is HookReceipt.KNOWN
    assert await desk.take(merged(813), delivery="d-acme/app#812-c0ffee") is HookReceipt.KNOWN
    assert await desk.store.read(lambda c: pull_requests.numbered(c, 813)) == []


async def test_of_many_deliveries_at_once_one_is_new(desk: Desk) -> None:
    taken = await asyncio.gather(*(desk.take(delivery=f"d{number}") for number in range(6)))
    assert sorted(taken) == sorted([HookReceipt.NEW, *[HookReceipt.KNOWN] * 5])


async def test_a_repository_made_again_counts_from_one_again(desk: Desk) -> None:
    assert await desk.take(merged(1)) is HookReceipt.NEW
    assert await desk.take(merged(1, merge="beef")) is HookReceipt.NEW
    assert len(await desk.store.read(lambda c: pull_requests.numbered(c, 1))) == 2


async def test_whose_author_has_no_seat_and_what_is_elsewhere_is_not_kept(store: Store) -> None:
    desk = Desk(store, repositories=["Acme/web*", "acme/api"])
    assert await desk.take() is HookReceipt.ELSEWHERE
    assert await desk.take(replace(merged(), repo="acme/website")) is HookReceipt.NEW
    assert (
        await desk.take(replace(merged(), repo="acme/api", author="dependabot[bot]")) is HookReceipt.NO_SEAT
    )
    assert [one.pull.merged.name for one in await store.read(pull_requests.still_open)] == [
        "acme/website#812"
    ]


@pytest.mark.parametrize("post_without_cost", [False, True])
async def test_one_that_cost_nothing_is_posted_only_if_asked_for(
    store: Store, *, post_without_cost: bool
) -> None:
    desk = Desk(store, post_without_cost=post_without_cost)
    await desk.reads("1.00", START - HOUR)
    await desk.take()
    await desk.reads("1.00", MERGED_AT)
    await desk.merges.calculate_due(MERGED_AT + MINUTE)
    assert (await desk.cost(), (await desk.bill()).settled) == ("$0.00", True)
    assert len(await desk.posted_titles()) == post_without_cost


async def test_a_late_reading_changes_the_record_until_one_from_its_end_is_there(desk: Desk) -> None:
    await desk.reads("1.00", START - HOUR)
    await desk.take()
    await desk.merges.calculate_due(MERGED_AT)
    assert (await desk.cost(), (await desk.bill()).settled) == ("$0.00", False)
    assert await desk.posted_titles() == []
    await desk.reads("2.47", START + 2 * HOUR)
    await desk.merges.calculate_due(MERGED_AT + MINUTE)
    assert (await desk.cost(), (await desk.bill()).settled) == ("$1.47", False)
    await desk.reads("2.47", START + 4 * HOUR)
    await desk.merges.calculate_due(MERGED_AT + 2 * MINUTE)
    assert (await desk.cost(), (await desk.bill()).settled) == ("$1.47", True)
    assert len(await desk.posted_titles()) == 1


async def test_it_is_reported_after_an_hour_even_if_not_settled_and_goes_on_being_calculated(
    desk: Desk,
) -> None:
    await desk.reads("1.00", START - HOUR)
    await desk.take()
    await desk.merges.calculate_due(MERGED_AT + LONGEST_WAIT - MINUTE)
    assert await desk.posted_titles() == []
    await desk.merges.calculate_due(MERGED_AT + LONGEST_WAIT)
    (event,) = await desk.store.read(lambda c: event_log.read_events(c, MERGED_AT))
    assert event.facts["settled"] is False
    await desk.reads("2.47", START + 2 * HOUR)
    await desk.reads("2.47", MERGED_AT)
    await desk.merges.calculate_due(MERGED_AT + 2 * LONGEST_WAIT)
    assert await desk.cost() == "$1.47"
    assert len(await desk.posted_titles()) == 1
    assert await desk.store.read(pull_requests.still_open) == []


async def test_a_seat_that_is_never_read_is_unknown_and_given_up_in_the_end(desk: Desk) -> None:
    await desk.take()
    await desk.merges.calculate_due(MERGED_AT + LONGEST_WAIT)
    assert await desk.posted_titles() == ["PR #812: unknown (ana, app)"]
    await desk.merges.calculate_due(MERGED_AT + GIVEN_UP)
    assert [one.reported_at for one in await desk.store.read(pull_requests.still_open)] == [
        MERGED_AT + LONGEST_WAIT
    ]


async def test_one_that_overlaps_changes_what_was_reported_of_the_other_and_says_so(desk: Desk) -> None:
    await spent_between_its_commits(desk)
    await desk.take(merged(811))
    await desk.merges.calculate_due(MERGED_AT + 2 * MINUTE)
    assert await desk.cost(811) == "$1.47"
    await desk.take(merged(812), 6)
    await desk.merges.calculate_due(MERGED_AT + 4 * MINUTE)
    assert [await desk.cost(number) for number in (811, 812)] == ["$0.74", "$1.03"]
    assert (await desk.bill(811)).shared == ("acme/app#812",)
    _, second = await desk.store.read(lambda c: event_log.read_events(c, MERGED_AT + MINUTE))
    assert second.facts["shared"] == ["acme/app#811"]
    window = await month_so_far(desk.store, SEATS, SEATS, MERGED_AT + 5 * MINUTE)
    assert [str(amount) for amount in (*window.spent, *window.unmerged)] == ["$1.77", "$0.00"]


async def test_the_shares_stay_exact_when_a_neighbours_neighbour_comes(desk: Desk) -> None:
    """Three in a chain: the first and the last never meet."""
    await desk.reads("0", START - HOUR)
    for hour, used in enumerate(("1.01", "2.02", "3.03", "4.04", "5.05", "6.06")):
        await desk.reads(used, START + hour * HOUR + 30 * MINUTE)
    await desk.reads("6.06", MERGED_AT)
    spans = {1: (0, 2), 2: (1, 4), 3: (3, 6)}
    for number in (1, 3, 2):
        start, end = spans[number]
        commits = Commits(START + start * HOUR, START + end * HOUR)
        await desk.merges.add(merged(number), f"d{number}", MERGED_AT, commits)
        await desk.merges.calculate_due(MERGED_AT + MINUTE)
    amounts = [(await desk.bill(number)).amounts for number in spans]
    cents = [int(amount[0].minor) for amount in amounts if amount]
    assert cents == [152, 202, 252]
    assert sum(cents) == 606


async def test_muted_it_is_in_the_record_alone(store: Store) -> None:
    desk = Desk(store)
    kinds = frozenset(EventKind) - {EventKind.PULL_REQUEST_MERGED}
    desk.ingest.recorder = replace(desk.ingest.recorder, settings=RuleSettings(kinds=kinds))
    await spent_between_its_commits(desk)
    await desk.take()
    await desk.merges.calculate_due(MERGED_AT + MINUTE)
    assert (await desk.cost(), await desk.posted_titles()) == ("$1.47", [])


async def test_where_rows_are_private_the_channel_hears_no_number(store: Store) -> None:
    desk = Desk(store, shown=False)
    await spent_between_its_commits(desk)
    await desk.take()
    await desk.merges.calculate_due(MERGED_AT + MINUTE)
    (event,) = await store.read(lambda c: event_log.read_events(c, MERGED_AT))
    assert {name for name, fact in event.facts.items() if fact is not None} == {"repo", "number", "shown"}
    assert await desk.cost() == "$1.47"  # the record holds it all the same
    claimed = await store.run(
        lambda c: delivery_claims.claim(c, "slack", Claim("w", MERGED_AT + 900 * HOUR, 60)).delivery
    )
    while claimed is not None and not claimed.event.key.startswith("pull:"):
        end = partial(delivery_outcomes.mark_superseded, delivery=claimed, reason="seen")
        await store.run(partial(end, now=MERGED_AT + 900 * HOUR))
        claimed = await store.run(
            lambda c: delivery_claims.claim(c, "slack", Claim("w", MERGED_AT + 900 * HOUR, 60)).delivery
        )
    assert claimed is not None
    message = said(claimed)
    assert message.title == "PR #812 was merged (app)"
    assert message.owner["slack"] == "U1"
    assert not any(mark in str(message) for mark in ("$", "1.47", "09:12"))


async def test_forgetting_a_seat_forgets_its_pull_requests(desk: Desk) -> None:
    await spent_between_its_commits(desk)
    await desk.take()
    await desk.take(merged(813, "bo"))
    await desk.merges.calculate_due(MERGED_AT + MINUTE)
    forgotten = await desk.store.run(lambda c: forgetting.forget(c, "ana"))
    assert forgotten.pull_requests == 1
    assert await desk.store.read(lambda c: pull_requests.numbered(c, 812)) == []
    assert len(await desk.store.read(lambda c: pull_requests.numbered(c, 813))) == 1


async def test_a_seats_new_account_changes_nothing_of_what_was_calculated(desk: Desk) -> None:
    await spent_between_its_commits(desk)
    await desk.take(merged(811))
    await desk.merges.calculate_due(MERGED_AT + 2 * MINUTE)
    await desk.store.run(lambda c: forget_account(c, "ana"))
    other = replace(snapshot("9", MERGED_AT + HOUR, of="ana", account="acc-other"), source="push")
    await desk.ingest.store_snapshots([other], MERGED_AT + HOUR)
    await desk.take(merged(812))
    await desk.merges.calculate_due(MERGED_AT + 2 * HOUR)
    assert (await desk.cost(811), await desk.cost(812)) == ("$1.47", None)


# --- its commits --------------------------------------------------------------------------------------------------


@pytest.fixture
async def github() -> AsyncIterator[SimulatedGitHub]:
    async with SimulatedGitHub() as simulated:
        yield simulated
        simulated.assert_expected_only()


@pytest.fixture
async def asking(store: Store, github: SimulatedGitHub) -> AsyncIterator[Desk]:
    async with HttpClient() as transport:
        yield Desk(store, GitHub(transport, github.url, github.token))


async def test_its_commits_are_asked_for_after_github_has_its_answer(
    asking: Desk, github: SimulatedGitHub
) -> None:
    await spent_between_its_commits(asking)
    github.merge(
        "acme/app", 812, "ana", commits=[START, START + 3 * HOUR], opened_at=START, merged_at=MERGED_AT
    )
    assert await asking.merges.add(merged(), "d1", MERGED_AT) is HookReceipt.NEW
    assert github.requests == []
    await asking.merges.calculate_due(MERGED_AT + MINUTE)
    assert len(github.requests) == 1
    assert (await asking.pull()).commits == Commits(START, START + 3 * HOUR)
    assert await asking.cost() == "$1.47"


async def test_without_a_token_it_counts_from_its_opening_and_says_so(desk: Desk) -> None:
    await spent_between_its_commits(desk)
    await desk.merges.add(merged(), "d1", MERGED_AT)
    await desk.merges.calculate_due(MERGED_AT + MINUTE)
    (event,) = await desk.store.read(lambda c: event_log.read_events(c, MERGED_AT))
    assert event.facts["no_commits"] == NO_TOKEN
    assert await desk.cost() == "$1.77"


async def test_a_failing_github_is_asked_again_later_and_later_and_at_last_done_without(
    asking: Desk, github: SimulatedGitHub
) -> None:
    github.fail_always("commits", refused(502, "Bad Gateway"))
    await asking.merges.add(merged(), "d1", MERGED_AT)
    now = MERGED_AT
    for asked, pause in enumerate(PAUSES, start=1):
        await asking.merges.calculate_due(now)
        await asking.merges.calculate_due(now + pause - timedelta(seconds=1))
        assert len(github.requests) == asked
        now += pause
    await asking.merges.calculate_due(now)
    await asking.merges.calculate_due(now + 99 * HOUR)
    assert len(github.requests) == len(PAUSES) + 1
    assert (await asking.pull()).no_commits == "GitHub answers that it cannot (502)"


async def test_after_a_failure_the_next_answer_counts(asking: Desk, github: SimulatedGitHub) -> None:
    github.merge("acme/app", 812, "ana", commits=[START], opened_at=START, merged_at=MERGED_AT)
    github.fail("commits", refused(500, "Server Error"))
    await asking.merges.add(merged(), "d1", MERGED_AT)
    await asking.merges.calculate_due(MERGED_AT)
    assert not (await asking.pull()).ready
    await asking.merges.calculate_due(MERGED_AT + PAUSES[0])
    assert (await asking.pull()).commits == Commits(START, START)


async def test_a_rate_limit_is_obeyed_by_all_that_wait(asking: Desk, github: SimulatedGitHub) -> None:
    for number in (811, 812):
        github.merge("acme/app", number, "ana", commits=[START], opened_at=START, merged_at=MERGED_AT)
        await asking.merges.add(merged(number), f"d{number}", MERGED_AT)
    github.fail("commits", rate_limited(MERGED_AT + 40 * MINUTE))
    await asking.merges.calculate_due(MERGED_AT)
    await asking.merges.calculate_due(MERGED_AT + 39 * MINUTE)
    assert len(github.requests) == 1
    await asking.merges.calculate_due(MERGED_AT + 41 * MINUTE)
    assert len(github.requests) == 3
    assert [(await asking.pull(number)).ready for number in (811, 812)] == [True, True]


async def test_of_two_workers_one_asks(asking: Desk, github: SimulatedGitHub) -> None:
    github.merge("acme/app", 812, "ana", commits=[START], opened_at=START, merged_at=MERGED_AT)
    await asking.merges.add(merged(), "d1", MERGED_AT)
    await asyncio.gather(*(asking.merges.calculate_due(MERGED_AT + MINUTE) for _ in range(4)))
    assert len(github.requests) == 1
    assert (await asking.pull()).ready


async def test_a_token_that_was_taken_away_leaves_nothing_waiting(
    asking: Desk, store: Store, github: SimulatedGitHub
) -> None:
    await asking.merges.add(merged(), "d1", MERGED_AT)
    await Desk(store).merges.calculate_due(MERGED_AT)
    assert (await asking.pull()).no_commits == NO_TOKEN
    assert github.requests == []


BAD = merged(666, merge="bad")


async def store_bad(desk: Desk, change: Callable[[str], str]) -> None:
    """Stores a pull request, and changes what is stored of it."""
    await desk.take(BAD)
    (stored,) = await desk.store.read(
        lambda c: [*c.scalars(text("select pull from pull_requests where number = 666"))]
    )
    rows = text("update pull_requests set pull = :pull where number = 666")
    await desk.store.run(lambda tx: tx.execute(rows, {"pull": change(stored)}))


async def test_a_pull_request_that_cannot_be_read_is_set_aside_and_the_others_are_reported(
    desk: Desk,
) -> None:
    await store_bad(desk, lambda stored: stored.replace('"merged"', '"merged_by_another_version"'))
    await spent_between_its_commits(desk)
    await desk.take()
    with capture_logs() as logs:
        await desk.merges.calculate_due(MERGED_AT + MINUTE)
    assert len(await desk.posted_titles()) == 1
    (failed,) = await desk.store.read(pull_requests.failed)
    assert (failed.name, failed.received_at) == ("acme/app#666", MERGED_AT)
    assert "ValidationError" in failed.reason
    assert [entry["pull"] for entry in logs if entry["log_level"] == "error"] == ["acme/app#666"]


async def test_a_pull_request_whose_calculation_raises_is_set_aside_and_one_that_shares_with_it_is_reported(
    desk: Desk,
) -> None:
    """Its instants have no time zone, so comparing them with others raises: the failure is its own, not the other's."""
    await spent_between_its_commits(desk)
    await desk.take()
    await desk.merges.calculate_due(MERGED_AT)
    await desk.take(merged(813, merge="good"), delivery="another")
    counters = json.dumps([each._asdict() for each in (await desk.pull()).counters])

    def change(stored: str) -> str:
        with_counters = stored.replace('"counters":[]', f'"counters":{counters}')
        return re.sub(r'(_at":"[^"]*)Z"', r'\1"', with_counters)

    await store_bad(desk, change)
    for tick in range(MOST_TRIES + 1):
        await desk.merges.calculate_due(MERGED_AT + tick * MINUTE)
    assert len(await desk.posted_titles()) == 2
    (failed,) = await desk.store.read(pull_requests.failed)
    assert (failed.name, failed.reason) == ("acme/app#666", "it could not be calculated: TypeError")
    assert await desk.store.run(lambda tx: pull_requests.retry_failed(tx, "acme/app#1")) == 0
    assert await desk.store.run(lambda tx: pull_requests.retry_failed(tx, "acme/app#666")) == 1
    assert await desk.store.read(pull_requests.failed) == []


async def test_a_pull_request_set_aside_before_its_commits_were_read_is_due_again_after_a_retry(
    asking: Desk, github: SimulatedGitHub
) -> None:
    await spent_between_its_commits(asking)
    github.merge(
        "acme/app", 812, "ana", commits=[START, START + 3 * HOUR], opened_at=START, merged_at=MERGED_AT
    )
    await asking.merges.add(merged(), "d1", MERGED_AT)
    key = (await asking.pull()).key
    first = await asking.store.run(lambda tx: pull_requests.set_aside(tx, key, "a bug"))
    again = await asking.store.run(lambda tx: pull_requests.set_aside(tx, key, "a bug"))
    assert (first, again) == (True, False)  # of two workers, one reports it
    await asking.merges.calculate_due(MERGED_AT + MINUTE)
    assert github.requests == []
    await asking.store.run(pull_requests.retry_failed)
    await asking.merges.calculate_due(MERGED_AT + MINUTE)
    assert await asking.cost() == "$1.47"


async def test_what_is_stored_of_a_seat_is_deleted_even_where_it_cannot_be_read(desk: Desk) -> None:
    await store_bad(desk, lambda stored: stored.replace('"merged"', '"merged_by_another_version"'))
    gone = await desk.store.run(lambda tx: forgetting.forget(tx, "ana"))
    assert gone.pull_requests == 1
