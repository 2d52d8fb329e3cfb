"""The types of the configuration's values: for each, its written form, the sentence about a mistake, and its value."""

import difflib
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BeforeValidator, Field, PlainValidator, SecretStr, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from meterbot.agent.network import base_address
from meterbot.agent.storage import Problem
from meterbot.core import money
from meterbot.core.models import EventKind, Severity
from meterbot.core.seats import RESERVED_NAMES, has_letter_or_digit
from meterbot.rules.settings import Threshold, parse_threshold
from meterbot.store.url import read_url

HINT = "; did you mean"

Item = TypeVar("Item")
Many = Annotated[tuple[Item, ...], Field(strict=False)]
"""A TOML array. It arrives as a list, which strict validation would refuse for a tuple; its items stay strict."""


def quoted(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def did_you_mean(written: str, words: Iterable[str]) -> str:
    """The end of a sentence, such as `; did you mean "slack"?`; empty when no word is similar."""
    lower = {word.lower(): word for word in words}
    near = difflib.get_close_matches(written.lower(), lower, n=1)
    return f'{HINT} "{lower[near[0]]}"?' if near else ""


@dataclass(frozen=True)
class Text:
    """Annotation of a value that is written as text. `examples` are for editors.

    `must` completes "must …" in the error; `convert` makes the value and may raise `WrongValueError` with a sentence of
    its own; `number` also accepts the TOML number of that name.
    """

    must: str
    pattern: str = ""
    convert: Callable[[str], Any] = str
    number: Literal["integer", "number"] | None = None
    examples: tuple[str, ...] = ()

    def parse(self, value: object) -> Any:
        """Raises ValueError with a sentence."""
        number = self.number and isinstance(value, int | Decimal) and not isinstance(value, bool)
        text = str(value) if number else value
        if not isinstance(text, str) or (self.pattern and not re.fullmatch(self.pattern, text, re.ASCII)):
            raise ValueError(f"must {self.must}")
        try:
            return self.convert(text)
        except WrongValueError:
            raise
        except ValueError:
            raise ValueError(f"must {self.must}") from None

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)


class WrongValueError(ValueError):
    """The sentence says more than the type's usual one."""


def _whole(least: int, most: int) -> PlainValidator:
    def parse(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"must be a number from {least} to {most}")
        return value

    return PlainValidator(parse, json_schema_input_type=Annotated[int, Field(ge=least, le=most)])


class Bind(NamedTuple):
    """An address to listen on. An empty host means every address of this machine."""

    host: str
    port: int

    def __str__(self) -> str:
        if not self.host:
            return f"port {self.port}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def fits(amount: Decimal, currency: str) -> Decimal:
    """The amount. Raises ValueError where it has more decimals than its currency."""
    places = money.default_places(currency)
    if money.rounded(amount, places) != amount:
        raise ValueError(f"must have at most {places} decimals in {currency}")
    return amount


def _duration(text: str) -> timedelta:
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    if not float(text[:-1]):
        raise ValueError
    return timedelta(**{units[text[-1]]: float(text[:-1])})


def _zone(text: str) -> ZoneInfo:
    # `localtime` is another zone on another machine, and a day of `right/` is longer by leap seconds.
    if text != "localtime" and not text.startswith("right/"):
        # It is no zone, or a path out of the zones' directory.
        with suppress(ValueError, OSError, ZoneInfoNotFoundError):
            return ZoneInfo(text)
    near = did_you_mean(text, available_timezones())
    raise WrongValueError(f'must be an IANA time zone like "Europe/Berlin"{near}')


def _threshold(text: str) -> Threshold:
    threshold = parse_threshold(text)
    if threshold.absurd:
        raise WrongValueError("is too large: use a smaller amount")
    return threshold


def _seat_threshold(text: str) -> Threshold:
    threshold = _threshold(text)
    if threshold.percent is not None and threshold.percent > 100:
        raise WrongValueError(
            "must be at most 100% of a seat's cap, where it is blocked (a budget may have more)"
        )
    return threshold


def _amount_level(text: str) -> Threshold:
    threshold = _threshold(text)
    if threshold.amount is None:
        raise ValueError
    return threshold


def _seat_name(text: str) -> str:
    if text in RESERVED_NAMES:
        raise WrongValueError(f'cannot be "{text}", which is a word of /claude-spend: choose another name')
    if not has_letter_or_digit(text):
        raise WrongValueError("must contain a letter or a digit")
    return text


def web_address(text: str) -> SplitResult:
    """Raises ValueError, as `urlsplit` itself does for a port that is no number or brackets that do not close."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError
    return parts


def _url(text: str) -> str:
    parts = web_address(text)
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError
    return parts.geturl().rstrip("/")


def _agent_url(text: str) -> str:
    """An address to which an agent sends its token: over http only on its own machine. Raises ValueError."""
    url = _url(text)
    try:
        return base_address(url, "")
    except Problem as problem:
        raise WrongValueError(str(problem).strip()) from None


def _bind(text: str) -> Bind:
    host, _, port = text.rpartition(":")
    if int(port) > 65535:
        raise ValueError
    host.encode("idna")  # as asyncio does, which raises a ValueError for a label without letters
    return Bind(host.strip("[]"), int(port))


def database_url(text: str) -> SecretStr:
    """It may hold a password. Raises `WrongValueError`."""
    try:
        read_url(text)
    except ValueError as error:
        raise WrongValueError(str(error)) from None
    return SecretStr(text)


def _midnight(value: object) -> object:
    """A TOML date means its midnight."""
    return (
        datetime.combine(value, time(0))
        if isinstance(value, date) and not isinstance(value, datetime)
        else value
    )


_THRESHOLD = 'be a percentage like "80%" or an amount like "$25.00" or "25.00 EUR"'
_LEVELS = ("80%", "$25.00", "25.00 EUR")

Duration = Annotated[
    timedelta,
    Text('be a time like "60s", "15m", "1h" or "2d"', r"(\d{1,6}(?:\.\d{1,3})?)([smhd])", _duration),
]
Zone = Annotated[ZoneInfo, Text('be an IANA time zone like "Europe/Berlin"', convert=_zone)]
Amount = Annotated[
    Decimal, Text('be an amount like "50.00"', r"\d{1,9}(\.\d{1,3})?", Decimal, number="number")
]
"""Whole units of a currency. TOML's numbers arrive as Decimal and stay exact."""
Currency = Annotated[str, Text('be the three letters of a currency, like "USD"', "[A-Za-z]{3}", str.upper)]
Level = Annotated[Threshold, Text(_THRESHOLD, convert=_threshold, examples=_LEVELS)]
SeatLevel = Annotated[Threshold, Text(_THRESHOLD, convert=_seat_threshold, examples=_LEVELS)]
AmountLevel = Annotated[
    Threshold,
    Text(
        'be an amount like "$10.00" or "10.00 EUR"', convert=_amount_level, examples=("$10.00", "10.00 EUR")
    ),
]
Kind = Annotated[EventKind, Field(strict=False)]
MinimumSeverity = Annotated[Severity, Field(strict=False)]
Clock = Annotated[time, Text('be a time of day like "22:00"', r"([01]\d|2[0-3]):[0-5]\d", time.fromisoformat)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Target = Annotated[
    str,
    Text(
        'be "default", "owner", or a channel like "slack:C0123456789" or "discord:222222222222222222"',
        r"default|owner|slack:[CGD][A-Z0-9_-]+|discord:[1-9]\d{0,19}",
    ),
]
Instant = Annotated[
    datetime,
    BeforeValidator(_midnight),
    WithJsonSchema({"type": "string", "examples": ["2026-12-24T18:00:00"]}),
]
"""A TOML date and time; naive where the file names no zone."""
Days = Annotated[int, _whole(0, 365)]
GroupThreshold = Annotated[int, _whole(2, 100)]
MonthDay = Annotated[int, _whole(1, 31)]
Snowflake = Annotated[
    int,
    Text(
        "be one of Discord's numeric ids (Developer Mode, then Copy ID)",
        r"0*[1-9]\d{0,19}",
        int,
        number="integer",
    ),
]
# Slack accepts a channel's name for posting, but not for reading back, which is how a post in doubt is looked up.
SlackChannel = Annotated[
    str, Text('be the id of a channel, like "C0123456789" (at the end of its details)', "[CGD][A-Z0-9_-]+")
]
SlackUser = Annotated[
    str, Text('be a member id, like "U0123456789" (in the profile, "Copy member ID")', "[UW][A-Z0-9]+")
]
SlackGroup = Annotated[
    str, Text('be the id of a user group, like "S0123456789" (in its menu, "Copy group ID")', "S[A-Z0-9]+")
]
SlackTeam = Annotated[str, Text('be the id of a workspace, like "T0123456789"', "[TE][A-Z0-9]+")]
GithubLogin = Annotated[str, Text("be a GitHub login", "[A-Za-z0-9][A-Za-z0-9_-]{0,99}")]
RepositoryPattern = Annotated[
    str,
    Text(
        'be a repository like "acme/app", or several like "acme/*"',
        "[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.*-]{1,100}",
    ),
]
SeatName = Annotated[
    str, Text("be 1 to 64 of a-z, 0-9, dot, underscore and hyphen", "[a-z0-9._-]{1,64}", _seat_name)
]
Sha256 = Annotated[
    str, Text("be a SHA-256 in 64 hexadecimal digits, not the token itself", "[0-9a-fA-F]{64}", str.lower)
]
Uuid = Annotated[
    str,
    Text("be the UUID of an organization", "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", str.lower),
]
Url = Annotated[str, Text('be an address like "https://relay.example", without a user', "https?://.+", _url)]
"""Without a slash at its end."""
AGENT_URL = Text('be an address like "https://meterbot.example.com"', "https?://.+", _agent_url)
AgentUrl = Annotated[str, AGENT_URL]
"""Where the seats' machines reach the bot."""
Listen = Annotated[
    Bind,
    Text('be "host:port", like "127.0.0.1:8080"', r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(\d{1,5})", _bind),
]
Port = Annotated[int, _whole(0, 65535)]
Network = Annotated[
    IPv4Network | IPv6Network,
    Text(
        'be an address or a network, like "127.0.0.1" or "10.0.0.0/8"',
        convert=partial(ip_network, strict=False),
    ),
]
DatabaseUrl = Annotated[
    SecretStr,
    Text('be like "sqlite:///meterbot.db"', convert=database_url, examples=("sqlite:///meterbot.db",)),
]
