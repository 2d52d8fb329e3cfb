"""The rules about money, written a second time from their description, independent of the tested code.

One counter, in plain numbers: the result of a series of readings, and the events that follow. Amounts are minor units.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

AMOUNTS = (25_00, 50_00, 100_00)
EVERY_FURTHER = 100_00
LOW_BALANCE = Decimal(10_00)
CAP = {"self_selected_spend_limit_reached", "org_level_disabled_until", "out_of_credits"}
SWITCHED_OFF = {"org_level_disabled", "member_zero_credit_limit"}
RESET_MAY_LAG = timedelta(hours=6)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True)
class Facts:
    """One reading. `used` None: not readable. `cap` 0 or more, "none", or None for unknown. `windows`: how full each
    is. `late`: it arrived too long after it was made to bring alerts. `percents` and `off` are what is configured then:
    the levels of a cap, and the kinds of events that nobody wants. `resets` are the windows' next resets, `until` where
    the counter may start again besides, `sender_time` is when it was read by the sender's clock, `now` the arrival."""

    at: datetime
    used: Decimal | None
    cap: Decimal | str | None
    reason: str | None
    reached: bool
    windows: dict[str, int]
    balance: Decimal | None
    late: bool
    percents: tuple[int, ...]
    off: frozenset[str]
    resets: dict[str, datetime | None]
    until: datetime | None
    sender_time: datetime
    now: datetime

    @property
    def blocked(self) -> bool:
        if self.reason in CAP or self.reached:
            return True
        over = self.used is not None and isinstance(self.cap, Decimal) and self.used >= self.cap
        return over and bool(self.used) and self.reason not in SWITCHED_OFF


@dataclass
class Full:
    """A window that was full at `at`, until `resets`; `room`: it had room since."""

    at: datetime
    resets: datetime | None
    room: bool = False

    def is_over(self, resets: datetime | None, now: datetime) -> bool:
        """Whether being full now, until `resets`, is another time: it was reset in between."""
        if self.resets is None or resets is None:
            return self.room
        moved = resets - self.resets
        if self.room:
            return abs(moved) > CLOCKS_DIFFER
        return self.at < self.resets <= now and moved > CLOCKS_DIFFER


@dataclass(frozen=True)
class Risk:
    """A cap that will be reached, as one of up to `up_to` will be; last seen `at`."""

    period: str = ""
    cap: Decimal = Decimal(0)
    up_to: Decimal = Decimal(0)
    at: datetime = LONG_AGO

    def was_seen(self, within: timedelta, period: str, now: datetime) -> bool:
        return self.period == period and now - self.at < within


@dataclass
class Model:
    """`scale`: a level's hundredths in minor units of the wire. `history`: readings, each with all spend up to it."""

    scale: Decimal
    at: datetime | None = None
    sender_time: datetime | None = None
    used: Decimal | None = None
    used_at: datetime | None = None
    month: str = ""
    unread_month: bool = False
    peak: Decimal = Decimal(0)
    counted: bool = False
    started: bool | None = None
    accused: bool = False
    alerted: set[Decimal | int] = field(default_factory=set)
    compared_cap: Decimal | str | None = None
    block: str | None = None
    windows_at: datetime | None = None
    full: dict[str, Full] = field(default_factory=dict)
    resets: list[datetime] = field(default_factory=list)
    until: datetime | None = None
    extra_period: int = 0
    full_at: datetime | None = None
    spent: Decimal = Decimal(0)
    below: list[Decimal] = field(default_factory=list)
    unposted: list[tuple[str, object]] = field(default_factory=list)
    in_time: Decimal | None = None
    cap: Decimal | str | None = None
    risk: Risk = Risk()
    history: list[tuple[datetime, Decimal, Decimal]] = field(default_factory=list)

    def read(self, new: Facts) -> list[tuple[str, object]]:
        """The events that are posted: kind, and level, amount or window."""
        if self.at is not None and new.at <= self.at:
            return []
        if self.sender_time is not None and new.sender_time <= self.sender_time:
            return []
        self.sender_time = new.sender_time
        if new.late:
            self._late(new)
            return []
        events: list[tuple[str, object]] = []
        if new.used is not None:
            events += [*self.unposted, *self._period(new, new.used)]
            self.unposted = []
        started = self._first_dollar(new)
        accused = self._charge(new)
        started = started and "spend_started" not in new.off
        events += [("spend_started", None)] if started else [("charged_within_plan", None)] if accused else []
        full = self._windows(new)
        events += [] if started else [("window_full", name) for name in full]
        events += self._block(new)
        muting = self.block is not None and self.block == self.period and "seat_blocked" not in new.off
        crossed = self._levels(new)
        events += [] if muting else crossed
        events += self._balance(new, muting=muting)
        self._spend(new)
        self._cap(new)
        rose = new.used is not None and self.in_time is not None and new.used > self.in_time
        if new.used is not None:
            self.used = self.in_time = new.used
            self.used_at = new.at
            events += self._forecast(new, new.used) if rose else []
        self.at, self.until = new.at, new.until
        return [event for event in events if event[0] not in new.off]

    def _late(self, new: Facts) -> None:
        """It moves the period and the history on; what ended with it is posted with the next reading in time."""
        if new.used is not None:
            begins = self.used is None and self.started is None
            self.unposted += self._period(new, new.used)
            self.started = new.used > 0 if begins else self.started
            self._spend(new)
            self.used, self.used_at = new.used, new.at
        self.at, self.until = new.at, new.until

    @property
    def period(self) -> str:
        """Two of them may be in one month."""
        return f"{self.month}.{self.extra_period}"

    def _spend(self, new: Facts) -> None:
        """The spend since the reading before, however late it arrives; a return after a dip is no new spend."""
        if new.used is not None:
            self.spent += max(new.used - self.peak, Decimal(0)) if self.counted else 0
            self.peak, self.counted = max(self.peak, new.used), True
            self.history.append((new.at, new.used, self.spent))

    def _period(self, new: Facts, used: Decimal) -> list[tuple[str, object]]:
        month = f"{new.at:%Y-%m}"
        begin = new.at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if self.used is None:
            self.unread_month = used > 0 and new.at < begin + RESET_MAY_LAG
            self.month = f"{begin - timedelta(days=1):%Y-%m}" if self.unread_month else month
            return []
        fell = used < self.used and f"{new.at + CLOCKS_DIFFER:%Y-%m}" > self.month
        later = month > self.month
        rose = later and (self.used == 0 or (used > self.used and new.at >= begin + RESET_MAY_LAG))
        lifted = self.until is not None and self.used_at is not None and self.used_at < self.until <= new.at
        again = used < self.used and lifted and not fell
        fell = fell or again
        if not fell and not rose:
            return []
        self.extra_period += 1
        unread, final = self.unread_month, self.used
        self.unread_month, self.month = (
            False,
            max(month, f"{new.at + CLOCKS_DIFFER:%Y-%m}" if fell else month),
        )
        if unread and not fell:
            self.risk = replace(self.risk, period=self.period)
            return []
        self.peak, self.started, self.accused, self.alerted = Decimal(0), False, False, set()
        return [("period_closed", final)] if final > 0 and not unread else []

    def _first_dollar(self, new: Facts) -> bool:
        if new.used is None:
            return False
        began = self.started is False and new.used > 0
        self.started = bool(self.started) or new.used > 0
        return began

    def _charge(self, new: Facts) -> bool:
        if new.used is None or self.used is None or new.used <= self.peak or self.accused:
            return False
        if (
            self.windows_at is None
            or self.used_at is None
            or any(level >= 100 for level in new.windows.values())
        ):
            return False
        earlier = min(self.windows_at, self.used_at)
        passed = [at for at in self.resets if self.windows_at < at <= new.at]
        full_at = max([*passed, *([] if self.full_at is None else [self.full_at])], default=None)
        late = full_at is not None and full_at >= earlier - timedelta(minutes=15)
        self.accused = new.at - earlier <= timedelta(hours=5) and not late
        return self.accused

    def _windows(self, new: Facts) -> list[str]:
        found = []
        passed = [at for at in self.resets if self.windows_at is not None and self.windows_at < at <= new.at]
        self.full_at = max([*passed, *([] if self.full_at is None else [self.full_at])], default=None)
        for name, level in new.windows.items():
            last, resets = self.full.get(name), new.resets.get(name)
            if level < 100:
                if last is not None:
                    last.room = True
                continue
            if last is None or last.is_over(resets, new.at):
                found.append(name)
            kept = None if last is None or last.room else last.resets
            self.full[name] = Full(new.at, resets or kept)
            self.full_at = new.at
        self.windows_at = new.at
        self.resets = [at for at in new.resets.values() if at is not None]
        return found

    def _block(self, new: Facts) -> list[tuple[str, object]]:
        if new.blocked:
            begins, self.block = self.block is None, self.period
            return [("seat_blocked", None)] if begins else []
        if self.block is None or new.used is None or new.cap is None:
            return []
        self.block = None
        return [("seat_unblocked", None)]

    def _levels(self, new: Facts) -> list[tuple[str, object]]:
        if new.used is None:
            return []
        percent = isinstance(new.cap, Decimal)
        crossed: set[Decimal | int] = set()
        if isinstance(new.cap, Decimal) and new.cap > 0:
            crossed |= {each for each in new.percents if new.used * 100 >= new.cap * each}
        elif new.cap == "none":
            hundredths = new.used / self.scale
            further = hundredths // EVERY_FURTHER * EVERY_FURTHER
            crossed |= {Decimal(each) for each in AMOUNTS if hundredths >= each}
            if further > AMOUNTS[-1]:
                crossed.add(further)
        old = self.compared_cap
        if isinstance(old, Decimal) and (
            new.cap == "none" or (isinstance(new.cap, Decimal) and new.cap > old)
        ):
            self.alerted -= {each for each in new.percents if each not in crossed}
        self.compared_cap = old if new.cap is None else new.cap
        untold = crossed - self.alerted
        same_kind = {
            each
            for each in self.alerted
            if isinstance(each, int) is percent and (not percent or each in crossed)
        }
        news = {each for each in untold if not any(other > each for other in same_kind)}
        self.alerted |= untold
        return [("threshold_crossed", max(news))] if news else []

    def _balance(self, new: Facts, *, muting: bool) -> list[tuple[str, object]]:
        """A block says it already, unless it is one of the cap."""
        if new.balance is None:
            return []
        below = [Decimal(0)] if new.balance == 0 else []
        below += [LOW_BALANCE] if new.balance / self.scale < LOW_BALANCE else []
        news = bool(below) and below[0] not in self.below
        self.below = below
        of_the_cap = new.blocked and new.reason != "out_of_credits"
        return [("balance_low", below[0])] if news and (of_the_cap or not muting) else []

    def _cap(self, new: Facts) -> None:
        """A cap that is raised by enough, or removed, ends the risk."""
        old, self.cap = self.cap, self.cap if new.cap is None else new.cap
        if isinstance(old, Decimal) and (not isinstance(self.cap, Decimal) or self.cap > old):
            within = isinstance(self.cap, Decimal) and self.cap <= self.risk.up_to
            if not within or not self.risk.was_seen(timedelta(days=7), self.period, new.now):
                self.risk = Risk()

    def _forecast(self, new: Facts, used: Decimal) -> list[tuple[str, object]]:
        """At the pace of a day the cap is reached in this month: within two days, or the whole month agrees."""
        cap, now = self.cap, new.now
        if not isinstance(cap, Decimal) or used >= cap or self.block or "cap_forecast" in new.off:
            return []
        if self.risk.cap == cap and self.risk.was_seen(timedelta(hours=1), self.period, now):
            return []
        pace, likely = self._pace(now), self._likely(used, now)
        hours = Fraction(cap - used) / pace if pace else None
        if hours is None or hours >= _hours(_end_of(self.month) - now) or (hours > 48 and likely < cap):
            return []
        known = self.risk.was_seen(timedelta(days=7), self.period, now)
        self.risk = Risk(self.period, cap, max(used + round(pace * 96), likely), now)
        eta = now + timedelta(minutes=int(hours * 60 + Fraction(1, 2)))
        return [] if known else [("cap_forecast", eta)]

    def _pace(self, now: datetime) -> Fraction:
        """An hour's spend in the last day: of three readings or more, over eight hours or more. A counter that stood
        still until the first of them counts from the beginning of that day."""
        begin = now - timedelta(days=1)
        inside = [one for one in self.history if one[0] > begin]
        if len(inside) < 3:
            return Fraction(0)
        first, last, before = inside[0], inside[-1], self.history[: -len(inside)]
        if before and before[-1][1] == first[1]:
            first = (begin, *before[-1][1:])
        length = last[0] - first[0]
        return Fraction(last[2] - first[2]) / _hours(length) if length >= timedelta(hours=8) else Fraction(0)

    def _likely(self, used: Decimal, now: datetime) -> Decimal:
        """The whole month at the mean of three whole days or more. No series is long enough to tell weekends apart."""
        midnight, first = now.replace(hour=0, minute=0), self.history[0][0].replace(minute=0)
        days = (midnight - first) // timedelta(days=1)
        if days < 3:
            return used
        borders = midnight - timedelta(days=days), midnight
        start, end = (
            max((one[2] for one in self.history if one[0] < at), default=Decimal(0)) for at in borders
        )
        rest = Fraction(end - start) / days * _hours(_end_of(f"{now:%Y-%m}") - now) / 24
        return used + int(rest + Fraction(1, 2))


def _end_of(month: str) -> datetime:
    return (datetime.fromisoformat(f"{month}-01T00:00:00+00:00") + timedelta(days=32)).replace(day=1)


def _hours(length: timedelta) -> Fraction:
    return Fraction(length // timedelta(minutes=1), 60)
