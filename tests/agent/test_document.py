import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.agent.document import render, snapshot
from meterbot.agent.storage import Problem, parse_json
from meterbot.cli.claude_meter import document_of
from tests.agent.rig import (
    ACCESS,
    ACCOUNT,
    EMAIL,
    METER,
    NOW,
    ORG,
)
from tests.sources.bodies import (
    OVERAGE,
    SUBSCRIPTION,
    USAGE,
    json_values,
    places,
    with_value,
)

WHOLE: dict[str, Any] = {**METER, "usage": USAGE, "overage": OVERAGE, "subscription": SUBSCRIPTION}

# All forms that a string in the outcome may have, in any place.
HARMLESS = re.compile(
    r"[a-z][a-z0-9_]{0,59}"  # a code word
    r"|[A-Za-z]{3}"  # a currency
    r"|[A-Za-z0-9][A-Za-z0-9 .+_-]{0,39}"  # a model, an id, a date
    r"|[0-9T:.+Zz -]{19,40}"  # an instant
    r"|-?[0-9.]{1,31}"
)
KEYS = re.compile(r"(five_hour|seven_day)(_[a-z0-9_]{1,60})?")


def sent_of(body: object) -> Any:
    """What a claude-meter document becomes, as the receiver sees it."""
    return json.loads(document_of(json.dumps(body).encode()))


def outcome(body: object) -> str:
    """All the text that comes of a document: what is sent, or what is said."""
    try:
        return "\n".join(strings(sent_of(body)))
    except Problem as refused:
        return str(refused)


def strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def test_the_numbers_of_a_usage_body_leave_as_they_came() -> None:
    one = snapshot(USAGE, ORG, ACCOUNT, NOW.timestamp())
    got = json.loads(render(one))
    assert got.pop("usage") == USAGE
    whose = {"org_uuid": ORG, "account_uuid": ACCOUNT}
    assert got == {**whose, "fetched_at": "2026-04-20T10:00:00.000Z", "errors": []}


@pytest.mark.parametrize("number", ["1720.50", "0.1", "12345678901.25", "1E+3", "-0", "100"])
def test_a_number_arrives_exactly_as_it_was_written(number: str) -> None:
    body = b'{"extra_usage": {"used_credits": ' + number.encode() + b"}}"
    written = render(snapshot(parse_json(body), ORG, ACCOUNT, NOW.timestamp())).decode()
    found = re.search(r'"used_credits": "?([^\s,}"]+)', written)
    assert found is not None
    assert Decimal(found[1]) == Decimal(number)


def test_null_stays_null_and_missing_stays_missing() -> None:
    extra = sent_of({**METER, "usage": {"extra_usage": {"monthly_limit": None, "used_credits": 5}}})["usage"][
        "extra_usage"
    ]
    assert extra == {"monthly_limit": None, "used_credits": 5}


def test_what_claude_meter_prints_loses_the_person_and_keeps_the_numbers() -> None:
    got = sent_of({**METER, "overage": OVERAGE})
    assert got["usage"] == METER["usage"]
    assert got["overage"]["used_credits"] == 1720.5
    assert got["subscription"] == {"status": "active"}
    assert got["errors"] == [{}]
    assert "account_email" not in got
    assert "browser" not in got


def test_the_address_goes_along_when_it_is_wanted() -> None:
    sent = document_of(json.dumps(METER).encode(), email=True)
    assert json.loads(sent)["account_email"] == EMAIL


def test_a_list_is_cut_item_by_item() -> None:
    other = {**METER, "org_uuid": ACCOUNT}
    both = document_of(json.dumps([METER, other]).encode())
    assert [one["org_uuid"] for one in json.loads(both)] == [ORG, ACCOUNT]


@pytest.mark.parametrize(
    "scope",
    [
        None,
        "opus",
        {"model": {"id": None, "display_name": "Sonnet 5"}, "surface": None},
        {"model": None, "surface": {"display_name": "Claude Design"}},
        {"model": None, "surface": "cowork"},
        {"model": None, "surface": {"display_name": "Desk-top"}},
    ],
    ids=str,
)
def test_what_a_limit_is_of_goes_along_in_each_form_it_was_seen_in(scope: object) -> None:
    limit = {"kind": "weekly_scoped", "percent": 3, "resets_at": None, "scope": scope}
    assert sent_of({**METER, "usage": {"limits": [limit]}})["usage"]["limits"] == [limit]


def test_windows_of_models_go_along() -> None:
    scoped = [{"display_name": "Fable", "utilization": 100, "resets_at": None}]
    assert sent_of({**METER, "usage": {"model_scoped": scoped}})["usage"] == {"model_scoped": scoped}


def test_instead_of_a_value_of_the_wrong_kind_an_empty_object_is_sent() -> None:
    body = with_value(WHOLE, ("usage", "extra_usage", "used_credits"), {"amount": EMAIL})
    got = sent_of(body)
    assert got["usage"]["extra_usage"]["used_credits"] == {}
    assert got["usage"]["five_hour"] == USAGE["five_hour"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("used_credits", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
        ("used_credits", "zoe"),
        ("used_credits", True),
        ("is_enabled", "Zoe-Planted"),
        ("is_enabled", 1),
        ("disabled_reason", "Zoe-Planted"),
        ("currency", "123-45-6789"),
        ("resets_at", "hunter2"),
        ("account_uuid", "zoe-planted"),
        ("display_name", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
    ],
)
def test_a_field_holds_only_values_of_its_kind(field: str, value: object) -> None:
    assert snapshot({"extra_usage": {field: value}}, ORG, ACCOUNT, 1.0)["usage"] == {
        "extra_usage": {field: {}}
    }


def test_only_ids_are_sent_as_ids() -> None:
    one = snapshot({}, "zoe-planted", "Zoe", 1.0)
    assert (one["org_uuid"], one["account_uuid"]) == ({}, {})


@pytest.mark.parametrize(
    "at", ["2026-04-20T12:00:00Z", "2026-04-20 12:00:00+00:00", "2026-04-20", 1776686400, None]
)
def test_a_time_goes_along_in_each_form_it_was_seen_in(at: object) -> None:
    window = {"five_hour": {"resets_at": at}}
    assert snapshot(window, ORG, ACCOUNT, 1.0)["usage"] == window


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 400])
def test_what_is_no_number_is_not_sent_as_one(value: str) -> None:
    body = ('{"extra_usage": {"used_credits": ' + value + ', "is_enabled": true}}').encode()
    one = snapshot(parse_json(body), ORG, ACCOUNT, NOW.timestamp())
    assert one["usage"] == {"extra_usage": {"used_credits": {}, "is_enabled": True}}


def test_windows_with_new_names_are_sent_and_other_new_sections_are_not() -> None:
    window = {"utilization": 3, "resets_at": None}
    usage = {"seven_day_fable": window, "nimbus_quill": window, "seven_day_breakdown": {"rows": [EMAIL]}}
    assert sent_of({**METER, "usage": usage})["usage"] == {"seven_day_fable": window}


@pytest.mark.parametrize("text", [b"", b"claude-meter: no session", b"[" * 100_000, b"[]", b"3", b"[{}, 3]"])
def test_what_is_not_claude_meters_is_refused_in_a_sentence(text: bytes) -> None:
    with pytest.raises(Problem, match="not what `claude-meter --json` prints"):
        document_of(text)


@pytest.mark.parametrize("path", list(places(WHOLE)), ids=lambda path: ".".join(map(str, path)))
@pytest.mark.parametrize(
    "planted", [EMAIL, ACCESS, "Zoe Müller", "/home/ana/secret plans", "4242 4242 4242 4242\n"]
)
def test_no_planted_text_leaves_from_any_place(path: tuple[str | int, ...], planted: str) -> None:
    for value in (planted, {planted: planted}, [planted], {"used_credits": planted}):
        assert planted not in outcome(with_value(WHOLE, path, value))


@given(st.sampled_from(list(places(WHOLE))), json_values)
def test_every_text_that_leaves_is_harmless_wherever_arbitrary_json_is(
    path: tuple[str | int, ...], value: object
) -> None:
    try:
        got = sent_of(with_value(WHOLE, path, value))
    except Problem:
        return
    known = set(strings(WHOLE)) | {"account_uuid", "fetched_at", "stale", "errors"}
    wild = [text for text in strings(got) if text not in known]
    assert all(HARMLESS.fullmatch(text) or KEYS.fullmatch(text) for text in wild), wild
    assert {"browser", "account_email", "payment_method", "last4", EMAIL} & set(strings(got)) == set()
