"""The facts: what one reading says, and what is known of a counter and of a source. Immutable values.

Instants are aware and in UTC. None means unknown unless a field says otherwise.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, NamedTuple, Protocol, TypeVar

from pydantic import PlainSerializer

from meterbot.core.money import Money
from meterbot.core.org_spend import OrgSpend


class Health(StrEnum):
    """How a seat's source is doing. One word at a time."""

    OK = "ok"
    STALE = "stale"
    SESSION_EXPIRED = "session_expired"
    CHALLENGED = "challenged"
    RATE_LIMITED = "rate_limited"
    DRIFTED = "drifted"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    NEVER_SEEN = "never_seen"


class ReasonClass(StrEnum):
    """The kinds of `disabled_reason`."""

    CAP = "cap"
    BALANCE = "balance"
    ADMIN = "admin"
    NEVER_SET_UP = "never_set_up"
    USER_OFF = "user_off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Window:
    """A rolling quota. `name` is the service's (`five_hour`) or `seven_day_<scope>`; utilization is in
    percent and may exceed 100."""

    name: str
    utilization: Decimal | None
    resets_at: datetime | None

    @property
    def full(self) -> bool:
        return self.utilization is not None and self.utilization >= 100


@dataclass(frozen=True, slots=True)
class WindowPoint:
    """How full a window was at `at`."""

    at: datetime
    utilization: Decimal
    resets_at: datetime | None


@dataclass(frozen=True, slots=True)
class Balance:
    """Prepaid credits that are left. `auto_reload` None: not known. `shared`: they are the whole organization's. `at`:
    when it was read; None: with the rest of its reading."""

    amount: Money
    auto_reload: bool | None = None
    shared: bool = False
    at: datetime | None = None

    @property
    def empty(self) -> bool:
        """Nothing is left, and nothing is known to fill it up again: the next prompt beyond the plan is refused."""
        return self.amount.minor == 0 and self.auto_reload is not True


@dataclass(frozen=True, slots=True)
class ExtraUsage:
    """This period's metered spend. `cap` is None both for "no cap" and for "unknown": `cap_known` distinguishes them.
    `why_known` is False if the overage row could not be read: then the absence of a block proves nothing."""

    enabled: bool | None
    used: Money | None
    cap: Money | None
    cap_known: bool = True
    currency: str | None = None
    assumed: tuple[str, ...] = ()
    """`currency`, `scale`: not in any body."""
    out_of_credits: bool | None = None
    spend_limit_reached: bool | None = None
    reason: str | None = None
    """The `disabled_reason` as the service sent it."""
    reason_class: ReasonClass | None = None
    disabled_until: datetime | None = None
    why_known: bool = True
    comparable: bool = True
    """False if `used` is before a discount, so that reaching the cap proves nothing."""
    balance: Balance | None = None
    """None where the source does not say."""
    used_field: str = "extra_usage.used_credits"
    """The field of an answer that `used` is from."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """The plan's own billing. `next_charge_at` is set if the instant is known and not only the day."""

    status: str | None
    next_charge_date: date | None
    next_charge_at: datetime | None = None
    billing_interval: str | None = None
    ends_on: date | None = None
    """It ends on this day, so there is no charge."""
    gift: bool = False
    """Paid by a gift or on a special schedule: there is no ordinary renewal."""
    changes_to: str | None = None
    """The plan of a scheduled downgrade."""
    paused_until: date | None = None
    """There is no charge before this day; of an instant, its UTC day."""
    configured: bool = False
    """The day comes from the configuration, not from a source."""


_SEAT = "seat:"


class Counter(NamedTuple):
    """The identity of money: one counter at Anthropic."""

    account: str
    org: str

    @classmethod
    def of_seat(cls, seat: str, org: str) -> "Counter":
        """The seat replaces the account if the source does not know the account."""
        return cls(f"{_SEAT}{seat}", org)

    @property
    def named(self) -> bool:
        """The account is known."""
        return not self.account.startswith(_SEAT)

    def __str__(self) -> str:
        return f"{self.account}/{self.org}"


# In JSON a counter is an object, because processes of earlier versions read nothing else.
StoredCounter = Annotated[Counter, PlainSerializer(Counter._asdict)]


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """When a session of claude.ai ends. `estimated`: its cookie does not say, and it is counted from the sign-in."""

    at: datetime
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one machine's tokens of a month would cost at list prices. It is not charged and never added to spend.
    `month` is like `2026-04`, `by` is the program that calculated it."""

    amount: Money
    month: str
    by: str


@dataclass(frozen=True, slots=True)
class Throttle:
    """A program on the seat's machine that slows Claude Code down. `on` None: unknown."""

    tool: str
    on: bool | None
    throttling: bool
    delay_seconds: Decimal | None
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one reading says of one (account, organization), or that nothing could be read (`org_uuid` None).

    A part that was read and is absent (404, null) has `…_read` True and a value of None; a part that failed has
    `…_read` False, and the last good value stays. `health` is the source's.
    """

    seat: str
    source: str
    fetched_at: datetime
    health: Health
    account_uuid: str | None = None
    account_email: str | None = None
    org_uuid: str | None = None
    org_name: str | None = None
    windows: tuple[Window, ...] = ()
    windows_read: bool = False
    extra_usage: ExtraUsage | None = None
    extra_usage_read: bool = False
    subscription: Subscription | None = None
    subscription_read: bool = False
    org_spend: OrgSpend | None = None
    """Only from `admin_api`. Parts that were not read are None in it."""
    detail: str | None = None
    """One sentence about a problem of the source; never text from a body."""
    retry_at: datetime | None = None
    """The earliest next reading after a refusal."""
    tier: str | None = None
    """The plan that the account names: `pro`, `max_5x`, `max_20x`, `team`, `team_premium`, `enterprise`, …"""
    estimate: Estimate | None = None
    throttle: Throttle | None = None
    usage_is_total: bool | None = None
    """`/usage` has the whole organization's amounts: only the member's own row has the seat's. None: not known."""
    drift: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    sender_time: datetime | None = None
    """When it was read by the clock of the machine that sent it, if that clock is ahead."""

    @property
    def own_time(self) -> datetime:
        """Orders the snapshots of one sender."""
        return self.sender_time or self.fetched_at

    @property
    def counter(self) -> Counter | None:
        """The counter that was read; None if none was."""
        if self.org_uuid is None:
            return None
        if self.account_uuid is None:
            return Counter.of_seat(self.seat, self.org_uuid)
        return Counter(self.account_uuid, self.org_uuid)


@dataclass(frozen=True, slots=True)
class LastKnown:
    """What is known of a counter: the newest snapshot, with the last good value of each part that it lacks. The `_at`
    instants are when each part was last read; None is never."""

    snapshot: Snapshot
    windows_at: datetime | None = None
    extra_usage_at: datetime | None = None
    subscription_at: datetime | None = None
    trail: dict[str, tuple[WindowPoint, ...]] = field(default_factory=dict)
    """A few earlier points of each window, the oldest first, to estimate when it will be full."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """The state of a seat's source: its health, since when, and when it may be read again."""

    seat: str
    health: Health = Health.NEVER_SEEN
    since: datetime | None = None
    detail: str | None = None
    last_ok_at: datetime | None = None
    failures: int = 0
    """Refusals in a row, which decide how long to wait."""
    next_due: datetime | None = None
    """Not before this instant, also after a restart."""


class Severity(StrEnum):
    INFO = "info"
    GOOD = "good"
    WARNING = "warning"
    CRITICAL = "critical"


class EventKind(StrEnum):
    """The rules, by name."""

    SPEND_STARTED = "spend_started"
    THRESHOLD_CROSSED = "threshold_crossed"
    BUDGET_CROSSED = "budget_crossed"
    SEAT_BLOCKED = "seat_blocked"
    SEAT_UNBLOCKED = "seat_unblocked"
    CHARGED_WITHIN_PLAN = "charged_within_plan"
    BALANCE_LOW = "balance_low"
    METERING_CHANGED = "metering_changed"
    WINDOW_FULL = "window_full"
    WINDOW_RESET = "window_reset"
    RENEWAL_NEAR = "renewal_near"
    SUBSCRIPTION_CHANGED = "subscription_changed"
    PERIOD_CLOSED = "period_closed"
    CAP_FORECAST = "cap_forecast"
    SPEND_SPIKE = "spend_spike"
    SOURCE_DOWN = "source_down"
    SOURCE_UP = "source_up"
    DESTINATION_DOWN = "destination_down"
    DESTINATION_UP = "destination_up"
    IDENTITY_CHANGED = "identity_changed"
    SESSION_EXPIRING = "session_expiring"
    PULL_REQUEST_MERGED = "pull_request_merged"
    DIGEST = "digest"
    NOTICE = "notice"
    """A direct message to a seat's owner: an invitation, or that the first number has arrived."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, and its evidence.

    `key` is unique for ever: it contains counter, rule, level, and period or episode, as ids. `resolves` is the key
    of the alert that this event ends. `facts` has what the message needs, as JSON values (amounts as
    `{"minor","currency","exponent"}`, instants as ISO strings); `reason` says what was compared with what.
    """

    key: str
    kind: EventKind
    at: datetime
    severity: Severity
    reason: str
    seat: str | None = None
    """None: the team's."""
    counter: StoredCounter | None = None
    level: str | None = None
    resolves: str | None = None
    initial: bool = False
    """It already held at the first snapshot, so it is worded as a state."""
    muted_by: str | None = None
    """The key of the worse event that includes this one: then this one is stored and not posted."""
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def only_ends(self) -> bool:
        """It says nothing but that an alert is over."""
        return self.resolves is not None and not self.facts.get("changes")


@dataclass(frozen=True, slots=True)
class Sample:
    """One point of a counter's history. Readings without an amount are not stored as points."""

    at: datetime
    counter: Counter
    used: Money
    cap: Money | None
    blocked: bool
    counted_from: Money | None = None
    """The amount up to which spend is already counted, if that is not the previous reading: 0 in a new period, and
    after a dip the highest amount of the period, because the return to it is no new spend."""


class HasCounter(Protocol):
    """A value of one counter: a sample, an hour."""

    @property
    def counter(self) -> Counter: ...


Item = TypeVar("Item", bound=HasCounter)


def by_counter(items: Iterable[Item]) -> defaultdict[Counter, list[Item]]:
    """The values of each counter in their order; an empty list for a counter without values."""
    found: defaultdict[Counter, list[Item]] = defaultdict(list)
    for item in items:
        found[item.counter].append(item)
    return found


@dataclass(frozen=True, slots=True)
class Seat:
    """One person's Claude account as configured, without its secrets."""

    name: str
    source: str
    organizations: tuple[str, ...] = ()
    plan: str | None = None
    plan_price: Money | None = None
    list_price: bool = False
    """The price is the plan's list price, because none was configured."""
    owner: dict[str, str] = field(default_factory=dict)
    """Platform → id there: `{"slack": "U0123", "discord": "1234"}`."""
    interval: float = 60.0
    """Seconds between two reads; for `push`, between two expected arrivals."""
    renews_on: int | None = None
    """The day of the month on which the plan is charged, for sources that cannot know it."""

    @property
    def stale_after(self) -> timedelta:
        """How long a source that reports no failures may be silent before it is stale."""
        return timedelta(seconds=3 * self.interval)

    @property
    def beside(self) -> bool:
        """Its numbers are an organization's API spend: shown beside the seats, never added to them."""
        return self.source == "admin_api"

    def covers(self, org: str) -> bool:
        return not self.organizations or org in self.organizations
