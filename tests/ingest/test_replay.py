from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import (
    Counter,
    Event,
    EventKind,
    ExtraUsage,
    Health,
    Sample,
    Seat,
    Severity,
    Snapshot,
)
from meterbot.core.money import Money
from meterbot.delivery.seat_settings import SeatSettings, dump
from meterbot.ingest.changes import Changes
from meterbot.ingest.replay import (
    REPRODUCED,
    Replay,
    _Past,
    as_json,
    as_text,
    replay,
    replayed,
)
from meterbot.rules.hours import hour_of, hours_of
from meterbot.rules.memory import seat_settings_name
from meterbot.rules.settings import Budget, RuleSettings, parse_threshold

NOON = datetime(2026, 4, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
COUNTER = Counter("account", "org")
SEATS = {COUNTER: Seat("ana", "claude_ai")}


def usd(amount: float | str | Decimal) -> Money:
    return Money(Decimal(str(amount)) * 100, "USD", 2)


def sample(hour: float, used: str | float, cap: str | None = "50", *, blocked: bool = False) -> Sample:
    return Sample(
        NOON + hour * HOUR,
        COUNTER,
        usd(used),
        None if cap is None else usd(cap),
        blocked,
    )


def rules(*levels: str) -> RuleSettings:
    return RuleSettings(thresholds=tuple(map(parse_threshold, levels)))


def played(
    *samples: Sample,
    fired: tuple[Event, ...] = (),
    settings: RuleSettings | None = None,
    since: datetime = NOON - HOUR,
) -> Replay:
    chosen = settings or rules("80%")
    return replay(samples, SEATS, fired, chosen, since=since, until=NOON + 999 * HOUR)


def kinds(events: list[Event]) -> list[str]:
    return [f"{event.kind.value} {event.level or ''}".strip() for event in events]


def test_other_levels_tell_other_things() -> None:
    history = [sample(0, 0), sample(1, 20), sample(2, 45)]
    assert kinds(replayed(history, SEATS, rules("80%"))) == ["spend_started", "threshold_crossed 80%"]
    assert kinds(replayed(history, SEATS, rules("10%", "90%"))) == [
        "spend_started",
        "threshold_crossed 10%",
        "threshold_crossed 90%",
    ]


def test_a_block_its_end_and_the_months_end_are_in_the_history() -> None:
    history = [
        sample(0, 0),
        sample(1, 20),
        sample(2, 20, blocked=True),
        sample(3, 20),
        sample(24 * 20, 1),
    ]
    assert kinds(replayed(history, SEATS, rules())) == [
        "spend_started",
        "seat_blocked",
        "seat_unblocked",
        "period_closed",
        "spend_started",
    ]


def test_who_was_over_the_cap_and_not_blocked_is_not_blocked() -> None:
    assert "seat_blocked" not in kinds(replayed([sample(0, 0), sample(1, 60)], SEATS, rules()))


def test_what_is_heading_past_the_cap_is_found_again() -> None:
    history = [sample(hour, hour) for hour in range(14)]
    assert kinds(replayed(history, SEATS, rules())).count("cap_forecast") == 1


def test_a_budget_is_the_sum_of_all_counters() -> None:
    other = Counter("other", "org")
    history = [sample(0, 0), sample(1, 20), sample(2, 40), replace(sample(3, 45), counter=other)]
    team = replace(rules(), budgets=(Budget(usd(100)),))
    replayed_events = replayed(history, {**SEATS, other: Seat("bo", "claude_ai")}, team)
    assert "budget_crossed 80%" in kinds(replayed_events)
    assert "budget_crossed 80%" not in kinds(replayed(history, SEATS, team))


def test_what_the_database_reported_is_beside_what_the_same_rules_report() -> None:
    history = [sample(0, 0), sample(1, 20), sample(2, 45)]
    fired = tuple(replayed(history, SEATS, rules("80%")))
    assert all(row.fired and row.replayed for row in played(*history, fired=fired).rows)
    other = played(*history, fired=fired, settings=rules("30%"))
    found = [(row.event.level, row.replayed is not None, row.fired is not None) for row in other.rows]
    assert found == [(None, True, True), ("30%", True, False), ("80%", False, True)]


def test_the_same_event_of_a_nearby_reading_is_one_row() -> None:
    history = [sample(0, 0), sample(1, 20), sample(2, 20, blocked=True)]
    (block,) = [one for one in replayed(history, SEATS, rules()) if one.kind is EventKind.SEAT_BLOCKED]
    near = replace(block, key="seat_blocked:another", at=block.at + HOUR)
    far = replace(block, key="seat_blocked:far", at=block.at + 30 * HOUR)
    rows = [
        row for row in played(*history, fired=(near, far)).rows if row.event.kind is EventKind.SEAT_BLOCKED
    ]
    assert [(row.replayed is not None, row.fired) for row in rows] == [(True, near), (False, far)]


def test_the_days_before_the_first_one_shown_only_warm_up() -> None:
    history = [sample(0, 0), sample(1, 20), sample(48, 45)]
    found = played(*history, since=NOON + 24 * HOUR)
    assert [row.event.kind for row in found.rows] == [EventKind.THRESHOLD_CROSSED]
    assert found.known_since is None
    assert played(*history, since=NOON - HOUR).known_since == NOON


def event(kind: EventKind, seat: str | None = "ana") -> Event:
    return Event(f"{kind.value}:1", kind, NOON + HOUR, Severity.INFO, "because", seat=seat)


def test_what_cannot_be_replayed_is_counted() -> None:
    fired = (
        event(EventKind.WINDOW_FULL),
        replace(event(EventKind.WINDOW_FULL), key="b"),
        event(EventKind.PERIOD_CLOSED, None),
    )
    found = played(sample(0, 0), fired=fired)
    assert found.rows == ()
    assert found.elsewhere == {EventKind.WINDOW_FULL: 2, EventKind.PERIOD_CLOSED: 1}
    assert "period_closed (1), window_full (2)" in as_text(found, UTC)


def test_the_table_and_the_document_say_the_same() -> None:
    history = [sample(0, 0), sample(1, 20)]
    fired = (replace(event(EventKind.SPEND_SPIKE), muted_by="mute:1"),)
    found = played(*history, fired=fired)
    text = as_text(found, UTC).splitlines()
    assert text[0].split() == ["when", "seat", "event", "these", "rules", "posted", "then"]
    assert text[1].split() == ["Wed", "Apr", "15", "13:00", "ana", "spend_spike", "–", "muted"] or (
        text[1].split()[-2:] == ["yes", "–"]
    )
    assert "0 as sent then, 1 new, 1 not sent by these rules." in text
    document = as_json(found)
    events = document["events"]
    assert isinstance(events, list)
    assert {(one["kind"], one["replayed"], one["fired"], one["fired_muted"]) for one in events} == {
        ("spend_started", True, False, False),
        ("spend_spike", False, True, True),
    }


def test_where_nothing_happens_a_sentence_says_so() -> None:
    assert as_text(played(sample(0, 0)), UTC).startswith("These rules send no alerts")


STEPS = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 1500), st.sampled_from(["40", "50", "90"])),
    min_size=1,
    max_size=40,
)


@given(steps=STEPS)
def test_the_recorded_history_tells_again_what_its_readings_told(steps: list[tuple[int, int, str]]) -> None:
    """The readings of a month, with the history that `ingest` keeps of them: the same rules give the same events."""
    settings, seat = rules("50%", "80%"), SEATS[COUNTER]
    fold, history, at, cents = Changes(settings, memories={}), list[Sample](), NOON, 0
    for hours, more, cap in steps:
        at, cents = at + hours * HOUR, cents + more
        extra = ExtraUsage(enabled=True, used=usd(Decimal(cents) / 100), cap=usd(cap), currency="USD")
        shot = Snapshot(
            "ana", "claude_ai", at, Health.OK, account_uuid="account", org_uuid="org", extra_usage=extra,
            extra_usage_read=True,
        )  # fmt: skip
        fold.risen.clear()
        fold.apply(seat, [shot], at)
        history = fold.samples
        if fold.risen:
            fold.watch_pace(COUNTER, history, hours_of(history, history[0].at - HOUR), at)
    replayed_events = [one for one in fold.events if one.kind in REPRODUCED]
    assert [one.key for one in replayed(list(history), SEATS, settings)] == [
        one.key for one in replayed_events
    ]


def test_what_an_owner_has_set_holds_here_too() -> None:
    memories = {seat_settings_name("ana"): dump(SeatSettings(thresholds=(parse_threshold("30%"),)))}
    replayed_events = replayed([sample(0, 0), sample(1, 20), sample(2, 45)], SEATS, rules("80%"), memories)
    assert kinds(replayed_events) == ["spend_started", "threshold_crossed 30%"]


@given(st.lists(st.tuples(st.integers(1, 90), st.integers(0, 400)), min_size=2, max_size=60))
def test_hours_that_are_made_one_by_one_are_those_of_the_whole(steps: list[tuple[int, int]]) -> None:
    past, minutes, cents = _Past(), 0, 0
    for wait, rise in steps:
        minutes, cents = minutes + wait, cents + rise
        past.add(sample(minutes / 60, cents / 100))
    whole = hours_of(past.samples, past.samples[0].at - 2 * HOUR)
    start = past.ats[-1] - 10 * HOUR
    held = past.hours(start)
    assert held == whole[-len(held) :]
    assert held[0].at <= hour_of(start) or held == whole


def test_it_says_how_far_it_is() -> None:
    said: list[tuple[int, int]] = []
    history = [sample(number, number / 100) for number in range(1500)]
    replayed(history, SEATS, rules("80%"), progress=lambda number, of: said.append((number, of)))
    assert said == [(0, 1500), (1000, 1500)]
