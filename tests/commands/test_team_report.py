from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from meterbot.commands.reports import team_report
from meterbot.commands.team_report import SeatRow, TeamReport
from meterbot.core.models import (
    Counter,
    Health,
    ReasonClass,
    Seat,
    SourceState,
)
from meterbot.core.money import Money, add
from tests.teams import (
    NOW,
    Reading,
    api_snapshot,
    extra,
    money,
    reading,
    seat,
    snapshot,
    state,
    window,
)

ONE = Counter("account-ana", "org-ana")


def report(
    readings: Iterable[Reading], seats: Iterable[Seat], sources: Iterable[SourceState] | None = None
) -> TeamReport:
    seats = list(seats)
    states = [state(each.name) for each in seats] if sources is None else sources
    return team_report(readings, {each.seat: each for each in states}, seats, NOW)


def row_of(team: TeamReport, name: str) -> SeatRow:
    [row] = [row for row in team.rows if row.seat.name == name]
    return row


def test_a_team_is_summed_per_currency() -> None:
    team = report(
        [
            reading(snapshot("ana", extra_usage=extra("17.20", "50"))),
            reading(snapshot("bo", extra_usage=extra("4.20", "50"))),
            reading(snapshot("cy", extra_usage=extra("9.99", "20", "EUR"))),
        ],
        [seat("ana"), seat("bo"), replace(seat("cy"), plan_price=money("90", "EUR"))],
    )
    euro, dollar = team.totals
    assert (euro.used, euro.cap, euro.plan_fees) == (
        money("9.99", "EUR"),
        money("20", "EUR"),
        money("90", "EUR"),
    )
    assert (dollar.used, dollar.cap, dollar.plan_fees) == (money("21.40"), money("100"), money("400"))
    assert dollar.percent == Decimal("21.4")
    assert (team.current, team.seats, team.missing) == (3, 3, ())


def test_two_seats_with_one_counter_count_once_with_the_newer_number() -> None:
    team = report(
        [
            reading(snapshot("ana", extra_usage=extra("17")), counter=ONE, ago=timedelta(minutes=2)),
            reading(snapshot("ana-work", extra_usage=extra("18")), counter=ONE, ago=timedelta(minutes=1)),
        ],
        [seat("ana"), seat("ana-work")],
    )
    assert team.duplicates == (("ana", "ana-work"),)
    assert team.totals[0].used == money("18")
    assert team.totals[0].plan_fees == money("200")
    assert [row.seat.name for row in team.rows if row.counted] == ["ana-work"]


def test_a_known_amount_of_a_shared_counter_beats_a_newer_unknown_one() -> None:
    team = report(
        [
            reading(snapshot("ana", extra_usage=extra("17")), counter=ONE, ago=timedelta(minutes=2)),
            reading(snapshot("ana-work", extra_usage=extra(None)), counter=ONE),
        ],
        [seat("ana"), seat("ana-work")],
    )
    assert team.totals[0].used == money("17")


def test_a_seat_without_a_cap_leaves_the_team_without_one_and_says_who() -> None:
    team = report(
        [
            reading("ana"),
            reading(snapshot("bo", extra_usage=extra("1", None))),
            reading(snapshot("cy", extra_usage=extra("1", None, cap_known=False))),
        ],
        [seat("ana"), seat("bo"), seat("cy")],
    )
    [total] = team.totals
    assert (total.cap, total.percent) == (None, None)
    assert (total.uncapped, total.cap_unknown) == (("bo",), ("cy",))


def test_a_seat_that_is_not_metered_adds_nothing_and_takes_no_cap_away() -> None:
    team = report([reading("ana"), reading(snapshot("bo", extra_usage=None))], [seat("ana"), seat("bo")])
    assert (team.totals[0].used, team.totals[0].cap) == (money("17.20"), money("50"))
    assert team.current == 2


def test_a_team_on_which_nobody_is_metered_has_spent_nothing() -> None:
    team = report([reading(snapshot("ana", extra_usage=None))], [seat("ana")])
    assert team.totals[0].used == money("0")


def test_a_team_of_which_nothing_is_known_has_not_spent_nothing() -> None:
    team = report([], [seat("ana")], [])
    assert team.totals[0].used is None
    assert team.totals[0].plan_fees == money("200")
    assert team.current == 0


def test_a_number_of_an_ailing_source_counts_as_last_known() -> None:
    team = report(
        [reading("ana"), reading("bo", ago=timedelta(hours=3))],
        [seat("ana"), seat("bo")],
        [state("ana"), state("bo", Health.SESSION_EXPIRED, detail="the cookie is not accepted")],
    )
    bo = row_of(team, "bo")
    assert (bo.counted, bo.current, bo.snapshot.health) == (True, False, Health.SESSION_EXPIRED)
    assert bo.read_at == NOW - timedelta(hours=3)
    assert team.totals[0].used == money("34.40")
    assert (team.current, team.seats) == (1, 2)
    [gone] = team.missing
    assert (gone.seat, gone.health, gone.since) == ("bo", Health.SESSION_EXPIRED, NOW - timedelta(hours=3))
    assert gone.remedy == "Sign in to claude.ai and replace the seat's session key."
    assert gone.detail == "the cookie is not accepted"


def test_a_number_of_last_month_is_in_no_sum_and_blocks_nobody() -> None:
    spent = extra("50", "50", reason_class=ReasonClass.CAP, out_of_credits=True)
    team = report(
        [reading("ana"), reading(snapshot("bo", extra_usage=spent), ago=timedelta(days=30))],
        [seat("ana"), seat("bo")],
        [state("ana"), state("bo", Health.UNREACHABLE)],
    )
    bo = row_of(team, "bo")
    assert (bo.used, bo.block, bo.outdated, bo.known, bo.counted) == (None, None, True, False, False)
    assert team.totals[0].used == money("17.20")


def test_the_month_turns_at_midnight_in_utc() -> None:
    last = reading(
        snapshot("ana", extra_usage=extra("48")), ago=NOW - datetime(2026, 4, 30, 23, 59, tzinfo=UTC)
    )
    before = team_report([last], {}, [seat()], datetime(2026, 4, 30, 23, 59, 59, tzinfo=UTC))
    after = team_report([last], {}, [seat()], datetime(2026, 5, 1, 0, 0, 30, tzinfo=UTC))
    assert before.totals[0].used == money("48")
    assert after.totals[0].used is None


def test_a_source_that_has_gone_quiet_is_stale_before_anybody_said_so() -> None:
    quiet = timedelta(minutes=3, seconds=1)
    team = report([reading("ana", ago=quiet)], [seat("ana")], [state(last_ok_at=NOW - quiet)])
    [gone] = team.missing
    assert (gone.health, gone.since) == (Health.STALE, NOW - timedelta(seconds=1))
    assert not row_of(team, "ana").current


def test_a_seat_never_read_is_missing() -> None:
    team = report([reading("ana")], [seat("ana"), seat("bo", "push")], [state("ana")])
    assert [(gone.seat, gone.health) for gone in team.missing] == [("bo", Health.NEVER_SEEN)]
    assert row_of(team, "bo").counter is None
    assert not row_of(team, "bo").known


def test_a_healthy_seat_whose_money_could_not_be_read_is_not_up_to_date() -> None:
    unread = snapshot("ana", extra_usage=None, extra_usage_read=False)
    team = report([reading(unread)], [seat("ana")])
    assert (team.current, team.totals[0].used) == (0, None)


def test_the_api_spend_of_an_organization_stays_beside_the_seats() -> None:
    team = report([reading("ana"), reading(api_snapshot())], [seat("ana"), seat("api", "admin_api", None)])
    assert team.totals[0].used == money("17.20")
    assert row_of(team, "api").used is None
    assert row_of(team, "api").read_at == NOW
    assert (team.current, team.seats) == (1, 1)


def test_what_is_not_configured_is_left_out() -> None:
    team = report(
        [reading("ana"), reading(snapshot("ana", org_uuid="other")), reading("gone")],
        [replace(seat("ana"), organizations=("org-ana",))],
    )
    assert [row.counter for row in team.rows] == [ONE]


def test_a_seat_in_two_organizations_counts_with_both() -> None:
    team = report(
        [reading("ana"), reading(snapshot("ana", org_uuid="two", extra_usage=extra("2")))], [seat("ana")]
    )
    assert team.totals[0].used == money("19.20")
    assert team.seats == 1


def test_the_blocked_come_first_then_the_highest_spend_then_the_unknown() -> None:
    team = report(
        [
            reading(snapshot("ana", extra_usage=extra("1"))),
            reading(snapshot("bo", extra_usage=extra("30"))),
            reading(snapshot("cy", extra_usage=extra("5", "5"))),
            reading(snapshot("dee", extra_usage=None)),
        ],
        [seat(name) for name in ("ana", "bo", "cy", "dee", "eve")],
    )
    assert [row.seat.name for row in team.rows] == ["cy", "bo", "ana", "dee", "eve"]


def test_a_full_window_makes_the_block_hard() -> None:
    spent = snapshot("ana", extra_usage=extra("50", "50"), windows=(window(used="100"),))
    block = row_of(report([reading(spent)], [seat()]), "ana").block
    assert block is not None
    assert block.hard


@st.composite
def teams(draw: st.DrawFn) -> tuple[list[Reading], list[Seat]]:
    names = [f"s{number}" for number in range(draw(st.integers(0, 12)))]
    amounts = st.none() | st.integers(0, 10**12)
    readings = []
    for number, name in enumerate(names):
        currency = draw(st.sampled_from(["USD", "EUR", "JPY"]))
        used, cap = draw(amounts), draw(amounts)
        usage = replace(
            extra(currency=currency),
            used=None if used is None else Money(Decimal(used), currency, 2),
            cap=None if cap is None else Money(Decimal(cap), currency, 2),
        )
        counter = Counter(draw(st.sampled_from(["a", "b", name])), "org")
        days = draw(st.sampled_from([0, 1, 31]))
        ago = timedelta(days=days, seconds=number)  # no two are equally new
        readings.append(reading(snapshot(name, extra_usage=usage), counter=counter, ago=ago))
    return readings, [seat(name, price=None) for name in names]


@given(teams())
def test_every_counter_of_this_month_is_in_the_sum_exactly_once(
    team: tuple[list[Reading], list[Seat]],
) -> None:
    readings, seats = team
    made = report(readings, seats)
    newest: dict[Counter, Money] = {}
    for each in sorted(readings, key=lambda each: each.known.snapshot.fetched_at):
        usage = each.known.snapshot.extra_usage
        if usage is not None and usage.used is not None and each.known.snapshot.fetched_at.month == NOW.month:
            newest[each.counter] = usage.used
    sums: dict[str, Decimal] = {}
    for amount in newest.values():
        sums[amount.currency] = sums.get(amount.currency, Decimal(0)) + amount.major
    assert {total.currency: total.used.major for total in made.totals if total.used is not None} == sums
    counters = [row.counter for row in made.rows if row.counted]
    assert len(counters) == len(set(counters))


def test_a_sum_is_exact_where_binary_numbers_are_not() -> None:
    tenths = [reading(snapshot(f"s{n}", extra_usage=extra("0.1", None))) for n in range(3)]
    team = report(tenths, [seat(f"s{n}") for n in range(3)])
    assert team.totals[0].used == add(money("0.1"), money("0.2"))


# Plans that nobody configured, and renewals that somebody did


def unpriced(name: str = "ana", source: str = "claude_ai", renews_on: int | None = None) -> Seat:
    return seat(name, source, price=None, renews_on=renews_on)


def test_an_account_that_says_its_plan_is_priced_at_its_list_price() -> None:
    team = report([reading(snapshot(tier="max_20x"))], [unpriced()])
    row = row_of(team, "ana")
    assert (row.seat.plan, row.seat.plan_price, row.seat.list_price) == ("max_20x", money("200"), True)
    assert team.totals[0].plan_fees == money("200")


def test_what_is_configured_wins_over_what_the_account_says() -> None:
    known = reading(snapshot(tier="max_20x"))
    for one in (
        seat(price="180"),
        replace(unpriced(), plan="team"),
        replace(unpriced(), plan_price=money("90", "EUR")),
    ):
        assert row_of(report([known], [one]), "ana").seat == one


def test_a_plan_without_a_list_price_has_none() -> None:
    team = report([reading(snapshot(tier="team_premium"))], [unpriced()])
    assert team.totals[0].plan_fees is None


def test_of_several_organizations_the_paid_plan_counts() -> None:
    shots = [
        snapshot(org_uuid=f"org-{place}", tier=tier) for place, tier in enumerate(["free", "pro", "team"])
    ]
    assert report([*map(reading, shots)], [unpriced()]).totals[0].plan_fees == money("20")


def test_of_two_seats_with_one_account_the_configured_price_is_the_one_that_counts() -> None:
    known = [reading(snapshot(name, tier="max_20x"), counter=ONE) for name in ("ana", "bo")]
    team = report(known, [unpriced("ana"), seat("bo", price="180")])
    assert team.totals[0].plan_fees == money("180")


def test_a_configured_renewal_is_always_the_next_one_however_old_the_reading() -> None:
    bare = snapshot(subscription=None, subscription_read=False, source="push")
    row = row_of(
        report([reading(bare, ago=timedelta(days=90))], [unpriced(source="push", renews_on=31)]), "ana"
    )
    subscription = row.snapshot.subscription
    assert subscription is not None
    assert (subscription.next_charge_date, subscription.configured) == (date(2026, 4, 30), True)


def test_the_day_of_a_configured_renewal_is_the_teams_own() -> None:
    bare = reading(snapshot(subscription=None, subscription_read=False))
    late = datetime(2026, 4, 14, 23, tzinfo=UTC)
    for zone, day in (("UTC", date(2026, 4, 14)), ("Europe/Berlin", date(2026, 5, 14))):
        team = team_report([bare], {}, [unpriced(renews_on=14)], late, ZoneInfo(zone))
        subscription = row_of(team, "ana").snapshot.subscription
        assert subscription is not None
        assert subscription.next_charge_date == day
