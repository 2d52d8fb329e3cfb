"""A Claude Code seat over hours, with failures of the service; poller, ingest, store and client are real."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.clock import ManualClock
from meterbot.core.models import EventKind, Health, Seat, SourceState
from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from meterbot.ingest.ingest import Ingest
from meterbot.ingest.poller import Poller
from meterbot.ingest.recording import Recorder
from meterbot.rules.settings import RuleSettings
from meterbot.sources.claude_code import ClaudeCodeSource, SignIn
from meterbot.sources.claude_login import Login
from meterbot.sources.http_client import HttpClient
from meterbot.store import Store, counter_states, event_log, source_states
from tests.properties import examples
from tests.simulator.anthropic_api import AnthropicApi, Asked, rate_limited, scope_missing, token_invalid
from tests.simulator.server import Reply, error
from tests.sources.signed_in import ACCOUNT, OTHER_ACCOUNT, OTHER_TOKEN, REMEDY, TOKEN
from tests.store.examples import emptied

NOW = datetime(2026, 4, 15, 10, tzinfo=UTC)
RUNGS = (300.0, 900.0, 1800.0, 3600.0)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class House:
    """A bot's reading side with one seat, whose clock jumps from one deadline to the next."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = ManualClock(NOW)
        self.server = AnthropicApi(self.clock.now)
        self.login = Login(TOKEN)

    async def __aenter__(self) -> Self:
        await self.server.__aenter__()
        self.transport = HttpClient()
        self.account = self.server.sign_in(TOKEN, account=ACCOUNT)
        self.restart()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.poller.close()
        await self.transport.__aexit__()
        await self.server.__aexit__()
        self.server.assert_expected_only()

    def restart(self) -> None:
        """Afterwards only stored values are known."""
        seats = {"ana": Seat("ana", "claude_code", interval=900)}
        sign_in = SignIn(lambda: self.login, REMEDY)
        source = ClaudeCodeSource(seats["ana"], sign_in, self.transport, self.server.url)
        ingest = Ingest(self.store, Recorder(seats, [], RuleSettings()), lambda: None)
        dice = random.Random(len(self.server.requests))  # noqa: S311 - jitter, not a secret
        self.poller = Poller({"ana": source}, seats, ingest, self.store, self.clock, worker="w1", rng=dice)

    async def state(self) -> SourceState:
        return (await self.store.read(source_states.read_sources)).get("ana") or SourceState("ana")

    async def tick(self) -> None:
        await self.poller.tick(self.clock.now())
        await self.poller.drain()

    async def read(self) -> SourceState:
        """Goes on to the next reading, looking a second before it whether it comes too early."""
        await self.tick()
        due = (await self.state()).next_due
        if due is not None and due > self.clock.now():
            self.clock.set(max(self.clock.now(), due - timedelta(seconds=1)))
            await self.tick()
        before = len(self.server.requests)
        while len(self.server.requests) == before and self.clock.now() < NOW + timedelta(days=30):
            self.clock.advance(timedelta(seconds=1))
            await self.tick()
            if (await self.state()).next_due != due:
                break  # read, though nothing was asked for
        return await self.state()

    def usage(self) -> list[Asked]:
        return [asked for asked in self.server.requests if asked.route == "usage"]


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


async def test_an_undisturbed_seat_stays_far_below_the_budget(store: Store) -> None:
    async with House(store) as house:
        for _ in range(12):
            assert (await house.read()).health is Health.OK
        gaps = _gaps(house.usage())
    assert all(12 * MINUTE <= gap <= 18 * MINUTE + timedelta(seconds=2) for gap in gaps)


async def test_429s_climb_the_ladder_across_restarts_and_one_answer_comes_down(store: Store) -> None:
    async with House(store) as house:
        await house.read()
        used = (await store.read(counter_states.read_latest))[0].known.snapshot.extra_usage
        house.server.fail_always("usage", rate_limited("0"))
        for failures in range(1, 6):
            state = await house.read()
            assert (state.health, state.failures) == (Health.RATE_LIMITED, failures)
            house.restart()
        assert (await store.read(counter_states.read_latest))[0].known.snapshot.extra_usage == used
        house.server.heal()
        assert (await house.read()).failures == 0
        house.server.fail_always("usage", rate_limited("0"))
        await house.read()
        await house.read()
        gaps = [gap.total_seconds() for gap in _gaps(house.usage())]
    rungs = [None, 300, 900, 1800, 3600, 3600, None, 300]
    assert len(gaps) == len(rungs)
    assert all(rung is None or rung <= gap <= rung + 302 for rung, gap in zip(rungs, gaps, strict=True))


async def test_an_expired_token_is_one_request_and_no_storm_until_claude_ran(store: Store) -> None:
    async with House(store) as house:
        await house.read()
        house.login = Login(TOKEN, expires_at=house.clock.now() + MINUTE)
        for _ in range(6):
            assert (await house.read()).health is Health.SESSION_EXPIRED
        assert len(house.usage()) == 1
        house.login = Login(TOKEN, expires_at=house.clock.now() + 8 * HOUR)
        assert (await house.read()).health is Health.OK


async def test_a_token_that_may_not_read_is_reported_once_and_asked_ever_more_rarely(store: Store) -> None:
    async with House(store) as house:
        house.account.scopes = ("user:inference",)
        for _ in range(7):
            state = await house.read()
            assert state.health is Health.REFUSED
        gaps = _gaps(house.server.requests)
        kinds = [event.kind for event in await store.read(lambda c: event_log.read_events(c, NOW, 100))]
    assert gaps[-1] >= 6 * HOUR
    assert kinds == [EventKind.SOURCE_DOWN]
    assert {asked.route for asked in house.server.requests} == {"profile"}


async def test_a_switched_account_is_an_event_and_its_own_counter(store: Store) -> None:
    async with House(store) as house:
        await house.read()
        house.server.sign_in(OTHER_TOKEN, account=OTHER_ACCOUNT, organization=SimulatedOrganization(ACCOUNT))
        house.login = Login(OTHER_TOKEN)
        await house.read()
        assert [row.counter.account for row in await store.read(counter_states.read_latest)] == [
            OTHER_ACCOUNT
        ]
        assert EventKind.IDENTITY_CHANGED in {
            event.kind for event in await store.read(lambda c: event_log.read_events(c, NOW, 100))
        }


_moods = st.one_of(
    st.just(None),
    st.sampled_from(["0", "120", "1007", "3600", "40000", None]).map(rate_limited),
    st.sampled_from(
        [
            token_invalid(),
            scope_missing(),
            error(529, "overloaded_error"),
            Reply(drop=True),
            Reply(body={"five_hour": True}),
        ]
    ),
)


@examples(12)
@given(st.lists(st.tuples(_moods, st.booleans(), st.booleans()), min_size=4, max_size=14))
async def test_no_request_comes_inside_a_back_off_and_few_in_any_hour(
    store: Store, course: list[tuple[Reply | None, bool, bool]]
) -> None:
    """Each step: how usage is answered, whether the bot restarts before, whether another token came."""
    async with House(await emptied(store)) as house:
        barred = NOW
        failures = 0
        for place, (mood, restarted, renewed) in enumerate(course):
            if restarted:
                house.restart()
            if renewed:
                house.account.token = f"{TOKEN}{place}"
                house.login = Login(house.account.token)
            house.server.heal()
            if mood is not None:
                house.server.fail_always("usage", mood)
            asked = len(house.usage())
            state = await house.read()
            new = house.usage()[asked:]
            assert new
            assert all(one.at is not None and one.at >= barred for one in new)
            barred = house.clock.now()
            if state.health is Health.RATE_LIMITED:
                assert mood is not None
                wait = float(dict(mood.headers).get("retry-after", 0))
                barred += timedelta(seconds=min(max(RUNGS[min(failures, 3)], wait), 6 * 3600))
            failures = state.failures
        _assert_few(house.usage())


def _gaps(requests: list[Asked]) -> list[timedelta]:
    times = [asked.at for asked in requests if asked.at is not None]
    return [later - sooner for sooner, later in pairwise(times)]


def _assert_few(requests: list[Asked]) -> None:
    """A connection that broke is tried twice, which is the client library's doing."""
    times = [asked.at for asked in requests if asked.at is not None]
    for start in times:
        assert sum(start <= at < start + timedelta(seconds=300) for at in times) <= 5
        assert sum(start <= at < start + HOUR for at in times) <= 12
