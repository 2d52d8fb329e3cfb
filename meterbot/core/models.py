"""The facts: what one reading says, what is known of a counter and of a source.

Frozen values without behaviour beyond questions about themselves. Instants are aware and in UTC, a date
is a date, None is "unknown" unless a field says otherwise.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeVar

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
    """What kind of thing a `disabled_reason` is."""

    CAP = "cap"
    BALANCE = "balance"
    ADMIN = "admin"
    NEVER_SET_UP = "never_set_up"
    USER_OFF = "user_off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Window:
    """A rolling quota. `name` is the wire's (`five_hour`) or `seven_day_<scope>`; utilization is 0-100 and may
    exceed it."""

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
    """Prepaid credits that are left. `auto_reload` None: not known. `shared`: they are the whole organization's. `at`: when
    it was read; None: with the rest of its reading."""

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
    """This period's metered spend, as far as the bodies said.

    `cap` is None both for "no cap" and for "not known": `cap_known` tells them apart. `why_known` is False when
    the overage row could not be read, so that silence about a block is not taken for its end.
    """

    enabled: bool | None
    used: Money | None
    cap: Money | None
    cap_known: bool = True
    currency: str | None = None
    assumed: tuple[str, ...] = ()
    """`currency`, `scale`: what no body stated."""
    out_of_credits: bool | None = None
    spend_limit_reached: bool | None = None
    reason: str | None = None
    """The wire's `disabled_reason`, raw."""
    reason_class: ReasonClass | None = None
    disabled_until: datetime | None = None
    why_known: bool = True
    comparable: bool = True
    """False when `used` is before a discount, so that used ≥ cap proves nothing."""
    balance: Balance | None = None
    """None where the source does not say."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """The plan's own billing. A calendar day stays a day; `next_charge_at` is set when the instant is known."""

    status: str | None
    next_charge_date: date | None
    next_charge_at: datetime | None = None
    billing_interval: str | None = None
    ends_on: date | None = None
    """Set to end on this day, so that no charge comes."""
    gift: bool = False
    """Paid through by a gift, or on a schedule of its own: no ordinary renewal."""
    changes_to: str | None = None
    """The plan a scheduled downgrade goes to."""
    paused_until: date | None = None
    """No charge comes before this day. Of an instant, its UTC day."""
    configured: bool = False
    """The operator said when it renews: no source did."""


_SEAT = "seat:"


@dataclass(frozen=True, slots=True)
class Counter:
    """The identity of money: one counter on Anthropic's side."""

    account: str
    org: str

    @classmethod
    def of_seat(cls, seat: str, org: str) -> "Counter":
        """Where the source cannot say whose account it is, the seat stands in for it."""
        return cls(f"{_SEAT}{seat}", org)

    def __hash__(self) -> int:
        return hash(self.account)  # of which each has one organization or two

    @property
    def named(self) -> bool:
        """Whose account it is, is known."""
        return not self.account.startswith(_SEAT)

    def __str__(self) -> str:
        return f"{self.account}/{self.org}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a month's tokens of one machine would cost at list prices: charged to nobody, and in no sum with spend.
    `month` is like `2026-04`, `by` is the program that calculated it."""

    amount: Money
    month: str
    by: str


@dataclass(frozen=True, slots=True)
class Throttle:
    """A program on the seat's machine that slows it down of its own accord. `on` None: not known."""

    tool: str
    on: bool | None
    throttling: bool
    delay_seconds: Decimal | None
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one reading says of one (account, org), or that nothing could be read (`org_uuid` None).

    A part that was read and is absent (404, null) has `…_read` True and a value of None; a part that failed has
    `…_read` False: the last good value stands. `health` is the source's, as this reading found it.
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
    """Of `admin_api` alone. Its parts that were not read are None in it."""
    detail: str | None = None
    """One sentence for a person on what is wrong with the source; never text from a body."""
    retry_at: datetime | None = None
    """The floor a refusal set on the next read."""
    tier: str | None = None
    """The plan as the account says it: `pro`, `max_5x`, `max_20x`, `team`, `team_premium`, `enterprise`, …"""
    estimate: Estimate | None = None
    throttle: Throttle | None = None
    drift: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def counter(self) -> Counter | None:
        """The counter that was read; None when nothing was."""
        if self.org_uuid is None:
            return None
        if self.account_uuid is None:
            return Counter.of_seat(self.seat, self.org_uuid)
        return Counter(self.account_uuid, self.org_uuid)


@dataclass(frozen=True, slots=True)
class LastKnown:
    """What is known of a counter: the newest snapshot with the last good value of every part it lacked.

    The `_at` instants are when each part was last read; None = never.
    """

    snapshot: Snapshot
    windows_at: datetime | None = None
    extra_usage_at: datetime | None = None
    subscription_at: datetime | None = None
    trail: dict[str, tuple[WindowPoint, ...]] = field(default_factory=dict)
    """A few earlier points of each window, the oldest first: as many as it takes to say when it will be full."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """A seat's source as it stands: its health, since when, and when it may be asked again."""

    seat: str
    health: Health = Health.NEVER_SEEN
    since: datetime | None = None
    detail: str | None = None
    last_ok_at: datetime | None = None
    failures: int = 0
    """Refusals in a row: the step of the back-off ladder."""
    next_due: datetime | None = None
    """Not before this instant, restarts included."""


class Severity(StrEnum):
    """How severe a message is."""

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


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, and the evidence for it.

    `key` is unique for ever: it names counter, rule, level and period or episode, in ids and never in labels.
    `resolves` is the key of the alert that this event ends. `facts` holds what the message needs, as JSON values
    (amounts as `{"minor","currency","exponent"}`, instants as ISO strings); `reason` says what was compared with
    what.
    """

    key: str
    kind: EventKind
    at: datetime
    severity: Severity
    reason: str
    seat: str | None = None
    """None: the team's."""
    counter: Counter | None = None
    level: str | None = None
    resolves: str | None = None
    initial: bool = False
    """Already true at the first snapshot: worded as a state."""
    muted_by: str | None = None
    """The key of the worse event that says it already: recorded, not told."""
    facts: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One point of a counter's history. `used` is None where it was not known."""

    at: datetime
    counter: Counter
    used: Money | None
    cap: Money | None
    blocked: bool
    counted_from: Money | None = None
    """What of `used` is already counted as spent, where that is not the reading before: 0 in a new period, and after a
    dip the highest amount of the period, because what the counter returns to was not spent anew."""


class HasCounter(Protocol):
    """What is of one counter: a sample, an hour."""

    @property
    def counter(self) -> Counter: ...


Item = TypeVar("Item", bound=HasCounter)


def by_counter(items: Iterable[Item]) -> defaultdict[Counter, list[Item]]:
    """Those of each counter, in the order they came in; of one that has none, an empty list."""
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
    """The price is what the account's plan is listed at: none was configured."""
    owner: dict[str, str] = field(default_factory=dict)
    """Platform → id there: `{"slack": "U0123", "discord": "1234"}`."""
    interval: float = 60.0
    """Seconds between two reads; for `push`, between two expected arrivals."""

    @property
    def stale_after(self) -> timedelta:
        """How long nothing new may come before its source, which reports no failure, is called stale."""
        return timedelta(seconds=3 * self.interval)

    @property
    def beside(self) -> bool:
        """Its numbers are an organization's own API spend: shown beside the seats, never summed with them."""
        return self.source == "admin_api"

    def covers(self, org: str) -> bool:
        """Whether this organization is among those it is to be read for."""
        return not self.organizations or org in self.organizations

    renews_on: int | None = None
    """The day of the month on which the plan is charged, for sources that cannot know it."""


REFUSALS = frozenset(
    {Health.SESSION_EXPIRED, Health.CHALLENGED, Health.RATE_LIMITED, Health.UNREACHABLE, Health.REFUSED}
)
"""The kinds of health in which a source gave no answer to build on."""


# Of several organizations read in one tick, the worst speaks for the source.
_WORST_FIRST = (
    Health.SESSION_EXPIRED,
    Health.CHALLENGED,
    Health.REFUSED,
    Health.RATE_LIMITED,
    Health.UNREACHABLE,
    Health.DRIFTED,
    Health.STALE,
    Health.NEVER_SEEN,
    Health.OK,
)


def worst(tick: Sequence[Snapshot]) -> Snapshot:
    """The one of a tick's snapshots whose health speaks for the source."""
    return min(tick, key=lambda snapshot: _WORST_FIRST.index(snapshot.health))


def failures_after(failures: int, health: Health) -> int:
    """The refusals in a row once this answer is counted: one answer to build on begins anew."""
    return failures + 1 if health in REFUSALS else 0
