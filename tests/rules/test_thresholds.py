from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.deliveries import Destination
from meterbot.core.models import Counter, Event, EventKind, Seat
from meterbot.core.money import Money, show
from meterbot.delivery.alerts.message import alert
from meterbot.delivery.redaction import Redaction
from meterbot.delivery.routing import topic_of
from meterbot.rules.fact_json import fact_money
from meterbot.rules.memory import CounterMemory, TeamMemory, dump, load
from meterbot.rules.settings import DEFAULT_THRESHOLDS, Budget, RuleSettings, parse_threshold
from meterbot.rules.thresholds import TeamShare, levels_for, team_share, watch_team
from tests.rules.builders import HOUR, NOON, eur, usd
from tests.sources.administered import administering
from tests.wire.played import Ingested


@pytest.mark.parametrize(
    ("used", "levels"),
    [
        (Money(Decimal(2600), "USD", 2), ["$25.00", "$50.00", "$100.00"]),
        (Money(Decimal(260_000), "USD", 4), ["$25.00", "$50.00", "$100.00"]),
        (Money(Decimal(31_000), "EUR", 2), ["€25.00", "€50.00", "€100.00", "€300.00"]),
        (Money(Decimal(2600), "JPY", 0), ["¥2500", "¥5000", "¥10000"]),
        (Money(Decimal(31_000), "JPY", 0), ["¥2500", "¥5000", "¥10000", "¥30000"]),
        (Money(Decimal(26_000), "KWD", 3), ["KWD 25.000", "KWD 50.000", "KWD 100.000"]),
        (Money(Decimal(310_000), "KWD", 3), ["KWD 25.000", "KWD 50.000", "KWD 100.000", "KWD 300.000"]),
    ],
)
def test_a_seat_without_a_cap_has_levels_in_its_own_currency(used: Money, levels: list[str]) -> None:
    found = [step.amount for step in levels_for(DEFAULT_THRESHOLDS, used, "none") if step.default]
    assert [show(amount) for amount in found if amount is not None] == levels


# --- the team's budgets ---------------------------------------------------------------------------------------------


SETTINGS = RuleSettings(budgets=(Budget(usd("100")),))


def reading(
    used: str | Money | None, who: str = "a", *, month: str = "2026-04", complete: bool = True
) -> TeamShare:
    return TeamShare(Counter(who, "org"), usd(used) if isinstance(used, str) else used, month, complete)


class Team:
    def __init__(self, settings: RuleSettings = SETTINGS) -> None:
        self.settings = settings
        self.memory = TeamMemory()
        self.now = NOON

    def sees(self, *readings: TeamShare, at: datetime | None = None) -> list[Event]:
        self.now = at or self.now + HOUR
        memory, events = watch_team(self.memory, readings, self.settings, self.now)
        self.memory = load(TeamMemory, dump(memory))
        assert self.memory == memory
        return list(events)


def test_the_sum_of_all_seats_crosses_a_level_once() -> None:
    team = Team()
    assert team.sees(reading("40", "a"), reading("39", "b")) == []
    [event] = team.sees(reading("40", "a"), reading("40", "b"))
    assert (event.level, event.seat, event.initial) == ("80%", None, False)
    assert fact_money(event.facts["used"]) == usd("80")
    assert team.sees(reading("41", "a"), reading("40", "b")) == []


def test_several_levels_make_one_event() -> None:
    team = Team()
    team.sees(reading("1"))
    [event] = team.sees(reading("120"))
    assert (event.level, event.facts["also"]) == ("100%", ["80%"])


def test_what_is_crossed_at_first_sight_is_reported_as_a_state() -> None:
    [event] = Team().sees(reading("85"))
    assert event.initial


def test_a_counter_counts_once() -> None:
    assert Team().sees(reading("50", "a"), reading("50", "a")) == []


def test_currencies_are_not_added_up() -> None:
    assert Team().sees(reading("50", "a"), reading(eur("50"), "b")) == []


def test_an_incomplete_sum_may_cross_but_not_re_arm() -> None:
    team = Team()
    assert len(team.sees(reading("85", "a"), reading(None, "b", complete=False))) == 1
    team.sees(reading(None, "a", complete=False), reading("10", "b"))
    assert team.sees(reading("85", "a"), reading("10", "b")) == []


def test_a_complete_sum_below_the_level_re_arms_it_under_another_key() -> None:
    team = Team()
    first = team.sees(reading("85"))
    assert team.sees(reading("70")) == []
    again = team.sees(reading("85"))
    assert [event.level for event in first + again] == ["80%", "80%"]
    assert first[0].key != again[0].key


def test_a_level_reached_minutes_before_midnight_is_reported_for_the_month_that_ends() -> None:
    team = Team()
    assert team.sees(reading("10")) == []
    [event] = team.sees(reading("85"), at=datetime(2026, 4, 30, 23, 57, tzinfo=UTC))
    assert event.facts["period"] == "2026-04"


def test_last_months_amounts_do_not_count_and_the_new_month_starts_afresh() -> None:
    team = Team()
    may = datetime(2026, 5, 1, 0, 1, tzinfo=UTC)
    assert len(team.sees(reading("85"))) == 1
    assert team.sees(reading("85"), at=may) == []
    [event] = team.sees(reading("85", month="2026-05"), at=may + timedelta(days=9))
    assert event.facts["period"] == "2026-05"


def test_amounts_are_levels_of_a_budget_too() -> None:
    level = parse_threshold("$30.00")
    team = Team(RuleSettings(budgets=(Budget(usd("100"), (level,)),)))
    assert [event.level for event in team.sees(reading("30"))] == ["30.00 USD"]


def test_a_counter_that_is_not_metered_adds_nothing_and_leaves_the_sum_complete() -> None:
    unmetered = CounterMemory(metering="unmetered", period="2026-04")
    assert team_share(Counter("a", "org"), unmetered, fresh=True).complete
    assert not team_share(Counter("a", "org"), CounterMemory(), fresh=True).complete
    assert not team_share(Counter("a", "org"), unmetered, fresh=False).complete
    second = CounterMemory(used=usd("1"), period="2026-04.2")
    assert team_share(Counter("a", "org"), second, fresh=True).month == "2026-04"


def test_a_seat_that_is_not_metered_this_month_leaves_the_sum_of_the_others_complete() -> None:
    never = CounterMemory(metering="unmetered")
    since = CounterMemory(metering="unmetered", used=usd("30"), period="2026-03")
    idle = [team_share(Counter(who, "org"), seen, fresh=True) for who, seen in (("b", never), ("c", since))]
    [event] = Team().sees(reading("90"), *idle)
    assert (event.facts["complete"], fact_money(event.facts["used"])) == (True, usd("90"))


amounts = st.integers(0, 60)
seats = st.lists(st.tuples(amounts, st.booleans()), min_size=1, max_size=4)


@given(st.lists(seats, max_size=20))
def test_an_alert_comes_exactly_when_the_sum_newly_reaches_a_level(
    stream: list[list[tuple[int, bool]]],
) -> None:
    team, levels, keys = Team(), set[int](), list[str]()
    for ticks in stream:
        total = sum(used for used, _ in ticks)
        if all(complete for _, complete in ticks):
            levels &= {level for level in (80, 100) if total >= level}
        new = {level for level in (80, 100) if total >= level} - levels
        levels |= new
        readings = [
            TeamShare(Counter(str(i), "org"), Money(Decimal(used * 100), "USD", 2), "2026-04", complete)
            for i, (used, complete) in enumerate(ticks)
        ]
        events = team.sees(*readings)
        assert [event.level for event in events] == ([f"{max(new)}%"] if new else [])
        keys += [event.key for event in events]
    assert len(keys) == len(set(keys))


# --- the limits of an API organization's members --------------------------------------------------------------------


CROSSED = EventKind.THRESHOLD_CROSSED
IN_NOVEMBER = datetime(2026, 11, 12, 12, tzinfo=UTC)
DAY = timedelta(days=1)
API_SEAT = Seat("api", "admin_api")
MEMBER_SETTINGS = RuleSettings(thresholds=tuple(map(parse_threshold, ["50%", "80%", "$25.00"])))


async def crossed(*readings: tuple[datetime, Sequence[tuple[str, str | None, str]]]) -> list[list[Event]]:
    """The alerts of each reading. A reading: who, their limit, what they spent."""
    ingested = Ingested(API_SEAT, MEMBER_SETTINGS)
    found, keys = [], set[str]()
    async with administering() as admin:
        for at, people in readings:
            admin.server.limits = None
            for who, limit, spent in people:
                admin.server.limit(f"{who}@example.com", limit, spent, user=f"user_{who}")
            events = ingested.read(await admin.read(at), at)
            # The event log takes a key once.
            found.append([event for event in events if event.kind is CROSSED and event.key not in keys])
            keys |= {event.key for event in events}
    return found


def levels_of(found: list[list[Event]]) -> list[list[str | None]]:
    return [[event.level for event in events] for events in found]


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([("5000", "2400"), ("5000", "2500"), ("5000", "2600")], [[], ["50%"], []]),
        ([("5000", "100"), ("5000", "4000"), ("5000", "4900")], [[], ["80%"], []]),
        ([("5000", "2600"), ("10000", "2600"), ("10000", "5000")], [["50%"], [], ["50%"]]),
        ([("5000", "2600"), ("5000", "0"), ("5000", "2700")], [["50%"], [], []]),
        ([(None, "9000"), ("0", "9000"), (None, "9900")], [[], [], []]),
        ([("5000", "4100"), ("6000", "4100"), ("5000", "4100")], [["80%"], [], []]),
    ],
    ids=["once", "the highest", "raised", "an amount that is not known", "no limit", "lowered again"],
)
async def test_each_level_of_a_members_limit_is_reported_once(
    readings: list[tuple[str | None, str]], expected: list[list[str]]
) -> None:
    series = [
        (IN_NOVEMBER + number * DAY, [("ana", limit, spent)])
        for number, (limit, spent) in enumerate(readings)
    ]
    assert levels_of(await crossed(*series)) == expected


async def test_a_new_month_reports_its_levels_again_and_not_from_the_amount_of_the_last() -> None:
    first = datetime(2026, 12, 1, 1, tzinfo=UTC)
    person = [("ana", "5000", "2600")]
    found = await crossed(
        (IN_NOVEMBER, person), (first, person), (first + timedelta(hours=8), [("ana", "5000", "2500")])
    )
    assert levels_of(found) == [["50%"], [], ["50%"]]


async def test_every_member_has_an_alert_and_a_message_of_their_own() -> None:
    ((one, other),) = await crossed((IN_NOVEMBER, [("ana", "5000", "2600"), ("bo", "5000", "4100")]))
    assert (one.level, other.level) == ("50%", "80%")
    assert topic_of(one) != topic_of(other)
    message = alert(other, API_SEAT, UTC)
    assert message.title == "bo@example.com (api) is at 82% of the cap: $41.00 of $50.00"
    assert "owner or admin" in message.text
    redacted = Redaction(rows="anonymous").redact_event(other, {"api": API_SEAT}, Destination("slack", "C1"))
    assert not {"member", "member_name"} & set(redacted.facts)
