from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.sources.fields import (
    DriftNotes,
    Email,
    Flag,
    Identity,
    Number,
    Shape,
    printable,
    read,
)
from tests.sources.bodies import json_values, sent


class Thing(Shape):
    amount: Number = None
    flag: Flag = None
    email: Email = None
    uuid: Identity = None


def thing(**fields: object) -> tuple[Thing, DriftNotes]:
    notes = DriftNotes()
    found = read(Thing, sent(fields), "thing", notes)
    assert found is not None
    return found, notes


@pytest.mark.parametrize(
    ("value", "note"),
    [
        (True, "expected a number, got a boolean"),
        ("12 %", "expected a number, got a string"),
        ("-5", "expected a number, got a string"),
        ("١٢", "expected a number, got a string"),
        ([1], "expected a number, got a list"),
        ({"a": 1}, "expected a number, got an object"),
        (-1, "expected a number, got a negative one"),
        (10**12 + 1, "expected a number, got an absurdly large one"),
        (float("nan"), "expected a number, got NaN"),
        (float("inf"), "expected a number, got Infinity"),
        (1e-300, "expected a number, got one with too many digits"),
    ],
)
def test_a_value_that_is_no_number_is_left_out_and_noted_without_being_quoted(
    value: object, note: str
) -> None:
    found, notes = thing(amount=value, flag=True)
    assert (found.amount, found.flag) == (None, True)
    assert notes.drift == [f"thing.amount: {note}"]
    assert notes.rejected == {"thing.amount"}


@pytest.mark.parametrize("value", ["1720", "1720.5", "0"])
def test_a_string_of_digits_is_taken_and_noted(value: str) -> None:
    found, notes = thing(amount=value)
    assert found.amount == Decimal(value)
    assert notes.drift == ["thing.amount: expected a number, got a string"]
    assert notes.rejected == set()


@pytest.mark.parametrize("value", [1, 0, "true", "false", [], {}])
def test_only_true_and_false_are_flags(value: object) -> None:
    found, notes = thing(flag=value)
    assert found.flag is None
    assert notes.rejected == {"thing.flag"}


def test_null_and_missing_are_no_drift() -> None:
    found, notes = thing(amount=None)
    assert found.amount is None
    assert (found.model_fields_set, notes.drift) == ({"amount"}, [])


@given(json_values)
def test_any_value_gives_a_field_or_a_bounded_note(value: Any) -> None:
    found, notes = thing(amount=value, flag=value, email=value)
    if value is not None:
        assert len(notes.rejected) >= 2
    assert found.amount is None or 0 <= found.amount <= 10**12
    assert all(len(note) < 100 for note in notes.drift)


def test_notes_are_bounded_and_said_once() -> None:
    notes = DriftNotes()
    for number in range(1000):
        notes.reject(f"field{number}", "a number", "a list")
        notes.reject(f"field{number}", "a number", "a list")
    assert len(notes.drift) == 21
    assert notes.drift[0] == "field0: expected a number, got a list"
    assert notes.drift[-1] == "more differences than are listed here"


@pytest.mark.parametrize("secret", ["sk-ant-sid01-abc@example.com", "a@b c", "two@at@x", "", 5, "a\n@b.c"])
def test_what_is_no_address_is_no_email(secret: object) -> None:
    found, _ = thing(email=secret)
    assert found.email is None


@given(st.text())
def test_shown_text_is_one_short_line(text: str) -> None:
    shown = printable(text)
    assert shown is None or (0 < len(shown) <= 80 and shown.isprintable())


def test_a_uuid_is_one_in_any_case_and_nothing_around_it() -> None:
    known = "11111111-1111-4111-8111-aaaaaaaaaaaa"
    assert thing(uuid=known.upper())[0].uuid == known
    for value in (known + "\n", f"{{{known}}}", "x", 5):
        assert thing(uuid=value)[0].uuid is None
