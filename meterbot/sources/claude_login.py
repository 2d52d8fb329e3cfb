"""Claude Code's sign-in: the file `.credentials.json`, which is read and never written.

Its access token is valid for hours, and only Claude Code renews it: renewing it here would sign the person out. A
`SourceError` about it never contains a part of the file.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meterbot.sources.responses import Cause, SourceError

READING_SCOPE = "user:profile"
"""Without this scope a token can spend the plan, but not read its usage."""

RUN_CLAUDE = "run `claude` once on that machine"

RENEW_COPY = "replace it; a copied token lasts only hours"

_TOKEN = re.compile(r"[!-~]+")
_OTHER_KINDS = {
    "sk-ant-sid": "a session key of claude.ai",
    "sk-ant-api": "an API key",
    "sk-ant-admin": "an admin key",
    "sk-ant-ort": "a refresh token",
}
_LARGEST = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Login:
    """An access token, a secret. `expires_at` and `scopes` are None if the file does not say."""

    token: str = field(repr=False)
    expires_at: datetime | None = None
    scopes: tuple[str, ...] | None = None

    def check(self, now: datetime) -> None:
        """Raises `SourceError` if the token cannot be used now."""
        self.check_kind()
        if self.expires_at is not None and self.expires_at <= now:
            when = self.expires_at.strftime("%Y-%m-%d %H:%M UTC")
            raise SourceError(Cause.SESSION, f"the token expired at {when}: {RUN_CLAUDE}")

    def check_kind(self) -> None:
        """Raises `SourceError` if the token is of a kind that can never be used."""
        other = next((kind for start, kind in _OTHER_KINDS.items() if self.token.startswith(start)), None)
        sentence = None
        if not _TOKEN.fullmatch(self.token):
            sentence = "the token has a space, a line break or an unusual character in it"
        elif other is not None:
            sentence = f"not an OAuth token of Claude Code, but {other}"
        elif self.scopes is not None and READING_SCOPE not in self.scopes:
            sentence = f"the token lacks the scope {READING_SCOPE}, so it may not read usage"
        if sentence is not None:
            raise SourceError(Cause.SCOPE, sentence)


def read_token(path: Path) -> Login:
    """Reads a file that contains only an access token. Raises `SourceError`; blocks on the disk."""
    try:
        token = _bytes_of(path, "token file").decode().strip()
    except UnicodeDecodeError:
        raise SourceError(Cause.SCOPE, "the token file is not text") from None
    if not token:
        raise SourceError(Cause.UNREADABLE, "the token file is empty")
    return Login(token)


def read_login(path: Path) -> Login:
    """Reads the sign-in from the file. Raises `SourceError`; blocks on the disk."""
    text = _bytes_of(path, "credentials file")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        # Without its cause: that error contains the document with the tokens.
        sentence = "the credentials file is not JSON (perhaps it is being written just now)"
        raise SourceError(Cause.UNREADABLE, sentence) from None
    return login_of(document)


def _bytes_of(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_LARGEST)
    except FileNotFoundError:
        raise SourceError(Cause.SESSION, f"there is no {what}: {RUN_CLAUDE} and sign in") from None
    except OSError as error:
        raise SourceError(Cause.DENIED, f"the {what} cannot be read: {error.strerror}") from None


def login_of(document: object) -> Login:
    """The sign-in in the file's JSON. Raises `SourceError`."""
    held = document.get("claudeAiOauth") if isinstance(document, dict) else None
    if not isinstance(held, dict):
        others = isinstance(document, dict) and "mcpOAuth" in document
        what = "only sign-ins of MCP servers" if others else "no sign-in"
        sentence = f"the credentials file holds {what}: {RUN_CLAUDE} and sign in with /login"
        raise SourceError(Cause.SESSION, sentence)
    token = held.get("accessToken")
    if not isinstance(token, str) or not token.strip():
        sentence = f"the credentials file holds an empty token: {RUN_CLAUDE} and sign in with /login"
        raise SourceError(Cause.SESSION, sentence)
    scopes = held.get("scopes")
    return Login(
        token=token.strip(),
        expires_at=_instant(held.get("expiresAt")),
        scopes=tuple(map(str, scopes)) if isinstance(scopes, list) and scopes else None,
    )


def _instant(milliseconds: object) -> datetime | None:
    """None for an invalid time: then the service decides whether the token is still good."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError):
        return None
    return moment if moment.year >= 2000 else None
