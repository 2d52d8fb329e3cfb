"""Readings and the team as JSON values: what `--json` prints.

Amounts are strings of plain digits, percentages and utilizations numbers, instants UTC, unknown is null.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from meterbot.commands.outlooks import Outlooks, TeamOutlook
from meterbot.commands.seat_lines import ESTIMATE, amount_known, seat_lines
from meterbot.commands.team_report import SeatRow, TeamReport, Total
from meterbot.core.models import ExtraUsage, Snapshot
from meterbot.core.money import Money, percent, plain, rounded
from meterbot.core.org_spend import OrgCosts, OrgEstimates, OrgLimits, OrgSpend, PersonLimit, projection
from meterbot.core.text import stamp
from meterbot.rules.blocked import Block, block_of, is_metered

_CONVERTED: Mapping[type, Callable[[Any], object]] = {
    Money: plain,
    Decimal: float,
    datetime: stamp,
    date: date.isoformat,
}


def json_object(values: Mapping[str, object]) -> dict[str, object]:
    """Values as JSON has them: an amount is its digits, without its currency."""
    return {key: _json(value) for key, value in values.items()}


def _json(value: object) -> object:
    if isinstance(value, dict):
        return json_object(value)
    if isinstance(value, list | tuple):
        return [_json(each) for each in value]
    return _CONVERTED[type(value)](value) if type(value) in _CONVERTED else value


def amounts_json(amounts: Iterable[Money]) -> list[dict[str, object]]:
    return [{"amount": plain(amount), "currency": amount.currency} for amount in amounts]


def snapshot_json(
    snapshot: Snapshot, now: datetime, tz: tzinfo, *, emails: bool = False
) -> dict[str, object]:
    """One reading. `known`: what was spent is known, also where nothing is metered (`extra_usage` null)."""
    block, subscription = block_of(snapshot.extra_usage, snapshot.windows, now), snapshot.subscription
    values = {
        "seat": snapshot.seat,
        "source": snapshot.source,
        "account_email": snapshot.account_email if emails else None,
        "account_uuid": snapshot.account_uuid,
        "org_uuid": snapshot.org_uuid,
        "fetched_at": snapshot.fetched_at,
        "health": snapshot.health.value,
        "plan": snapshot.tier,
        "extra_usage": _extra_usage(snapshot.extra_usage, block),
        "known": amount_known(snapshot),
        "windows": [asdict(window) for window in snapshot.windows],
        "subscription": subscription
        and {
            "status": subscription.status,
            "next_charge_date": subscription.next_charge_date,
            "billing_interval": subscription.billing_interval,
            "ends_on": subscription.ends_on,
            "configured": subscription.configured,
        },
        "org_spend": snapshot.org_spend and _org_spend(snapshot.org_spend, emails=emails),
        "lines": seat_lines(snapshot, now, tz),
        "drift": snapshot.drift,
        "errors": snapshot.errors,
    }
    return json_object(values)


def spend_json(report: TeamReport, tz: tzinfo, outlooks: Outlooks | None = None) -> dict[str, object]:
    """The team, the same numbers that the chat answers. `unknown`: the seats that no total contains."""
    ahead = {one.used.currency: one for one in outlooks.team} if outlooks else {}
    values = {
        "as_of": report.as_of,
        "seats_total": report.seats,
        "seats_current": report.current,
        "totals": [_total(total, ahead.get(total.currency)) for total in report.totals],
        "plan_fees_unknown": report.unpriced,
        "seats": [_row(row, report.as_of, tz) for row in report.rows],
        "missing": [
            {"seat": gone.seat, "health": gone.health.value, "since": gone.since, "remedy": gone.remedy}
            for gone in report.missing
        ],
        "unknown": sorted({row.seat.name for row in report.rows if not row.known and not row.beside}),
        "duplicates": report.duplicates,
    }
    return json_object(values)


def _row(row: SeatRow, now: datetime, tz: tzinfo) -> dict[str, object]:
    shown = snapshot_json(row.snapshot, now, tz)
    shown["lines"] = seat_lines(row.snapshot, now, tz, row.details.windows_at)
    shown["plan"] = row.snapshot.tier or row.seat.plan
    if row.counter is None:
        shown["fetched_at"] = None
    if not row.beside:
        shown["known"] = row.known
    shown["age_seconds"] = None if row.read_at is None else max(0, int((now - row.read_at).total_seconds()))
    shown["counted"] = row.counted
    shown["per_hour"] = row.pace and row.pace.per_hour
    return shown


def _total(total: Total, ahead: TeamOutlook | None) -> dict[str, object]:
    """Four of five months end between the forecast's `low` and `high`; `per_hour` is the present pace."""
    forecast = ahead and ahead.forecast
    return {
        "currency": total.currency,
        "used": total.used,
        "cap": total.cap,
        "percent": _two_places(total.percent),
        "plan_fees": total.plan_fees,
        "forecast": forecast
        and {
            "low": forecast.low,
            "likely": forecast.likely,
            "high": forecast.high,
            "per_hour": ahead and ahead.per_hour,
            "at": forecast.ends,
        },
    }


def _extra_usage(extra: ExtraUsage | None, block: Block | None) -> dict[str, object] | None:
    if extra is None or not is_metered(extra, blocked=block is not None):
        return None
    currency = extra.currency or next((m.currency for m in (extra.used, extra.cap) if m is not None), None)
    balance = extra.balance
    return {
        "enabled": extra.enabled,
        "used": extra.used,
        "cap": extra.cap,
        "cap_known": extra.cap_known,
        "currency": currency,
        "percent": _two_places(percent(extra.used, extra.cap)),
        "blocked": block is not None,
        "blocked_reason": block and block.reason,
        "blocked_until": block and block.until,
        "balance": balance and balance.amount,
        "balance_currency": balance and balance.amount.currency,
        "balance_read_at": balance and balance.at,
        "auto_reload": balance and balance.auto_reload,
    }


def _org_spend(spend: OrgSpend, *, emails: bool) -> dict[str, object]:
    """Costs and estimates stay apart: they count the same use twice."""
    estimates, limits = spend.estimates, spend.limits
    return {
        "month": spend.month,
        "costs": spend.costs and _costs(spend.costs),
        "last_month": spend.last_month and _costs(spend.last_month),
        "projection": amounts_json(projection(spend)),
        "estimates": estimates
        and {
            **_costs(estimates),
            "what": ESTIMATE,
            "people": estimates.people,
            "by_person": [
                {
                    "name": person.name,
                    "amounts": amounts_json(person.amounts),
                    "pull_requests": person.pull_requests,
                }
                for person in (estimates.by_person if emails else ())
            ],
        },
        "limits": limits
        and {**_part(limits), "people": [_limit(person, emails=emails) for person in limits.people]},
    }


def _part(part: OrgCosts | OrgEstimates | OrgLimits) -> dict[str, object]:
    return {"complete": part.complete, "read_at": part.read_at}


def _costs(part: OrgCosts | OrgEstimates) -> dict[str, object]:
    return {**_part(part), "amounts": amounts_json(part.amounts)}


def _limit(person: PersonLimit, *, emails: bool) -> dict[str, object]:
    known = person.used or person.limit
    return {
        "user_id": person.user,
        "name": person.name if emails else None,
        "used": person.used,
        "used_old": person.used_old,
        "limit": person.limit,
        "unlimited": person.limit is None,
        "currency": known and known.currency,
        "percent": _two_places(percent(person.used, person.limit)),
    }


def _two_places(share: Decimal | None) -> Decimal | None:
    """For display only."""
    return None if share is None else rounded(share, 2)
