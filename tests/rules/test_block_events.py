from datetime import UTC, datetime, timedelta

import pytest

from meterbot.core.models import EventKind, ReasonClass, Snapshot
from meterbot.rules.settings import RuleSettings
from tests.rules.builders import (
    HOUR,
    NOON,
    Watch,
    extra,
    kinds,
    only,
    snapshot,
    window,
)

BLOCKED, UNBLOCKED = EventKind.SEAT_BLOCKED, EventKind.SEAT_UNBLOCKED
CHANGED, FULL, CROSSED = EventKind.METERING_CHANGED, EventKind.WINDOW_FULL, EventKind.THRESHOLD_CROSSED


def test_a_block_is_reported_once_and_its_end_resolves_it() -> None:
    watch = Watch()
    watch.uses("10")
    blocked = only(watch.uses("50"), BLOCKED)
    assert (blocked.facts["why"], blocked.initial) == ("cap", False)
    assert watch.uses("51") == []
    assert only(watch.uses("51", "100"), UNBLOCKED).resolves == blocked.key


def test_a_second_block_has_a_key_of_its_own() -> None:
    watch = Watch()
    for used, cap in [("10", "50"), ("50", "50"), ("50", "100"), ("100", "100")]:
        watch.uses(used, cap)
    keys = [event.key for event in watch.events if event.kind is BLOCKED]
    assert len(set(keys)) == len(keys) == 2


def test_a_block_at_first_sight_is_reported_as_a_state() -> None:
    assert only(Watch().uses("62.30", "60"), BLOCKED).initial


def test_a_captured_seat_over_its_own_cap_is_blocked_though_its_credits_are_not_out() -> None:
    until = NOON + 10 * HOUR
    event = only(
        Watch().uses(
            "62.30",
            "60",
            out_of_credits=False,
            reason="self_selected_spend_limit_reached",
            reason_class=ReasonClass.CAP,
            disabled_until=until,
        ),
        BLOCKED,
    )
    assert event.facts["until"] == "2026-04-15T22:00:00Z"
    assert event.facts["wire_reason"] == "self_selected_spend_limit_reached"


def test_a_block_mutes_the_levels_of_its_tick_and_while_it_stands() -> None:
    watch = Watch()
    watch.uses("10")
    events = watch.uses("45", out_of_credits=True)
    assert only(events, CROSSED).muted_by == only(events, BLOCKED).key
    assert only(watch.uses("48", out_of_credits=True), CROSSED).muted_by == only(events, BLOCKED).key


def test_a_block_that_is_not_reported_mutes_nothing() -> None:
    watch = Watch(RuleSettings(kinds=frozenset({CROSSED})))
    watch.uses("10")
    assert only(watch.uses("50"), CROSSED).muted_by is None


def test_a_block_of_last_month_that_nothing_confirmed_does_not_silence_this_month() -> None:
    watch = Watch()
    watch.uses("10", out_of_credits=True)
    watch.at(NOON + timedelta(days=20)).uses("1", why_known=False)
    assert only(watch.uses("30", why_known=False), CROSSED).muted_by is None


@pytest.mark.parametrize(
    "unproven",
    [
        snapshot(NOON + HOUR, windows=(window(),)),
        snapshot(NOON + HOUR, metered=extra("10", why_known=False)),
        snapshot(NOON + HOUR, metered=extra(None)),
        snapshot(NOON + HOUR, metered=extra("10", None, cap_known=False)),
        snapshot(NOON + HOUR, extra_usage_read=True),
    ],
    ids=["nothing read", "why not read", "used rejected", "cap rejected", "nothing metered"],
)
def test_the_end_of_a_block_needs_evidence(unproven: Snapshot) -> None:
    watch = Watch()
    watch.uses("10", out_of_credits=True)
    assert UNBLOCKED not in kinds(watch.see(unproven))
    assert UNBLOCKED in kinds(watch.at(NOON + 2 * HOUR).uses("10", out_of_credits=False))


def test_a_block_ends_when_nothing_is_metered_in_a_month_without_spend() -> None:
    watch = Watch()
    blocked = only(watch.uses("50"), BLOCKED)
    unmetered = snapshot(datetime(2026, 5, 1, 1, tzinfo=UTC), extra_usage_read=True)
    assert only(watch.see(unmetered), UNBLOCKED).resolves == blocked.key


def test_a_source_that_never_knows_why_can_end_the_block_it_told() -> None:
    watch = Watch()
    watch.uses("50", why_known=False)
    assert UNBLOCKED in kinds(watch.uses("50", "80", why_known=False))


def test_a_block_the_row_vouched_for_is_not_ended_without_the_row() -> None:
    watch = Watch()
    watch.uses("50")
    watch.uses("51", why_known=False)
    assert UNBLOCKED not in kinds(watch.uses("51", "80", why_known=False))
    assert UNBLOCKED in kinds(watch.uses("51", "80"))


def test_a_paused_seat_over_its_cap_is_no_block_while_the_reason_cannot_be_read() -> None:
    watch = Watch()
    watch.uses("60", enabled=False, reason_class=ReasonClass.ADMIN)
    assert BLOCKED not in kinds(watch.uses("60", enabled=False, why_known=False))


@pytest.mark.parametrize(("utilization", "hard"), [("100", True), ("99", False)])
def test_a_block_is_hard_when_a_window_is_full_too(utilization: str, *, hard: bool) -> None:
    seen = snapshot(NOON, metered=extra("50"), windows=(window(utilization),))
    assert only(Watch().see(seen), BLOCKED).facts["hard"] is hard


def test_whether_a_block_is_hard_is_unknown_without_windows() -> None:
    assert only(Watch().uses("50"), BLOCKED).facts["hard"] is None
