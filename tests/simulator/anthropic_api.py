"""An api.anthropic.com on loopback, as far as a Claude Code sign-in reads it: usage and profile.

    async with AnthropicApi() as server:
        ana = server.sign_in("sk-ant-oat01-ana")
        ana.organization.used = Decimal(1720)
        server.fail("usage", Reply(status=529))
        ...  # read from server.url
        server.assert_expected_only()

With a clock it keeps the real one's budget, too: five usage requests of one account in 300 seconds, then 429 with a
`Retry-After` that is of no use. Anything that a reader must not send is recorded in `unexpected`.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from aiohttp import web

from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from tests.simulator.server import Reply, Server, error, not_found, send

BUDGET = 5
BUDGET_SPAN = timedelta(seconds=300)

_ROUTES = {"/api/oauth/usage": "usage", "/api/oauth/profile": "profile"}
_HEADERS = {
    "anthropic-beta": "oauth-2025-04-20",
    "anthropic-version": "2023-06-01",
    "accept": "application/json",
}


def token_invalid() -> Reply:
    """What is answered to a token that has expired or was replaced."""
    return error(401, "authentication_error", "OAuth access token is invalid.")


def scope_missing() -> Reply:
    """What is answered to a token that may spend and not read."""
    message = "OAuth token does not meet scope requirement user:profile"
    return error(403, "permission_error", message, "oauth_scope_insufficient")


def rate_limited(retry_after: str | None = "0") -> Reply:
    """The answer to too many requests, without the outer `type` that other errors have."""
    error_document = {
        "error": {"message": "Rate limited. Please try again later.", "type": "rate_limit_error"}
    }
    return Reply(429, error_document, {} if retry_after is None else {"retry-after": retry_after})


@dataclass(slots=True)
class SignIn:
    """An account that is signed in to Claude Code, by one of its tokens. `accepted` False: the token is no longer
    good."""

    token: str
    account: str
    email: str
    organization: SimulatedOrganization
    organization_type: str = "claude_max"
    scopes: tuple[str, ...] = ("user:inference", "user:profile")
    billing_type: str = "stripe_subscription"
    subscription_status: str | None = "active"
    accepted: bool = True

    def profile(self) -> dict[str, Any]:
        return {
            "account": {
                "uuid": self.account,
                "full_name": "Dev One",
                "display_name": "Dev",
                "email": self.email,
                "has_claude_max": self.organization_type == "claude_max",
                "has_claude_pro": self.organization_type == "claude_pro",
                "created_at": "2026-01-02T03:04:05Z",
            },
            "organization": {
                "uuid": self.organization.uuid,
                "name": self.organization.name,
                "organization_type": self.organization_type,
                "billing_type": self.billing_type,
                "rate_limit_tier": self.organization.rate_limit_tier,
                "seat_tier": self.organization.seat_tier,
                "has_extra_usage_enabled": self.organization.metered and self.organization.enabled,
                "subscription_status": self.subscription_status,
                "subscription_created_at": "2026-01-02T03:04:05Z",
            },
            "application": {"uuid": str(UUID(int=9)), "name": "Claude Code", "slug": "claude-code"},
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it arrived, and the status it was answered with; `at` is None without a clock."""

    method: str
    path: str
    route: str
    headers: Mapping[str, str]
    token: str
    at: datetime | None
    status: int


class AnthropicApi(Server[Asked]):
    """The server. Routes are named `usage` and `profile`. `now` is its clock; without one it has no budget."""

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        super().__init__()
        self.signed_in: list[SignIn] = []
        self._now = now
        self._spent: dict[str, deque[datetime]] = defaultdict(deque)

    def sign_in(
        self,
        token: str,
        *,
        account: str | None = None,
        email: str = "dev@example.com",
        organization: SimulatedOrganization | None = None,
    ) -> SignIn:
        """An account with a token that is accepted; a personal Max plan unless told otherwise."""
        number = len(self.signed_in) + 1
        made = SignIn(
            token=token,
            account=account or str(UUID(int=(2 << 96) + number)),
            email=email,
            organization=organization or SimulatedOrganization(str(UUID(int=(1 << 96) + number))),
        )
        self.signed_in.append(made)
        return made

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        route = _ROUTES.get(request.path_qs, "")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        who = next((one for one in self.signed_in if one.token == token and scheme == "Bearer"), None)
        problem = _problem(request, route, who)
        self._note_unexpected(request, problem)
        at = None if self._now is None else self._now()
        reply = self._scripted(route) or self._true_reply(route, who, at)
        headers = request.headers.copy()
        self.requests.append(Asked(request.method, request.path_qs, route, headers, token, at, reply.status))
        return await send(request, reply)

    def _true_reply(self, route: str, who: SignIn | None, at: datetime | None) -> Reply:
        if who is None or not who.accepted:
            return token_invalid()
        if not route:
            return not_found()
        if route == "usage" and at is not None and not self._affords(who.account, at):
            return rate_limited()
        if "user:profile" not in who.scopes:
            return scope_missing()
        return Reply(body=who.profile() if route == "profile" else who.organization.usage())

    def _affords(self, account: str, at: datetime) -> bool:
        spent = self._spent[account]
        while spent and spent[0] <= at - BUDGET_SPAN:
            spent.popleft()
        spent.append(at)  # a refused request counts, too: asking on prolongs the wait
        return len(spent) <= BUDGET


def _problem(request: web.Request, route: str, who: SignIn | None) -> str | None:
    """What is wrong with a request, independent of its answer."""
    if request.method != "GET":
        return "not a GET"
    if not route:
        return "an unknown path"
    if who is None:
        return "no token of a known account"
    if "Cookie" in request.headers:
        return "a cookie"
    wrong = [name for name, value in _HEADERS.items() if request.headers.get(name) != value]
    return f"without the usual {', '.join(wrong)}" if wrong else None
