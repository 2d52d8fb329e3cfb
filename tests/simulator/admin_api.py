"""The Admin API of an organization on loopback: what was charged, what Claude Code was used for, who may spend what.

    async with AdminApi() as server:
        server.charge(date(2026, 10, 1), "12345.00")
        server.use(date(2026, 10, 1), "dev@example.com", 964, 113)
        server.fail("cost_report", Reply(status=529))
        ...  # read from server.url with server.key
        server.assert_expected_only()

Pages hold `page_size` items, or as many as were asked for. Anything that a reader must not send is recorded in
`unexpected`.
"""

from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from aiohttp import web

from tests.simulator.server import Reply, Server, error, not_found, send

_ROUTES = {
    "/v1/organizations/me": "me",
    "/v1/organizations/cost_report": "cost_report",
    "/v1/organizations/usage_report/claude_code": "claude_code",
    "/v1/organizations/spend_limits/effective": "spend_limits",
}
_MOST = {"cost_report": 31, "claude_code": 1000, "spend_limits": 100}
_USUAL = {"cost_report": 7, "claude_code": 20, "spend_limits": 20}
"""Items on a page when a request does not say how many."""


def key_invalid() -> Reply:
    """The answer to a key that was revoked."""
    return error(401, "authentication_error", "invalid x-api-key")


def spend_limit_reached() -> Reply:
    """The organization's own limit: a 429 that waiting does not end."""
    message = "This organization has reached its spend limit"
    return error(429, "rate_limit_error", message, "enforced_spend_limit_reached")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it arrived."""

    method: str
    route: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


class AdminApi(Server[Asked]):
    """The server. Routes are named `me`, `cost_report`, `claude_code` and `spend_limits`.

    `costs`: day → results; `usage`: day → rows; `limits`: rows, or None where the organization has no such thing.
    """

    def __init__(self, key: str = "sk-ant-admin01-simulated", *, page_size: int | None = None) -> None:
        super().__init__()
        self.key = key
        self.organization = "11111111-1111-4111-8111-111111111111"
        self.costs: dict[date, list[dict[str, Any]]] = defaultdict(list)
        self.usage: dict[date, list[dict[str, Any]]] = defaultdict(list)
        self.limits: list[dict[str, Any]] | None = None
        self.page_size = page_size

    def charge(self, day: date, cents: str, currency: str = "USD") -> None:
        """One more cost of a day."""
        self.costs[day].append({"amount": cents, "currency": currency, "cost_type": "tokens"})

    def use(self, day: date, who: str, *cents: int, pull_requests: int = 0) -> None:
        """One more row of a day: a person's, or an API key's where `who` is no address. An estimate for each model."""
        person = {"type": "user_actor", "email_address": who}
        machine = {"type": "api_actor", "api_key_name": who}
        self.usage[day].append(
            {
                "date": f"{day.isoformat()}T00:00:00Z",
                "actor": person if "@" in who else machine,
                "organization_id": self.organization,
                "customer_type": "api",
                "terminal_type": "vscode",
                "core_metrics": {"num_sessions": 1, "pull_requests_by_claude_code": pull_requests},
                "tool_actions": {},
                "model_breakdown": [
                    {
                        "model": f"claude-model-{place}",
                        "tokens": {"input": 10, "output": 20},
                        "estimated_cost": {"currency": "USD", "amount": amount},
                    }
                    for place, amount in enumerate(cents)
                ],
            }
        )

    def limit(
        self, who: str, amount: str | None, spent: str, *, user: str = "user_1", period: str = "monthly"
    ) -> None:
        """One person's limit: None is unlimited."""
        row = {
            "scope": {"type": "user"},
            "actor": {"user_id": user, "name": "Dev One", "email_address": who, "deleted": False},
            "amount": amount,
            "currency": "USD",
            "period": period,
            "source": {"type": "user"},
            "spend_limit_id": None,
            "period_to_date_spend": spent,
        }
        self.limits = [*(self.limits or []), row]

    def asked(self) -> list[str]:
        """The routes asked for so far, in order."""
        return [request.route for request in self.requests]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        route = _ROUTES.get(request.path, "")
        asked = Asked(request.method, route, dict(request.query), request.headers.copy())
        self.requests.append(asked)
        problem = _problem(asked)
        self._note_unexpected(request, problem)
        scripted = self._scripted(route)
        if scripted is not None:
            return await send(request, scripted)
        if request.headers.get("x-api-key") != self.key:
            return await send(request, key_invalid())
        return await send(request, not_found() if problem else self._true_reply(asked))

    def _true_reply(self, asked: Asked) -> Reply:
        if asked.route == "me":
            return Reply(body={"id": self.organization, "type": "organization", "name": "Team Co"})
        if asked.route == "spend_limits":
            return not_found() if self.limits is None else self._page(asked, self.limits)
        start = date.fromisoformat(asked.query["starting_at"][:10])
        if asked.route == "claude_code":
            return self._page(asked, self.usage.get(start, []))
        end = date.fromisoformat(asked.query.get("ending_at", "9999-12-31")[:10])
        if end <= start:  # both ends are midnights: a range without one whole day is refused
            sentence = "Invalid date range: ending date must be after starting date"
            return error(400, "invalid_request_error", sentence, x_should_retry="false")
        return self._page(
            asked, [_bucket(day, self.costs[day]) for day in sorted(self.costs) if start <= day < end]
        )

    def _page(self, asked: Asked, items: Sequence[object]) -> Reply:
        limit = int(asked.query.get("limit", _USUAL[asked.route]))
        size = min(limit, _MOST[asked.route], self.page_size or limit)
        start = int(b64decode(asked.query["page"].removeprefix("page_"))) if "page" in asked.query else 0
        end = start + size
        more = end < len(items)
        cursor = f"page_{b64encode(str(end).encode()).decode()}" if more else None
        body = {"data": items[start:end], "has_more": more, "next_page": cursor}
        if asked.route == "spend_limits":
            del body["has_more"]
        return Reply(body=body)


def _problem(asked: Asked) -> str | None:
    if asked.method != "GET":
        return "not a GET"
    if not asked.route:
        return "an unknown path"
    if asked.headers.get("anthropic-version") != "2023-06-01":
        return "no version"
    if "cookie" in asked.headers or "authorization" in asked.headers:
        return "another credential"
    return None


def _bucket(day: date, results: list[dict[str, Any]]) -> dict[str, Any]:
    end = day + timedelta(days=1)
    return {
        "starting_at": f"{day.isoformat()}T00:00:00Z",
        "ending_at": f"{end.isoformat()}T00:00:00Z",
        "results": results,
    }
