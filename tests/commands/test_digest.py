"""When a digest is due, whether there is anything to say, and what it says."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.commands.digest import (
    DigestReader,
    DigestState,
    Schedule,
    content_hash,
    digest_event,
    due,
    message,
)
from meterbot.commands.privacy import View
from meterbot.commands.reports import team_report
from meterbot.core.deliveries import Destination
from meterbot.core.inline import plain
from meterbot.core.json_values import json_of, value_of
from meterbot.core.messages import Message
from meterbot.core.models import Health, Sample
from meterbot.core.operators import Rows
from tests.teams import (
    NOW,
    Reading,
    extra,
    money,
    reading,
    seat,
    snapshot,
    state,
)

ZONES = {
    # Forwards at 2:00, at midnight, by half an hour, backwards at midnight, across the date line, and never.
    "Europe/Berlin": 2026,
    "America/New_York": 2026,
    "America/Havana": 2026,
    "Africa/Cairo": 2026,
    "Asia/Beirut": 2026,
    "Australia/Lord_Howe": 2026,
    "America/Santiago": 2026,
    "Asia/Amman": 2021,
    "Pacific/Apia": 2011,
    "Asia/Kolkata": 2026,
}
HOURS = [time(0), time(0, 30), time(1, 30), time(2, 15), time(2, 30), time(9), time(23, 30)]
CHANNEL = DigestReader(Destination("slack", "C1"), Schedule("day"))
ANAS = DigestReader(Destination("slack", "@UANA"), Schedule("day"), ("ana",))


def changes_of(zone: ZoneInfo, year: int) -> list[datetime]:
    """The days on which the clocks are set, or the year's middle where they never are."""
    days = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=number) for number in range(365)]
    offsets = [day.astimezone(zone).utcoffset() for day in days]
    found = [day for day, before, after in zip(days, offsets, offsets[1:], strict=False) if before != after]
    return found or [days[180]]


def sent(schedule: Schedule, start: datetime, days: int, step: timedelta) -> list[date]:
    """The local days of the digests that a bot sends which looks this often."""
    known = due(schedule, start, None)
    assert known is not None
    digest_state, found, now = DigestState(known, start, ""), [], start
    while now < start + timedelta(days=days):
        if (day := due(schedule, now, digest_state)) is not None:
            digest_state = DigestState(day, now, "")
            found.append(now.astimezone(schedule.timezone).date())
            assert found[-1] == day
        now += step
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_each_local_day_has_one_digest_when_the_clocks_are_set(zone: str) -> None:
    where = ZoneInfo(zone)
    for change in changes_of(where, ZONES[zone]):
        for at in HOURS:
            schedule = Schedule("day", at, timezone=where)
            start = change - timedelta(days=2)
            days = sent(schedule, start, 5, timedelta(minutes=10))
            # The first and the last day are not whole.
            last = (start + timedelta(days=5)).astimezone(where).date()
            local = {
                (start + timedelta(minutes=10 * number)).astimezone(where).date() for number in range(720)
            }
            whole = sorted(local - {start.astimezone(where).date(), last})
            assert [day for day in days if day in whole] == whole, (at, change)
            assert len(days) == len(set(days))


@pytest.mark.parametrize(
    ("zone", "at", "day", "instant"),
    [
        ("Europe/Berlin", time(2, 30), date(2026, 3, 29), "2026-03-29T01:30Z"),  # skipped: 03:30 there
        ("Europe/Berlin", time(2, 30), date(2026, 10, 25), "2026-10-25T00:30Z"),  # twice: the first
        ("Australia/Lord_Howe", time(2, 15), date(2026, 10, 4), "2026-10-03T15:45Z"),
        ("America/Havana", time(0, 30), date(2026, 3, 8), "2026-03-08T05:30Z"),
    ],
)
def test_an_hour_that_is_skipped_comes_later_and_one_that_comes_twice_counts_once(
    zone: str, at: time, day: date, instant: str
) -> None:
    schedule = Schedule("day", at, timezone=ZoneInfo(zone))
    moment = datetime.fromisoformat(instant)
    digest_state = DigestState(day - timedelta(days=1), NOW, "")
    assert due(schedule, moment - timedelta(seconds=1), digest_state) is None
    assert due(schedule, moment, digest_state) == day
    again = replace(digest_state, day=day)
    assert all(due(schedule, moment + timedelta(minutes=m), again) is None for m in range(0, 240, 10))


@given(
    st.sampled_from(sorted(ZONES)),
    st.integers(0, 22).map(time),
    st.integers(0, 6),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)),  # noqa: DTZ001 - hypothesis wants bounds without a zone
)
def test_a_weekly_one_comes_on_its_weekday_once_in_seven_days(
    zone: str, at: time, weekday: int, start: datetime
) -> None:
    schedule = Schedule("week", at, weekday, ZoneInfo(zone))
    days = sent(schedule, start.replace(tzinfo=UTC), 15, timedelta(hours=1))
    assert {day.weekday() for day in days} <= {weekday}
    assert 1 <= len(days) <= 3
    assert len(days) == len(set(days))


@given(st.sampled_from(["day", "week"]), st.integers(0, 23), st.integers(0, 6), st.integers(1, 40 * 24))
def test_what_was_missed_is_due_once_when_somebody_looks_again(
    every: Literal["day", "week"], hour: int, weekday: int, away: int
) -> None:
    schedule = Schedule(every, time(hour), weekday)
    known = due(schedule, NOW, None)
    assert known is not None
    back = NOW + timedelta(hours=away)
    missed = due(schedule, back, DigestState(known, NOW, ""))
    assert (missed is None) == (due(schedule, back, None) == known)
    if missed is not None:
        assert back - schedule.span < datetime.combine(missed, schedule.at, UTC) <= back
        assert due(schedule, back, DigestState(missed, back, "")) is None


def test_a_clock_that_is_set_back_sends_none_again() -> None:
    schedule = Schedule("day", time(9))
    today = due(schedule, NOW, None)
    assert today == NOW.date()
    assert due(schedule, NOW - timedelta(days=3), DigestState(today, NOW, "")) is None


def test_what_is_remembered_comes_back() -> None:
    digest_state = DigestState(NOW.date(), NOW, "abc")
    assert value_of(DigestState, json_of(DigestState, digest_state)) == digest_state


# --- whether there is anything to say


def view(*used: str, rows: Rows = "named", public: bool = True, **more: object) -> View:
    """Ana, bo and so on, with these amounts used."""
    names = ("ana", "bo", "cy")[: len(used)]
    read = [
        reading(snapshot(name, extra_usage=extra(amount))) for name, amount in zip(names, used, strict=True)
    ]
    sources = {name: state(name) for name in names}
    report = team_report(read, sources, [seat(name) for name in names], NOW)
    return replace(View(report, UTC, rows, frozenset(), public), **more)  # type: ignore[arg-type]


def test_a_mark_changes_with_amounts_caps_and_blocks_and_not_with_time() -> None:
    assert content_hash(view("1", "2")) == content_hash(view("1", "2"))
    later = replace(view("1", "2"), report=replace(view("1", "2").report, as_of=NOW + timedelta(days=1)))
    assert content_hash(later) == content_hash(view("1", "2"))
    assert (
        len({content_hash(view("1", "2")), content_hash(view("1", "3")), content_hash(view("1", "50"))}) == 3
    )


def test_before_anything_is_known_there_is_nothing_to_say() -> None:
    empty = team_report([], {"ana": state("ana", Health.NEVER_SEEN)}, [seat("ana")], NOW)
    assert content_hash(View(empty, public=True)) is None


AMOUNTS = st.integers(0, 5000).map(lambda cents: f"{cents / 100:.2f}")


@given(AMOUNTS, AMOUNTS, AMOUNTS, st.sampled_from(["named", "anonymous", "self"]))
def test_an_owner_s_digest_hangs_on_nobody_else_s_numbers(ana: str, bo: str, other: str, rows: Rows) -> None:
    mine, again = (view(ana, one, rows=rows, public=False, own=frozenset({"ana"})) for one in (bo, other))
    samples = [sample_of("ana", "0", hours=-30), sample_of("ana", ana)]
    assert content_hash(mine, ("ana",)) == content_hash(again, ("ana",))
    since = NOW - timedelta(days=1)
    assert message(ANAS, mine, samples, since) == message(ANAS, again, samples, since)


@pytest.mark.parametrize(("rows", "said"), [("named", "cy"), ("self", "1 seat")])
def test_a_seat_that_was_never_read_is_not_in_the_sum_and_that_is_said(rows: Rows, said: str) -> None:
    read = [reading(snapshot(name, extra_usage=extra("15"))) for name in ("ana", "bo")]
    sources = {"ana": state("ana"), "bo": state("bo"), "cy": state("cy", Health.NEVER_SEEN)}
    report = team_report(read, sources, [seat("ana"), seat("bo"), seat("cy", "push")], NOW)
    samples = [
        each for name in ("ana", "bo") for each in (sample_of(name, "0", hours=-30), sample_of(name, "15"))
    ]
    digest = message(CHANNEL, View(report, UTC, rows, public=True), samples, NOW - timedelta(days=1))
    assert digest.title == "The team's day: at least $30.00 spent"
    assert f"Not in this sum: {said}." in digest.text
    assert ("cy" in digest.text) == (rows == "named")


FIRST = datetime(2026, 4, 1, 9, tzinfo=UTC)


def read_at(name: str, used: str, at: datetime) -> Reading:
    return reading(snapshot(name, extra_usage=extra(used)), ago=NOW - at)


def on_the_first(*latest: Reading, samples: Sequence[Sample]) -> Message:
    """The digest of April 1st."""
    names = dict.fromkeys(one.seat for one in latest)
    report = team_report(latest, {name: state(name) for name in names}, [seat(name) for name in names], FIRST)
    view = View(report, UTC, "named", frozenset(), public=True)
    return message(CHANNEL, view, samples, FIRST - timedelta(days=1))


def before_the_first(name: str, used: str, hours: float) -> Sample:
    counter = reading(name).counter
    return Sample(FIRST - timedelta(hours=hours), counter, money(used), money("50"), blocked=False)


ANAS_FIRST = [before_the_first("ana", "0", 30), before_the_first("ana", "1", 0)]


def test_on_the_first_of_a_month_the_sum_has_what_a_seat_spent_on_the_last_day() -> None:
    bos = [before_the_first("bo", "10", 30), before_the_first("bo", "30", 12)]
    latest = (read_at("ana", "1", FIRST), read_at("bo", "30", FIRST - timedelta(hours=12)))
    assert on_the_first(*latest, samples=[*ANAS_FIRST, *bos]).title == "The team's day: $21.00 spent"


def test_two_seats_of_one_account_that_were_last_read_the_month_before_are_in_the_sum_once() -> None:
    bos = [before_the_first("bo", "10", 30), before_the_first("bo", "30", 12)]
    bo = read_at("bo", "30", FIRST - timedelta(hours=12))
    said = on_the_first(read_at("ana", "1", FIRST), bo, replace(bo, seat="cy"), samples=[*ANAS_FIRST, *bos])
    assert said.title == "The team's day: $21.00 spent"


def test_a_seat_that_was_not_read_since_the_last_digest_nor_this_month_is_not_in_the_sum() -> None:
    latest = (read_at("ana", "1", FIRST), read_at("bo", "10", FIRST - timedelta(hours=30)))
    said = on_the_first(*latest, samples=[*ANAS_FIRST, before_the_first("bo", "10", 30)])
    assert said.title == "The team's day: at least $1.00 spent"
    assert "Not in this sum: bo." in said.text


@given(AMOUNTS, AMOUNTS, st.integers(0, 100))
def test_under_self_a_channel_s_digest_hangs_on_the_sum_alone(ana: str, bo: str, shift: int) -> None:
    """What one spent more and another less changes nothing."""
    cents = min(shift, round(float(ana) * 100))
    moved = (f"{float(ana) - cents / 100:.2f}", f"{float(bo) + cents / 100:.2f}")
    first, second = view(ana, bo, rows="self"), view(*moved, rows="self")
    if any(row.block for each in (first, second) for row in each.report.rows):
        return
    assert content_hash(first) == content_hash(second)
    since = NOW - timedelta(days=1)
    digests = [
        message(
            CHANNEL,
            seen,
            [
                sample
                for name, used in zip(("ana", "bo"), amounts, strict=True)
                for sample in (sample_of(name, "0", hours=-30), sample_of(name, used))
            ],
            since,
        )
        for seen, amounts in ((first, (ana, bo)), (second, moved))
    ]
    assert digests[0] == digests[1]


# --- what it says


def sample_of(name: str, used: str, *, hours: float = 0) -> Sample:
    counter = reading(name).counter
    return Sample(NOW + timedelta(hours=hours), counter, money(used), money("50"), blocked=False)


SAMPLES = [
    sample_of("ana", "2.20", hours=-30),
    sample_of("ana", "17.20", hours=-1),
    sample_of("bo", "1", hours=-30),
    sample_of("bo", "4", hours=-2),
]


def test_the_channel_reads_who_spent_what_since_the_last_one() -> None:
    said = message(CHANNEL, view("17.20", "4"), SAMPLES, NOW - timedelta(days=1))
    assert said.title == "The team's day: $18.00 spent"
    assert plain(said.text).startswith(
        "Since Wed Apr 29 10:00. The other amounts are for the month so far.\n"
    )
    assert [row[:3] for row in said.tables[0].rows] == [("ana", "$15.00", "$17.20"), ("bo", "$3.00", "$4.00")]
    assert "$21.20 spent of $100.00" in said.text


@pytest.mark.parametrize("rows", ["anonymous", "self"])
def test_a_channel_that_must_not_know_reads_the_sum(rows: Rows) -> None:
    said = message(CHANNEL, view("17.20", "4", rows=rows), SAMPLES, NOW - timedelta(days=1))
    assert said.title == "The team's day: $18.00 spent"
    assert "ana" not in str(said)


def test_an_operator_reads_everything() -> None:
    boss = replace(CHANNEL, destination=Destination("slack", "@UBOSS"), operator=True)
    seen = view("17.20", "4", rows="self", public=False, operator=True)
    (table,) = message(boss, seen, SAMPLES, NOW - timedelta(days=1)).tables
    assert [row[:2] for row in table.rows] == [("ana", "$15.00"), ("bo", "$3.00")]


def test_an_owner_reads_of_their_own() -> None:
    mine = view("17.20", "4", rows="self", public=False, own=frozenset({"ana"}))
    weekly = replace(ANAS, schedule=Schedule("week"))
    said = message(weekly, mine, SAMPLES, NOW - timedelta(days=1))
    assert said.title == "Your week: $15.00 spent"
    assert "bo" not in str(said).replace("body", "").replace("about", "")


def test_what_is_not_known_is_not_0() -> None:
    late = [sample for sample in SAMPLES if sample.counter == reading("ana").counter]
    seen = view("17.20", "4")
    assert (
        message(CHANNEL, seen, late, NOW - timedelta(days=1)).title == "The team's day: at least $15.00 spent"
    )
    assert message(CHANNEL, seen, (), NOW - timedelta(days=1)).title == "The team's day: spend not known"


def test_its_key_names_the_reader_and_their_day() -> None:
    made = digest_event(CHANNEL, date(2026, 4, 30), NOW)
    assert made.key == "digest:slack:C1:2026-04-30"
    assert digest_event(ANAS, date(2026, 4, 30), NOW).seat == "ana"
    assert replace(CHANNEL, operator=True).name != CHANNEL.name
