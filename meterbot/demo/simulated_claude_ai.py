"""A claude.ai on loopback: the answers a seat's reader gets, from numbers that a test or the demo sets.

    async with ClaudeAi() as server:
        ana = server.add_account("sk-ant-sid01-ana")
        ana.organizations[0].used = Decimal(1720)
        server.fail("usage", Reply(status=529))
        ...  # read from server.url
        server.assert_expected_only()

It knows the five routes that are read. Anything else that arrives is answered like the real one would and recorded in
`unexpected`.
"""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from aiohttp import web

from meterbot.demo.server import Reply, Server, error, not_found, send

_ORGANIZATION = re.compile(
    "/api/organizations/([^/]+)/(usage|overage_spend_limit|subscription_details|prepaid/credits)"
)
_PARTS = {
    "usage": "usage",
    "overage_spend_limit": "overage",
    "subscription_details": "subscription",
    "prepaid/credits": "credits",
}

CHALLENGE_PAGE = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"


def session_expired() -> Reply:
    """What claude.ai answers to a session that has ended: 403 and not 401."""
    return error(403, "permission_error", "Invalid authorization", "account_session_invalid")


def challenge() -> Reply:
    """A managed challenge of the edge."""
    headers = {"content-type": "text/html; charset=UTF-8", "cf-mitigated": "challenge"}
    return Reply(403, CHALLENGE_PAGE, headers)


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
    """An account and the session that opens it. `signed_in` False: its session has ended. `rotate_to`: the session
    keys that the next good answers renew it to, one each."""

    session_key: str
    uuid: str
    email: str
    organizations: list[SimulatedOrganization]
    signed_in: bool = True
    rotate_to: deque[str] = field(default_factory=deque)
    session_ends: datetime | None = None
    """When a renewed session ends, as its cookie says; None: the cookie does not say."""

    def body(self) -> dict[str, Any]:
        return {
            "uuid": self.uuid,
            "email_address": self.email,
            "full_name": "Dev One",
            "memberships": [_membership(organization) for organization in self.organizations],
        }


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it arrived. `session_keys`: every `sessionKey` its cookies carried; `connection`: requests over one
    connection have the same number."""

    method: str
    path: str
    route: str
    organization: str | None
    headers: Mapping[str, str]
    session_keys: tuple[str, ...]
    connection: int


class ClaudeAi(Server[Received]):
    """The server. Routes are named `account`, `usage`, `overage`, `subscription`, `credits`."""

    def __init__(self) -> None:
        super().__init__()
        self.accounts: list[SimulatedAccount] = []

    def add_account(
        self,
        session_key: str,
        *,
        uuid: str | None = None,
        email: str = "dev@example.com",
        organizations: list[SimulatedOrganization] | None = None,
    ) -> SimulatedAccount:
        """A signed-in account; with one personal organization unless told otherwise."""
        number = len(self.accounts) + 1
        own = [SimulatedOrganization(str(UUID(int=(1 << 96) + number)))]
        account = SimulatedAccount(
            session_key=session_key,
            uuid=uuid or str(UUID(int=(2 << 96) + number)),
            email=email,
            organizations=own if organizations is None else organizations,
        )
        self.accounts.append(account)
        return account

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        received = _received(request)
        self.requests.append(received)
        account = self._account_of(received)
        problem = self._problem(received, account)
        self._note_unexpected(request, problem)
        scripted = self._scripted(received.route)
        if scripted is not None:
            return await _send(request, scripted, account)
        if account is None or not account.signed_in:
            return await _send(request, session_expired(), None)
        reply = not_found() if problem else self._true_reply(received, account)
        return await _send(request, reply, account)

    def _account_of(self, received: Received) -> SimulatedAccount | None:
        if len(received.session_keys) != 1:
            return None
        key = received.session_keys[0]
        return next((account for account in self.accounts if account.session_key == key), None)

    def _problem(self, received: Received, account: SimulatedAccount | None) -> str | None:
        if received.method != "GET":
            return "not a GET"
        if not received.route:
            return "an unknown path"
        if account is None:
            return f"{len(received.session_keys)} session keys, none of a known account"
        known = {organization.uuid for organization in account.organizations}
        if received.organization is not None and received.organization not in known:
            return "another account's organization"
        return None

    def _true_reply(self, received: Received, account: SimulatedAccount) -> Reply:
        if received.route == "account":
            return Reply(body=account.body())
        organization = next(o for o in account.organizations if o.uuid == received.organization)
        if received.route == "usage":
            return Reply(body=organization.usage())
        if received.route == "subscription":
            return Reply(body=organization.subscription())
        if received.route == "credits":
            return Reply(body=organization.credits())
        asked_for = re.search("account_uuid=([^&]+)", received.path)
        row = organization.overage(asked_for and asked_for[1])
        return not_found() if row is None else Reply(body=row)


def _received(request: web.Request) -> Received:
    route, organization = "", None
    path = request.path
    if path == "/api/account":
        route = "account"
    elif found := _ORGANIZATION.fullmatch(path):
        organization, route = found[1], _PARTS[found[2]]
    cookies = [part.strip() for line in request.headers.getall("Cookie", []) for part in line.split(";")]
    keys = tuple(pair.partition("=")[2] for pair in cookies if pair.startswith("sessionKey="))
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return Received(
        method=request.method,
        path=request.path_qs,
        route=route,
        organization=organization,
        headers=request.headers.copy(),
        session_keys=keys,
        connection=peer[1] if peer else 0,
    )


async def _send(request: web.Request, reply: Reply, account: SimulatedAccount | None) -> web.StreamResponse:
    if account is None or not account.rotate_to or reply.status != 200:
        return await send(request, reply)
    account.session_key = account.rotate_to.popleft()
    ends = account.session_ends
    expires = "" if ends is None else f"; Expires={ends:%a, %d %b %Y %H:%M:%S} GMT"
    cookies = [
        # Without `Secure`, so that a client that keeps a jar is caught at it over plain HTTP.
        ("Set-Cookie", f"sessionKey={account.session_key}; Path=/; HttpOnly{expires}"),
        ("Set-Cookie", "sessionKeyLC=1760000000000; Path=/"),
    ]
    return await send(request, reply, cookies)


def _membership(organization: SimulatedOrganization) -> dict[str, Any]:
    told: dict[str, Any] = {
        "uuid": organization.uuid,
        "name": organization.name,
        "rate_limit_tier": organization.rate_limit_tier,
        "billing_type": "stripe_subscription",
    }
    if organization.capabilities is not None:
        told["capabilities"] = organization.capabilities
    return {
        "role": "admin",
        "seat_tier": organization.seat_tier,
        "created_at": "2026-01-02T03:04:05.000000+00:00",
        "organization": told,
    }


def _window(utilization: Decimal | None, resets: datetime | None) -> dict[str, Any] | None:
    if utilization is None:
        return None
    return {"utilization": float(utilization), "resets_at": _instant(resets)}


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
