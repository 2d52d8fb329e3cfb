"""A claude.ai on loopback: the answers a seat's reader gets, from numbers that the demo sets."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

_PARTS = {
    "usage": "usage",
    "overage_spend_limit": "overage",
    "subscription_details": "subscription",
    "prepaid/credits": "credits",
}
_ORGANIZATION = re.compile(f"/api/organizations/([^/]+)/({'|'.join(_PARTS)})")


@dataclass(slots=True)
class SimulatedOrganization:
    """One organization of an account, as numbers to be set. Amounts in minor units; utilization 0-100, None = no such
    window. `metered` False: extra usage was never set up."""

    uuid: str
    name: str = "Dev One"
    capabilities: list[str] | None = field(default_factory=lambda: ["claude_max", "chat"])
    rate_limit_tier: str = "default_claude_max_5x"
    seat_tier: str | None = None
    five_hour: Decimal | None = Decimal(12)
    five_hour_resets: datetime | None = None
    seven_day: Decimal | None = Decimal(41)
    seven_day_resets: datetime | None = None
    metered: bool = True
    enabled: bool = True
    used: Decimal = Decimal(0)
    cap: int | None = 5000
    currency: str = "USD"
    decimals: int = 2
    disabled_reason: str | None = None
    disabled_until: datetime | None = None
    out_of_credits: bool = False
    balance: Decimal | None = None
    """Prepaid credits that are left; None: none were ever bought."""
    auto_reload: bool | None = None
    status: str = "active"
    next_charge: date | None = None
    billing_interval: str = "monthly"

    def usage(self) -> dict[str, Any]:
        return {
            "five_hour": _window(self.five_hour, self.five_hour_resets),
            "seven_day": _window(self.seven_day, self.seven_day_resets),
            "seven_day_opus": None,
            "seven_day_sonnet": None,
            "extra_usage": self._extra_usage() if self.metered else None,
            "limits": [],
            "member_dashboard_available": False,
        }

    def _extra_usage(self) -> dict[str, Any]:
        return {
            "is_enabled": self.enabled,
            "monthly_limit": self.cap,
            "used_credits": float(self.used),
            "utilization": None,
            "currency": self.currency,
            "decimal_places": self.decimals,
            "disabled_reason": self.disabled_reason,
            "user_disabled": False,
            "spend_limit_reached": self.disabled_reason == "self_selected_spend_limit_reached",
            "credits_ever_enabled": True,
            "daily": None,
            "weekly": None,
        }

    def overage(self, account: str | None) -> dict[str, Any] | None:
        """The row that answers `?account_uuid=account`, or the organization's own; None = 404."""
        if not self.metered:
            return None
        return {
            "organization_uuid": self.uuid,
            "limit_type": "organization" if account is None else "member",
            "seat_tier": self.seat_tier,
            "account_uuid": account,
            "account_email": None,
            "is_enabled": self.enabled,
            "monthly_credit_limit": self.cap,
            "currency": self.currency,
            "used_credits": float(self.used),
            "disabled_reason": self.disabled_reason,
            "disabled_until": _instant(self.disabled_until),
            "out_of_credits": self.out_of_credits,
            "discount_percent": None,
            "discount_ends_at": None,
        }

    def credits(self) -> dict[str, Any]:
        bought = self.balance is not None
        money = {
            "amount_minor": float(self.balance or 0),
            "currency": self.currency,
            "exponent": self.decimals,
        }
        reload = None if self.auto_reload is None else {"enabled": self.auto_reload}
        return {
            "amount": float(self.balance or 0),
            "currency": self.currency if bought else None,
            "balance": {"money": money if bought else None, "credits": None},
            "auto_reload_settings": reload,
            "pending_invoice_amount_cents": None,
            "last_paid_purchase_cents": None,
        }

    def subscription(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "next_charge_date": None if self.next_charge is None else self.next_charge.isoformat(),
            "billing_interval": self.billing_interval,
            "payment_method": {"brand": "visa", "country": "US", "last4": "0000", "type": "card"},
            "currency": self.currency,
        }


@dataclass(slots=True)
class SimulatedAccount:
    """An account and the session that opens it. `signed_in` False: its session has ended."""

    session_key: str
    uuid: str
    email: str
    organizations: list[SimulatedOrganization]
    signed_in: bool = True

    def body(self) -> dict[str, Any]:
        return {
            "uuid": self.uuid,
            "email_address": self.email,
            "full_name": "Dev One",
            "memberships": [_membership(organization) for organization in self.organizations],
        }


@asynccontextmanager
async def claude_ai(account_of: Callable[[str], SimulatedAccount | None]) -> AsyncIterator[str]:
    """The address of a server that listens until the context ends. `account_of` is asked for the account of each
    request's session key."""

    async def answer(request: web.Request) -> web.Response:
        account = account_of(request.cookies.get("sessionKey", ""))
        if account is None or not account.signed_in:
            expired = error_body("permission_error", "Invalid authorization", "account_session_invalid")
            return web.json_response(expired, status=403)
        route, organization = route_of(request.path)
        body = body_of(account, route, organization, request.query.get("account_uuid"))
        if body is None:
            return web.json_response(error_body("not_found_error", "Not found"), status=404)
        return web.json_response(body)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def route_of(path: str) -> tuple[str, str | None]:
    """`account`, `usage`, `overage`, `subscription` or `credits`, and the organization in the path; an empty name for
    any other path."""
    if path == "/api/account":
        return "account", None
    found = _ORGANIZATION.fullmatch(path)
    return (_PARTS[found[2]], found[1]) if found else ("", None)


def body_of(
    account: SimulatedAccount, route: str, organization: str | None, member: str | None
) -> dict[str, Any] | None:
    """What claude.ai answers to this signed-in account; None is 404. `member`: whose overage row is asked for."""
    if route == "account":
        return account.body()
    found = next((each for each in account.organizations if each.uuid == organization), None)
    if found is None:
        return None
    return found.overage(member) if route == "overage" else getattr(found, route)()


def error_body(kind: str, message: str, code: str | None = None) -> dict[str, Any]:
    """An error as Anthropic words it."""
    error: dict[str, object] = {"type": kind, "message": message}
    if code is not None:
        error["details"] = {"error_code": code, "error_visibility": "user_facing"}
    return {"type": "error", "error": error, "request_id": None}


def _membership(organization: SimulatedOrganization) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "uuid": organization.uuid,
        "name": organization.name,
        "rate_limit_tier": organization.rate_limit_tier,
        "billing_type": "stripe_subscription",
    }
    if organization.capabilities is not None:
        shown["capabilities"] = organization.capabilities
    return {
        "role": "admin",
        "seat_tier": organization.seat_tier,
        "created_at": "2026-01-02T03:04:05.000000+00:00",
        "organization": shown,
    }


def _window(utilization: Decimal | None, resets: datetime | None) -> dict[str, Any] | None:
    if utilization is None:
        return None
    return {"utilization": float(utilization), "resets_at": _instant(resets)}


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
