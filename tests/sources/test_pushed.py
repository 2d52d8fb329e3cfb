"""What a seat's machine pushes, as snapshots."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import (
    Estimate,
    Health,
    ReasonClass,
    Seat,
    Snapshot,
    Throttle,
)
from meterbot.core.money import Money, plain
from meterbot.rules.blocked import block_of
from meterbot.sources import UnusablePushError
from meterbot.sources.pushed import MOST_SNAPSHOTS, snapshots_of
from tests.sources.bodies import (
    OVERAGE,
    SUBSCRIPTION,
    USAGE,
    json_values,
    numbers_in,
    places,
    sent,
    with_value,
)

NOW = datetime(2026, 10, 10, 12, 1, tzinfo=UTC)
READ = datetime(2026, 10, 10, 12, tzinfo=UTC)
BO = Seat("bo", "push", interval=900.0)
ORG = "11111111-1111-4111-8111-111111111111"
ACCOUNT = "22222222-2222-4222-8222-222222222221"
SECRET = "sk-ant-sid01-planted-in-a-push"
CASES = {
    case["name"]: case["body"]
    for case in json.loads(
        (Path(__file__).parent.parent / "data" / "push-wire-cases.json").read_text("utf-8")
    )
}

# As claude-meter prints it: `usage` from a fixed list of fields.
METER: dict[str, Any] = {
    "org_uuid": ORG,
    "browser": "claude-code",
    "account_email": "bo@example.com",
    "fetched_at": "2026-10-10T12:00:00Z",
    "usage": {
        "five_hour": {"utilization": 12.0, "resets_at": "2026-10-10T17:00:00Z"},
        "seven_day": {"utilization": 41.0, "resets_at": None},
        "extra_usage": {
            "is_enabled": True,
            "monthly_limit": 5000,
            "used_credits": 1720.0,
            "utilization": 34.4,
            "currency": "USD",
        },
    },
    "overage": None,
    "subscription": None,
    "errors": [],
    "stale": False,
}
# As the extension sends it: the server's own bodies.
RAW: dict[str, Any] = {**METER, "usage": USAGE, "overage": OVERAGE, "subscription": SUBSCRIPTION}


def pushed(body: object, seat: Seat = BO, now: datetime = NOW) -> tuple[Snapshot, ...]:
    return snapshots_of(seat, json.dumps(body).encode(), now)


def one(body: object, seat: Seat = BO) -> Snapshot:
    (snapshot,) = pushed(body, seat)
    return snapshot


def refused(body: object, now: datetime = NOW) -> UnusablePushError:
    with pytest.raises(UnusablePushError) as caught:
        pushed(body, now=now)
    return caught.value


def used(snapshot: Snapshot) -> str | None:
    extra = snapshot.extra_usage
    return None if extra is None or extra.used is None else plain(extra.used)


# The recorded ones.


def test_an_array_of_the_extension_is_read_whole() -> None:
    snapshot = one(CASES["push_extension_array"])
    assert (snapshot.health, snapshot.fetched_at, used(snapshot)) == (Health.OK, READ, "17.20")
    assert snapshot.subscription is not None
    assert snapshot.subscription.next_charge_date == date(2026, 10, 3)
    assert snapshot.drift == snapshot.errors == ()
    assert "0000" not in repr(snapshot)
    assert "visa" not in repr(snapshot)


@pytest.mark.parametrize("name", ["push_old", "push_replayed"])
def test_what_claude_meter_prints_has_its_dollars_in_the_usage(name: str) -> None:
    snapshot = one(CASES[name])
    assert (snapshot.health, used(snapshot)) == (Health.OK, "17.20")
    assert snapshot.fetched_at == datetime.fromisoformat(CASES[name]["fetched_at"])


def test_a_reading_that_is_sent_again_is_marked_old() -> None:
    snapshot = one(CASES["push_stale_flag"])
    assert (snapshot.health, used(snapshot)) == (Health.STALE, "17.20")
    assert snapshot.errors == ("the seat's machine met 1 error",)


def test_every_recorded_push_is_read() -> None:
    assert {name: len(pushed(body)) for name, body in CASES.items()} == dict.fromkeys(CASES, 1)


# What is unknown.


def test_what_was_not_sent_is_unknown() -> None:
    snapshot = one(METER)
    assert (snapshot.subscription, snapshot.subscription_read) == (None, False)
    assert snapshot.account_uuid is None
    extra = snapshot.extra_usage
    assert extra is not None
    assert (extra.why_known, extra.reason, extra.disabled_until, extra.out_of_credits) == (
        False,
        None,
        None,
        None,
    )
    assert block_of(extra, snapshot.windows, NOW) is None


def test_no_spend_in_any_body_is_not_zero_and_not_unmetered() -> None:
    snapshot = one({**METER, "usage": {**METER["usage"], "extra_usage": None}})
    assert (snapshot.health, snapshot.extra_usage, snapshot.extra_usage_read) == (Health.OK, None, False)
    assert snapshot.errors == ("extra usage: nothing that was read says how much was used",)


def test_the_overage_row_tells_why() -> None:
    row = {**OVERAGE, "used_credits": 6230, "monthly_credit_limit": 6000, "out_of_credits": False}
    row |= {"disabled_reason": "self_selected_spend_limit_reached", "disabled_until": "2026-11-01T00:00:00Z"}
    snapshot = one({**METER, "usage": None, "overage": row})
    assert (snapshot.health, used(snapshot), snapshot.windows_read) == (Health.OK, "62.30", False)
    block = block_of(snapshot.extra_usage, None, NOW)
    assert block is not None
    assert (block.reason, block.until) == ("cap", datetime(2026, 11, 1, tzinfo=UTC))


def test_a_cap_that_is_spent_proves_a_block_without_the_row() -> None:
    extra = {**METER["usage"]["extra_usage"], "is_enabled": False, "used_credits": 5000}
    snapshot = one({**METER, "usage": {**METER["usage"], "extra_usage": extra}})
    block = block_of(snapshot.extra_usage, snapshot.windows, NOW)
    assert block is not None
    assert (block.reason, block.until) == ("cap", None)


def test_a_reason_in_the_body_is_taken() -> None:
    extra = {**USAGE["extra_usage"], "is_enabled": False, "disabled_reason": "out_of_credits"}
    snapshot = one({**METER, "usage": {**USAGE, "extra_usage": extra, "spend": None}})
    assert snapshot.extra_usage is not None
    assert snapshot.extra_usage.reason_class is ReasonClass.BALANCE


def test_a_team_s_own_row_is_nobodys_seat() -> None:
    row = {**OVERAGE, "limit_type": "organization", "used_credits": 123400, "monthly_credit_limit": 500000}
    body = {**METER, "usage": None, "overage": row}
    assert used(one(body)) == "1234.00"
    of_a_team = one(body, replace(BO, plan="team"))
    assert (of_a_team.extra_usage, of_a_team.extra_usage_read) == (None, False)


def test_a_machine_that_could_read_nothing_is_not_well() -> None:
    snapshot = one({**METER, "usage": None, "errors": ["a", {"b": 1}]})
    assert snapshot.health is Health.UNREACHABLE
    assert snapshot.errors == ("the seat's machine met 2 errors",)
    assert (snapshot.windows, snapshot.extra_usage, snapshot.subscription) == ((), None, None)
    assert (snapshot.windows_read, snapshot.extra_usage_read, snapshot.subscription_read) == (False,) * 3


def test_a_body_of_a_new_form_is_drift_and_costs_the_others_nothing() -> None:
    snapshot = one(
        {**METER, "usage": {**METER["usage"], "extra_usage": {**USAGE["extra_usage"], "used_credits": {}}}}
    )
    assert snapshot.health is Health.DRIFTED
    assert snapshot.windows_read
    assert not snapshot.extra_usage_read
    assert snapshot.drift == ("extra_usage.used_credits: expected a number, got an object",)
    assert "extra_usage.used_credits" in str(snapshot.detail)


def test_usage_with_nothing_known_in_it_is_drift() -> None:
    assert one({**METER, "usage": {"brand_new": 1}}).health is Health.DRIFTED


def test_the_account_is_known_where_the_sender_says_it() -> None:
    assert one({**METER, "account_uuid": ACCOUNT.upper()}).account_uuid == ACCOUNT


@pytest.mark.parametrize(("ahead", "expected"), [(4, (0, -3)), (-4, (-4, -7)), (0, (0, -3))])
def test_a_clock_that_is_a_little_ahead_is_put_right_for_the_whole_document(
    ahead: int, expected: tuple[int, int]
) -> None:
    newest, before = (NOW + timedelta(minutes=minutes) for minutes in (ahead, ahead - 3))
    document = [{**METER, "fetched_at": at.isoformat()} for at in (newest, before)]
    found = [(one.fetched_at - NOW) / timedelta(minutes=1) for one in pushed(document)]
    assert found == [expected[1], expected[0]]
    assert [one.own_time for one in pushed(document)] == [before, newest]


# What is refused.


@pytest.mark.parametrize(
    ("change", "field", "sentence"),
    [
        ({"org_uuid": None}, "org_uuid", "is missing"),
        ({"org_uuid": "org"}, "org_uuid", "expected a UUID, got another text"),
        ({"org_uuid": 7}, "org_uuid", "expected a UUID, got a number"),
        ({"account_uuid": []}, "account_uuid", "expected a UUID, got a list"),
        ({"fetched_at": None}, "fetched_at", "is missing"),
        ({"fetched_at": "yesterday"}, "fetched_at", "expected a time, got another text"),
        (
            {"fetched_at": "2026-10-10T12:00:00"},
            "fetched_at",
            "expected a time, got one without a UTC offset (add Z or +02:00)",
        ),
        ({"fetched_at": "2026-13-10T12:00:00"}, "fetched_at", "expected a time, got another text"),
        ({"fetched_at": "2026-10-10T12:06:01Z"}, "fetched_at", "is in the future"),
        ({"fetched_at": 1791633600000}, "fetched_at", "expected a time"),
        ({"stale": "no"}, "stale", "expected true or false, got a string"),
        ({"usage": []}, "usage", "expected an object or null, got a list"),
        ({"overage": "none"}, "overage", "expected an object or null, got a string"),
        ({"subscription": 1}, "subscription", "expected an object or null, got a number"),
    ],
)
def test_what_must_be_right_is_named_where_it_is_not(
    change: dict[str, Any], field: str, sentence: str
) -> None:
    error = refused({**METER, **change})
    assert error.field == field
    assert error.sentence.startswith(f"{field}: {sentence}")
    error = refused([METER, {**METER, **change}])
    assert error.field == f"[1].{field}"


@pytest.mark.parametrize(
    ("body", "field"), [([], "body"), (7, "body"), (None, "body"), ("x", "body"), ([METER, 7], "[1]")]
)
def test_what_is_no_object_is_refused(body: object, field: str) -> None:
    assert refused(body).field == field


def test_too_many_are_refused() -> None:
    assert len(pushed([METER] * MOST_SNAPSHOTS)) == MOST_SNAPSHOTS
    assert refused([METER] * (MOST_SNAPSHOTS + 1)).field == "body"


@pytest.mark.parametrize("document", [b"", b"{", b"\xff", b"{} {}", b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_no_json_is_refused(document: bytes) -> None:
    with pytest.raises(UnusablePushError) as caught:
        snapshots_of(BO, document, NOW)
    assert caught.value.field is None


def test_a_key_that_is_said_twice_is_not_believed() -> None:
    document = json.dumps(METER).replace('"browser"', f'"org_uuid": "{ACCOUNT}", "browser"').encode()
    with pytest.raises(UnusablePushError, match=r"org_uuid: expected a UUID, got two values"):
        snapshots_of(BO, document, NOW)


def test_clocks_may_differ_by_five_minutes() -> None:
    assert one({**METER, "fetched_at": "2026-10-10T12:06:00Z"}).fetched_at == NOW


def test_a_list_comes_in_order_of_time() -> None:
    times = ["2026-10-10T11:00:00Z", "2026-10-10T12:00:00Z", "2026-10-10T10:00:00+00:00"]
    read = [snapshot.fetched_at.hour for snapshot in pushed([{**METER, "fetched_at": at} for at in times])]
    assert read == [10, 11, 12]


# Foreign text.


def test_no_text_of_the_sender_is_kept() -> None:
    planted = {**RAW, "errors": [SECRET], "browser": SECRET, SECRET: SECRET, "account_email": SECRET}
    planted |= {"usage": {**USAGE, SECRET: {"utilization": 1}, "extra_usage": {"is_enabled": SECRET}}}
    planted |= {"overage": {**OVERAGE, "disabled_reason": SECRET, "currency": SECRET}}
    assert SECRET not in repr(one(planted))


@pytest.mark.parametrize("field", ["org_uuid", "fetched_at", "account_uuid", "stale", "usage"])
def test_no_refusal_repeats_what_was_sent(field: str) -> None:
    error = refused({**METER, field: SECRET})
    assert SECRET not in f"{error!r} {error.sentence} {error.field} {error.__cause__!r} {error.__context__!r}"


# Whatever comes.


def outcome(document: bytes) -> tuple[Snapshot, ...] | UnusablePushError:
    try:
        return snapshots_of(BO, document, NOW)
    except UnusablePushError as error:
        return error


@given(json_values)
def test_any_json_is_read_or_refused_at_a_field(value: object) -> None:
    ended = outcome(json.dumps(value).encode())
    assert not isinstance(ended, UnusablePushError) or ended.field is not None


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_a_sentence(document: bytes) -> None:
    ended = outcome(document)
    assert not isinstance(ended, UnusablePushError) or ended.sentence.isprintable()


@given(st.sampled_from([*places(RAW)]), json_values)
def test_one_strange_value_yields_no_number_that_was_not_sent(
    path: tuple[str | int, ...], value: object
) -> None:
    body = with_value(RAW, path, value)
    ended = outcome(json.dumps(body).encode())
    if isinstance(ended, UnusablePushError):
        assert ended.field == path[0]
        return
    (snapshot,) = ended
    assert snapshot.fetched_at <= NOW + timedelta(minutes=5)
    seen = numbers_in(sent(body))
    extra = snapshot.extra_usage
    for money in (extra.used, extra.cap) if extra is not None else ():
        assert money is None or money.minor in seen
    assert all(window.utilization is None or window.utilization in seen for window in snapshot.windows)
    assert all(note.isprintable() and len(note) < 200 for note in (*snapshot.drift, *snapshot.errors))


@given(st.decimals(0, 10**12, places=4), st.sampled_from(["USD", "EUR", "jpy"]))
def test_every_amount_is_kept_to_the_last_digit(minor: Decimal, currency: str) -> None:
    extra = f'{{"is_enabled":true,"monthly_limit":null,"used_credits":{minor:f},"currency":"{currency}"}}'
    document = f'{{"org_uuid":"{ORG}","fetched_at":"2026-10-10T12:00:00Z","usage":{{"extra_usage":{extra}}}}}'
    (snapshot,) = snapshots_of(BO, document.encode(), NOW)
    assert snapshot.extra_usage is not None
    assert snapshot.extra_usage.used == Money(minor, currency.upper(), 0 if currency == "jpy" else 2)


# What only the seat's machine knows.

ESTIMATE = {"source": "ccusage", "period": "2026-10", "amount_minor": 12345, "currency": "USD", "exponent": 2}
THROTTLE = {
    "tool": "claude-pace-maker",
    "as_of": "2026-10-10T11:55:00.000Z",
    "enabled": True,
    "throttling": True,
    "delay_seconds": 35,
}


def test_an_estimate_and_a_throttle_are_taken_and_no_spend() -> None:
    snapshot = one({**METER, "list_price_estimate": ESTIMATE, "throttle": THROTTLE})
    assert snapshot.estimate == Estimate(Money(Decimal(12345), "USD", 2), "2026-10", "ccusage")
    assert snapshot.throttle == Throttle(
        "claude-pace-maker", True, True, Decimal(35), datetime(2026, 10, 10, 11, 55, tzinfo=UTC)
    )
    assert replace(snapshot, estimate=None, throttle=None) == one(METER)


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        *(("list_price_estimate", field, None) for field in ESTIMATE),
        ("list_price_estimate", "amount_minor", -1),
        ("list_price_estimate", "amount_minor", "a lot"),
        ("list_price_estimate", "period", "2026-13"),
        ("list_price_estimate", "period", SECRET),
        ("list_price_estimate", "source", "Mallory's *bold* claim"),
        ("throttle", "tool", SECRET + "!"),
        ("throttle", "throttling", "yes"),
        ("throttle", "as_of", "2027-01-01T00:00:00Z"),
        ("throttle", "as_of", None),
    ],
)
def test_one_that_is_not_whole_is_not_taken_and_costs_no_number(
    section: str, field: str, value: object
) -> None:
    whole = {"list_price_estimate": ESTIMATE, "throttle": THROTTLE}
    body = with_value({**METER, **whole}, (section, field), value)
    snapshot = one(body)
    assert (snapshot.estimate if section == "list_price_estimate" else snapshot.throttle) is None
    assert (snapshot.health, used(snapshot)) == (Health.OK, "17.20")
    assert SECRET not in repr(snapshot)
