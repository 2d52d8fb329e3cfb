"""A session of claude.ai: its current key, and the answers that are read with it."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Protocol

import httpx

from meterbot.core import secret
from meterbot.core.log import get_logger
from meterbot.sources.allowed_requests import ForbiddenRequestError
from meterbot.sources.cookies import cookie_header, renewed_session
from meterbot.sources.http_client import HttpClient
from meterbot.sources.responses import Cause, SourceError, reading

log = get_logger(__name__)


class Keeper(Protocol):
    """Stores one seat's newest session key beyond this process."""

    async def current(self) -> str:
        """The key to use now: another process may have a newer one. Raises if it cannot be read."""
        ...

    async def renewed(self, key: str, ends_at: datetime | None, now: datetime) -> None:
        """Stores a key that an answer set; the old key may be refused soon. Never raises."""
        ...


class Session:
    """One seat's session. Only this object and its keeper hold the key."""

    def __init__(self, key: str, http: HttpClient, base_url: str, keeper: Keeper | None = None) -> None:
        self._http = http
        self._base_url = base_url
        self._keeper = keeper
        self._use(key.strip())

    def __repr__(self) -> str:
        return "Session(…)"

    @property
    def key(self) -> str:
        """The newest session key. A secret."""
        return self._key

    async def refresh(self) -> None:
        """Loads the keeper's key. Raises `SourceError` if that fails: an outdated key would be refused, and look like
        a session that has ended."""
        if self._keeper is None:
            return
        try:
            self._use(await self._keeper.current())
        except Exception:
            log.exception("the stored session key could not be read")
            raise SourceError(Cause.FAILING, "the stored session key could not be read") from None

    async def get(self, path: str, now: datetime) -> object:
        """The JSON that `path` answers. Raises `SourceError` otherwise."""
        try:
            cookie = cookie_header(self._key)
        except ForbiddenRequestError as problem:
            raise SourceError(Cause.SCOPE, f"not a session key: {problem}") from None
        response = await self._http.get(
            self._base_url, path, cookie, lambda status, sent: self._keep_renewal(status, sent, now)
        )
        return reading(response.status, response.headers, response.body, now)

    def _keep_renewal(self, status: int, headers: httpx.Headers, now: datetime) -> Awaitable[None] | None:
        """Stores a renewed key before the body is read: the body may break off, and the old key may be refused soon."""
        renewal = renewed_session(status, headers, self._key, now)
        if renewal is None:
            return None
        self._use(renewal.key)
        if self._keeper is None:
            return None
        return self._keeper.renewed(renewal.key, renewal.ends_at, now)

    def _use(self, key: str) -> None:
        self._key = key
        secret.remember(key)
