"""A claude.ai on loopback: the answers a seat's reader gets, from numbers that a test sets, with faults.

    async with ClaudeAi() as server:
        ana = server.add_account("sk-ant-sid01-ana")
        ana.organizations[0].used = Decimal(1720)
        server.fail("usage", Reply(status=529))
        ...  # read from server.url
        server.assert_expected_only()

It knows the five routes that are read. Anything else that arrives is answered like the real one would and recorded in
`unexpected`.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from aiohttp import web

from meterbot.demo.simulated_claude_ai import (
    SimulatedAccount,
    SimulatedOrganization,
    body_of,
    route_of,
)
from tests.simulator.server import Reply, Server, error, not_found, send

CHALLENGE_PAGE = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"


def session_expired() -> Reply:
    """What claude.ai answers to a session that has ended: 403 and not 401."""
    return error(403, "permission_error", "Invalid authorization", "account_session_invalid")


def challenge() -> Reply:
    """A managed challenge of the edge."""
    headers = {"content-type": "text/html; charset=UTF-8", "cf-mitigated": "challenge"}
    return Reply(403, CHALLENGE_PAGE, headers)


@dataclass(slots=True)
class RotatingAccount(SimulatedAccount):
    """An account whose session key is renewed. `rotate_to`: the session keys that the next good answers renew it to,
    one each."""

    rotate_to: deque[str] = field(default_factory=deque)
    session_ends: datetime | None = None
    """When a renewed session ends, as its cookie says; None: the cookie does not say."""


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
        self.accounts: list[RotatingAccount] = []

    def add_account(
        self,
        session_key: str,
        *,
        uuid: str | None = None,
        email: str = "dev@example.com",
        organizations: list[SimulatedOrganization] | None = None,
    ) -> RotatingAccount:
        """A signed-in account; with one personal organization unless told otherwise."""
        number = len(self.accounts) + 1
        own = [SimulatedOrganization(str(UUID(int=(1 << 96) + number)))]
        account = RotatingAccount(
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
        reply = not_found() if problem else self._true_reply(request, received, account)
        return await _send(request, reply, account)

    def _account_of(self, received: Received) -> RotatingAccount | None:
        if len(received.session_keys) != 1:
            return None
        key = received.session_keys[0]
        return next((account for account in self.accounts if account.session_key == key), None)

    def _problem(self, received: Received, account: RotatingAccount | None) -> str | None:
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

    def _true_reply(self, request: web.Request, received: Received, account: RotatingAccount) -> Reply:
        body = body_of(account, received.route, received.organization, request.query.get("account_uuid"))
        return not_found() if body is None else Reply(body=body)


def _received(request: web.Request) -> Received:
    route, organization = route_of(request.path)
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


async def _send(request: web.Request, reply: Reply, account: RotatingAccount | None) -> web.StreamResponse:
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
