"""What may be written for a value.

A ValueError's text is a sentence about what must stand there; what does stand there is added by `reading`.
"""

import difflib
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import PlainValidator, SecretStr, WithJsonSchema
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from meterbot.core import money, secret
from meterbot.core.models import EventKind, Severity
from meterbot.rules.settings import Threshold, parse_threshold

HINT = "; did you mean"

# What the values look like: the loader and the editors' schema read the same.
_DURATION = r"(\d{1,6}(?:\.\d{1,3})?)([smhd])"
_AMOUNT = r"\d{1,9}(\.\d{1,3})?"
_CURRENCY = r"[A-Za-z]{3}"
_SNOWFLAKE = r"0*[1-9]\d{0,19}"
_SLACK_CHANNEL = r"[CGD][A-Z0-9_-]+"
_SLACK_USER = r"[UW][A-Z0-9]+"
_SLACK_GROUP = r"S[A-Z0-9]+"
_GITHUB_LOGIN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
_REPOSITORY = r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.*-]{1,100}"
_SEAT_NAME = r"[a-z0-9._-]{1,64}"
_SHA256 = r"[0-9a-fA-F]{64}"
_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
_TARGET = r"default|owner|slack:[CGD][A-Z0-9_-]+|discord:[1-9]\d{0,19}"
_BIND = r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(\d{1,5})"

_SHARE = "share"
"""Heard wherever it stands in a question, so that nobody could ask for a seat of this name."""


class Bind(NamedTuple):
    """Where to listen."""

    host: str
    port: int


def listed(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def did_you_mean(written: str, words: Iterable[str]) -> str:
    """The end of a sentence, whatever the case was; empty when nothing is near."""
    lower = {word.lower(): word for word in words}
    near = difflib.get_close_matches(written.lower(), lower, n=1)
    return f'{HINT} "{lower[near[0]]}"?' if near else ""


def fits(amount: Decimal, currency: str) -> Decimal:
    """The amount, unless it is finer than its currency goes."""
    places = money.default_exponent(currency)
    places = 2 if places is None else places
    if money.rounded(amount, places) != amount:
        raise ValueError(f"must have at most {places} decimals in {currency}")
    return amount


def _duration(value: object) -> timedelta:
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    match = _match(_DURATION, value)
    if match is None or not float(match[1]):
        raise ValueError('must be a time like "60s", "15m", "1h" or "2d"')
    return timedelta(**{units[match[2]]: float(match[1])})


def _zone(value: object) -> ZoneInfo:
    try:
        return ZoneInfo(value if isinstance(value, str) else "")
    except (ValueError, OSError, ZoneInfoNotFoundError):  # no zone, or a way out of the zones' directory
        near = did_you_mean(str(value), available_timezones())
    raise ValueError(f'must be an IANA time zone like "Europe/Berlin"{near}')


def _amount(value: object) -> Decimal:
    text = str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value
    if (match := _match(_AMOUNT, text)) is None:
        raise ValueError('must be an amount like "50.00"')
    return Decimal(match[0])


def _currency(value: object) -> str:
    if (match := _match(_CURRENCY, value)) is None:
        raise ValueError('must be the three letters of a currency, like "USD"')
    return match[0].upper()


def _threshold(value: object) -> Threshold:
    try:
        return parse_threshold(value if isinstance(value, str) else "")
    except ValueError:
        sentence = 'must be a percentage like "80%" or an amount like "$25.00" or "25.00 EUR"'
        raise ValueError(sentence) from None


def _seat_threshold(value: object) -> Threshold:
    """At its cap a seat is blocked, which is told by itself and mutes what is lesser."""
    threshold = _threshold(value)
    if threshold.percent is not None and threshold.percent > 100:
        raise ValueError("must be at most 100% of a seat's cap: there it is blocked (a budget may have more)")
    return threshold


def _kind(value: object) -> EventKind:
    if not isinstance(value, str) or value not in {*EventKind}:
        near = did_you_mean(str(value), EventKind)
        raise ValueError(f"must be one of {listed(EventKind)}{near}")
    return EventKind(value)


def _days(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 365:
        raise ValueError("must be a number of days from 0 to 365")
    return value


def _crowd(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 2 <= value <= 100:
        raise ValueError("must be a number from 2 to 100")
    return value


def _month_day(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 31:
        raise ValueError("must be a day of the month, from 1 to 31")
    return value


def _snowflake(value: object) -> int:
    text = str(value) if isinstance(value, int) else value
    if (match := _match(_SNOWFLAKE, text)) is None:
        raise ValueError("must be one of Discord's numeric ids (Developer Mode, then Copy ID)")
    return int(match[0])


def _slack_channel(value: object) -> str:
    # Slack takes a name for posting, but not for reading back, which is how a doubtful post is settled.
    if (match := _match(_SLACK_CHANNEL, value)) is None:
        raise ValueError('must be the id of a channel, like "C0123456789" (at the end of its details)')
    return match[0]


def _slack_user(value: object) -> str:
    if (match := _match(_SLACK_USER, value)) is None:
        raise ValueError('must be a member id, like "U0123456789" (in the profile, "Copy member ID")')
    return match[0]


def _slack_group(value: object) -> str:
    if (match := _match(_SLACK_GROUP, value)) is None:
        raise ValueError('must be a user group\'s id, like "S0123456789" (in its menu, "Copy group ID")')
    return match[0]


def _github_login(value: object) -> str:
    if (match := _match(_GITHUB_LOGIN, value)) is None:
        raise ValueError("must be a GitHub login")
    return match[0]


def _repository_pattern(value: object) -> str:
    if (match := _match(_REPOSITORY, value)) is None:
        raise ValueError('must be a repository like "acme/app", or several like "acme/*"')
    return match[0]


def _seat_name(value: object) -> str:
    if (match := _match(_SEAT_NAME, value)) is None:
        raise ValueError("must be 1 to 64 of a-z, 0-9, dot, underscore and hyphen")
    if match[0] == _SHARE:
        raise ValueError("must be another word: /claude-spend takes it for posting an answer in the channel")
    return match[0]


def _sha256(value: object) -> str:
    if (match := _match(_SHA256, value)) is None:
        raise ValueError("must be a SHA-256 in 64 hexadecimal digits, not the token itself")
    return match[0].lower()


def _uuid(value: object) -> str:
    if (match := _match(_UUID, value)) is None:
        raise ValueError("must be the UUID of an organization")
    return match[0].lower()


def _url(value: object) -> str:
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none, brackets that do not close
        usable = False
    if not usable or parts.username is not None or parts.query or parts.fragment:
        raise ValueError('must be an address like "https://relay.example", without a user')
    return parts.geturl().rstrip("/")


def _bind(value: object) -> Bind:
    match = _match(_BIND, value)
    if match is None or int(match[2]) > 65535:
        raise ValueError('must be "host:port", like "127.0.0.1:8080"')
    return Bind(match[1].strip("[]"), int(match[2]))


def database_url(value: object) -> SecretStr:
    """May hold a password, so that it is kept like a secret."""
    try:
        url = make_url(value if isinstance(value, str) else "")
    except (ArgumentError, ValueError):  # no URL at all, or a port that is none
        url = None
    backend = url and url.get_backend_name()
    if not url or backend not in {"sqlite", "postgres", "postgresql"}:
        raise ValueError('must be like "sqlite:///meterbot.db" or "postgresql://user@host/name"')
    if backend == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ValueError('must name a file for SQLite, like "sqlite:///meterbot.db"')
    return SecretStr(str(value))


def _secret_url(value: object) -> SecretStr:
    text = value.get_secret_value() if isinstance(value, SecretStr) else ""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, brackets that do not close
        usable = False
    if not usable:
        raise ValueError("must be an address that starts with https://")
    return SecretStr(text)


def _secret_keys(value: object) -> tuple[SecretStr, ...]:
    text = value.get_secret_value() if isinstance(value, SecretStr) else ""
    keys = [key for key in re.split(r"[,\s]+", text) if key]
    for key in keys:
        secret.remember(key)
    if not keys or any(_match(r"[A-Za-z0-9_-]{43}=|[0-9a-fA-F]{64}", key) is None for key in keys):
        raise ValueError(
            "must be a key that `meterbot secret-key` prints or 64 hexadecimal digits, or several, the newest first"
        )
    keys = [_as_printed(key) for key in keys]
    for key in keys:
        secret.remember(key)
    return tuple(map(SecretStr, keys))


def _as_printed(key: str) -> str:
    """The 32 bytes of a key as `meterbot secret-key` writes them; hosts that generate secrets write them in hexadecimal."""
    return urlsafe_b64encode(bytes.fromhex(key)).decode() if len(key) == 64 else key


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _clock(value: object) -> time:
    if (match := _match(_CLOCK, value)) is None:
        raise ValueError('must be an hour of the day like "22:00"')
    return time.fromisoformat(match[0])


def _weekday(value: object) -> int:
    if not isinstance(value, str) or value not in _DAYS:
        raise ValueError(f"must be one of {listed(_DAYS)}")
    return _DAYS.index(value)


def _severity(value: object) -> Severity:
    if not isinstance(value, str) or value not in {*Severity}:
        raise ValueError(f"must be one of {listed(Severity)}{did_you_mean(str(value), Severity)}")
    return Severity(value)


def _target(value: object) -> str:
    if (match := _match(_TARGET, value)) is None:
        raise ValueError(
            'must be "default", "owner", or a channel like "slack:C0123456789" or "discord:222222222222222222"'
        )
    return match[0]


def _moment(value: object) -> datetime:
    """A TOML date and time, with or without its zone."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time(0))
    raise ValueError("must be a date and time like 2026-12-24T18:00:00, without quotes")


def _match(pattern: str, value: object) -> re.Match[str] | None:
    return re.fullmatch(pattern, value, re.ASCII) if isinstance(value, str) else None


def _text(pattern: str = "", **more: Any) -> WithJsonSchema:
    """What an editor is told of a value written as a text."""
    return WithJsonSchema({"type": "string", **({"pattern": f"^(?:{pattern})$"} if pattern else {}), **more})


def _either(pattern: str, number: str) -> WithJsonSchema:
    """The same of a text that may also be a number of TOML's."""
    return WithJsonSchema({"anyOf": [{"type": "string", "pattern": f"^(?:{pattern})$"}, {"type": number}]})


def _between(least: int, most: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": least, "maximum": most})


Duration = Annotated[timedelta, PlainValidator(_duration), _text(_DURATION)]
"""`"60s"`, `"15m"`, `"1.5h"`, `"2d"`; more than nothing."""
Zone = Annotated[ZoneInfo, PlainValidator(_zone), _text()]
Amount = Annotated[Decimal, PlainValidator(_amount), _either(_AMOUNT, "number")]
"""Whole units of a currency: `"50.00"`, or a TOML number, which is exact here."""
Currency = Annotated[str, PlainValidator(_currency), _text(_CURRENCY)]
Level = Annotated[Threshold, PlainValidator(_threshold), _text(examples=["80%", "$25.00", "25.00 EUR"])]
SeatLevel = Annotated[
    Threshold, PlainValidator(_seat_threshold), _text(examples=["80%", "$25.00", "25.00 EUR"])
]
Kind = Annotated[EventKind, PlainValidator(_kind), _text(enum=[*EventKind])]
Loudness = Annotated[Severity, PlainValidator(_severity), _text(enum=[*Severity])]
Clock = Annotated[time, PlainValidator(_clock), _text(_CLOCK)]
"""Of a day, in hours and minutes."""
Weekday = Annotated[int, PlainValidator(_weekday), _text(enum=[*_DAYS])]
"""Monday is 0."""
Target = Annotated[str, PlainValidator(_target), _text(_TARGET)]
Moment = Annotated[datetime, PlainValidator(_moment), _text(examples=["2026-12-24T18:00:00"])]
"""Naive where the file names no zone."""
Days = Annotated[int, PlainValidator(_days), _between(0, 365)]
Crowd = Annotated[int, PlainValidator(_crowd), _between(2, 100)]
MonthDay = Annotated[int, PlainValidator(_month_day), _between(1, 31)]
Snowflake = Annotated[int, PlainValidator(_snowflake), _either(_SNOWFLAKE, "integer")]
"""One of Discord's ids, with or without quotes."""
SlackChannel = Annotated[str, PlainValidator(_slack_channel), _text(_SLACK_CHANNEL)]
SlackGroup = Annotated[str, PlainValidator(_slack_group), _text(_SLACK_GROUP)]
SlackUser = Annotated[str, PlainValidator(_slack_user), _text(_SLACK_USER)]
GithubLogin = Annotated[str, PlainValidator(_github_login), _text(_GITHUB_LOGIN)]
RepositoryPattern = Annotated[str, PlainValidator(_repository_pattern), _text(_REPOSITORY)]
"""`*` in the name stands for any part of it."""
SeatName = Annotated[str, PlainValidator(_seat_name), _text(_SEAT_NAME)]
Sha256 = Annotated[str, PlainValidator(_sha256), _text(_SHA256)]
Uuid = Annotated[str, PlainValidator(_uuid), _text(_UUID)]
Url = Annotated[str, PlainValidator(_url), _text("https?://.+")]
"""Without a slash at its end."""
Listen = Annotated[Bind, PlainValidator(_bind), _text(_BIND)]
DatabaseUrl = Annotated[SecretStr, PlainValidator(database_url), _text(examples=["sqlite:///meterbot.db"])]
SecretUrl = Annotated[SecretStr, PlainValidator(_secret_url), _text()]
"""Kept like a secret, because who knows it can use it."""
SecretKeys = Annotated[tuple[SecretStr, ...], PlainValidator(_secret_keys), _text()]
"""One or several, with commas or space between them."""
