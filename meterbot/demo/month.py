"""A believable month of a team of five, as a pure function of time: what claude.ai would say of each of them.

April 2026, UTC. Ana spends steadily, is blocked at her cap and gets it raised; Bo is billed in euros; Cleo has no cap;
Dan's session expires and is renewed; Eve's prepaid credits run out far below her cap. On 1 May the counters return to
zero.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from meterbot.demo.simulated_claude_ai import SimulatedAccount, SimulatedOrganization
from meterbot.rules.pull_requests import Commits, Merged


def _april(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 4, day, hour, minute, tzinfo=UTC)


START = _april(1, 6)
END = datetime(2026, 5, 1, 9, tzinfo=UTC)
_ROLLOVER = datetime(2026, 5, 1, tzinfo=UTC)

QUESTIONS = (
    (_april(13, 12), ""),
    (_april(17, 18), "forecast"),
    (_april(22, 8), "seat ana"),
    (_april(30, 18), "pr"),
    (_april(30, 20), ""),
)
"""What somebody on the team asks, and when: while Dan is missing, before Ana is blocked and while she is, and at the
end of the month."""


def _pull(
    number: int, author: str, first_commit: datetime, last_commit: datetime, merged_at: datetime
) -> tuple[Merged, Commits]:
    merged = Merged(
        "example/app", number, f"demo-{number}", author, opened_at=first_commit, merged_at=merged_at
    )
    return merged, Commits(first_commit, last_commit)


PULLS = (
    _pull(41, "ana", _april(2, 10), _april(2, 18), _april(2, 19)),
    _pull(42, "ana", _april(7, 9), _april(8, 18), _april(8, 19)),
    _pull(43, "ana", _april(8, 9), _april(8, 20), _april(9, 9)),
    _pull(44, "cleo", _april(11, 10), _april(11, 18), _april(12, 10)),
    _pull(45, "eve", _april(23, 9), _april(24, 18), _april(24, 19)),
    _pull(46, "bo", _april(28, 9), _april(29, 18), _april(29, 19)),
)
"""Two of Ana's overlap, Cleo's is of a weekend on which her plan was enough, Bo's is billed in euros."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Work beyond the plan's windows: `cents` of extra usage, spent evenly over `hours`."""

    start: datetime
    hours: int
    cents: int

    def spent(self, at: datetime) -> int:
        """Cents spent by `at`, whole ones."""
        passed = (at - self.start) / timedelta(hours=self.hours)
        return int(self.cents * min(max(passed, 0.0), 1.0))

    @property
    def end(self) -> datetime:
        return self.start + timedelta(hours=self.hours)


@dataclass(frozen=True, slots=True)
class Teammate:
    """One seat of the team and its month. Spans are half-open (from, to)."""

    name: str
    number: int
    plan: str
    plan_price: str
    currency: str
    caps: tuple[tuple[datetime, int | None], ...]
    """(from when, the cap in cents); None is no cap."""
    bursts: tuple[Burst, ...]
    renews_on: int
    """The day of every month on which the plan is charged. The team bought three of its plans together, and then
    two."""
    signed_out: tuple[datetime, datetime] | None = None
    out_of_credits: tuple[datetime, datetime] | None = None

    @property
    def key_variable(self) -> str:
        """The environment variable that the demo's configuration names for the session key."""
        return f"{self.name.upper()}_SESSION_KEY"

    @property
    def session_key(self) -> str:
        return f"sk-ant-sid01-demo-{self.name}"


def _workdays(first: int, last: int, cents: int, hour: int, hours: int = 3) -> tuple[Burst, ...]:
    """The same burst on every Monday to Friday of a stretch of April."""
    days = (_april(day, hour) for day in range(first, last + 1))
    return tuple(Burst(day, hours, cents) for day in days if day.weekday() < 5)


TEAM = (
    Teammate(
        "ana", 1, "max_20x", "200.00", "USD",
        caps=((START, 100_00), (_april(22, 9), 150_00)),
        bursts=(*_workdays(1, 20, 680, 11), Burst(_april(21, 12), 2, 480), *_workdays(22, 30, 430, 13)),
        renews_on=15,
    ),
    Teammate(
        "bo", 2, "max_5x", "100.00", "EUR",
        caps=((START, 50_00),),
        bursts=_workdays(8, 29, 190, 14, 2),
        renews_on=20,
    ),
    Teammate(
        "cleo", 3, "pro", "20.00", "USD",
        caps=((START, None),),
        bursts=(*_workdays(6, 24, 240, 9), Burst(_april(28, 15), 3, 410)),
        renews_on=15,
    ),
    Teammate(
        "dan", 4, "max_5x", "100.00", "USD",
        caps=((START, 50_00),),
        bursts=_workdays(2, 23, 115, 15, 2),
        renews_on=20,
        signed_out=(_april(13, 8), _april(14, 10)),
    ),
    Teammate(
        "eve", 5, "max_20x", "200.00", "USD",
        caps=((START, 80_00),),
        bursts=_workdays(9, 27, 265, 10),
        renews_on=15,
        out_of_credits=(_april(27, 13), _april(28, 9)),
    ),
)  # fmt: skip


def account_of(person: Teammate, at: datetime) -> SimulatedAccount:
    """The person's account as claude.ai has it at this moment."""
    cap = next(cap for since, cap in reversed(person.caps) if since <= at or since == START)
    spent = 0 if at >= _ROLLOVER else sum(burst.spent(at) for burst in person.bursts)
    reason, pro = _disabled_reason(person, spent, cap, at), person.plan == "pro"
    organization = SimulatedOrganization(
        f"bbbbbbbb-0000-4000-8000-{person.number:012d}",
        name=f"{person.name}'s organization",
        capabilities=["claude_pro" if pro else "claude_max", "chat"],
        rate_limit_tier="claude_pro" if pro else f"default_claude_{person.plan}",
        five_hour=_five_hour(person, at),
        five_hour_resets=_next_multiple(at, hours=5),
        seven_day=_seven_day(at),
        seven_day_resets=_next_monday(at),
        enabled=reason is None,
        used=Decimal(spent if cap is None else min(spent, cap)),
        cap=cap,
        currency=person.currency,
        disabled_reason=reason,
        disabled_until=_ROLLOVER if reason == "self_selected_spend_limit_reached" else None,
        next_charge=_next_charge(person, at),
    )
    return SimulatedAccount(
        person.session_key,
        f"aaaaaaaa-0000-4000-8000-{person.number:012d}",
        f"{person.name}@example.com",
        [organization],
        signed_in=not _within(person.signed_out, at),
    )


def _next_charge(person: Teammate, at: datetime) -> date:
    due = at.date().replace(day=person.renews_on)
    return due if at.date() <= due else due.replace(month=due.month + 1)


def _disabled_reason(person: Teammate, spent: int, cap: int | None, at: datetime) -> str | None:
    if _within(person.out_of_credits, at):
        return "out_of_credits"
    if cap is not None and spent >= cap:
        return "self_selected_spend_limit_reached"
    return None


def _within(span: tuple[datetime, datetime] | None, at: datetime) -> bool:
    return span is not None and span[0] <= at < span[1]


def _five_hour(person: Teammate, at: datetime) -> Decimal:
    """Full from the moment at which work goes beyond the plan until it resets, otherwise filling up over the working
    day."""
    began = _next_multiple(at, hours=5) - timedelta(hours=5)
    if any(burst.start <= at and burst.end > began for burst in person.bursts):
        return Decimal(100)
    busy = 8 <= at.hour < 18 and at.weekday() < 5
    return Decimal((at.hour * 13 + person.number * 17) % 80 + 5) if busy else Decimal(0)


def _seven_day(at: datetime) -> Decimal:
    hours = (at - (_next_monday(at) - timedelta(days=7))) / timedelta(hours=1)
    return Decimal(min(round(hours * 0.6), 96))


def _next_multiple(at: datetime, hours: int) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(hours=(at.hour // hours + 1) * hours)


def _next_monday(at: datetime) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=7 - at.weekday())
