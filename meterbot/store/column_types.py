"""Column types: instants as numbers, money as text, dataclasses as JSON. The same on SQLite and PostgreSQL."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import BigInteger, Dialect, Text, TypeDecorator

from meterbot.core.json_values import adapter
from meterbot.core.money import Money

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_VALUES_KEPT = 500


class Instant(TypeDecorator[datetime]):
    """An aware instant as whole microseconds since 1970: exact, sortable, and a third of the size of its text."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        return None if value is None else number_of(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[int | None], datetime | None]:  # noqa: ARG002 - the signature is SQLAlchemy's
        # An answer reads tens of thousands of these values; `process_result_value` would be two more calls for each.
        return _instant_or_none


def number_of(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def instant_of(number: int) -> datetime:
    return _EPOCH + number * _MICROSECOND


@lru_cache(maxsize=_VALUES_KEPT)  # most instants of a row are the same one
def _instant_or_none(number: int | None) -> datetime | None:
    return None if number is None else instant_of(number)


class Amount(TypeDecorator[Money]):
    """Exact money as `1720 EUR 2`: minor units with all their digits, currency, exponent. `1720` are cents of a
    dollar."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Money | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        return text_of(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], Money | None]:  # noqa: ARG002 - the signature is SQLAlchemy's
        return _money_or_none  # see `Instant`


def text_of(money: Money | None) -> str | None:
    if money is None:
        return None
    if money.exponent == 2 and money.currency == "USD":
        return str(money.minor)
    return f"{money.minor} {money.currency} {money.exponent}"


@lru_cache(maxsize=10_000)
def _money_or_none(text: str | None) -> Money | None:
    # A history contains most amounts many times: caps, and amounts that did not change.
    if text is None:
        return None
    minor, _, unit = text.partition(" ")
    if not unit:
        return Money(Decimal(minor), "USD", 2)
    currency, _, exponent = unit.rpartition(" ")
    return Money(Decimal(minor), currency, int(exponent))


class Json(TypeDecorator[Any]):
    """One of our dataclasses as JSON text; decimals are strings in it and stay exact."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        return None if value is None else json_of(self.kind, value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002 - the signature is SQLAlchemy's
        return None if value is None else _reader(self.kind)(value)


def json_of(kind: Any, value: Any) -> str:
    text: str = adapter(kind).dump_json(value).decode()
    return text


def value_of(kind: Any, text: str) -> Any:
    """The inverse of `json_of`. Raises ValueError."""
    return _reader(kind)(text)


def is_readable(kind: Any, text: str) -> bool:
    try:
        value_of(kind, text)
    except ValueError:
        return False
    return True


@cache
def _reader(kind: Any) -> Callable[[str], Any]:
    # A waiting delivery is read each time another one leaves its queue, and a counter's state is mostly the same value
    # as its seat's. Nobody changes a value that was read.
    return lru_cache(maxsize=_VALUES_KEPT)(adapter(kind).validate_json)
