"""The rules' memory between two readings, as JSON text."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal, TypeVar

from meterbot.core.json_values import json_of, value_of
from meterbot.core.money import Money
from meterbot.rules.months import calendar_month

Cap = Money | Literal["none"]
"""A cap or none; None itself means unknown."""
Metering = Literal["on", "off", "paused", "unmetered"]


@dataclass(frozen=True, slots=True)
class OpenBlock:
    """A block that was posted. `period` is the last one it was seen in. `why`: it was in the overage row, so only
    that row can end it."""

    key: str
    since: datetime
    period: str | None
    why: bool


@dataclass(frozen=True, slots=True)
class FullWindow:
    """The last time a window was full, posted with `key`. `cleared`: it was below 100 % at a reading since
    `seen_at`."""

    resets_at: datetime | None
    cleared: bool = False
    seen_at: datetime | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Risk:
    """The risk of a reached cap: in which period, under which cap, and when a reading last showed it. A cap that is
    raised to `up_to` at most is still at risk."""

    period: str | None
    cap: Money
    seen_at: datetime
    up_to: Money


@dataclass(frozen=True, slots=True)
class CapAlert:
    """A posted alert about the cap of this period: a reached `level`, or None for a forecast."""

    key: str
    level: str | None = None


@dataclass(frozen=True, slots=True)
class SeenSubscription:
    """The parts of a subscription whose changes are posted."""

    status: str | None
    ends_on: date | None
    changes_to: str | None
    paused_until: date | None


@dataclass(frozen=True, slots=True)
class BalanceMemory:
    """The levels that a prepaid balance was last below, the lowest first, the reading that changed them, and the keys
    of the open alerts, by level."""

    levels: tuple[str, ...] = ()
    changed_at: datetime | None = None
    alerts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClosedPeriod:
    """A period that ended with spend: its last amount, that of the period before it (None: not known), and what was
    `used` of the next one at its first reading."""

    period: str
    final: Money
    final_at: datetime | None
    previous_final: Money | None
    used: Money


@dataclass(frozen=True, slots=True)
class LateReadings:
    """Some readings have arrived too late to bring events. `used` and `used_at` are of the last one before them (None:
    there was none): the next one in time is compared with it. `closed` are the periods that they ended, the oldest
    first, not posted yet."""

    used: Money | None
    used_at: datetime | None
    closed: tuple[ClosedPeriod, ...] = ()


@dataclass(frozen=True, slots=True)
class CounterMemory:
    """Of one (account, org). Every value was read, none was carried over.

    The period: `period` is the UTC month it began in, with `.2` for a second one in it, `period_at` its first reading
    (None for the period in which the counter was first read), `peak` its highest `used`, `spend` whether there was any
    (None: not known). `period_unread`: the first reading came in the first hours of a month and may still show the
    month before, `period`, in which the seat was not read.

    `late` is there if the last amount arrived too late to bring events. `used` and the period include it.

    The levels: `alerted_levels` of this period; `levels_reset_at` is when some of them were dropped because the cap was
    raised, which makes the key of their next alert another one; `measured_cap` is the cap that `used` was last compared
    with.

    `cap_alerts` are those that a raised cap ends, the oldest first.

    The pace: `risk` is the open episode of it, `spike_at` when a spike was last posted.

    `member_levels` are the levels of their limits that an API organization's members have reached in `members_month`.

    `balance` is the organization's if its members share the prepaid credits.

    `subscription_alerts` are the keys of the open alerts about an unpaid plan, the oldest first.

    The windows: `window_resets` as they were at `windows_at`, `full_at` when one may last have been full.

    `disabled_until` is where a period may end other than with the month. The keys of
    `alerted_renewals` are days of renewal, the values the numbers of days ahead that were alerted.
    """

    period: str | None = None
    period_at: datetime | None = None
    period_unread: bool = False
    used: Money | None = None
    used_at: datetime | None = None
    peak: Money | None = None
    late: LateReadings | None = None
    spend: bool | None = None
    charge_alerted: bool = False
    previous_final: Money | None = None
    alerted_levels: tuple[str, ...] = ()
    levels_reset_at: str = ""
    measured_cap: Cap | None = None
    cap_alerts: tuple[CapAlert, ...] = ()
    cap: Cap | None = None
    metering: Metering | None = None
    metering_why: bool = False
    extra_seen: bool = False
    block: OpenBlock | None = None
    disabled_until: datetime | None = None
    windows_at: datetime | None = None
    window_resets: tuple[datetime, ...] = ()
    full: dict[str, FullWindow] = field(default_factory=dict)
    full_at: datetime | None = None
    risk: Risk | None = None
    spike_at: datetime | None = None
    alerted_renewals: dict[date, tuple[int, ...]] = field(default_factory=dict)
    balance: BalanceMemory = field(default_factory=BalanceMemory)
    members_month: str | None = None
    member_levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    subscription: SeenSubscription | None = None
    subscription_alerts: tuple[str, ...] = ()


def set_back(memory: CounterMemory, now: datetime) -> CounterMemory:
    """What stays valid of a memory from the future, after the clock was set back to `now`. All times are dropped (the
    balance's rule ignores its own), and so is what late readings left to post. A period that has not begun yet is
    dropped with all its levels, so that these are posted when they are reached."""
    block = memory.block and replace(memory.block, since=min(memory.block.since, now))
    risk = memory.risk and replace(memory.risk, seen_at=min(memory.risk.seen_at, now))
    memory = replace(
        memory,
        block=block,
        risk=risk,
        spike_at=memory.spike_at and min(memory.spike_at, now),
        period_at=memory.period_at and min(memory.period_at, now),
        used_at=memory.used_at and min(memory.used_at, now),
        late=None,
        windows_at=None,
        full_at=None,
    )
    if memory.period is None or memory.period[:7] <= calendar_month(now):
        return memory
    return replace(
        memory, period=None, period_at=None, period_unread=False, used=None, used_at=None, peak=None, spend=None,
        charge_alerted=False, previous_final=None, alerted_levels=(), levels_reset_at="", measured_cap=None,
        cap_alerts=(),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SourceMemory:
    """The memory of one seat's source. `down` is the key of the open alert; `identities` are all that it has ever
    reported; `alerted_session_days` are the numbers of days before `session_end` (a day in UTC) that were alerted."""

    unhealthy_since: datetime | None = None
    down: str | None = None
    identities: tuple[str, ...] = ()
    identity_at: datetime | None = None
    session_end: date | None = None
    alerted_session_days: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TeamMemory:
    """The memory of the budgets of `month`, by budget id: the levels that were alerted, and when some were dropped
    (part of later keys)."""

    month: str | None = None
    alerted_levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    levels_reset_at: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DestinationMemory:
    """The destinations that were reported to accept no messages, with the key of each open alert."""

    down: dict[str, str] = field(default_factory=dict)


_Memory = TypeVar("_Memory", CounterMemory, BalanceMemory, SourceMemory, TeamMemory, DestinationMemory)


def dump(memory: CounterMemory | BalanceMemory | SourceMemory | TeamMemory | DestinationMemory) -> str:
    """JSON text without default values."""
    return json_of(type(memory), memory)


def load(kind: type[_Memory], text: str | None) -> _Memory:
    """An empty memory if there is no text yet. Raises ValueError for a text that `dump` did not write."""
    memory: _Memory = kind() if text is None else value_of(kind, text)
    return memory


TEAM_MEMORY, DESTINATION_MEMORY, CLOSED_MONTH = "team", "destinations", "closed month"


def source_memory_name(seat: str) -> str:
    """The name under which the rules' memory of a seat's source is stored."""
    return f"source:{seat}"


def seat_settings_name(seat: str) -> str:
    """The name under which a seat owner's own settings are stored."""
    return f"settings:{seat}"


def balance_memory_name(org: str) -> str:
    """The name under which the memory of a balance that an organization's members share is stored."""
    return f"balance:{org}"
