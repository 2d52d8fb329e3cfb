"""Readings and the team as JSON values: what `--json` prints.

Amounts are strings of plain digits, percentages and utilizations numbers, instants UTC, unknown is null.
"""

from collections.abc import Iterable
from datetime import datetime, tzinfo
from decimal import Decimal

from meterbot.commands.org_lines import ESTIMATE
from meterbot.commands.outlooks import Outlooks
from meterbot.commands.seat_lines import amount_known, seat_lines
from meterbot.commands.team_report import SeatRow, TeamReport, Total
from meterbot.core.models import Balance, ExtraUsage, Snapshot, Subscription, Window
from meterbot.core.money import Money, percent, plain, rounded
from meterbot.core.org_spend import (
    OrgCosts,
    OrgEstimates,
    OrgLimits,
    OrgSpend,
    PersonLimit,
    projection,
)
from meterbot.core.text import stamp
from meterbot.rules.blocked import Block, block_of, is_metered
from meterbot.rules.forecast import Forecast


def snapshot_json(
    snapshot: Snapshot, now: datetime, tz: tzinfo, *, emails: bool = False
) -> dict[str, object]:
    """One reading for machines: amounts as strings, percentages as numbers, instants in UTC, unknown as null.

    `known`: what was spent is known, also where nothing is metered (`extra_usage` null).
    """
    block = block_of(snapshot.extra_usage, snapshot.windows, now)
    return {
        "seat": snapshot.seat,
        "source": snapshot.source,
        "account_email": snapshot.account_email if emails else None,
        "account_uuid": snapshot.account_uuid,
        "org_uuid": snapshot.org_uuid,
        "fetched_at": stamp(snapshot.fetched_at),
        "health": snapshot.health.value,
        "plan": snapshot.tier,
        "extra_usage": _extra_json(snapshot.extra_usage, block),
        "known": amount_known(snapshot),
        "windows": [_window_json(window) for window in snapshot.windows],
        "subscription": _subscription_json(snapshot.subscription),
        "org_spend": _org_spend_json(snapshot.org_spend, emails=emails),
        "lines": list(seat_lines(snapshot, now, tz)),
        "drift": list(snapshot.drift),
        "errors": list(snapshot.errors),
    }


def spend_json(
    report: TeamReport, tz: tzinfo, outlooks: Outlooks | None = None, *, emails: bool = False
) -> dict[str, object]:
    """The team for machines, the same numbers that the chat answers. `unknown`: the seats that no total contains."""
    return {
        "as_of": stamp(report.as_of),
        "seats_total": report.seats,
        "seats_current": report.current,
        "totals": [_total_json(total, outlooks) for total in report.totals],
        "plan_fees_unknown": list(report.unpriced),
        "seats": [_row_json(row, report.as_of, tz, emails=emails) for row in report.rows],
        "missing": [
            {
                "seat": gone.seat,
                "health": gone.health.value,
                "since": None if gone.since is None else stamp(gone.since),
                "remedy": gone.remedy,
            }
            for gone in report.missing
        ],
        "unknown": sorted({row.seat.name for row in report.rows if not row.known and not row.beside}),
        "duplicates": [list(group) for group in report.duplicates],
    }


def _row_json(row: SeatRow, now: datetime, tz: tzinfo, *, emails: bool) -> dict[str, object]:
    age = None if row.read_at is None else max(0, int((now - row.read_at).total_seconds()))
    shown = snapshot_json(row.snapshot, now, tz, emails=emails)
    shown["lines"] = list(seat_lines(row.snapshot, now, tz, row.details.windows_at))
    shown["plan"] = row.snapshot.tier or row.seat.plan
    if row.counter is None:
        shown["fetched_at"] = None
    if not row.beside:
        shown["known"] = row.known
    per_hour = None if row.pace is None else _plain(row.pace.per_hour)
    return {**shown, "age_seconds": age, "counted": row.counted, "per_hour": per_hour}


def _total_json(total: Total, outlooks: Outlooks | None) -> dict[str, object]:
    team = next((one for one in outlooks.team if one.currency == total.currency), None) if outlooks else None
    return {
        "currency": total.currency,
        "used": _plain(total.used),
        "cap": _plain(total.cap),
        "percent": _number(total.percent),
        "plan_fees": _plain(total.plan_fees),
        "forecast": None if team is None else forecast_json(team.forecast, team.per_hour),
    }


def forecast_json(said: Forecast | None, per_hour: Money | None) -> dict[str, object] | None:
    """Four of five months end between `low` and `high`. `per_hour` is the present pace."""
    if said is None:
        return None
    return {
        "low": _plain(said.low),
        "likely": _plain(said.likely),
        "high": _plain(said.high),
        "per_hour": _plain(per_hour),
        "at": stamp(said.ends),
    }


def _extra_json(extra: ExtraUsage | None, block: Block | None) -> dict[str, object] | None:
    if extra is None or not is_metered(extra, blocked=block is not None):
        return None
    share = None if extra.used is None or extra.cap is None else percent(extra.used, extra.cap)
    currency = extra.currency or next((m.currency for m in (extra.used, extra.cap) if m is not None), None)
    return {
        "enabled": extra.enabled,
        "used": _plain(extra.used),
        "cap": _plain(extra.cap),
        "cap_known": extra.cap_known,
        "currency": currency,
        "percent": _number(share),
        "blocked": block is not None,
        "blocked_reason": None if block is None else block.reason,
        "blocked_until": None if block is None or block.until is None else stamp(block.until),
        **_balance_json(extra.balance),
    }


def _balance_json(balance: Balance | None) -> dict[str, object]:
    """Prepaid credits: `balance` is null where it is not known."""
    at = None if balance is None else balance.at
    return {
        "balance": None if balance is None else plain(balance.amount),
        "balance_currency": None if balance is None else balance.amount.currency,
        "balance_read_at": None if at is None else stamp(at),
        "auto_reload": None if balance is None else balance.auto_reload,
    }


def _window_json(window: Window) -> dict[str, object]:
    return {
        "name": window.name,
        "utilization": None if window.utilization is None else float(window.utilization),
        "resets_at": None if window.resets_at is None else stamp(window.resets_at),
    }


def _subscription_json(subscription: Subscription | None) -> dict[str, object] | None:
    if subscription is None:
        return None
    charge, ends = subscription.next_charge_date, subscription.ends_on
    return {
        "status": subscription.status,
        "next_charge_date": None if charge is None else charge.isoformat(),
        "billing_interval": subscription.billing_interval,
        "ends_on": None if ends is None else ends.isoformat(),
        "configured": subscription.configured,
    }


def _org_spend_json(spend: OrgSpend | None, *, emails: bool) -> dict[str, object] | None:
    """Costs and estimates stay apart: they count the same use twice."""
    if spend is None:
        return None
    costs, estimates, limits = spend.costs, spend.estimates, spend.limits
    return {
        "month": spend.month,
        "costs": costs and {**_part_json(costs), "amounts": _amounts_json(costs.amounts)},
        "last_month": spend.last_month
        and {**_part_json(spend.last_month), "amounts": _amounts_json(spend.last_month.amounts)},
        "projection": _amounts_json(projection(spend)),
        "estimates": estimates
        and {
            **_part_json(estimates),
            "what": ESTIMATE,
            "amounts": _amounts_json(estimates.amounts),
            "people": estimates.people,
            "by_person": [
                {
                    "name": person.name,
                    "amounts": _amounts_json(person.amounts),
                    "pull_requests": person.pull_requests,
                }
                for person in (estimates.by_person if emails else ())
            ],
        },
        "limits": limits
        and {
            **_part_json(limits),
            "people": [_limit_json(person, emails=emails) for person in limits.people],
        },
    }


def _part_json(part: OrgCosts | OrgEstimates | OrgLimits) -> dict[str, object]:
    return {"complete": part.complete, "read_at": stamp(part.read_at)}


def _amounts_json(amounts: Iterable[Money]) -> list[dict[str, str]]:
    return [{"amount": plain(amount), "currency": amount.currency} for amount in amounts]


def _limit_json(person: PersonLimit, *, emails: bool) -> dict[str, object]:
    share = None if person.used is None or person.limit is None else percent(person.used, person.limit)
    known = person.used or person.limit
    return {
        "user_id": person.user,
        "name": person.name if emails else None,
        "used": _plain(person.used),
        "used_old": person.used_old,
        "limit": _plain(person.limit),
        "unlimited": person.limit is None,
        "currency": None if known is None else known.currency,
        "percent": _number(share),
    }


def _plain(amount: Money | None) -> str | None:
    return None if amount is None else plain(amount)


def _number(share: Decimal | None) -> float | None:
    """A JSON number of two places, for display only."""
    return None if share is None else float(rounded(share, 2))
