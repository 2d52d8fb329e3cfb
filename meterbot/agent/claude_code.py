"""A seat's numbers from the Claude Code of this machine."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from meterbot.agent import credentials, document, program
from meterbot.agent.machine import Machine
from meterbot.agent.memory import Identity, make_directory
from meterbot.agent.transport import address, exchange
from meterbot.agent.trouble import PushError, RefusedError
from meterbot.sources.claude_login import Login
from meterbot.sources.exact_json import NotJsonError, parse
from meterbot.sources.responses import Cause, SourceError, reading

API = "https://api.anthropic.com"
"""The only host that is ever shown the token; METERBOT_ANTHROPIC_API names another, for relays and tests."""

_PROFILE_AGE = timedelta(days=1)
_SAVED_AGE = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Reading:
    """`identity` is to be remembered for the next time; None when it need not be."""

    snapshot: dict[str, object]
    identity: Identity | None


def read(machine: Machine, now: datetime, known: Identity | None) -> Reading:
    """One reading: the installed program is asked first, the token it keeps is used only where that cannot tell.

    Raises `RefusedError` when somebody was asked in vain, other `PushError` when nobody was.
    """
    directory = machine.state_directory
    make_directory(directory)
    account = _account(machine)
    if account is not None and (numbers := program.ask(machine, directory)) is not None:
        return Reading(_told(numbers, *account, _asked_at(machine, numbers, now)), None)
    login, numbers = _with_token(machine, now)
    identity = _identity(machine, login, now, known)
    ids = (identity.org_uuid, identity.account_uuid) if identity else _noted_ids(machine)
    return Reading(_told(numbers, *ids, now), identity)


def _told(numbers: object, org_uuid: str, account_uuid: str, asked_at: datetime) -> dict[str, object]:
    try:
        return document.snapshot(numbers, org_uuid=org_uuid, account_uuid=account_uuid, fetched_at=asked_at)
    except PushError:
        raise RefusedError(
            "Anthropic answered with nothing that is known here: is there a newer meterbot?"
        ) from None


def _with_token(machine: Machine, now: datetime) -> tuple[Login, object]:
    login = credentials.find(machine, now)
    try:
        return login, _get(machine, login, "/api/oauth/usage", now)
    except SourceError as trouble:
        if trouble.cause not in {Cause.UNAUTHORIZED, Cause.SESSION}:
            raise _refused(trouble) from None
        again = credentials.find(machine, now)
        if again.token == login.token:
            raise _refused(trouble) from None
    # Claude Code renewed it meanwhile.
    try:
        return again, _get(machine, again, "/api/oauth/usage", now)
    except SourceError as trouble:
        raise _refused(trouble) from None


def _identity(machine: Machine, login: Login, now: datetime, known: Identity | None) -> Identity | None:
    """Whose token it is, asked once per token and day; None when that cannot be told now.

    Tokens are told apart by when they expire: one that does not say may be another one each time.
    """
    same_token = login.expires_at is not None and known is not None and known.token_until == login.expires_at
    if known is not None and same_token and now - known.asked_at < _PROFILE_AGE:
        return known
    try:
        profile = _get(machine, login, "/api/oauth/profile", now)
    except (SourceError, RefusedError):
        return None
    found = _ids(profile, ("organization", "uuid"), ("account", "uuid"))
    return found and Identity(*found, login.expires_at, now)


def _noted_ids(machine: Machine) -> tuple[str, str]:
    found = _account(machine)
    if found is None:
        raise RefusedError("whose numbers these are is not known: run `claude` once, it notes the account")
    return found


def _get(machine: Machine, login: Login, path: str, now: datetime) -> object:
    base = address(machine.env.get("METERBOT_ANTHROPIC_API") or API, "METERBOT_ANTHROPIC_API", machine.env)
    headers = {
        "Authorization": f"Bearer {login.token}",
        "anthropic-beta": "oauth-2025-04-20",
        "anthropic-version": "2023-06-01",
    }
    answer = exchange("GET", base + path, headers)
    return reading(answer.status, answer.headers, answer.body, now)


_ADVICE = {
    Cause.SESSION: "Anthropic does not accept the token of Claude Code: run `claude` once, and sign in if it asks",
    Cause.UNAUTHORIZED: "Anthropic does not accept the token of Claude Code: run `claude` once, and sign in if it asks",
    Cause.SCOPE: credentials.WRONG_KIND,
    Cause.RATE_LIMITED: "Anthropic answered that the account's usage was asked for too often; asking again later",
    Cause.ABSENT: "Anthropic has no usage for this account: is it a Pro, Max, Team or Enterprise seat?",
}


def _refused(trouble: SourceError) -> RefusedError:
    sentence = _ADVICE.get(trouble.cause, f"Anthropic gave no reading: {trouble.sentence}")
    return RefusedError(sentence, trouble.retry_after)


def _account(machine: Machine) -> tuple[str, str] | None:
    """The organization's and the account's id, as Claude Code noted them at sign-in."""
    return _ids(_noted(machine), ("oauthAccount", "organizationUuid"), ("oauthAccount", "accountUuid"))


def _ids(value: object, *paths: tuple[str, str]) -> tuple[str, str] | None:
    found = [_at(value, *path) for path in paths]
    org, account = (each if isinstance(each, str) and document.is_id(each) else None for each in found)
    return (org, account) if org and account else None


def _asked_at(machine: Machine, numbers: object, now: datetime) -> datetime:
    """When the program got these numbers. Throttled, it hands out those it saved, and says so nowhere: equal down to
    the microsecond of a reset, they are the saved ones."""
    saved = _at(_noted(machine), "cachedUsageUtilization", "utilization")
    asked_ms = _at(_noted(machine), "cachedUsageUtilization", "fetchedAtMs")
    windows = [[_at(each, name, key) for name in ("five_hour", "seven_day") for key in ("utilization", "resets_at")]
               for each in (saved, numbers)]  # fmt: skip
    if windows[0] != windows[1] or not any(isinstance(part, str) for part in windows[0]):
        return now
    try:
        asked = datetime.fromtimestamp(float(str(asked_ms)) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return now
    return asked if timedelta(0) <= now - asked <= _SAVED_AGE else now


def _noted(machine: Machine) -> object:
    try:
        return parse(machine.claude_config.read_bytes())
    except (OSError, NotJsonError, RecursionError):
        return None


def _at(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
