"""Reads the fields of a foreign body one by one. A field of the wrong type is left out with a note; the others still
count.

A shape is a pydantic model whose fields have the types below and default to None. `read` fills it and never fails. A
note names the field and the kind of value found, never the value itself, which may be a secret.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationInfo

from meterbot.core import secret
from meterbot.core.money import LARGEST_MINOR
from meterbot.sources.exact_json import Unusable

_MOST_NOTES = 20
_LONGEST_TEXT = 80
_MOST_DIGITS = 28  # what arithmetic on decimals keeps without being told to
_MOST_PLACES = 18
_YEARS = range(2000, 2101)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_DIGITS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,18})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    _DAY.pattern + r"[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:?[0-9]{2})", re.IGNORECASE
)
_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,190}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(slots=True)
class DriftNotes:
    """Notes on unexpected fields: `drift` is text for people (bounded), `rejected` has the paths of rejected fields."""

    drift: list[str] = field(default_factory=list)
    rejected: set[str] = field(default_factory=set)

    def add(self, note: str) -> None:
        if note in self.drift or len(self.drift) > _MOST_NOTES:
            return
        self.drift.append(note if len(self.drift) < _MOST_NOTES else "more differences than are listed here")

    def reject(self, path: str, expected: str, found: str) -> None:
        self.rejected.add(path)
        self.add(f"{path}: expected {expected}, got {found}")


class Shape(BaseModel):
    """A section of a body. Null and missing are both None; `model_fields_set` distinguishes them."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)


AnyShape = TypeVar("AnyShape", bound=Shape)


@dataclass(frozen=True, slots=True)
class _FieldPath:
    path: str
    notes: DriftNotes


class _WrongError(Exception):
    """A value of the wrong type."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(expected)
        self.expected = expected
        self.found = found


def read(shape: type[AnyShape], value: object, path: str, notes: DriftNotes) -> AnyShape | None:
    """The section at `path`, or None if it is null or no object (then with a note)."""
    if value is None:
        return None
    if not isinstance(value, dict):
        notes.reject(path, "an object", kind(value))
        return None
    return shape.model_validate(value, context=_FieldPath(path, notes))


def kind(value: object) -> str:
    """The kind of a JSON value, in words."""
    if isinstance(value, Unusable):
        return value.what
    names: dict[type, str] = {
        bool: "a boolean",
        Decimal: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null")


def printable(text: str) -> str | None:
    """Foreign text that is safe to show: one line, at most 80 characters, nothing secret. None if nothing is left."""
    shown = text[: 4 * _LONGEST_TEXT]
    if not shown.isprintable():
        shown = "".join(filter(str.isprintable, shown))
    return secret.hide(shown).strip()[:_LONGEST_TEXT] or None


def uuid(value: object) -> str | None:
    """The value in lower case if it is a UUID and nothing else."""
    return value.lower() if isinstance(value, str) and _UUID.fullmatch(value) else None


def _tolerant(convert: Callable[[Any, Callable[[str], None]], object]) -> PlainValidator:
    """A field that is None if `convert` rejects the value; `convert` may also note what it corrected."""

    def validate(value: object, info: ValidationInfo) -> object:
        if value is None:
            return None
        try:
            return convert(value, lambda note: _place(info).notes.add(f"{_path(info)}: {note}"))
        except _WrongError as wrong:
            _place(info).notes.reject(_path(info), wrong.expected, wrong.found)
            return None

    return PlainValidator(validate)


def _place(info: ValidationInfo) -> _FieldPath:
    return cast("_FieldPath", info.context)


def _path(info: ValidationInfo) -> str:
    return f"{_place(info).path}.{info.field_name}"


def _number(value: object, forgive: Callable[[str], None]) -> Decimal:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        forgive("expected a number, got a string")
        value = Decimal(value)
    if not isinstance(value, Decimal):
        raise _WrongError("a number", kind(value))
    if value < 0:
        raise _WrongError("a number", "a negative one")
    if value > LARGEST_MINOR:
        raise _WrongError("a number", "an absurdly large one")
    _, digits, places = value.as_tuple()
    if len(digits) > _MOST_DIGITS or not isinstance(places, int) or places < -_MOST_PLACES:
        raise _WrongError("a number", "one with too many digits")
    return value.copy_abs()  # -0.0 is zero


def _amount(value: object, forgive: Callable[[str], None]) -> Decimal:
    """Amounts that are sent as strings: `"12345.00"`."""
    if isinstance(value, str):
        if not _AMOUNT.fullmatch(value):
            raise _WrongError("an amount", "another text")
        return _number(Decimal(value), forgive)
    if isinstance(value, Decimal):
        forgive("expected a string, got a number")
    return _number(value, forgive)


def _scale(value: object, forgive: Callable[[str], None]) -> int:
    number = _number(value, forgive)
    if number > 6 or number != int(number):
        raise _WrongError("a number of decimals", "another number")
    return int(number)


def _flag(value: object, _: Callable[[str], None]) -> bool:
    if not isinstance(value, bool):
        raise _WrongError("true or false", kind(value))
    return value


def _text(value: object, _: Callable[[str], None]) -> str | None:
    if not isinstance(value, str):
        raise _WrongError("a string", kind(value))
    return printable(value)


def _email(value: object, _: Callable[[str], None]) -> str:
    """Personal, and shown only on request; addresses in all other texts are hidden."""
    if not isinstance(value, str):
        raise _WrongError("an e-mail address", kind(value))
    if not _EMAIL.fullmatch(value) or not value.isprintable() or secret.looks_secret(value):
        raise _WrongError("an e-mail address", "another text")
    return value


def _currency(value: object, _: Callable[[str], None]) -> str:
    if not isinstance(value, str):
        raise _WrongError("a currency code", kind(value))
    if not re.fullmatch("[A-Za-z]{3}", value):
        raise _WrongError("a currency code", "another text")
    return value.upper()


def _identity(value: object, _: Callable[[str], None]) -> str:
    known = uuid(value)
    if known is None:
        raise _WrongError("a UUID", "another text" if isinstance(value, str) else kind(value))
    return known


def _instant(value: object, forgive: Callable[[str], None]) -> datetime:
    """RFC 3339 with any offset, or seconds since 1970."""
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        return _rfc3339(value)
    if not isinstance(value, Decimal | str):
        raise _WrongError("a time", kind(value))
    try:
        return _sane(_EPOCH + timedelta(seconds=float(_number(value, forgive))))
    except (OverflowError, _WrongError):
        raise _WrongError("a time", "a number far from any") from None


@lru_cache(maxsize=1024)  # a window has the same end in every reading
def _rfc3339(text: str) -> datetime:
    try:
        if _INSTANT.fullmatch(text) and int(text[:4]) in _YEARS:
            return _sane(datetime.fromisoformat(text.upper()).astimezone(UTC))
    except ValueError:
        pass  # the right form, but no such time: said below like any other text
    raise _WrongError("a time", "another text")


def _sane(moment: datetime) -> datetime:
    if moment.year not in _YEARS:
        raise _WrongError("a time", "one far away")
    return moment


def _day(value: object, forgive: Callable[[str], None]) -> date:
    """A calendar day. It is no instant, so no time zone applies to it."""
    if not isinstance(value, str):
        raise _WrongError("a day", kind(value))
    if _INSTANT.fullmatch(value):
        forgive("expected a day, got a time")
        value = value[:10]
    try:
        if _DAY.fullmatch(value) and int(value[:4]) in _YEARS:
            return date.fromisoformat(value)
    except ValueError:
        pass  # the right form, but no such day: said below like any other text
    raise _WrongError("a day", "another text")


def _day_or_instant(value: object, forgive: Callable[[str], None]) -> date:
    """For fields that are sometimes a day and sometimes a time: the UTC day."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        return _day(value, forgive)
    return _instant(value, forgive).date()


Number = Annotated[Decimal | None, _tolerant(_number)]
"""0 to 10^12, exact."""
AmountText = Annotated[Decimal | None, _tolerant(_amount)]
"""The same, sent as a string of digits."""
Scale = Annotated[int | None, _tolerant(_scale)]
"""The number of decimals of a currency's minor unit."""
Flag = Annotated[bool | None, _tolerant(_flag)]
Text = Annotated[str | None, _tolerant(_text)]
Email = Annotated[str | None, _tolerant(_email)]
Currency = Annotated[str | None, _tolerant(_currency)]
Identity = Annotated[str | None, _tolerant(_identity)]
Instant = Annotated[datetime | None, _tolerant(_instant)]
Day = Annotated[date | None, _tolerant(_day)]
DayOrInstant = Annotated[date | None, _tolerant(_day_or_instant)]
