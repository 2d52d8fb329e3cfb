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
_ANOTHER = "another text"
_NO_OFFSET = "one without a UTC offset (add Z or +02:00)"
_KINDS = {bool: "a boolean", Decimal: "a number", str: "a string", list: "a list", dict: "an object"}

_DIGITS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,18})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    _DAY.pattern + r"[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:?[0-9]{2})", re.IGNORECASE
)
_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,190}")
_CURRENCY = re.compile("[A-Za-z]{3}")
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

    def worst(self) -> str:
        """The first note about a rejected field."""
        return next((note for note in self.drift if note.partition(":")[0] in self.rejected), self.drift[0])


class Shape(BaseModel):
    """A section of a body. Null and missing are both None; `model_fields_set` distinguishes them."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)


AnyShape = TypeVar("AnyShape", bound=Shape)


class _WrongError(Exception):
    """A value of the wrong type. Its text, if it has one, says more than the kind of the value."""


def read(shape: type[AnyShape], value: object, path: str, notes: DriftNotes) -> AnyShape | None:
    """The section at `path`, or None if it is null or no object (then with a note)."""
    if value is None:
        return None
    if not isinstance(value, dict):
        notes.reject(path, "an object", kind(value))
        return None
    return shape.model_validate(value, context=(path, notes))


def section(shape: type[AnyShape], value: object, path: str, notes: DriftNotes) -> AnyShape | None:
    """The same for a section that must be there."""
    if value is None:
        notes.reject(path, "an object", "null")
    return read(shape, value, path, notes)


def elements(value: object, path: str, notes: DriftNotes) -> list[tuple[str, object]]:
    """The elements of the list at `path`, each with its own path; none if it is null or no list (then with a note)."""
    if value is None:
        return []
    if not isinstance(value, list):
        notes.reject(path, "a list", kind(value))
        return []
    return [(f"{path}[{place}]", element) for place, element in enumerate(value)]


def note_missing(shape: Shape, field: str, path: str, expected: str, notes: DriftNotes) -> None:
    """Notes a field that cannot be used; one of the wrong type was noted when it was read."""
    if f"{path}.{field}" not in notes.rejected:
        found = kind(getattr(shape, field)) if field in shape.model_fields_set else "nothing"
        notes.reject(f"{path}.{field}", expected, found)


def kind(value: object) -> str:
    """The kind of a JSON value, in words."""
    if isinstance(value, Unusable):
        return value.what
    return _KINDS.get(type(value), "null")


def printable(text: str) -> str | None:
    """Foreign text that is safe to show: one line, at most 80 characters, nothing secret. None if nothing is left."""
    shown = text[: 4 * _LONGEST_TEXT]
    if not shown.isprintable():
        shown = "".join(filter(str.isprintable, shown))
    return secret.hide(shown).strip()[:_LONGEST_TEXT] or None


def _tolerant(expected: str, convert: Callable[[Any, ValidationInfo], object]) -> PlainValidator:
    """A field that is None if `convert` rejects the value; `convert` may also note what it corrected."""

    def validate(value: object, info: ValidationInfo) -> object:
        if value is None:
            return None
        try:
            return convert(value, info)
        except _WrongError as wrong:
            path, notes = _place(info)
            notes.reject(path, expected, str(wrong) or kind(value))
            return None

    return PlainValidator(validate)


def nested(shape: type[Shape]) -> PlainValidator:
    """A field that is a section of its own."""

    def validate(value: object, info: ValidationInfo) -> Shape | None:
        return read(shape, value, *_place(info))

    return PlainValidator(validate)


def _forgive(info: ValidationInfo, expected: str, found: str) -> None:
    path, notes = _place(info)
    notes.add(f"{path}: expected {expected}, got {found}")


def _place(info: ValidationInfo) -> tuple[str, DriftNotes]:
    """The field's path, and the notes of this reading."""
    path, notes = cast("tuple[str, DriftNotes]", info.context)
    return f"{path}.{info.field_name}", notes


def _matching(pattern: re.Pattern[str], value: object) -> str:
    """A text of this form."""
    if not isinstance(value, str):
        raise _WrongError
    if not pattern.fullmatch(value):
        raise _WrongError(_ANOTHER)
    return value


def _number(value: object, info: ValidationInfo) -> Decimal:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        _forgive(info, "a number", "a string")
        value = Decimal(value)
    if not isinstance(value, Decimal):
        raise _WrongError
    if value < 0:
        raise _WrongError("a negative one")
    if value > LARGEST_MINOR:
        raise _WrongError("an absurdly large one")
    _, digits, places = value.as_tuple()
    if len(digits) > _MOST_DIGITS or not isinstance(places, int) or places < -_MOST_PLACES:
        raise _WrongError("one with too many digits")
    return value.copy_abs()  # -0.0 is zero


def _amount(value: object, info: ValidationInfo) -> Decimal:
    """Amounts that are sent as strings: `"12345.00"`."""
    if isinstance(value, str):
        return _number(Decimal(_matching(_AMOUNT, value)), info)
    if isinstance(value, Decimal):
        _forgive(info, "a string", "a number")
    return _number(value, info)


def _scale(value: object, info: ValidationInfo) -> int:
    number = _number(value, info)
    if number > 6 or number != int(number):
        raise _WrongError("another number")
    return int(number)


def _flag(value: object, _: ValidationInfo) -> bool:
    if not isinstance(value, bool):
        raise _WrongError
    return value


def _text(value: object, _: ValidationInfo) -> str | None:
    if not isinstance(value, str):
        raise _WrongError
    return printable(value)


def _email(value: object, _: ValidationInfo) -> str:
    """Personal, and shown only on request; addresses in all other texts are hidden."""
    address = _matching(_EMAIL, value)
    if not address.isprintable() or secret.looks_secret(address):
        raise _WrongError(_ANOTHER)
    return address


def _currency(value: object, _: ValidationInfo) -> str:
    return _matching(_CURRENCY, value).upper()


def _identity(value: object, _: ValidationInfo) -> str:
    return _matching(_UUID, value).lower()


def _instant(value: object, info: ValidationInfo) -> datetime:
    """RFC 3339 with any offset, or seconds since 1970."""
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        return _rfc3339(value)
    if not isinstance(value, Decimal | str):
        raise _WrongError
    try:
        return _sane(_EPOCH + timedelta(seconds=float(_number(value, info))))
    except (OverflowError, _WrongError):
        raise _WrongError("a number far from any") from None


@lru_cache(maxsize=1024)  # a window has the same end in every reading
def _rfc3339(text: str) -> datetime:
    moment = _moment(text)
    if moment is None:
        raise _WrongError(_ANOTHER if _moment(f"{text}Z") is None else _NO_OFFSET)
    return moment


def _moment(text: str) -> datetime | None:
    """None: another form, or no such time."""
    if not _INSTANT.fullmatch(text) or int(text[:4]) not in _YEARS:
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return _sane(moment.astimezone(UTC))


def _sane(moment: datetime) -> datetime:
    if moment.year not in _YEARS:
        raise _WrongError("one far away")
    return moment


def _day(value: object, info: ValidationInfo) -> date:
    """A calendar day. It is no instant, so no time zone applies to it."""
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        _forgive(info, "a day", "a time")
        value = value[:10]
    try:
        day = date.fromisoformat(_matching(_DAY, value))
    except ValueError:  # the right form, but no such day
        raise _WrongError(_ANOTHER) from None
    if day.year not in _YEARS:
        raise _WrongError(_ANOTHER)
    return day


def _day_or_instant(value: object, info: ValidationInfo) -> date:
    """For fields that are sometimes a day and sometimes a time: the UTC day."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        return _day(value, info)
    return _instant(value, info).date()


Number = Annotated[Decimal | None, _tolerant("a number", _number)]
"""0 to 10^12, exact."""
AmountText = Annotated[Decimal | None, _tolerant("an amount", _amount)]
"""The same, sent as a string of digits."""
Scale = Annotated[int | None, _tolerant("a number of decimals", _scale)]
"""The number of decimals of a currency's minor unit."""
Flag = Annotated[bool | None, _tolerant("true or false", _flag)]
Text = Annotated[str | None, _tolerant("a string", _text)]
Email = Annotated[str | None, _tolerant("an e-mail address", _email)]
Currency = Annotated[str | None, _tolerant("a currency code", _currency)]
Identity = Annotated[str | None, _tolerant("a UUID", _identity)]
Instant = Annotated[datetime | None, _tolerant("a time", _instant)]
Day = Annotated[date | None, _tolerant("a day", _day)]
DayOrInstant = Annotated[date | None, _tolerant("a day or a time", _day_or_instant)]
