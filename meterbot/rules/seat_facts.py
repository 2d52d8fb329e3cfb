"""The few facts of a counter's newest state from which a team's sums, counts and order are made."""

from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple

from meterbot.core.models import LastKnown
from meterbot.core.money import Money
from meterbot.rules.billing import as_configured, next_charge
from meterbot.rules.blocked import block_reason, is_metered

FACTS_VERSION = 0
"""A part of the checksum that is stored with the facts. Raise it when they get another meaning: then facts that an
earlier version has stored are not used, and are made again from what is known."""


class SeatFacts(NamedTuple):
    """`used` is None if the amount is unknown or nothing is metered; `cap` as in `ExtraUsage`. `tier`: the account's
    plan."""

    fetched_at: datetime
    extra_usage_at: datetime | None
    used: Money | None
    cap: Money | None
    cap_known: bool
    metered: bool
    blocked: bool
    next_charge: date | None
    tier: str | None


def facts_of(known: LastKnown) -> SeatFacts:
    snapshot = known.snapshot
    extra, subscription = snapshot.extra_usage, snapshot.subscription
    blocked = extra is not None and block_reason(extra) is not None
    metered = extra is not None and is_metered(extra, blocked=blocked)
    return SeatFacts(
        snapshot.fetched_at,
        known.extra_usage_at,
        used=extra.used if extra is not None and metered else None,
        cap=None if extra is None else extra.cap,
        cap_known=extra is None or extra.cap_known,
        metered=metered,
        blocked=blocked,
        next_charge=None if subscription is None else next_charge(subscription),
        tier=snapshot.tier,
    )


def facts_to_store(known: LastKnown) -> SeatFacts | None:
    """The facts that hold until the counter is read again, if its seat has no configured renewal. None for an API
    organization: whether its amounts are this month's depends on the time."""
    if known.snapshot.org_spend is not None:
        return None
    snapshot = as_configured(known.snapshot, None, known.snapshot.fetched_at.date())
    return facts_of(replace(known, snapshot=snapshot))
