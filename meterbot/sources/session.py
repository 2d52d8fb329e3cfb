"""A session of claude.ai: its cookie, how an answer renews it, and the answers that are read with it."""

import re
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import httpx

from meterbot.core import secret
from meterbot.core.log import get_logger
from meterbot.sources.http_client import HttpClient
from meterbot.sources.responses import Cause, SourceError, reading

# RFC 6265 forbids control characters, blanks, quotes, commas, semicolons and backslashes.
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]+")
_USUAL = "sk-ant-"
_USUAL_KEY = re.compile(rf"{_USUAL}[A-Za-z0-9_-]{{20,1000}}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# `Wed, 21 Oct 2026 07:28:00 GMT`, and with hyphens, as older servers write it.
_DATE = re.compile(
    rf"(?:mon|tue|wed|thu|fri|sat|sun), (\d\d)([ -])({'|'.join(_MONTHS)})\2(\d{{4}}) (\d\d):(\d\d):(\d\d) gmt",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = re.compile(r"-?\d{1,10}", re.ASCII)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Renewal:
    """A session key that an answer has set. `ends_at` is None if the cookie does not say."""

    key: str = field(repr=False)
    ends_at: datetime | None


def cookie_header(session_key: str) -> dict[str, str]:
    """The header with the session. Raises `SourceError` for a key that no cookie can contain."""
    if not _COOKIE_VALUE.fullmatch(session_key):
        raise SourceError(Cause.SCOPE, "not a session key: it has characters that no cookie has")
    return {"Cookie": f"sessionKey={session_key}"}


def renewed_session(status: int, headers: httpx.Headers, held: str, now: datetime) -> Renewal | None:
    """The session key that a successful response sets; None if it sets none, or deletes it.

    If `held` has the usual form, only a key of that form replaces it: a proxy can set cookies, too, and must not end
    the session.
    """
    if not 200 <= status < 300:
        return None
    form = _USUAL_KEY if held.startswith(_USUAL) else _COOKIE_VALUE
    renewed = None
    for line in headers.get_list("set-cookie"):
        pair, *attributes = (part.strip() for part in line.split(";"))
        name, _, value = pair.partition("=")
        # Exactly this name: claude.ai also sets `sessionKeyLC` and others.
        if name.strip() != "sessionKey" or not form.fullmatch(value):
            continue
        ends_at = _end(attributes, now)
        if ends_at is None or ends_at > now:
            renewed = Renewal(value, ends_at)
    return renewed


def _end(attributes: list[str], now: datetime) -> datetime | None:
    """`Max-Age` wins over `Expires`; a malformed one is ignored."""
    given = dict(attribute.lower().partition("=")[::2] for attribute in attributes)
    age = given.get("max-age", "").strip()
    if _SECONDS.fullmatch(age):
        return now + timedelta(seconds=max(int(age), 0))
    expires = given.get("expires", "").strip()
    # Whatever its format, this year deletes the cookie.
    return _EPOCH if "1970" in expires else _instant(expires)


def _instant(text: str) -> datetime | None:
    if (match := _DATE.fullmatch(text)) is None:
        return None
    day, _, month, year, *clock = match.groups()
    hour, minute, second = map(int, clock)
    try:
        return datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC)
    except ValueError:  # Such as the 30th of February.
        return None


class Keeper(Protocol):
    """Stores one seat's newest session key beyond this process."""

    async def current(self) -> str:
        """The key to use now: another process may have a newer one. Raises if it cannot be read."""
        ...

    async def renewed(self, key: str, ends_at: datetime | None, now: datetime) -> None:
        """Stores a key that an answer set; the old key may be refused soon. Never raises."""
        ...


@dataclass(eq=False, repr=False)
class Session:
    """One seat's session. Only this object and its keeper hold the key. Without a keeper, a renewed key is lost when
    this object is."""

    key: str
    """The newest one. A secret."""
    http: HttpClient
    base_url: str
    keeper: Keeper | None = None

    def __post_init__(self) -> None:
        self._use(self.key.strip())

    async def refresh(self) -> None:
        """Loads the keeper's key. Raises `SourceError` if that fails: an outdated key would be refused, and look like
        a session that has ended."""
        if self.keeper is None:
            return
        try:
            self._use(await self.keeper.current())
        except Exception:
            log.exception("the stored session key could not be read")
            raise SourceError(Cause.FAILING, "the stored session key could not be read") from None

    async def get(self, path: str, now: datetime) -> object:
        """The JSON that `path` answers. Raises `SourceError` otherwise."""
        response = await self.http.get(
            self.base_url,
            path,
            cookie_header(self.key),
            lambda status, sent: self._keep_renewal(status, sent, now),
        )
        return reading(response.status, response.headers, response.body, now)

    def _keep_renewal(self, status: int, headers: httpx.Headers, now: datetime) -> Awaitable[None] | None:
        """Stores a renewed key before the body is read: the body may break off, and the old key may be refused soon."""
        renewal = renewed_session(status, headers, self.key, now)
        if renewal is None:
            return None
        self._use(renewal.key)
        if self.keeper is None:
            return None
        return self.keeper.renewed(renewal.key, renewal.ends_at, now)

    def _use(self, key: str) -> None:
        self.key = key
        secret.remember(key)
