"""One organization of a seat, read from claude.ai: usage, then overage, subscription and prepaid credits, one request
at a time."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from meterbot.core.log import get_logger
from meterbot.core.models import Health, Seat, Snapshot, Window
from meterbot.sources.account import Organization
from meterbot.sources.billing import Billing, balance_of, billing_of
from meterbot.sources.extra_usage import Metering, metering_of
from meterbot.sources.fields import DriftNotes, kind
from meterbot.sources.responses import Cause, Missing, SourceError
from meterbot.sources.session import Session
from meterbot.sources.usage_statements import overage_row
from meterbot.sources.windows import is_window, windows_lost, windows_of
from meterbot.sources.wire import OverageShape

log = get_logger(__name__)

NO_AMOUNT = "extra usage: nothing that was read says how much was used"

_USAGE_KEYS = {"five_hour", "seven_day", "limits", "model_scoped", "extra_usage", "spend"}
_OTHER_KEYS = {"seven_day_breakdown", "member_dashboard_available", "cedar_ember"}

_MOST_LISTED = 100

_OF_THE_SESSION = {Cause.SESSION, Cause.REGION, Cause.SCOPE, Cause.CHALLENGED, Cause.RATE_LIMITED}


@dataclass(slots=True)
class OrganizationAnswers:
    """The results so far. `trouble` is the failure that ended the reading; `distrusts_account`: an answer
    contradicted the known account."""

    windows: tuple[Window, ...] = ()
    windows_read: bool = False
    metering: Metering = field(default_factory=lambda: Metering(None, read=False, lost=False))
    billing: Billing = field(default_factory=lambda: Billing(None, read=False))
    trouble: SourceError | None = None
    distrusts_account: bool = False
    unknown_keys: list[str] = field(default_factory=list)
    notes: DriftNotes = field(default_factory=DriftNotes)
    errors: list[str] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """The failure concerns the whole session, so nothing more should be requested with it."""
        return self.trouble is not None and self.trouble.cause in {*_OF_THE_SESSION, Cause.UNREACHABLE}

    def snapshot(self, seat: Seat, now: datetime) -> Snapshot:
        """The snapshot of `now` without account and organization."""
        trouble = self.trouble
        return Snapshot(
            seat=seat.name,
            source=seat.source,
            fetched_at=now,
            health=Health.OK if trouble is None else trouble.health,
            windows=self.windows,
            windows_read=self.windows_read,
            extra_usage=self.metering.extra,
            extra_usage_read=self.metering.read,
            subscription=self.billing.subscription,
            subscription_read=self.billing.read,
            detail=None if trouble is None else trouble.sentence,
            retry_at=None if trouble is None else trouble.retry_at(now),
            usage_is_total=self.metering.usage_is_total,
            drift=tuple(self.notes.drift),
            errors=tuple(self.errors),
        )


@dataclass(frozen=True, slots=True)
class OrganizationReader:
    """Reads each part on its own: what one answer lacks does not affect the others. `account`: the UUID of the seat's
    account."""

    session: Session
    organization: Organization
    account: str | None
    now: datetime
    answers: OrganizationAnswers = field(default_factory=OrganizationAnswers)

    async def read(self, *, balance: bool, usage_is_total: bool) -> OrganizationAnswers:
        """`balance`: the prepaid credits are due to be read. `usage_is_total`: an earlier `/usage` had the
        organization's amounts."""
        answers, organization = self.answers, self.organization
        try:
            usage = parse_usage(await self._get("usage"), answers)
        except SourceError as trouble:
            answers.trouble = trouble
            answers.errors.append(f"usage: {trouble.sentence}")
            answers.distrusts_account = trouble.cause in {Cause.SESSION, Cause.DENIED}
            return answers
        answers.metering = metering_of(
            usage,
            await self._overage(),
            answers.notes,
            team=organization.team,
            enterprise=organization.tier == "enterprise",
            usage_is_total=usage_is_total,
        )
        if not answers.ended:
            body = await self._optional("subscription_details", "subscription")
            if body is not Missing.FAILED:
                answers.billing = billing_of(None if body is Missing.ABSENT else body, answers.notes)
        if balance and not answers.ended:
            await self._balance()
        conclude(answers)
        return answers

    async def _overage(self) -> OverageShape | Missing:
        path, organization = "overage_spend_limit", self.organization
        if organization.team:
            if self.account is None:
                self.answers.errors.append("overage: not asked for, as the account's id is unknown")
                return Missing.FAILED
            path += f"?account_uuid={self.account}"  # Without it the row would be the whole organization's.
        body = await self._optional(path, "overage")
        if isinstance(body, Missing):
            return body
        return overage_row(
            body, self.answers.notes, account=self.account, org=organization.uuid, team=organization.team
        )

    async def _balance(self) -> None:
        """Reads the prepaid credits if extra usage is metered and `/usage` does not contain them. A refusal is an
        answer, too: most members of an organization may not see its billing."""
        metering = self.answers.metering
        if metering.extra is None or metering.extra.balance is not None:
            return
        body = await self._optional("prepaid/credits", "credits", denied_is_absent=True)
        if not isinstance(body, Missing):
            balance = balance_of(body, self.answers.notes, shared=self.organization.team)
            self.answers.metering = replace(metering, extra=replace(metering.extra, balance=balance))

    async def _optional(self, path: str, part: str, *, denied_is_absent: bool = False) -> object:
        """The body of an optional answer, or why there is none. A failure other than 404 is recorded, and ends the
        reading if it concerns the session."""
        try:
            return await self._get(path)
        except SourceError as trouble:
            if trouble.cause is Cause.ABSENT or (denied_is_absent and trouble.cause is Cause.DENIED):
                return Missing.ABSENT
            self.answers.errors.append(f"{part}: {trouble.sentence}")
            self.answers.distrusts_account |= trouble.cause in {Cause.UNAUTHORIZED, Cause.SESSION}
            if trouble.cause in _OF_THE_SESSION:
                self.answers.trouble = trouble
            return Missing.FAILED

    async def _get(self, path: str) -> object:
        return await self.session.get(f"/api/organizations/{self.organization.uuid}/{path}", self.now)


def conclude(answers: OrganizationAnswers) -> None:
    """Notes what is missing after the last answer."""
    if not answers.metering.read and not answers.metering.lost:
        answers.errors.append(NO_AMOUNT)
    if answers.trouble is None and (not answers.windows_read or answers.metering.lost):
        sentence = f"an answer has changed its form ({answers.notes.worst()})"
        answers.trouble = SourceError(Cause.DRIFTED, sentence)


def parse_usage(value: object, answers: OrganizationAnswers) -> dict[str, object] | None:
    """Takes the windows of a `/usage` body. Returns the body if it contains anything known."""
    if not isinstance(value, dict):
        answers.notes.reject("usage", "an object", kind(value))
        return None
    answers.unknown_keys = [key for key in value if not _is_known(key) and _is_presentable(key)]
    if not any(key in _USAGE_KEYS or is_window(key) for key in value):
        answers.notes.reject("usage", "its fields", "none of them")
        return None
    answers.windows = windows_of(value, answers.notes)
    answers.windows_read = not windows_lost(answers.windows, answers.notes)
    return value


def log_unknown(keys: list[str], listed: set[str], seat: str) -> None:
    """New keys appear without notice and are ignored; each is `listed` once, for the developers."""
    new = [key for key in keys if key not in listed][: _MOST_LISTED - len(listed)]
    if new:
        listed.update(new)
        log.info("an answer has unknown keys", seat=seat, keys=new)


def _is_known(key: str) -> bool:
    return key in _USAGE_KEYS or key in _OTHER_KEYS or is_window(key)


def _is_presentable(key: str) -> bool:
    return len(key) <= 40 and key.isascii() and key.isidentifier()
