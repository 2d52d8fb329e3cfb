"""Reads a seat with the OAuth token of Claude Code's sign-in.

The token is never renewed here: that would sign the person out. If it is refused, it is loaded once more, because
Claude Code may have renewed it. A `/usage` answer does not say whose it is, so the profile is read once for each
token and daily; without a profile nothing is read. This source cannot know the next charge and the overage row with
its reasons.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from meterbot.core.models import Seat, Snapshot
from meterbot.sources.extra_usage import Metering, metering_of
from meterbot.sources.fields import DriftNotes
from meterbot.sources.http_client import HttpClient
from meterbot.sources.oauth import SignIn, ask, current_token
from meterbot.sources.organization import OrganizationAnswers, UnknownKeysLog, conclude, parse_usage
from meterbot.sources.profile import Profile, profile_of
from meterbot.sources.responses import Cause, Missing, SourceError

_PROFILE_AGE = timedelta(days=1)

# Failures of the profile alone do not stop the reading if the token's profile is known.
_OF_THE_PROFILE = {Cause.FAILING, Cause.UNREADABLE, Cause.DRIFTED}


class ClaudeCodeSource:
    """Reads one seat: the profile of its token, then the usage. `expected_account`: the known account of this seat;
    another one is reported with an error."""

    def __init__(
        self,
        seat: Seat,
        sign_in: SignIn,
        transport: HttpClient,
        base_url: str,
        *,
        expected_account: str | None = None,
    ) -> None:
        self._seat = seat
        self._sign_in = sign_in
        self._transport = transport
        self._base_url = base_url
        self._expected_account = expected_account
        self._profile: Profile | None = None
        self._profile_token: str | None = None
        self._profile_at: datetime | None = None
        self._profile_drift: tuple[str, ...] = ()
        self._unknown_keys = UnknownKeysLog(seat.name)

    def __repr__(self) -> str:
        return f"ClaudeCodeSource({self._seat.name!r})"

    async def read(self, now: datetime) -> tuple[Snapshot, ...]:
        """The snapshot of the token's organization, or one without any. Never raises for a failure of the service."""
        found = OrganizationAnswers()
        try:
            profile = await self._read_with_newest(now, found)
        except SourceError as trouble:
            unread = OrganizationAnswers(trouble=trouble, errors=[*found.errors, trouble.sentence])
            return (self._snapshot(now, None, unread),)
        self._unknown_keys.note(found.unknown_keys)
        return (self._snapshot(now, profile, found),)

    async def _read_with_newest(self, now: datetime, found: OrganizationAnswers) -> Profile:
        """The token's profile. A refused token is loaded once more."""
        token = await current_token(self._sign_in.store, now)
        for _ in range(2):
            try:
                return await self._read_with(token, now, found)
            except SourceError as trouble:
                if trouble.cause is not Cause.UNAUTHORIZED:
                    raise
            refused, token = token, await current_token(self._sign_in.store, now)
            if token == refused:
                break
        raise SourceError(Cause.SESSION, f"the token is no longer accepted (401): {self._sign_in.remedy}")

    async def _read_with(self, token: str, now: datetime, found: OrganizationAnswers) -> Profile:
        profile = await self._current_profile(token, now, found.errors)
        wanted = {organization.lower() for organization in self._seat.organizations}
        if wanted and profile.org not in wanted:
            raise SourceError(Cause.DENIED, "the token's organization is none of those configured")
        try:
            body = await ask(self._transport, self._base_url, "/api/oauth/usage", token, now)
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
            if held is None or trouble.cause not in _OF_THE_PROFILE:
                raise
            errors.append(f"profile: {trouble.sentence}; the last known one is used")
            return held

    async def _ask_profile(self, token: str, now: datetime) -> Profile:
        notes = DriftNotes()
        body = await ask(self._transport, self._base_url, "/api/oauth/profile", token, now)
        profile = profile_of(body, notes)
        if profile is None:
            raise SourceError(Cause.DRIFTED, f"the profile has changed its form ({notes.drift[-1]})")
        self._profile, self._profile_token, self._profile_at = profile, token, now
        self._profile_drift = tuple(notes.drift)
        self._expected_account = self._expected_account or profile.account
        return profile

    def _snapshot(self, now: datetime, profile: Profile | None, found: OrganizationAnswers) -> Snapshot:
        snapshot = found.snapshot(self._seat, now)
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
        switched = profile.account != self._expected_account
        troubles = (
            ["the token belongs to another account than before: is it the right seat's?"] if switched else []
        )
        return troubles if profile.lapsed is None else [*troubles, profile.lapsed]


def _metering(usage: dict[str, object] | None, profile: Profile, notes: DriftNotes) -> Metering:
    """Completes the usage from the profile, which may know whether extra usage is on. There is no overage row here."""
    silent = usage is not None and usage.get("extra_usage") is None and usage.get("spend") is None
    row = Missing.ABSENT if silent and profile.metered is False else Missing.FAILED
    return metering_of(usage, row, notes, enterprise=profile.tier == "enterprise")
