"""The meaning of a failed answer: its health word, a text for people, and how long to wait at least."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum, StrEnum

from meterbot.core.errors import MeterbotError
from meterbot.core.models import Health
from meterbot.sources.exact_json import NotJsonError, parse

LONGEST_WAIT = 6 * 3600.0
"""Seconds; a longer `Retry-After` is ignored."""


class Cause(StrEnum):
    """Why there is no reading; callers decide by it."""

    SESSION = "session"
    """The service says that the credential is no longer accepted."""
    UNAUTHORIZED = "unauthorized"
    """A bare 401: either the credential or only its access to this organization is refused."""
    REGION = "region"
    """The address or the country is refused."""
    SCOPE = "scope"
    """A credential of the wrong kind."""
    KEY = "key"
    """An API key that was revoked; such keys do not expire."""
    SPEND_LIMIT = "spend_limit"
    """The organization's own spend limit is reached. The status is 429, but this is no rate limit."""
    DENIED = "denied"
    """Only this route is refused."""
    BAD_ID = "bad_id"
    ABSENT = "absent"
    """404, which is an answer of an optional route."""
    CHALLENGED = "challenged"
    RATE_LIMITED = "rate_limited"
    FAILING = "failing"
    """The service says that it cannot answer for now."""
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"
    """The answer was broken on the way, or does not come from the service."""
    DRIFTED = "drifted"
    """Complete and well-formed, but not an answer of this route."""


class Missing(Enum):
    """Why an optional answer has no body."""

    ABSENT = "absent"
    """404: it does not exist."""
    FAILED = "failed"
    """It could not be read, so nothing is known."""


_HEALTH = {
    Cause.SESSION: Health.SESSION_EXPIRED,
    Cause.UNAUTHORIZED: Health.SESSION_EXPIRED,
    Cause.CHALLENGED: Health.CHALLENGED,
    Cause.RATE_LIMITED: Health.RATE_LIMITED,
    Cause.FAILING: Health.UNREACHABLE,
    Cause.UNREACHABLE: Health.UNREACHABLE,
    Cause.UNREADABLE: Health.UNREACHABLE,
    Cause.DRIFTED: Health.DRIFTED,
}
"""The others are refusals: waiting does not help."""

OF_ONE_ANSWER = frozenset({Cause.FAILING, Cause.UNREADABLE, Cause.DRIFTED})
"""Failures of a single answer: an earlier one can be used instead."""

_NO_MATTER_OF_TIME = frozenset({Cause.SESSION, Cause.SCOPE})
"""Only a person can end these refusals, so their `Retry-After` is ignored."""


class SourceError(MeterbotError):  # expected and handled: no error of ours
    """There is no reading. The text never contains a part of the answer except its status. `retry_after`: the seconds
    that the service asked to wait, or None."""

    def __init__(self, cause: Cause, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.cause = cause
        self.sentence = sentence
        self.retry_after = retry_after

    @property
    def health(self) -> Health:
        """The health word if this answer was required."""
        return _HEALTH.get(self.cause, Health.REFUSED)

    def retry_at(self, now: datetime) -> datetime | None:
        """The earliest next reading that the service asked for. A `Retry-After` of 0 is ignored: the back-off
        decides."""
        return now + timedelta(seconds=self.retry_after) if self.retry_after else None


def reading(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> object:
    """The JSON of an answer (with exact numbers). Raises `SourceError` if the answer is no reading."""
    wait = retry_after(headers.get("retry-after"), now)
    shown = str(status)
    if _is_challenge(headers, body):
        cause, sentence = Cause.CHALLENGED, "the server answered with a browser check instead of the numbers"
    elif 300 <= status < 400:
        cause, sentence = _redirected(headers.get("location", ""))
        wait = None
    elif status != 200:
        cause, sentence = _refused(status, _error_of(body), wait, html=_is_html(headers, body))
    else:
        value = _parsed(headers, body)
        error = _envelope(value)
        if error is None:
            return value
        shown = "an error in an answer of status 200"
        cause, sentence = _refused(_STATUS_OF.get(_text(error, "type"), 500), error, wait)
    raise SourceError(cause, f"{sentence} ({shown})", None if cause in _NO_MATTER_OF_TIME else wait)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds of a `Retry-After` header (a number or an HTTP date), 0 to six hours. None if it is absent or invalid."""
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"\+?[0-9]+(\.[0-9]*)?", value):
        return min(float(value[:40]), LONGEST_WAIT)
    if re.fullmatch(r"-[0-9]+(\.[0-9]*)?", value):
        return 0.0
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_WAIT)


def _is_html(headers: Mapping[str, str], body: bytes) -> bool:
    return "html" in headers.get("content-type", "").lower() or body.lstrip()[:1] == b"<"


def _is_challenge(headers: Mapping[str, str], body: bytes) -> bool:
    if "challenge" in headers.get("cf-mitigated", "").lower():
        return True
    if not _is_html(headers, body):
        return False
    start = body[:20_000].lower()
    return b"just a moment" in start or b"challenge-platform" in start


def _redirected(location: str) -> tuple[Cause, str]:
    if "app-unavailable-in-region" in location:
        return Cause.REGION, "the service is not available in this region"
    if re.search(r"/(log|sign)-?in\b", location):
        return Cause.SESSION, "the session is not accepted: sign in again"
    return Cause.UNREADABLE, "answered with a redirect to somewhere else, not followed"


def _refused(
    status: int, error: dict[str, object], wait: float | None, *, html: bool = False
) -> tuple[Cause, str]:
    code = _error_code(error)
    if status == 403:
        return _forbidden(_text(error, "message").lower(), code, page=html and not error)
    if status == 429 and wait is None and code == "enforced_spend_limit_reached":
        return (
            Cause.SPEND_LIMIT,
            "the organization's own spend limit is reached, and asking again does not help",
        )
    if status >= 500:
        return Cause.FAILING, "the service is failing for now"
    return _REFUSALS.get(status, (Cause.UNREADABLE, "an unexpected status"))


def _forbidden(message: str, code: str, *, page: bool) -> tuple[Cause, str]:
    if page:
        # This says nothing about the session or the account, and may pass in a moment.
        return (
            Cause.UNREACHABLE,
            "something between meterbot and the service refused access; the cause is unclear",
        )
    if code == "account_session_invalid" or message == "invalid authorization":
        return Cause.SESSION, "the session has expired: sign in again and renew the session key"
    if "scope" in code or "scope" in message or "permission user:" in message:
        return Cause.SCOPE, "a credential of the wrong kind: it may not read usage"
    if "unable to serve" in message:
        return Cause.REGION, "requests from this address or region are refused"
    return Cause.DENIED, "access denied"


def _parsed(headers: Mapping[str, str], body: bytes) -> object:
    try:
        return parse(body)
    except NotJsonError as bad:
        page = "a web page came instead of data (a sign-in page of the network?)"
        sentence = page if _is_html(headers, body) else f"the answer is {bad}"
        raise SourceError(Cause.UNREADABLE, sentence) from None
    except RecursionError:
        raise SourceError(Cause.DRIFTED, "the answer is nested too deeply") from None


def _error_of(body: bytes) -> dict[str, object]:
    """The error in a body; empty if there is none."""
    try:
        return _envelope(parse(body)) or {}
    except (NotJsonError, RecursionError):
        return {}


def _envelope(value: object) -> dict[str, object] | None:
    """`{"type": "error", "error": {…}}`, also without the outer type, or with a text instead of the error."""
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    if isinstance(error, dict):
        return error
    if value.get("type") == "error" or (isinstance(error, str) and error):
        return {"message": error}
    return None


_REFUSALS = {
    400: (Cause.BAD_ID, "the request was called invalid: is the organization's id right?"),
    401: (Cause.UNAUTHORIZED, "the credential is not accepted: sign in again and renew it"),
    404: (Cause.ABSENT, "not found"),
    407: (Cause.UNREACHABLE, "a proxy in between wants its own sign-in"),
    408: (Cause.FAILING, "the service is failing for now"),
    422: (Cause.BAD_ID, "the request was called invalid: is the organization's id right?"),
    429: (Cause.RATE_LIMITED, "too many requests"),
}

_STATUS_OF = {
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "invalid_request_error": 400,
}


def _error_code(error: dict[str, object]) -> str:
    details = error.get("details")
    return _text(details, "error_code") if isinstance(details, dict) else ""


def _text(of: dict[str, object], key: str) -> str:
    value = of.get(key)
    return value if isinstance(value, str) else ""
