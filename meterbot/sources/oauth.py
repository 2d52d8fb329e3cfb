"""Where the OAuth token of Claude Code's sign-in comes from, and the answers that are read with it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from meterbot.core import secret
from meterbot.sources.claude_login import READING_SCOPE, Login
from meterbot.sources.http_client import HttpClient
from meterbot.sources.responses import Cause, SourceError, reading

Store = Callable[[], Login]
"""Loads the sign-in. May block; raises `SourceError`. Never writes."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Where a token is kept, and what a person must do if it is refused."""

    store: Store
    remedy: str

    def __repr__(self) -> str:
        return "SignIn(…)"


async def current_token(store: Store, now: datetime) -> str:
    """The token to use. Raises `SourceError` if there is none, without a request."""
    login = await asyncio.to_thread(store)
    if not secret.looks_secret(
        login.token
    ):  # so that this token is hidden in logs even if its form is unusual
        secret.remember(login.token)
    login.check(now)
    return login.token


async def ask(transport: HttpClient, base_url: str, path: str, token: str, now: datetime) -> object:
    """The JSON that `path` answers. Raises `SourceError` otherwise."""
    headers = {
        "Authorization": f"Bearer {token}",
        "anthropic-beta": "oauth-2025-04-20",
        # Without this header the service answers 429 even to the first request.
        "anthropic-version": "2023-06-01",
        "Accept": "application/json",
    }
    answer = await transport.get(base_url, path, headers)
    try:
        return reading(answer.status, answer.headers, answer.body, now)
    except SourceError as trouble:
        if trouble.cause is not Cause.SCOPE:
            raise
        sentence = f"the token lacks the scope {READING_SCOPE}, so it may not read usage (403)"
        raise SourceError(Cause.SCOPE, sentence) from None
