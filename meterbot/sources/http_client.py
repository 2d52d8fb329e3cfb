"""The HTTP client of the whole bot: httpx over aiohttp. It sends only GET, and only to the paths that are allowed here:
the same addresses also accept writes."""

import asyncio
import re
import ssl
import zlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cache, lru_cache

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from meterbot import __version__
from meterbot.core.hosts import proxy_for
from meterbot.sources.responses import Cause, SourceError

_HEADERS = {"User-Agent": f"meterbot/{__version__}", "Accept": "application/json", "Accept-Encoding": "gzip"}
_NO_BODY = httpx.ByteStream(b"")
_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 180.0  # how long an idle connection is kept
_NOT_GZIP = "the response is not valid gzip"
_LONGEST_HEADER_LINE = 65_536  # Security headers and cookies can exceed aiohttp's limit of 8 KiB.

_ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MIDNIGHT = f"{_DAY}T00:00:00Z"
_PAGE = "(&page=([0-9A-Za-z_.~-]|%[0-9A-F]{2}){1,600})?"
REPOSITORY = "[0-9A-Za-z_.-]{1,100}/[0-9A-Za-z_.-]{1,100}"
"""GitHub's `owner/name`."""

_ALLOWED_PATH = re.compile(
    "/api/account"
    f"|/api/organizations/{_ID}/(usage|overage_spend_limit(\\?account_uuid={_ID})?|subscription_details"
    "|prepaid/credits)"
    "|/api/oauth/(usage|profile)"
    f"|/v1/organizations/(me|cost_report\\?starting_at={_MIDNIGHT}&ending_at={_MIDNIGHT}&bucket_width=1d&limit=31{_PAGE}"
    f"|usage_report/claude_code\\?starting_at={_DAY}&limit=1000{_PAGE}"
    f"|spend_limits/effective\\?limit=100{_PAGE})"
    f"|/repos/{REPOSITORY}/pulls/[1-9][0-9]{{0,9}}/commits\\?per_page=100&page=[1-3]"
)
_HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")

OnHeaders = Callable[[int, httpx.Headers], Awaitable[None] | None]
"""Called with status and headers before the body is read. What it returns is awaited before that, too; the deadline
does not run meanwhile."""


class ForbiddenRequestError(ValueError):
    """A request that meterbot must not send."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """`body` is decompressed. Headers and body come from outside and may contain secrets."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(eq=False, repr=False, kw_only=True)
class HttpClient(AbstractAsyncContextManager["HttpClient"]):
    """The client for all HTTP requests except those of the chats. Requests share no state: cookies are sent as a
    header, and there is no cookie jar. Redirects are not followed.

    `deadline`: seconds for one whole request. `largest`: bytes of a decompressed body. `connections`: how many may be
    open at once; further requests wait.
    """

    deadline: float = 30.0
    largest: int = 2_000_000
    connections: int = 32

    def __post_init__(self) -> None:
        self._extensions = {"timeout": {"connect": min(self.deadline, _CONNECT_SECONDS)}}
        self._transports: dict[str | None, AiohttpTransport] = {}
        self._routes: dict[str, AiohttpTransport] = {}

    async def __aexit__(self, *_: object) -> None:
        for transport in self._transports.values():
            await transport.aclose()

    async def get(
        self, base: str, path: str, headers: Mapping[str, str], on_headers: OnHeaders | None = None
    ) -> HttpResponse:
        """The response to `GET base + path`, whatever its status. Raises `ForbiddenRequestError` for a request that
        must not be sent, `SourceError` if there is no complete response."""
        _check(path, headers)
        return await self._fetch(base, path, headers, on_headers)

    async def ping(self, url: str) -> int:
        """The status of `GET url`, an address from the configuration. Raises `SourceError` if there is none."""
        return (await self._fetch(url, "", {}, None)).status

    async def _fetch(
        self, base: str, path: str, headers: Mapping[str, str], on_headers: OnHeaders | None
    ) -> HttpResponse:
        try:
            transport = self._routes.get(base) or self._route(base)
            # With a stream, httpx adds no headers: aiohttp does.
            request = httpx.Request(
                "GET",
                _url(base, path),
                headers=headers,
                stream=_NO_BODY,
                extensions=self._extensions,
            )
            request.read()
            async with asyncio.timeout(self.deadline) as limit:
                response = await transport.handle_async_request(request)
                response.headers.encoding = "iso-8859-1"  # It fits all bytes, so that httpx tries no other.
                try:
                    if on_headers and (work := on_headers(response.status_code, response.headers)):
                        await _pause(limit, work)
                    return HttpResponse(response.status_code, response.headers, await self._body(response))
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError) as failure:
            # Without its cause: the libraries' exceptions contain the request with the session.
            raise SourceError(Cause.UNREACHABLE, _sentence(failure)) from None

    async def _body(self, response: httpx.Response) -> bytes:
        """The decompressed body; empty if that of an error cannot be read: status and headers say what it means, and
        how long to wait."""
        try:
            return await self._decompressed(response)
        except SourceError:
            if response.status_code < 400:
                raise
            return b""

    async def _decompressed(self, response: httpx.Response) -> bytes:
        compressed = _is_gzip(response.headers.get("content-encoding", ""))
        gzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if compressed else None
        body, begun = bytearray(), False
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - the transport makes no other
        try:
            async for chunk in response.stream:
                begun = True
                body += gzip.decompress(chunk, self.largest + 1 - len(body)) if gzip else chunk
                if len(body) > self.largest:
                    raise SourceError(Cause.DRIFTED, f"the response is larger than {self.largest} bytes")
                if gzip and gzip.unused_data:  # With each further chunk, zlib would copy all of it.
                    raise SourceError(Cause.UNREADABLE, _NOT_GZIP)
        except zlib.error:
            raise SourceError(Cause.UNREADABLE, _NOT_GZIP) from None
        if gzip and begun and not gzip.eof:  # An empty body is complete, too.
            raise SourceError(Cause.UNREADABLE, _NOT_GZIP)
        return bytes(body)

    def _route(self, base: str) -> AiohttpTransport:
        """The connection pool for an address: one for each proxy, and one without a proxy."""
        proxy = proxy_for(base)
        if proxy not in self._transports:
            self._transports[proxy] = AiohttpTransport(verify=_trusted(), client=lambda: self._session(proxy))
        self._routes[base] = self._transports[proxy]
        return self._routes[base]

    def _session(self, proxy: str | None) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self.connections, keepalive_timeout=_IDLE_SECONDS, ssl=_trusted()
            ),
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy,
            max_line_size=_LONGEST_HEADER_LINE,
            max_field_size=_LONGEST_HEADER_LINE,
        )


def _check(path: str, headers: Mapping[str, str]) -> None:
    """Raises `ForbiddenRequestError` for a path that is not on the list, or a header that could contain another
    header."""
    if not _ALLOWED_PATH.fullmatch(path):
        raise ForbiddenRequestError("meterbot does not read this path")
    if not all(_HEADER_VALUE.fullmatch(value) for value in headers.values()):
        raise ForbiddenRequestError("a header contains characters that no header has")


def _is_gzip(encoding: str) -> bool:
    """Whether the body is one gzip member; else it is not compressed."""
    match encoding.strip().lower():
        case "" | "identity":
            return False
        case "gzip" | "x-gzip":
            return True
    # Several encodings in a row multiply the size of a chunk.
    raise SourceError(Cause.UNREADABLE, "the response is compressed in a way meterbot did not ask for")


async def _pause(limit: asyncio.Timeout, work: Awaitable[None]) -> None:
    """Awaits `work` while the deadline is suspended."""
    loop, when = asyncio.get_running_loop(), limit.when()
    assert when is not None  # noqa: S101 - it was set a moment ago
    left = when - loop.time()
    limit.reschedule(None)
    await work
    limit.reschedule(loop.time() + left)


@cache
def _trusted() -> ssl.SSLContext:
    """One for the whole process, because creating it takes as long as twenty readings. SSL_CERT_FILE and SSL_CERT_DIR
    apply."""
    return httpx.create_ssl_context()


@lru_cache(maxsize=1_000)  # to parse one takes longer than to make the rest of the request
def _url(base: str, path: str) -> httpx.URL:
    """Raises if this is not an HTTP address."""
    url = httpx.URL(base.rstrip("/") + path)
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("not an address")
    return url


_TLS = "no secure connection: the TLS handshake or the certificate failed"
_SENTENCES: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ClientProxyConnectionError, "the proxy that the environment names cannot be reached"),
    (aiohttp.ClientHttpProxyError, "the proxy that the environment names refuses the connection"),
    (aiohttp.ClientConnectorDNSError, "the host's name could not be resolved (DNS)"),
    (aiohttp.ClientSSLError, _TLS),
    (ssl.SSLError, _TLS),
    (TimeoutError, "no response in time"),
    (aiohttp.ClientConnectorError, "no connection: the host refused it or cannot be reached"),
    (aiohttp.ServerDisconnectedError, "the connection was closed without a response"),
    (aiohttp.ClientPayloadError, "the response broke off"),
    (aiohttp.ClientResponseError, "the response is not HTTP"),
    (httpx.InvalidURL, "the configured address is not valid"),
    (ValueError, "the configured address is not valid"),
)


def _sentence(failure: BaseException) -> str:
    """What happened, in our own words. httpx's exceptions are coarser than aiohttp's, which are their causes."""
    cause = failure.__cause__ if isinstance(failure, httpx.HTTPError) and failure.__cause__ else failure
    return next((text for kind, text in _SENTENCES if isinstance(cause, kind)), "the connection failed")
