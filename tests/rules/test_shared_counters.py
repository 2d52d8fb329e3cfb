"""Two seats, one counter: each part comes from the seat that knows it best."""

from dataclasses import replace
from datetime import UTC, date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meterbot.commands.privacy import View
from meterbot.commands.reports import team_report
from meterbot.commands.team_report import SeatRow, TeamReport
from meterbot.commands.words.renewals import renewals
from meterbot.commands.words.seat import seat_detail
from meterbot.core.models import Counter, Health, LastKnown, ReasonClass, Seat, Subscription
from meterbot.rules.shared_counters import Shared, completed, displaced_by, refused_for, same_owner
from tests.teams import (
    NOW,
    extra,
    money,
    reading,
    seat,
    snapshot,
    state,
    window,
)

MINUTE = timedelta(minutes=1)
ONE = Counter("account-1", "org-1")


def cookie(ago: timedelta = timedelta(), used: str = "17.20", **why: Any) -> LastKnown:
    """As a session key reads it: with the renewal, and why it is blocked."""
    shot = snapshot("ana", org_uuid="org-1", extra_usage=extra(used, **why))
    return reading(shot, ago=ago).known


def pushed(ago: timedelta = timedelta(), used: str = "18.00", percent: str = "44") -> LastKnown:
    """As a machine pushes it: windows and spend."""
    shot = snapshot(
        "laptop",
        source="push",
        org_uuid="org-1",
        windows=(window(used=percent),),
        extra_usage=extra(used, why_known=False),
        subscription=None,
        subscription_read=False,
    )
    return reading(shot, ago=ago).known


def report(ana: LastKnown, laptop: LastKnown, health: Health = Health.OK) -> TeamReport:
    readings = [
        reading(replace(ana.snapshot, seat="ana"), counter=ONE),
        reading(replace(laptop.snapshot, seat="laptop"), counter=ONE),
    ]
    known = [replace(readings[0], known=ana), replace(readings[1], known=laptop)]
    seats = [seat("ana"), seat("laptop", "push", price=None, interval=900.0)]
    sources = {"ana": state("ana", health), "laptop": state("laptop")}
    return team_report(known, sources, seats, NOW)


def row(of: TeamReport, name: str) -> SeatRow:
    (found,) = [one for one in of.rows if one.seat.name == name]
    return found


def test_what_a_seat_has_read_itself_stays_with_its_age() -> None:
    own = cookie(10 * MINUTE)
    assert completed(own, {"laptop": pushed()}) == Shared(own, {})


def test_a_push_learns_the_renewal_and_why_it_is_blocked_from_the_session() -> None:
    blocked = cookie(
        10 * MINUTE,
        used="50.00",
        reason="out_of_credits",
        reason_class=ReasonClass.BALANCE,
        disabled_until=NOW + timedelta(days=1),
    )
    shared = completed(pushed(used="50.10"), {"ana": blocked})
    assert shared.through == {"subscription": "ana", "block": "ana"}
    extra = shared.known.snapshot.extra_usage
    assert extra is not None
    assert extra.used == money("50.10")
    assert (extra.reason_class, extra.disabled_until) == (ReasonClass.BALANCE, NOW + timedelta(days=1))


def test_the_block_without_amounts_proves_nothing_now() -> None:
    blocked = cookie(
        timedelta(days=31), used="50.00", reason="out_of_credits", reason_class=ReasonClass.BALANCE
    )
    shared = completed(pushed(used="1.00"), {"ana": blocked})
    assert "block" not in shared.through
    assert shared.known.snapshot.extra_usage is not None
    assert shared.known.snapshot.extra_usage.reason_class is None


def test_alone_nothing_changes() -> None:
    assert completed(pushed(), {}) == Shared(pushed(), {})


def test_a_seat_that_read_nothing_knows_what_the_newest_of_the_others_read() -> None:
    nothing = LastKnown(snapshot("laptop", extra_usage=None, windows=(), subscription=None))
    shared = completed(nothing, {"old": cookie(10 * MINUTE, "1.00"), "new": cookie(MINUTE, "2.00")})
    assert shared.through == {"windows": "new", "spend": "new", "subscription": "new"}
    assert shared.known.snapshot.extra_usage == extra("2.00")
    assert shared.known.extra_usage_at == NOW - MINUTE


parts = st.sampled_from([None, NOW - MINUTE, NOW - 2 * MINUTE])
knowledge = st.builds(
    lambda windows, spend, billing, why: replace(
        pushed(),
        snapshot=replace(pushed().snapshot, extra_usage=extra(why_known=why) if spend else None),
        windows_at=windows,
        extra_usage_at=spend,
        subscription_at=billing,
    ),
    parts,
    parts,
    parts,
    st.booleans(),
)


@given(knowledge, st.dictionaries(st.sampled_from("abc"), knowledge))
def test_nothing_known_is_lost_and_what_is_added_was_known_to_whoever_is_named(
    own: LastKnown, others: dict[str, LastKnown]
) -> None:
    shared = completed(own, others)
    for part, at in (
        ("windows", "windows_at"),
        ("spend", "extra_usage_at"),
        ("subscription", "subscription_at"),
    ):
        read_at = getattr(shared.known, at)
        if part in shared.through:
            assert getattr(own, at) is None
            assert read_at == getattr(others[shared.through[part]], at)
        else:
            assert read_at == getattr(own, at)
        assert (read_at is None) == all(getattr(one, at) is None for one in (own, *others.values()))


def test_the_money_of_two_sources_is_counted_once_at_its_newest() -> None:
    team = report(cookie(10 * MINUTE), pushed())
    (total,) = team.totals
    assert total.used == money("18.00")
    assert team.duplicates == (("ana", "laptop"),)
    assert sum(one.counted for one in team.rows) == 1
    assert row(team, "laptop").counted


def test_of_two_numbers_of_one_moment_the_one_of_the_healthy_source_counts() -> None:
    team = report(cookie(), pushed(), Health.SESSION_EXPIRED)
    assert row(team, "laptop").counted
    assert not row(team, "ana").counted


def test_the_renewal_shows_once_and_where_it_is_known() -> None:
    team = report(cookie(10 * MINUTE), pushed())
    for name in ("ana", "laptop"):
        subscription = row(team, name).snapshot.subscription
        assert subscription == Subscription("active", date(2026, 5, 14), billing_interval="monthly")
    view = View(team, UTC, "named", frozenset(), public=False)
    dates = str(renewals(view).tables)
    assert dates.count("Thu May 14") == 1


def test_the_answer_says_that_it_is_one_account_and_what_came_from_where() -> None:
    team = report(cookie(10 * MINUTE), pushed())
    view = View(team, UTC, "named", frozenset(), public=False)
    shown = str(seat_detail(view, ["laptop"], ["seat", "laptop"]))
    assert (
        "One account with ana: counted once, known through others: the renewal (ana) and why it is blocked (ana)."
        in shown
    )
    own = View(team, UTC, "self", frozenset({"laptop"}), public=False)
    hidden = str(seat_detail(own, ["laptop"], ["seat", "laptop"]))
    assert "One account with another seat: counted once" in hidden
    assert "(ana)" not in hidden


def test_an_api_organization_shares_nothing() -> None:
    readings = [
        reading(cookie().snapshot, counter=ONE),
        reading(replace(pushed().snapshot, seat="api"), counter=ONE),
    ]
    team = team_report(readings, {}, [seat("ana"), seat("api", "admin_api")], NOW)
    assert not any(one.details.through for one in team.rows)


ANA, BO = {"slack": "U1"}, {"slack": "U2", "discord": "7"}
COOKIE = Seat("ana", "claude_ai", owner=ANA)
LAPTOP = Seat("ana-laptop", "push", owner=ANA)
OTHER = Seat("bo", "push", owner=BO)


def test_a_push_is_refused_where_another_owner_holds_the_counter() -> None:
    assert refused_for(OTHER, [LAPTOP]) == LAPTOP
    assert refused_for(OTHER, [COOKIE]) == COOKIE
    assert refused_for(LAPTOP, [COOKIE]) is None
    assert refused_for(OTHER, []) is None


def test_a_seat_that_is_read_itself_is_never_refused_and_displaces_a_mere_claim() -> None:
    assert refused_for(COOKIE, [OTHER]) is None
    assert displaced_by(COOKIE, [OTHER, LAPTOP]) == [OTHER]
    assert displaced_by(OTHER, [LAPTOP]) == []
    assert displaced_by(COOKIE, [Seat("cy", "claude_code")]) == []


def test_seats_without_an_owner_are_nobody_elses() -> None:
    assert not same_owner(Seat("a", "push"), Seat("b", "push"))
    assert same_owner(Seat("a", "push"), Seat("a", "push"))
    assert same_owner(Seat("a", "push", owner={"discord": "7"}), OTHER)
