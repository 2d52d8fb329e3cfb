"""`GET /agent` and `/join/CODE`: what a person's machine needs to send its numbers.

A GET shows what would be done: a page in a browser, the script for `curl`. Only a POST uses the code up, because
chats fetch the links that they show.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from meterbot.app.agent_script import agent_script
from meterbot.app.join_page import PAGE_POLICY, expired_page, join_page
from meterbot.app.join_script import join_script
from meterbot.app.web import Networks, client_address
from meterbot.commands.join_lines import AGENT_FILE
from meterbot.core.log import get_logger
from meterbot.core.rate_limit import RateLimiter
from meterbot.ingest.pushes import seat_of_code, trade_code
from meterbot.store import Store

EXPIRED = (
    "This code is not valid: it was used, or it is older than ten minutes. Ask /claude-spend join again."
)
_TOO_MANY = "Too many wrong codes came from this address: wait {} seconds."
_LONGEST_CODE = 64
_PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}

log = get_logger(__name__)


@dataclass(eq=False, repr=False)
class JoinEndpoint:
    """`url` is where machines reach this bot; if it is empty, nobody can join. `accepts` says whether a seat accepts
    pushes. An address may use 20 wrong codes, and two a minute after that."""

    store: Store
    url: str
    now: Callable[[], datetime]
    accepts: Callable[[str], Awaitable[bool]]
    trusted_proxies: Networks = ()

    def __post_init__(self) -> None:
        self._failures = RateLimiter(burst=20, seconds=30)

    def routes(self) -> list[web.RouteDef]:
        joining = [web.get("/join/{code}", self.show), web.post("/join/{code}", self.trade)]
        return [web.get("/agent", self.agent), *(joining if self.url else [])]

    async def agent(self, request: web.Request) -> web.Response:
        """The agent's script, the same for everybody."""
        script = agent_script()
        headers = {
            "Cache-Control": "public, max-age=300",
            "Content-Disposition": f'inline; filename="{AGENT_FILE}"',
            "ETag": f'"{script.digest}"',
            "X-Content-Type-Options": "nosniff",
            "X-Meterbot-Agent-Version": script.version,
            "X-Meterbot-Agent-SHA256": script.digest,
        }
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=script.text, content_type="text/plain", charset="utf-8", headers=headers)

    async def show(self, request: web.Request) -> web.Response:
        """What the code would do, and how to do it."""
        code, address = request.match_info["code"], client_address(request, self.trusted_proxies)
        in_browser = "text/html" in request.headers.get("Accept", "")
        if (wait := self._wait(address)) is not None:
            return wait if in_browser else _said_by_python(_TOO_MANY.format(wait.headers["Retry-After"]))
        seat = await self._seat_of(code)
        if seat is None:
            self._failures.wait(address, self.now())
        if in_browser:
            page = expired_page() if seat is None else join_page(seat, self.url, code)
            headers = {**_PRIVATE, "Content-Security-Policy": PAGE_POLICY}
            return web.Response(
                text=page, status=200 if seat else 404, content_type="text/html", headers=headers
            )
        if seat is None:
            return _said_by_python(EXPIRED)
        return web.Response(text=join_script(seat, self.url, code), headers=_PRIVATE)

    async def trade(self, request: web.Request) -> web.Response:
        """The seat's push token for the code, once."""
        code, address = request.match_info["code"], client_address(request, self.trusted_proxies)
        if (wait := self._wait(address)) is not None:
            return wait
        traded = None
        if await self._seat_of(code) is not None:
            traded = await trade_code(self.store, code[:_LONGEST_CODE], self.now())
        if traded is None:
            self._failures.wait(address, self.now())
            log.warning("a request to join was refused")
            return web.json_response({"error": EXPIRED}, status=404, headers=_PRIVATE)
        seat, token = traded
        log.info("a push token was made", seat=seat)
        return web.json_response({"seat": seat, "token": token}, headers=_PRIVATE)

    async def _seat_of(self, code: str) -> str | None:
        """The seat of a valid code, if it still accepts pushes."""
        seat = await seat_of_code(self.store, code[:_LONGEST_CODE], self.now())
        return seat if seat is not None and await self.accepts(seat) else None

    def _wait(self, address: str) -> web.Response | None:
        """The refusal of an address that tried too many wrong codes."""
        seconds = math.ceil(self._failures.blocked(address, self.now()))
        if seconds == 0:
            return None
        headers = {**_PRIVATE, "Retry-After": str(seconds)}
        return web.json_response({"error": _TOO_MANY.format(seconds)}, status=429, headers=headers)


def _said_by_python(sentence: str) -> web.Response:
    """A script that only says this. With another status than 200, `curl -f` would give Python nothing, and the person
    would not hear it."""
    return web.Response(text=f"raise SystemExit({sentence!r})\n", headers=_PRIVATE)
