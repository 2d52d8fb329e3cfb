"""Reads a seat from claude.ai with its session cookie.

The health is `ok` if the required answer (`/usage`) was read and every number could be parsed, even if an optional
answer failed (`errors` says so). It is `drifted` if a main window or an amount was there but could not be parsed from
any answer. Otherwise it is the word of the failure that ended the reading; what was read before stays.

After a failure of the whole session (challenge, rate limit, expiry, no connection) nothing more is requested for the
seat.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, replace
from datetime import datetime, timedelta

from meterbot.core.models import Counter, Seat, Snapshot
from meterbot.sources.account import AccountInfo, Organization, account_of
from meterbot.sources.fields import DriftNotes
from meterbot.sources.organization import OrganizationAnswers, OrganizationReader, log_unknown
from meterbot.sources.responses import OF_ONE_ANSWER, Cause, SourceError
from meterbot.sources.session import Session
from meterbot.store import Latest

_ACCOUNT_AGE = timedelta(hours=1)
_BALANCE_AGE = timedelta(minutes=15)
"""Prepaid credits are not asked for more often: they are one request of four."""
_YOUNG = timedelta(minutes=1)

RETRY_PAUSES = (1.5, 3.0, 5.0)
"""Seconds until a new key becomes valid."""


@dataclass(eq=False, repr=False)
class ClaudeAiSource:
    """Reads one seat: its account (kept for an hour), then usage, overage, subscription and prepaid credits of each
    organization, one request at a time.

    `expected_account`: the account this seat is known to be; another one is reported as it is, with an error.
    `known`: what earlier processes read of this seat: if one of its organizations refuses now, that is reported; one
    that never could be read is left out. `retry_pauses`: a session key can be refused for some seconds after it was
    issued; in the first minute a refusal is tried again after each of these, in seconds, by awaiting `pause`.
    """

    seat: Seat
    session: Session
    _: KW_ONLY
    expected_account: str | None = None
    known: InitVar[Iterable[Latest]] = ()
    retry_pauses: Sequence[float] = RETRY_PAUSES
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self, known: Iterable[Latest]) -> None:
        self._account = AccountInfo(None, None, None)
        self._account_at: datetime | None = None
        self._account_drift: tuple[str, ...] = ()
        self._first_read_at: datetime | None = None
        known = list(known)
        self._read_before = {one.counter for one in known if one.known.windows_at or one.known.extra_usage_at}
        self._unreadable: set[str] = set()
        self._balance_asked_at: dict[str, datetime] = {}
        self._usage_is_total = {one.counter.org for one in known if one.known.snapshot.usage_is_total}
        self._unknown_keys: set[str] = set()

    async def read(self, now: datetime) -> tuple[Snapshot, ...]:
        """One snapshot for each organization that can be read, or one without any. Never raises for a failure of the
        service."""
        self._first_read_at = self._first_read_at or now
        errors: list[str] = []
        try:
            await self.session.refresh()
            account = await self._current_account(now, errors)
            answers = await self._read_all(self._to_read(account, errors), now, errors)
        except SourceError as trouble:
            answers = [(None, _unread(trouble))]
        return tuple(self._snapshot(now, organization, found, errors) for organization, found in answers)

    async def _read_all(
        self, organizations: list[Organization], now: datetime, errors: list[str]
    ) -> list[tuple[Organization | None, OrganizationAnswers]]:
        answers: list[tuple[Organization | None, OrganizationAnswers]] = []
        ended: SourceError | None = None
        for organization in organizations:
            if ended is not None:
                answers.append((organization, _unread(ended)))
                continue
            found = await self._organization(organization, now)
            ended = found.trouble if found.ended else None
            if organization.uuid in self._unreadable:
                errors.append(f"organization {organization.uuid}: not readable with this session, left out")
            else:
                answers.append((organization, found))
        if not answers:
            self._account_at = None
            raise SourceError(Cause.DENIED, "no organization of this account can be read (API only?)")
        return answers

    # The account.

    async def _current_account(self, now: datetime, errors: list[str]) -> AccountInfo:
        """The account, requested again after an hour or when an answer contradicted it."""
        held, at = self._account, self._account_at
        if at is not None and timedelta(0) <= now - at < _ACCOUNT_AGE:
            return held
        try:
            return await self._read_account(now)
        except SourceError as trouble:
            if held.organizations is None or trouble.cause not in OF_ONE_ANSWER:
                raise
            # The list of organizations hardly ever changes, so the numbers need not wait for it.
            errors.append(f"account: {trouble.sentence}; the last known one is used")
            return held

    async def _read_account(self, now: datetime) -> AccountInfo:
        self._account_at = None
        notes = DriftNotes()
        account = account_of(await self._ask_account(now), notes).completed_by(self._account)
        self._account_drift = tuple(notes.drift)
        if account.organizations is None:
            raise SourceError(Cause.DRIFTED, f"the account has changed its form ({notes.drift[0]})")
        self.expected_account = self.expected_account or account.uuid
        self._account, self._account_at = account, now
        self._unreadable.clear()
        return account

    async def _ask_account(self, now: datetime) -> object:
        young = self._first_read_at is not None and now - self._first_read_at < _YOUNG
        pauses = list(self.retry_pauses) if young and self._account.organizations is None else []
        while True:
            try:
                return await self.session.get("/api/account", now)
            except SourceError as trouble:
                if trouble.cause is not Cause.UNAUTHORIZED:
                    raise
                if not pauses:
                    raise SourceError(Cause.SESSION, trouble.sentence) from None
            await self.pause(pauses.pop(0))

    def _to_read(self, account: AccountInfo, errors: list[str]) -> list[Organization]:
        """The organizations to read. Raises `SourceError` if there are none."""
        members = account.organizations or ()
        if not members:
            raise SourceError(Cause.DENIED, "no organization: the account is a member of none")
        wanted = {organization.lower() for organization in self.seat.organizations}
        chosen = [o for o in members if not wanted or o.uuid in wanted]
        if len(chosen) < len(wanted):
            errors.append(
                f"organizations: {len(wanted) - len(chosen)} of those configured not among the account's"
            )
        if not chosen:
            raise SourceError(Cause.DENIED, "none of the configured organizations is among the account's")
        readable = [o for o in chosen if not o.api_only and o.uuid not in self._unreadable]
        if not readable:
            raise SourceError(Cause.DENIED, "the account has API organizations only: no seat to read")
        return readable

    # One organization.

    async def _organization(self, organization: Organization, now: datetime) -> OrganizationAnswers:
        asked = self._balance_asked_at.get(organization.uuid)
        due = asked is None or not timedelta(0) <= now - asked < _BALANCE_AGE
        reader = OrganizationReader(self.session, organization, self._account.uuid, now)
        found = await reader.read(balance=due, usage_is_total=organization.uuid in self._usage_is_total)
        if found.metering.usage_is_total:
            self._usage_is_total.add(organization.uuid)
        elif found.metering.usage_is_total is not None:
            self._usage_is_total.discard(organization.uuid)
        if due and found.trouble is None:
            self._balance_asked_at[organization.uuid] = now
        log_unknown(found.unknown_keys, self._unknown_keys, self.seat.name)
        if found.distrusts_account:
            self._account_at = None
        if found.windows_read or found.metering.read:
            self._read_before.add(self._counter(organization))
        if found.trouble is not None and found.trouble.cause in {Cause.UNAUTHORIZED, Cause.ABSENT}:
            found.trouble = await self._without_usage(organization, found.trouble, now)
        return found

    async def _without_usage(
        self, organization: Organization, trouble: SourceError, now: datetime
    ) -> SourceError:
        """Finds out what a 401 or 404 on `/usage` means: the session has ended if the account cannot be read either,
        otherwise only this organization cannot be read."""
        try:
            fresh = self._account if self._account_at == now else await self._read_account(now)
        except SourceError as about_account:
            return about_account
        members = {o.uuid for o in fresh.organizations or ()}
        never_read = self._counter(organization) not in self._read_before
        if organization.uuid not in members or (trouble.cause is Cause.UNAUTHORIZED and never_read):
            self._unreadable.add(organization.uuid)
        if trouble.cause is Cause.UNAUTHORIZED:  # the session is accepted: signing in again would not help
            return SourceError(
                Cause.DENIED, "access to the organization is denied (401), although the account names it"
            )
        return SourceError(trouble.cause, f"{trouble.sentence}, although the account names the organization")

    # The snapshot.

    def _counter(self, organization: Organization) -> Counter:
        account = self._account.uuid
        if account is None:
            return Counter.of_seat(self.seat.name, organization.uuid)
        return Counter(account, organization.uuid)

    def _snapshot(
        self, now: datetime, organization: Organization | None, found: OrganizationAnswers, errors: list[str]
    ) -> Snapshot:
        """The snapshot with its account and organization, and with notes on that account."""
        snapshot = found.snapshot(self.seat, now)
        switched = self._account.uuid not in {None, self.expected_account}
        sentence = "the session belongs to another account than before: is it the right seat's?"
        return replace(
            snapshot,
            account_uuid=self._account.uuid,
            account_email=self._account.email,
            org_uuid=None if organization is None else organization.uuid,
            org_name=None if organization is None else organization.name,
            tier=None if organization is None else organization.tier,
            detail=snapshot.detail or (sentence if switched else None),
            drift=(*self._account_drift, *snapshot.drift),
            errors=(*([f"account: {sentence}"] if switched else []), *errors, *snapshot.errors),
        )


def _unread(trouble: SourceError) -> OrganizationAnswers:
    """Answers that only say why there are none."""
    return OrganizationAnswers(trouble=trouble, errors=[trouble.sentence])
