import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meterbot.commands.export import COLUMNS, as_csv, rows
from meterbot.core.models import Counter, Sample
from meterbot.core.money import Money
from tests.teams import money

ANA = Counter("acc", "org-1")
AT = datetime(2026, 4, 30, 12, 34, 56, tzinfo=UTC)
ONE = Sample(AT, ANA, money("17.20"), money("50"), blocked=True)


def read(text: str) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_row_has_minor_units_and_whole_ones_and_is_in_utc() -> None:
    assert rows([ONE], {ANA: "ana"}) == [
        {
            "at": "2026-04-30T12:34:56Z",
            "seat": "ana",
            "organization": "org-1",
            "currency": "USD",
            "exponent": 2,
            "used_minor": "1720",
            "used": "17.20",
            "cap_minor": "5000",
            "cap": "50.00",
            "blocked": True,
        }
    ]


def test_a_quiet_stretch_is_one_row_however_often_it_was_read() -> None:
    later = [replace(ONE, at=AT + timedelta(minutes=minute)) for minute in range(3)]
    risen = replace(ONE, at=AT + timedelta(minutes=3), used=money("18"))
    found = rows([*later, risen, replace(ONE, at=AT + timedelta(minutes=4))], {ANA: "ana"})
    assert [row["used"] for row in found] == ["17.20", "18.00", "17.20"]


def test_unknown_is_null_and_empty_and_never_zero() -> None:
    found = rows([replace(ONE, cap=None)], {ANA: "ana"})
    assert found[0]["cap"] is None
    assert read(as_csv(found))[0]["cap"] == ""


def test_what_is_of_no_configured_seat_is_left_out() -> None:
    assert rows([ONE], {}) == []


def test_a_cap_in_another_currency_is_not_taken_for_the_amounts() -> None:
    assert rows([replace(ONE, cap=money("50", "EUR"))], {ANA: "ana"})[0]["cap"] is None


def test_no_digit_is_lost() -> None:
    fine = Money(Decimal("1720.000000000000000000001"), "USD", 2)
    assert rows([replace(ONE, used=fine)], {ANA: "ana"})[0]["used_minor"] == "1720.000000000000000000001"


@given(st.integers(0, 10**12), st.integers(0, 6))
def test_a_whole_number_of_minor_units_is_written_as_one(minor: int, zeros: int) -> None:
    amount = Money(Decimal(f"{minor}.{'0' * zeros}" if zeros else minor), "USD", 2)
    assert rows([replace(ONE, used=amount)], {ANA: "ana"})[0]["used_minor"] == str(minor)


@given(st.text(min_size=1, max_size=8))
def test_no_cell_begins_like_a_formula(name: str) -> None:
    [row] = read(as_csv(rows([ONE], {ANA: f"={name}"})))
    assert list(row) == list(COLUMNS)
    assert row["seat"].startswith("'=")


def test_a_seat_that_begins_with_a_hyphen_is_no_formula() -> None:
    assert read(as_csv(rows([ONE], {ANA: "-2.3"})))[0]["seat"] == "'-2.3"
