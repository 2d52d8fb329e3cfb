"""A session of claude.ai: the key that opens it, kept up to date, and the answers read with it."""

from datetime import datetime

from meterbot import secret
from meterbot.sources.transport import NotReadableError, Transport, cookie_header, renewed_session
from meterbot.sources.verdict import Cause, Trouble, reading


class Session:
    """One seat's session. Only it holds the key."""

    def __init__(self, key: str, transport: Transport, base_url: str) -> None:
        self._transport = transport
        self._base_url = base_url
        self._take_up(key.strip())

    def __repr__(self) -> str:
        return "Session(…)"

    @property
    def key(self) -> str:
        """The newest session key: claude.ai renews it with its answers, and the old one dies early. A secret."""
        return self._key

    async def get(self, path: str, now: datetime) -> object:
        """The JSON value that `path` answers. Raises `Trouble` for everything else."""
        try:
            cookie = cookie_header(self._key)
        except NotReadableError as problem:
            raise Trouble(Cause.SCOPE, f"not a session key: {problem}") from None
        answer = await self._transport.get(self._base_url, path, cookie)
        renewed = renewed_session(answer)
        if renewed is not None and renewed != self._key:
            self._take_up(renewed)
        return reading(answer.status, answer.headers, answer.body, now)

    def _take_up(self, key: str) -> None:
        self._key = key
        if not secret.looks_secret(key):  # keys of the usual form are known to be secret by it
            secret.remember(key)
