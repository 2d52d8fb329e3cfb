"""What the package's docstring promises of the facts, the events keep."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from meterbot import rules
from meterbot.commands.digest import DigestReader, Schedule, digest_event
from meterbot.core.deliveries import Destination, DestinationTrouble
from meterbot.core.models import (
    Balance,
    Counter,
    Event,
    EventKind,
    Health,
    ReasonClass,
    Seat,
    SessionEnd,
    SourceState,
)
from meterbot.rules.destinations import watch_destinations
from meterbot.rules.memory import DestinationMemory, SourceMemory, TeamMemory
from meterbot.rules.pull_requests import Merged, PullRequest, merged_event
from meterbot.rules.settings import Budget, RuleSettings
from meterbot.rules.source_rules import watch_identity, watch_session, watch_source
from meterbot.rules.thresholds import TeamShare, watch_team
from tests.rules.builders import (
    HOUR,
    MINUTE,
    NOON,
    Paced,
    Watch,
    extra,
    snapshot,
    subscription,
    usd,
    window,
)


def documented() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", rules.__doc__ or "", re.MULTILINE)
    cells = {kind: re.sub(r"\(.*?\)|: list of \{.*?\}", "", facts) for kind, facts in rows}
    return {kind: {name.strip() for name in facts.split(",")} for kind, facts in cells.items()}


def one_of_each() -> list[Event]:
    watch = Watch(RuleSettings(kinds=frozenset(EventKind)))
    seen = [
        snapshot(
            NOON, metered=extra("0", balance=Balance(usd("3"))), windows=(window(),), billing=subscription()
        ),
        snapshot(NOON + MINUTE, metered=extra("30"), windows=(window(),)),
        snapshot(NOON + HOUR, metered=extra("50"), windows=(window("100"),)),
        snapshot(NOON + HOUR + MINUTE, windows=(window("100", NOON + HOUR + MINUTE),)),
        snapshot(NOON + HOUR + 2 * MINUTE, windows=(window("0"),)),
        snapshot(NOON + 2 * HOUR, metered=extra("50", "90"), billing=subscription(status="past_due")),
        snapshot(NOON + 3 * HOUR, metered=extra("50", "90", enabled=False, reason_class=ReasonClass.ADMIN)),
        snapshot(
            datetime(2026, 5, 9, 12, tzinfo=UTC), metered=extra("1"), billing=subscription(date(2026, 5, 10))
        ),
    ]
    for one in seen:
        watch.see(one)
    memory, events = SourceMemory(), list(watch.events)
    for minute, health in [(0, Health.REFUSED), (40, Health.REFUSED), (41, Health.OK)]:
        state = SourceState("ana", health, NOON)
        now = NOON + timedelta(minutes=minute)
        memory, new = watch_source(memory, state, Seat("ana", "push"), watch.settings, now)
        events += new
    for account in ("a", "b"):
        other = snapshot(NOON + MINUTE, account_uuid=account)
        memory, new = watch_identity(memory, other, watch.settings, NOON)
        events += new
    memory, new = watch_session(
        memory, SessionEnd(NOON + timedelta(days=2)), Seat("ana", "claude_ai"), watch.settings, NOON
    )
    events += new
    pull = PullRequest(Merged("acme/app", 1, "c0ffee", "ana", NOON, NOON), ("ana",))
    events.append(merged_event(pull, NOON, shown=True))
    reader = DigestReader(Destination("slack", "C1"), Schedule())
    events.append(digest_event(reader, NOON.date(), NOON))
    troubled = {Destination("slack", "C1"): DestinationTrouble("not_in_channel", NOON, refused=True)}
    down, fell = watch_destinations(DestinationMemory(), troubled, watch.settings, NOON + HOUR)
    events += [*fell, *watch_destinations(down, {}, watch.settings, NOON + HOUR)[1]]
    events += paced(watch.settings)
    budgets = RuleSettings(budgets=(Budget(usd("1")),))
    reading = TeamShare(Counter("acc", "org"), usd("1"), "2026-04", complete=True)
    return [*events, *watch_team(TeamMemory(), [reading], budgets, NOON)[1]]


def paced(settings: RuleSettings) -> list[Event]:
    everything = replace(settings, kinds=frozenset(EventKind))
    seen = Paced(everything)
    for hour in range(12):
        seen.uses(f"{hour}.00", NOON - timedelta(hours=24 - hour))
    for minute in range(0, 60, 15):
        seen.uses(f"{20 + minute}", NOON + timedelta(minutes=minute), "900")
    return [event for event in seen.found if event.kind in {EventKind.CAP_FORECAST, EventKind.SPEND_SPIKE}]


HAVE_CHANGES = {EventKind.METERING_CHANGED, EventKind.SUBSCRIPTION_CHANGED}


def test_every_kind_of_event_has_the_facts_that_are_documented() -> None:
    events = one_of_each()
    # A notice is a direct message, such as an invitation: no rule makes it.
    assert {event.kind for event in events} == set(EventKind) - {EventKind.NOTICE}
    for event in events:
        joined = set() if event.kind in HAVE_CHANGES else {"changes"}
        facts = set(event.facts) - {"readings", "plan"} - joined
        assert (event.kind, facts) == (event.kind, documented()[event.kind.value])


def test_every_event_of_a_counter_names_the_readings_that_were_compared() -> None:
    for event in one_of_each():
        if event.counter is None or event.kind is EventKind.IDENTITY_CHANGED:
            continue
        readings = event.facts["readings"]
        assert isinstance(readings, list)
        assert readings
        assert all(set(reading) == {"at", "used"} for reading in readings)
        assert "plan" in event.facts


def test_every_event_says_what_was_compared() -> None:
    assert all(event.reason for event in one_of_each())
