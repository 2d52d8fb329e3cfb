"""Seats and readings with good defaults, for tests of messages."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from meterbot.core.models import (
    Counter,
    ExtraUsage,
    Health,
    LastKnown,
    Seat,
    Snapshot,
    SourceState,
    Subscription,
    Window,
)
from meterbot.core.money import Money, of_major
from meterbot.core.org_spend import OrgCosts, OrgEstimates, OrgSpend, PersonEstimate
from meterbot.rules.seat_facts import SeatFacts, facts_to_store

NOW = datetime(2026, 4, 30, 10, tzinfo=UTC)


def money(amount: str, currency: str = "USD") -> Money:
    return of_major(Decimal(amount), currency)


def extra(
    used: str | None = "17.20", cap: str | None = "50.00", currency: str = "USD", **more: object
) -> ExtraUsage:
    facts = ExtraUsage(
        enabled=True,
        used=None if used is None else money(used, currency),
        cap=None if cap is None else money(cap, currency),
        currency=currency,
    )
    return replace(facts, **more)  # type: ignore[arg-type]  # a factory passes what it is given


def window(
    name: str = "five_hour", used: str | None = "41", resets: timedelta | None = timedelta(hours=2)
) -> Window:
    return Window(name, None if used is None else Decimal(used), None if resets is None else NOW + resets)


def snapshot(seat: str = "ana", **more: object) -> Snapshot:
    """A good reading of NOW with metered spend, a window and a subscription."""
    whole = Snapshot(
        seat=seat,
        source="claude_ai",
        fetched_at=NOW,
        health=Health.OK,
        account_uuid=f"account-{seat}",
        account_email=f"{seat}@example.com",
        org_uuid=f"org-{seat}",
        windows=(window(),),
        windows_read=True,
        extra_usage=extra(),
        extra_usage_read=True,
        subscription=Subscription("active", date(2026, 5, 14), billing_interval="monthly"),
        subscription_read=True,
    )
    return replace(whole, **more)  # type: ignore[arg-type]  # a factory passes what it is given


def org_spend(cost: str = "148.45", **more: object) -> OrgSpend:
    """An API organization's month: what is charged, and one person's estimate."""
    estimate = (money("10.77"),)
    person = PersonEstimate("dev@example.com", estimate, 1)
    whole = OrgSpend(
        month="2026-04",
        costs=OrgCosts((money(cost),), complete=True, read_at=NOW),
        estimates=OrgEstimates(estimate, 1, complete=True, read_at=NOW, by_person=(person,)),
    )
    return replace(whole, **more)  # type: ignore[arg-type]  # a factory passes what it is given


def api_snapshot(spend: OrgSpend | None = None, **more: object) -> Snapshot:
    """A good reading of an API organization."""
    whole = Snapshot(
        seat="api",
        source="admin_api",
        fetched_at=NOW,
        health=Health.OK,
        org_uuid="org-api",
        org_name="Team Co",
        org_spend=spend or org_spend(),
    )
    return replace(whole, **more)  # type: ignore[arg-type]  # a factory passes what it is given


def seat(name: str = "ana", source: str = "claude_ai", price: str | None = "200.00", **more: object) -> Seat:
    plain = Seat(
        name=name,
        source=source,
        plan=None if price is None else "max_20x",
        plan_price=None if price is None else money(price),
        owner={"slack": f"U{name.upper()}"},
    )
    return replace(plain, **more)  # type: ignore[arg-type]  # a factory passes what it is given


@dataclass(frozen=True)
class Reading:
    """As the store keeps it."""

    seat: str
    counter: Counter
    known: LastKnown

    @property
    def facts(self) -> SeatFacts | None:
        return facts_to_store(self.known)


def reading(
    of: str | Snapshot = "ana", *, counter: Counter | None = None, ago: timedelta = timedelta()
) -> Reading:
    """The reading of a snapshot, `ago` before NOW."""
    shot = snapshot(of) if isinstance(of, str) else of
    at = NOW - ago
    shot = replace(shot, fetched_at=at)
    own = Counter(shot.account_uuid or f"seat:{shot.seat}", shot.org_uuid or "none")
    return Reading(
        shot.seat,
        counter or own,
        LastKnown(
            shot,
            windows_at=at if shot.windows_read else None,
            extra_usage_at=at if shot.extra_usage_read else None,
            subscription_at=at if shot.subscription_read else None,
        ),
    )


def state(seat: str = "ana", health: Health = Health.OK, **more: object) -> SourceState:
    since = NOW - timedelta(hours=3)
    plain = SourceState(seat, health, since, last_ok_at=NOW if health is Health.OK else since)
    return replace(plain, **more)  # type: ignore[arg-type]  # a factory passes what it is given
