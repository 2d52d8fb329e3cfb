import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.sources.exact_json import NotJsonError, Unusable, parse


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_is_the_one_that_was_written(number: Decimal) -> None:
    assert parse(str(number).encode()) == number
    assert isinstance(parse(str(number).encode()), Decimal)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_marked(literal: str) -> None:
    assert parse(f"[{literal}]".encode()) == [Unusable(literal)]


def test_numbers_beyond_measure_are_marked_and_cost_nothing_else() -> None:
    huge = "9" * 100_000
    assert parse(f'{{"a": 1e99999999999999999999, "b": 1, "c": {huge}}}'.encode()) == {
        "a": Unusable("a number beyond measure"),
        "b": Decimal(1),
        "c": Decimal(huge),
    }


def test_a_key_stated_twice_has_no_value_at_any_depth() -> None:
    assert parse(b'{"a": {"b": 1, "b": 2, "c": 3}, "d": 1, "d": 1}') == {
        "a": {"b": Unusable("two values"), "c": Decimal(3)},
        "d": Unusable("two values"),
    }


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"\xff\xfe{\0}\0", "not UTF-8"),
    ],
)
def test_what_is_not_json_says_why_and_quotes_nothing(document: bytes, reason: str) -> None:
    with pytest.raises(NotJsonError) as error:
        parse(document)
    assert str(error.value) == reason
    assert error.value.__cause__ is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_everything_else_is_as_the_standard_library_reads_it(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value
