"""Generated bodies of one counter, from the source's parser to events, against the model beside this file.

Covered: amounts as numbers, texts, fractions, nulls and garbage; exponents 0 to 4 and several currencies; `extra_usage`
alone, `spend` beside it, and a team's total beside the member's own row; no cap, and caps that change; blocks by
reason, flag and cap; full windows; borders of a month; dips; readings that come out of order, are dated a little or far
into the future, or arrive hours late within a month; the last document or the first one, sent again later, also if it
is dated ahead; prepaid credits; levels and kinds that are configured otherwise in between; reset moments of a window,
and `disabled_until`; a cap that is forecast to be reached. Checked for each reading: whether it is new, the amount,
whether it blocks, and the events that are posted; at the end, what was spent. Not covered: several seats of one counter
(test_shared_counter.py).

HYPOTHESIS_PROFILE=search looks for new examples.
"""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Event, EventKind, Seat, Snapshot
from meterbot.rules.blocked import block_of
from meterbot.rules.increases import increases
from meterbot.rules.settings import DEFAULT_THRESHOLDS, RuleSettings, Threshold
from meterbot.sources import UnusablePushError
from meterbot.sources.pushed import snapshots_of
from tests.properties import examples
from tests.sources.served import ACCOUNT, ORG
from tests.wire.model import CAP, CLOCKS_DIFFER, SWITCHED_OFF, Facts, Model
from tests.wire.played import Ingested

AMOUNT_LEVELS = tuple(level for level in DEFAULT_THRESHOLDS if level.default)
PERCENTS = [(50, 80, 95), (50, 80, 95), (50, 80, 95), (50, 90), (80,), ()]
KINDS = {
    "period_closed", "spend_started", "charged_within_plan", "window_full", "seat_blocked", "seat_unblocked",
    "threshold_crossed", "balance_low", "cap_forecast",
}  # fmt: skip
OFF = [frozenset[str]()] * 6 + [frozenset({kind}) for kind in sorted(KINDS)]
SILENT = timedelta(hours=3)
"""A reading that is older than this when it arrives brings no alerts."""
STANDARD = {"USD": 2, "eur": 2, "JPY": 0}
UNREADABLE: list[Any] = [None, True, "much", -1, 1e13, [1], {}]
AGAIN = [None, None, None, (-1, 1), (-1, 10), (0, 1)]
"""Which document is sent again, and after how many minutes."""
STEPS = [
    timedelta(0),
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=2),
]
RESETS = [None, None, 120, 123, 300, 2, -60]
"""Minutes from a reading to the next reset of its window; the last one is overdue."""
UNTIL = [None, None, None, 30, 24 * 60, -60]
STARTS = [
    datetime(2026, 11, 12, 9, tzinfo=UTC),
    datetime(2026, 11, 27, 9, tzinfo=UTC),
    datetime(2026, 11, 30, 22, tzinfo=UTC),
    datetime(2026, 12, 1, 0, 30, tzinfo=UTC),
]

amounts = st.one_of(
    st.integers(0, 12_000),
    st.sampled_from([0, 2500, 4000, 5000, 5000, 10_000]),
    st.sampled_from([0, 2500, 4000, 5000, 5000, 10_000, 31_000]),
    st.integers(0, 12_000).map(str),
    st.sampled_from([1234.5, 0.25, 4750.125]),
    st.sampled_from(UNREADABLE),
)

steady_steps = st.builds(
    lambda days, hours: [timedelta(days=1)] * days + [timedelta(hours=each) for each in hours],
    st.sampled_from([0, 3, 4]),
    st.lists(st.sampled_from([1, 4, 6, 9]), min_size=3, max_size=8),
)


@st.composite
def series(draw: st.DrawFn, *, steady: bool = False) -> dict[str, Any]:
    """One seat and its readings. Each is dated `skew` from when it arrives. A `steady` seat spends day and night and is
    not blocked."""
    start = draw(st.sampled_from(STARTS))
    readings: list[dict[str, Any]] = []
    now, late = start, [0, -240] if start == STARTS[0] else [0]
    cap = draw(st.integers(1000, 20_000) if steady else st.sampled_from([5000, 5000, None, 0]))
    spent, rate = 0, draw(st.integers(50, 900))
    for step in draw(steady_steps if steady else st.lists(st.sampled_from(STEPS), min_size=2, max_size=7)):
        now += step
        spent += int(rate * draw(st.integers(0, 2)) * (step / timedelta(hours=6)))
        others = [cap * 5 // 4, cap * 2, cap, cap] if steady and cap else [10_000, 2000, None]
        cap = draw(st.sampled_from([cap, cap, cap, *others]))
        readings.append(
            {
                "now": now,
                "skew": timedelta(minutes=draw(st.sampled_from([0, 0, 0, 4, -4, -30, 6, *late]))),
                "used": spent if steady else draw(amounts),
                "cap": cap,
                "reason": None if steady else draw(st.sampled_from([None] * 6 + sorted(CAP | SWITCHED_OFF))),
                "reached": not steady and draw(st.sampled_from([False] * 6 + [True])),
                "five_hour": draw(st.sampled_from([10, 40, 100])),
                "resets": draw(st.sampled_from(RESETS)),
                "until": draw(st.sampled_from(UNTIL)),
                "balance": draw(st.sampled_from([None, 0, 500, 2000, 90_000])),
                "percents": draw(st.sampled_from(PERCENTS)),
                "off": draw(st.sampled_from(OFF)),
                "again": draw(st.sampled_from(AGAIN)),
            }
        )
        if readings[-1]["again"] is not None:
            now += timedelta(minutes=readings[-1]["again"][1])
    places = draw(st.sampled_from(["extra", "both", "row"]))
    currency, exponent = draw(st.sampled_from(sorted(STANDARD))), draw(st.integers(0, 4))
    if places == "row":  # the row states no scale, and another one would be another amount
        exponent = STANDARD[currency]
    return {"places": places, "currency": currency, "exponent": exponent, "readings": readings}


def document(given_: dict[str, Any], one: dict[str, Any]) -> bytes:
    unit = {"currency": given_["currency"], "decimal_places": given_["exponent"]}
    used, cap = one["used"], one["cap"]
    extra = {"is_enabled": True, "monthly_limit": cap, "used_credits": used, "disabled_reason": one["reason"]}
    extra |= {**unit, "spend_limit_reached": one["reached"]}
    usage: dict[str, Any] = {"five_hour": {"utilization": one["five_hour"]}, "seven_day": {"utilization": 7}}
    usage["five_hour"]["resets_at"] = _text(_ahead(one, "resets"))
    row = None
    if given_["places"] == "both":
        scale = {"currency": given_["currency"], "exponent": given_["exponent"]}
        limit = None if cap is None else {"amount_minor": cap, **scale}
        usage["spend"] = {"used": {"amount_minor": used, **scale}, "limit": limit, "enabled": True}
        if one["balance"] is not None:
            usage["spend"]["balance"] = {"amount_minor": one["balance"], **scale}
    if given_["places"] == "row":
        row = {"limit_type": "member", "account_uuid": ACCOUNT, "organization_uuid": ORG, "is_enabled": True}
        row |= {"monthly_credit_limit": cap, "used_credits": used, "currency": given_["currency"]}
        row |= {
            "disabled_until": _text(_ahead(one, "until")),
            "disabled_reason": one["reason"],
            "out_of_credits": one["reached"],
        }
        extra |= {"used_credits": 900_000, "monthly_limit": 800_000, "spend_limit_reached": True}
    usage["extra_usage"] = extra
    at = one["now"] + one["skew"]
    whose = {"org_uuid": ORG, "account_uuid": ACCOUNT, "fetched_at": at.isoformat()}
    return json.dumps({**whose, "usage": usage, "overage": row}).encode()


def _ahead(one: dict[str, Any], name: str) -> datetime | None:
    return None if one[name] is None else one["now"] + timedelta(minutes=one[name])


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def facts(given_: dict[str, Any], one: dict[str, Any], arrival: datetime) -> Facts:
    used, cap = one["used"], one["cap"]
    number = None if any(used is bad for bad in UNREADABLE) else Decimal(str(used))
    known: Decimal | str | None = Decimal(cap) if cap is not None else "none"
    if cap is None and (number is None or given_["places"] == "row"):
        known = None  # null may also be a cap that nobody set
    windows = {"five_hour": one["five_hour"], "seven_day": 7}
    left = None if one["balance"] is None or given_["places"] != "both" else Decimal(one["balance"])
    sender_time = one["now"] + one["skew"]
    at = min(sender_time, arrival)  # a clock that is ahead is put right
    late = arrival - at > SILENT
    configured = (one["percents"], one["off"])
    ends = {"five_hour": _ahead(one, "resets")}, _ahead(one, "until") if given_["places"] == "row" else None
    read = (at, number, known, one["reason"], one["reached"], windows, left, late)
    return Facts(*read, *configured, *ends, sender_time, arrival)


def configured(one: dict[str, Any]) -> RuleSettings:
    percents = tuple(Threshold(percent=Decimal(each)) for each in one["percents"])
    kinds = RuleSettings().kinds - {EventKind(kind) for kind in one["off"]}
    return RuleSettings(thresholds=(*percents, *AMOUNT_LEVELS), kinds=kinds)


def listed(events: list[Event]) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for event in events:
        if event.muted_by is not None or event.kind.value not in KINDS:
            continue
        what: object = None
        if event.kind is EventKind.WINDOW_FULL:
            what = event.facts["window"]
        elif event.kind is EventKind.PERIOD_CLOSED:
            what = Decimal(event.facts["final"]["minor"])  # type: ignore[index]
        elif event.kind in {EventKind.THRESHOLD_CROSSED, EventKind.BALANCE_LOW} and event.level is not None:
            what = _level(event.level)
        elif event.kind is EventKind.CAP_FORECAST:
            what = _to_the_minute(datetime.fromisoformat(str(event.facts["cap_eta"])))
        found.append((event.kind.value, what))
    return found


def _to_the_minute(at: datetime) -> datetime:
    return (at + timedelta(seconds=30)).replace(second=0, microsecond=0)


def _level(level: str) -> Decimal | int:
    """`80%` as 80; `25.00 USD` and `2500 JPY` as 2500."""
    if level.endswith("%"):
        return int(level[:-1])
    return Decimal(level.partition(" ")[0].replace(".", ""))


@examples(100)
@given(series())
def test_amount_block_and_events_are_those_of_the_model(given_: dict[str, Any]) -> None:
    _play(given_)


@examples(200)
@given(series(steady=True))
def test_so_are_they_for_a_cap_that_will_be_reached(given_: dict[str, Any]) -> None:
    _play(given_)


def _play(given_: dict[str, Any]) -> None:
    plan = "team" if given_["places"] == "row" else "max_20x"
    seat = Seat("ana", "push", plan=plan, interval=SILENT.total_seconds() / 3)
    ingested = Ingested(seat, RuleSettings())
    standard = STANDARD[given_["currency"]]
    model = Model(Decimal(10) ** (given_["exponent"] - standard))
    sent: list[dict[str, Any]] = []
    for one in given_["readings"]:
        if given_["places"] == "row" and any(one["used"] is bad for bad in UNREADABLE):
            continue
        try:
            snapshots_of(seat, document(given_, one), one["now"])
        except UnusablePushError:
            assert one["skew"] > CLOCKS_DIFFER
            continue
        sent.append(one)
        arrivals = [(one, one["now"])]
        if one["again"] is not None:
            which, minutes = one["again"]
            arrivals.append((sent[which], one["now"] + timedelta(minutes=minutes)))
        for given_again, arrival in arrivals:
            (snapshot,) = snapshots_of(seat, document(given_, given_again), arrival)
            expected = facts(given_, given_again, arrival)
            _check_amounts(given_, snapshot, expected, arrival)
            before = model.at
            events = listed(ingested.read(snapshot, arrival, configured(given_again)))
            assert events == model.read(expected)
            assert bool(ingested.changes.news) is (model.at != before)
    spent = [each.amount.minor for each in increases(ingested.samples)]
    assert sum(spent) == model.spent


def _check_amounts(given_: dict[str, Any], snapshot: Snapshot, expected: Facts, arrival: datetime) -> None:
    extra = snapshot.extra_usage
    assert extra is not None
    assert (extra.used and extra.used.minor) == expected.used
    if extra.used is not None:
        unit = (given_["currency"].upper(), given_["exponent"])
        assert (extra.used.currency, extra.used.exponent) == unit
    assert (block_of(extra, (), arrival) is not None) is expected.blocked
