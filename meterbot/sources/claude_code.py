"""Reads a seat with the OAuth token of Claude Code's sign-in.

The token is never renewed here: that would sign the person out. If it is refused, it is loaded once more, because
Claude Code may have renewed it. A `/usage` answer does not say whose it is, so the profile is read once for each
token and daily; without a profile nothing is read. This source cannot know the next charge and the overage row with
its reasons.
"""

import asyncio
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime, timedelta

from meterbot.core import secret
from meterbot.core.models import Seat, Snapshot
from meterbot.sources.account import Profile, profile_of
from meterbot.sources.claude_login import READING_SCOPE, Login
from meterbot.sources.extra_usage import Metering, metering_of
from meterbot.sources.fields import DriftNotes
from meterbot.sources.http_client import HttpClient
from meterbot.sources.organization import OrganizationAnswers, conclude, log_unknown, parse_usage
from meterbot.sources.responses import OF_ONE_ANSWER, Cause, Missing, SourceError, reading

_PROFILE_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SignIn:
    """Where a token is kept, and what a person must do if it is refused. `store` may block; it raises `SourceError`,
    and never writes."""

    store: Callable[[], Login]
    remedy: str


@dataclass(eq=False, repr=False)
class ClaudeCodeSource:
    """Reads one seat: the profile of its token, then the usage. `expected_account`: the known account of this seat;
    another one is reported with an error."""

    seat: Seat
    sign_in: SignIn
    transport: HttpClient
    base_url: str
    _: KW_ONLY
    expected_account: str | None = None

    def __post_init__(self) -> None:
        self._profile: Profile | None = None
        self._profile_token: str | None = None
        self._profile_at: datetime | None = None
        self._profile_drift: tuple[str, ...] = ()
        self._unknown_keys: set[str] = set()

    async def read(self, now: datetime) -> tuple[Snapshot, ...]:
        """The snapshot of the token's organization, or one without any. Never raises for a failure of the service."""
        found = OrganizationAnswers()
        try:
            profile = await self._read_with_newest(now, found)
        except SourceError as trouble:
            unread = OrganizationAnswers(trouble=trouble, errors=[*found.errors, trouble.sentence])
            return (self._snapshot(now, None, unread),)
        log_unknown(found.unknown_keys, self._unknown_keys, self.seat.name)
        return (self._snapshot(now, profile, found),)

    async def _read_with_newest(self, now: datetime, found: OrganizationAnswers) -> Profile:
        """The token's profile. A refused token is loaded once more."""
        token = await self._token(now)
        for _ in range(2):
            try:
                return await self._read_with(token, now, found)
            except SourceError as trouble:
                if trouble.cause is not Cause.UNAUTHORIZED:
                    raise
            refused, token = token, await self._token(now)
            if token == refused:
                break
        raise SourceError(Cause.SESSION, f"the token is no longer accepted (401): {self.sign_in.remedy}")

    async def _read_with(self, token: str, now: datetime, found: OrganizationAnswers) -> Profile:
        profile = await self._current_profile(token, now, found.errors)
        wanted = {organization.lower() for organization in self.seat.organizations}
        if wanted and profile.org not in wanted:
            raise SourceError(Cause.DENIED, "the token's organization is none of those configured")
        try:
            body = await self._ask("/api/oauth/usage", token, now)
        except SourceError as trouble:
            if trouble.cause is Cause.UNAUTHORIZED:
                raise
            found.trouble = trouble
            found.errors.append(f"usage: {trouble.sentence}")
            return profile
        usage = parse_usage(body, found)
        found.metering = _metering(usage, profile, found.notes)
        conclude(found)
        return profile

    async def _current_profile(self, token: str, now: datetime, errors: list[str]) -> Profile:
        """The profile, requested again after a day and before anything is read with another token."""
        held, at = self._profile, self._profile_at
        if token != self._profile_token:
            held = None
        if held is not None and at is not None and timedelta(0) <= now - at < _PROFILE_AGE:
            return held
        try:
            return await self._ask_profile(token, now)
        except SourceError as trouble:
            if held is None or trouble.cause not in OF_ONE_ANSWER:
                raise
            errors.append(f"profile: {trouble.sentence}; the last known one is used")
            return held

    async def _ask_profile(self, token: str, now: datetime) -> Profile:
        notes = DriftNotes()
        body = await self._ask("/api/oauth/profile", token, now)
        profile = profile_of(body, notes)
        if profile is None:
            raise SourceError(Cause.DRIFTED, f"the profile has changed its form ({notes.drift[-1]})")
        self._profile, self._profile_token, self._profile_at = profile, token, now
        self._profile_drift = tuple(notes.drift)
        self.expected_account = self.expected_account or profile.account
        return profile

    async def _token(self, now: datetime) -> str:
        """The token to use. Raises `SourceError` if there is none, without a request."""
        login = await asyncio.to_thread(self.sign_in.store)
        if not secret.looks_secret(login.token):  # its form is unusual, and it is hidden in logs all the same
            secret.remember(login.token)
        login.check(now)
        return login.token

    async def _ask(self, path: str, token: str, now: datetime) -> object:
        """The JSON that `path` answers. Raises `SourceError` otherwise."""
        headers = {
            "Authorization": f"Bearer {token}",
            "anthropic-beta": "oauth-2025-04-20",
            # Without this header the service answers 429 even to the first request.
            "anthropic-version": "2023-06-01",
            "Accept": "application/json",
        }
        answer = await self.transport.get(self.base_url, path, headers)
        try:
            return reading(answer.status, answer.headers, answer.body, now)
        except SourceError as trouble:
            if trouble.cause is not Cause.SCOPE:
                raise
            sentence = f"the token lacks the scope {READING_SCOPE}, so it may not read usage (403)"
            raise SourceError(Cause.SCOPE, sentence) from None

    def _snapshot(self, now: datetime, profile: Profile | None, found: OrganizationAnswers) -> Snapshot:
        snapshot = found.snapshot(self.seat, now)
        if profile is None:
            return snapshot
        remarks = self._remarks(profile)
        return replace(
            snapshot,
            account_uuid=profile.account,
            account_email=profile.email,
            org_uuid=profile.org,
            org_name=profile.org_name,
            detail=snapshot.detail or next(iter(remarks), None),
            tier=profile.tier,
            drift=(*self._profile_drift, *snapshot.drift),
            errors=(*(f"account: {remark}" for remark in remarks), *snapshot.errors),
        )

    def _remarks(self, profile: Profile) -> list[str]:
        """Notes on the token's account."""
        switched = "the token belongs to another account than before: is it the right seat's?"
        troubles = [] if profile.account == self.expected_account else [switched]
        return troubles if profile.lapsed is None else [*troubles, profile.lapsed]


def _metering(usage: dict[str, object] | None, profile: Profile, notes: DriftNotes) -> Metering:
    """Completes the usage from the profile, which may know whether extra usage is on. There is no overage row here."""
    silent = usage is not None and usage.get("extra_usage") is None and usage.get("spend") is None
    row = Missing.ABSENT if silent and profile.metered is False else Missing.FAILED
    return metering_of(usage, row, notes, enterprise=profile.tier == "enterprise")
