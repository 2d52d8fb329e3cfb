from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Event, EventKind, ReasonClass, Severity
from meterbot.rules.fact_json import fact_money
from meterbot.rules.increases import increases, spend_between
from meterbot.rules.settings import RuleSettings, parse_threshold
from tests.rules.builders import (
    HOUR,
    MINUTE,
    NOON,
    Watch,
    eur,
    extra,
    kinds,
    only,
    snapshot,
    subscription,
    usd,
    window,
)

MAY = datetime(2026, 5, 1, tzinfo=UTC)
STARTED, CROSSED, CLOSED = EventKind.SPEND_STARTED, EventKind.THRESHOLD_CROSSED, EventKind.PERIOD_CLOSED
CHARGED = EventKind.CHARGED_WITHIN_PLAN


def with_levels(*levels: str) -> Watch:
    return Watch(RuleSettings(thresholds=tuple(parse_threshold(level) for level in levels)))


# --- the first dollar ---------------------------------------------------------------------------------------------


def test_the_first_dollar_is_reported_once() -> None:
    watch = Watch()
    assert watch.uses("0") == []
    assert kinds(watch.uses("0.01")) == [STARTED]
    assert watch.uses("0.02") == []


def test_spend_that_was_there_at_first_sight_did_not_start() -> None:
    watch = Watch()
    assert watch.uses("3") == []
    assert watch.uses("4") == []


def test_a_first_dollar_after_a_gap_in_the_readings_is_reported() -> None:
    watch = Watch()
    watch.uses("0")
    watch.uses(None)
    watch.see(snapshot(watch.now + MINUTE))
    assert kinds(watch.uses("2")) == [STARTED]


def test_the_first_dollar_of_a_seat_that_was_not_set_up_is_reported() -> None:
    watch = Watch()
    watch.see(snapshot(NOON, extra_usage_read=True))
    assert STARTED in kinds(watch.uses("2"))


def test_the_first_dollar_names_the_full_windows() -> None:
    watch = Watch()
    watch.uses("0")
    resets = NOON + HOUR
    seen = snapshot(
        NOON + 2 * MINUTE, metered=extra("1"), windows=(window("100", resets), window("3", name="seven_day"))
    )
    assert only(watch.see(seen), STARTED).facts["full_windows"] == [
        {"window": "five_hour", "utilization": "100", "resets_at": "2026-04-15T13:00:00Z"}
    ]


def test_a_refund_to_zero_does_not_make_a_second_first_dollar() -> None:
    watch = Watch()
    watch.uses("0")
    watch.uses("5")
    assert watch.uses("0") == []
    assert watch.uses("5") == []


# --- levels -------------------------------------------------------------------------------------------------------


def test_a_level_is_reported_when_it_is_reached_exactly() -> None:
    watch = Watch()
    watch.uses("24.99")
    event = only(watch.uses("25.00"), CROSSED)
    assert (event.level, event.facts["percent"], event.initial) == ("50%", "50.00", False)
    assert fact_money(event.facts["used"]) == usd("25.00")


def test_several_levels_in_one_tick_make_one_event_that_names_the_others() -> None:
    watch = with_levels("50%", "80%", "$30.00", "95%")
    watch.uses("1")
    event = only(watch.uses("45"), CROSSED)
    assert (event.level, event.facts["also"]) == ("80%", ["50%", "30.00 USD"])


def test_a_level_that_is_reached_at_first_sight_is_reported_once_as_a_state() -> None:
    watch = Watch()
    event = only(watch.uses("42"), CROSSED)
    assert (event.level, event.facts["also"], event.initial) == ("80%", [], True)
    assert watch.uses("43") == []


def test_a_seat_without_a_cap_has_amounts_by_default() -> None:
    watch = Watch()
    alerts = [
        [event.level for event in watch.uses(used, None) if event.kind is CROSSED]
        for used in ["1", "20.81", "29.81", "106.31", "199", "250", "150", "260", "512"]
    ]
    assert alerts == [[], [], ["25.00 USD"], ["100.00 USD"], [], ["200.00 USD"], [], [], ["500.00 USD"]]


def test_the_amounts_for_seats_without_a_cap_are_in_the_seats_currency_and_for_no_other_seat() -> None:
    watch = Watch()
    watch.uses(eur("1"), None, currency="EUR")
    assert only(watch.uses(eur("26"), None, currency="EUR"), CROSSED).level == "25.00 EUR"
    capped = Watch()
    capped.uses("1", "5000")
    assert capped.uses("300", "5000") == []


def test_a_level_is_not_repeated_when_a_refund_falls_below_it() -> None:
    watch = Watch()
    watch.uses("26")
    assert watch.uses("20") == []
    assert watch.uses("26") == []


def test_a_raised_cap_re_arms_the_levels_it_lifted_and_only_those() -> None:
    watch = Watch()
    watch.uses("42")
    watch.uses("42", "80")
    first = watch.events[0]
    again = only(watch.uses("64", "80"), CROSSED)
    assert (again.level, again.facts["also"]) == ("80%", [])
    assert again.key != first.key


def test_a_lowered_cap_crosses_a_level() -> None:
    watch = Watch()
    watch.uses("20")
    assert only(watch.uses("20", "25"), CROSSED).level == "80%"


def test_a_removed_cap_re_arms_the_percentages() -> None:
    watch = Watch()
    watch.uses("26")
    watch.uses("26", None)
    assert only(watch.uses("26", "50"), CROSSED).level == "50%"


def test_a_cap_that_could_not_be_read_neither_fires_nor_re_arms() -> None:
    watch = Watch()
    watch.uses("26")
    assert watch.uses("45", None, cap_known=False) == []
    assert only(watch.uses("45"), CROSSED).level == "80%"


def test_a_cap_raised_while_it_could_not_be_read_re_arms_once_it_can() -> None:
    watch = Watch()
    watch.uses("26")
    watch.uses("26", None, cap_known=False)
    watch.uses("26", "100")
    assert only(watch.uses("50", "100"), CROSSED).level == "50%"


def test_a_null_cap_while_switched_off_is_not_a_removed_cap() -> None:
    watch = Watch()
    watch.uses("26")
    watch.uses("26", None, enabled=False, reason_class=ReasonClass.USER_OFF)
    assert CROSSED not in kinds(watch.uses("26"))


def test_amounts_watch_a_seat_without_a_cap() -> None:
    watch = with_levels("50%", "$25.00")
    watch.uses("1", None)
    assert only(watch.uses("25", None), CROSSED).level == "25.00 USD"


def test_amounts_in_another_currency_are_not_compared() -> None:
    watch = with_levels("25.00 EUR")
    watch.uses("1", None)
    assert watch.uses("90", None) == []


def test_a_spend_before_discount_crosses_no_level() -> None:
    watch = Watch()
    watch.uses("1")
    assert watch.uses("45", comparable=False) == []


def test_a_lower_level_that_was_configured_later_is_not_reported_after_a_higher_one() -> None:
    watch = with_levels("80%")
    watch.uses("41")
    watch.settings = RuleSettings(thresholds=(parse_threshold("50%"), parse_threshold("80%")))
    assert watch.uses("42") == []


def test_a_note_about_disagreement_does_not_silence_a_level() -> None:
    watch = Watch()
    watch.uses("1")
    seen = snapshot(NOON + HOUR, metered=extra("26"), drift=("cap: usage 60.00, overage 50.00",))
    assert kinds(watch.see(seen)) == [CROSSED]


def test_an_amount_beside_a_rejected_currency_crosses_nothing() -> None:
    watch = Watch()
    watch.uses("1")
    seen = snapshot(NOON + HOUR, metered=extra("49", assumed=("currency",)), extra_usage_read=False)
    assert watch.see(seen) == []


def test_disabled_kinds_are_not_reported_but_remembered() -> None:
    watch = Watch(RuleSettings(kinds=frozenset(EventKind) - {CROSSED}))
    watch.uses("1")
    assert watch.uses("26") == []
    watch.settings = RuleSettings()
    assert watch.uses("27") == []


# --- periods ------------------------------------------------------------------------------------------------------


def test_a_fall_in_a_new_month_closes_the_period_and_re_arms_everything() -> None:
    watch = Watch()
    watch.uses("0")
    watch.uses("26")
    watch.at(MAY - 2 * MINUTE).uses("30")
    events = watch.uses("0.50")
    assert kinds(events) == [CLOSED, STARTED]
    closed = only(events, CLOSED)
    assert fact_money(closed.facts["final"]) == usd("30")
    assert closed.facts["period"] == "2026-04"
    assert kinds(watch.uses("26")) == [CROSSED]
    later = only(watch.at(MAY + timedelta(days=31)).uses("1"), CLOSED)
    assert later.facts["previous_final"] == closed.facts["final"]


def test_a_reset_that_comes_late_is_still_the_new_month() -> None:
    watch = Watch()
    watch.at(MAY - 2 * MINUTE).uses("26")
    assert watch.uses("26") == []
    assert watch.uses("27") == []
    assert kinds(watch.uses("0")) == [CLOSED]


def test_a_reset_that_comes_early_by_a_minute_is_the_new_month() -> None:
    watch = Watch()
    watch.at(MAY - 4 * MINUTE).uses("26")
    assert kinds(watch.uses("0")) == [CLOSED]
    assert watch.memory.period == "2026-05"
    assert kinds(watch.at(MAY).uses("1")) == [STARTED]


def test_money_spent_minutes_before_midnight_belongs_to_the_month_that_ends() -> None:
    watch = Watch().at(MAY - timedelta(minutes=4))
    watch.uses("0")
    assert only(watch.uses("45"), STARTED).facts["period"] == "2026-04"
    watch.at(MAY).uses("0")
    events = watch.at(MAY + HOUR).uses("45")
    assert only(events, STARTED).facts["period"] == "2026-05"
    assert only(events, CROSSED).facts["period"] == "2026-05"


def test_a_month_in_which_the_seat_was_not_read_is_never_closed() -> None:
    watch = Watch()
    assert kinds(watch.at(MAY).uses("26")) == [CROSSED]
    assert watch.uses("0") == []
    assert kinds(watch.uses("26")) == [STARTED, CROSSED]
    assert watch.memory.previous_final is None


def test_a_first_amount_that_turns_out_to_be_this_months_is_not_reported_again() -> None:
    watch = Watch()
    assert kinds(watch.at(MAY).uses("26")) == [CROSSED]
    assert watch.at(MAY + 5 * HOUR).uses("27") == []
    assert watch.at(MAY + 7 * HOUR).uses("28") == []
    assert watch.memory.period == "2026-05"
    assert kinds(watch.uses("41")) == [CROSSED]
    june = MAY + timedelta(days=31)
    assert fact_money(only(watch.at(june).uses("1"), CLOSED).facts["final"]) == usd("41")


def test_a_final_amount_is_compared_with_the_month_before_it_alone() -> None:
    watch = Watch()
    watch.uses("26")
    watch.at(MAY + timedelta(days=40)).uses("2")
    july = MAY + timedelta(days=61)
    assert only(watch.at(july).uses("1"), CLOSED).facts["previous_final"] is None


def test_a_counter_that_does_not_change_over_the_month_was_not_reset() -> None:
    watch = Watch()
    watch.at(MAY - HOUR).uses("26")
    for hour in range(1, 48):
        assert watch.at(MAY + hour * HOUR).uses("26") == []


def test_a_counter_found_higher_days_into_the_month_was_reset_and_spent_again() -> None:
    watch = Watch()
    watch.at(MAY - 48 * HOUR).uses("26")
    assert kinds(watch.at(MAY + 48 * HOUR).uses("27")) == [CLOSED, STARTED, CROSSED]


def test_a_month_without_spend_ends_without_a_word() -> None:
    watch = Watch()
    watch.at(MAY - HOUR).uses("0")
    assert watch.at(MAY + MINUTE).uses("0") == []
    assert watch.memory.period == "2026-05"


def test_a_fall_within_the_month_closes_nothing() -> None:
    watch = Watch()
    watch.uses("30")
    assert watch.uses("3") == []
    assert watch.memory.period == "2026-04"


def test_a_fall_past_disabled_until_closes_the_period() -> None:
    watch = Watch()
    until = NOON + 3 * MINUTE
    watch.uses("30", disabled_until=until)
    watch.uses("30", disabled_until=until)
    events = watch.uses("1")
    assert kinds(events) == [CLOSED, STARTED]
    assert watch.memory.period == "2026-04.2"


def test_a_renewal_is_not_the_end_of_a_period() -> None:
    watch = Watch()
    watch.see(snapshot(NOON, metered=extra("30"), billing=subscription(date(2026, 4, 16))))
    assert CLOSED not in kinds(watch.at(NOON + 24 * HOUR).uses("1"))


def test_what_a_counter_returns_to_after_a_dip_was_not_spent_again() -> None:
    watch = Watch()
    for used in ["42", "0", "42", "43", "20", "21", "44"]:
        watch.uses(used)
    for start in range(6):  # whichever reading is the last one before
        found = spend_between(watch.samples[start:], watch.samples[start].at, watch.now)
        assert found == {"USD": usd("2") if start < 3 else usd("1")}


def test_a_dip_after_an_early_reset_is_not_a_second_reset() -> None:
    watch = Watch()
    for at, used in [
        (datetime(2026, 4, 30, 23, tzinfo=UTC), "3"),
        (datetime(2026, 4, 30, 23, 56, tzinfo=UTC), "2"),
        (datetime(2026, 5, 1, tzinfo=UTC), "1"),
    ]:
        watch.see(snapshot(at, metered=extra(used)))
    assert [one.amount for one in increases(watch.samples)] == [usd("0"), usd("2"), usd("0")]


def test_a_new_period_within_a_month_is_counted_from_nothing() -> None:
    watch = Watch()
    until = NOON + 3 * MINUTE
    for used in ["30", "30", "5", "6"]:
        watch.uses(used, disabled_until=until)
    assert spend_between(watch.samples, watch.samples[0].at, watch.now) == {"USD": usd("6")}


def test_a_first_amount_in_another_currency_is_no_first_dollar() -> None:
    watch = Watch()
    watch.uses("0")
    assert STARTED not in kinds(watch.uses(eur("3"), eur("50")))
    assert watch.uses(eur("4"), eur("50")) == []


def test_another_currency_is_a_new_base() -> None:
    watch = Watch()
    watch.uses("26")
    events = watch.uses(eur("3"), eur("50"))
    assert kinds(events) == [EventKind.METERING_CHANGED]
    assert only(events, EventKind.METERING_CHANGED).facts["changes"] == [
        {"what": "currency", "from": "USD", "to": "EUR"}
    ]
    assert watch.memory.period == "2026-04"


def test_a_currency_that_is_left_out_for_once_is_no_switch() -> None:
    watch = Watch()
    watch.uses(eur("3"), eur("50"), currency="EUR")
    assert watch.uses("4", "50", assumed=("currency",)) == []
    assert watch.memory.used == eur("4")


# --- charged within the plan --------------------------------------------------------------------------------------


def charged(
    before: str | None, after: str | None, *, minutes: int = 1, resets: datetime | None = NOON + HOUR
) -> bool:
    watch = Watch()
    watch.see(snapshot(NOON, metered=extra("1"), windows=(window(before, resets),)))
    at = NOON + minutes * MINUTE
    events = watch.see(snapshot(at, metered=extra("2"), windows=(window(after, resets),)))
    return CHARGED in kinds(events)


@pytest.mark.parametrize(
    ("before", "after", "minutes", "expected"),
    [
        ("41", "42", 1, True),
        ("41", "100", 1, False),
        ("100", "0", 1, False),
        ("41", None, 1, False),
        ("41", "2", 61, False),
        ("41", "42", 5 * 60 + 1, False),
    ],
    ids=[
        "room before and after",
        "full now",
        "full a minute ago",
        "unknown now",
        "reset in between",
        "too far apart to tell",
    ],
)
def test_a_charge_within_the_plan_needs_windows_with_room_all_the_while(
    before: str, after: str | None, minutes: int, *, expected: bool
) -> None:
    resets = NOON + HOUR if minutes < 5 * 60 else NOON + 10 * HOUR
    assert charged(before, after, minutes=minutes, resets=resets) is expected


def test_a_charge_within_the_plan_is_reported_once_a_period_with_its_evidence() -> None:
    watch = Watch()
    seen = [snapshot(NOON + i * MINUTE, metered=extra(str(i)), windows=(window(),)) for i in range(1, 4)]
    watch.see(seen[0])
    event = only(watch.see(seen[1]), CHARGED)
    assert fact_money(event.facts["rise"]) == usd("1")
    assert event.reason == "used went from $1.00 to $2.00 while none of the windows that were read was full"
    assert watch.see(seen[2]) == []


def first_charge(settings: RuleSettings | None = None, *, before: str = "41") -> list[Event]:
    watch = Watch(settings)
    watch.see(snapshot(NOON, metered=extra("0"), windows=(window(before),)))
    return watch.see(snapshot(NOON + MINUTE, metered=extra("2"), windows=(window("42"),)))


def test_a_first_charge_within_the_plan_is_reported_once_and_with_the_evidence() -> None:
    events = first_charge()
    started, within = only(events, STARTED), only(events, CHARGED)
    assert (started.muted_by, within.muted_by) == (None, started.key)
    assert started.severity is within.severity is Severity.WARNING
    assert started.facts["within_plan"] is True
    assert (started.facts["windows"], started.facts["before_at"]) == (
        within.facts["windows"],
        within.facts["before_at"],
    )


def test_a_first_dollar_that_may_be_a_late_charge_is_not_said_to_be_within_the_plan() -> None:
    started = only(first_charge(before="100"), STARTED)
    assert (started.facts["within_plan"], started.facts["full_windows"]) == (False, [])


def test_a_first_dollar_that_is_not_reported_mutes_nothing() -> None:
    (within,) = first_charge(RuleSettings(kinds=frozenset(EventKind) - {STARTED}))
    assert (within.kind, within.muted_by) == (CHARGED, None)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["0", "41", "100", None])), max_size=12))
def test_a_charge_is_reported_by_one_alert_at_most(readings: list[tuple[int, str | None]]) -> None:
    watch = Watch()
    for minute, (used, utilization) in enumerate(readings):
        at = NOON + minute * 10 * MINUTE
        seen = snapshot(at, metered=extra(str(used)), windows=(window(utilization),))
        events = [event for event in watch.see(seen) if event.kind in {STARTED, CHARGED}]
        assert sum(event.muted_by is None for event in events) <= 1
        assert {event.muted_by for event in events} <= {None, *(event.key for event in events)}


def test_a_charge_shortly_after_a_window_was_full_may_be_a_late_one() -> None:
    watch = Watch()
    alerts = []
    for minute, used, utilization in [
        (0, "1", "100"),
        (1, "1", "0"),
        (2, "2", "0"),
        (19, "2", "1"),
        (20, "3", "1"),
    ]:
        seen = snapshot(NOON + minute * MINUTE, metered=extra(used), windows=(window(utilization),))
        alerts += [minute for event in watch.see(seen) if event.kind is CHARGED]
    assert alerts == [20]


def test_a_charge_at_the_start_of_a_month_counts_from_nothing() -> None:
    watch = Watch()
    for at, used in [(MAY - MINUTE, "30"), (MAY + MINUTE, "0.10")]:
        events = watch.see(snapshot(at, metered=extra(used), windows=(window(),)))
    assert fact_money(only(events, CHARGED).facts["rise"]) == usd("0.10")


def test_spend_that_returns_after_a_glitch_is_not_a_charge() -> None:
    watch = Watch()
    used = ["5", "0", "5"]
    seen = [snapshot(NOON + i * MINUTE, metered=extra(u), windows=(window(),)) for i, u in enumerate(used)]
    assert [kinds(watch.see(one)) for one in seen] == [[], [], []]


def test_fractions_of_a_cent_are_exact() -> None:
    watch = with_levels("50%")
    third = usd("1")
    watch.uses(type(third)(Decimal("2499.9999"), "USD", 2))
    assert watch.events == []
    assert kinds(watch.uses(type(third)(Decimal("2500.0000"), "USD", 2))) == [CROSSED]
