"""What leaves this machine, and what of the outside is let in."""

import asyncio
import gzip
import socket
import ssl
import tracemalloc
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from meterbot import __version__
from meterbot.core.models import Health, Seat
from meterbot.sources.claude_ai import ClaudeAiSource
from meterbot.sources.http_client import ForbiddenRequestError, HttpClient
from meterbot.sources.responses import Cause, SourceError
from meterbot.sources.session import Session
from tests.simulator.claude_ai import ClaudeAi
from tests.simulator.server import Reply
from tests.sources.served import KEY, NOW, ORG, serving

COOKIE = {"Cookie": f"sessionKey={KEY}"}
GZIP = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/organizations",
        "/api/bootstrap",
        "/api/account/",
        "/api/account?x=1",
        "/api/account\r\nX: 1",
        f"/api/organizations/{ORG}",
        f"/api/organizations/{ORG}/usage?skip_spend=1",
        f"/api/organizations/{ORG}/usage/../members",
        f"/api/organizations/{ORG}/overage_spend_limit?account_uuid=me",
        f"/api/organizations/{ORG}/overage_spend_limits",
        "/api/organizations/../usage",
        "/api/organizations/11111111-1111-4111-8111-11111111111/usage",
        "//evil.example/api/account",
        "@evil.example/api/account",
        "/v1/messages",
        "/api/oauth/token",
    ],
)
async def test_a_path_off_the_list_is_refused_before_a_byte_leaves(path: str) -> None:
    async with serving() as served:
        with pytest.raises(ForbiddenRequestError):
            await served.transport.get(served.server.url, path, COOKIE)
        assert not served.server.requests


@pytest.mark.parametrize(
    "path",
    [
        "/api/account",
        f"/api/organizations/{ORG}/usage",
        f"/api/organizations/{ORG}/overage_spend_limit?account_uuid={ORG}",
        f"/api/organizations/{ORG}/subscription_details",
    ],
)
async def test_a_path_on_the_list_is_asked_for_with_get_and_an_honest_name(path: str) -> None:
    async with serving() as served:
        answer = await served.transport.get(served.server.url + "/", path, COOKIE)
        (request,) = served.server.requests
    assert answer.status == 200
    assert (request.method, request.path) == ("GET", path)
    assert request.headers["User-Agent"] == f"meterbot/{__version__}"
    assert request.headers["Cookie"] == COOKIE["Cookie"]


@pytest.mark.parametrize("value", ["a\r\nX: 1", "a\nb", "", " a", "kéy", "a\x00b"])
async def test_a_header_that_could_carry_more_than_its_value_is_refused(value: str) -> None:
    async with serving() as served:
        with pytest.raises(ForbiddenRequestError):
            await served.transport.get(served.server.url, "/api/account", {"Cookie": value})
        assert not served.server.requests


async def test_no_session_travels_with_another_seats_request_though_the_server_renews_both() -> None:
    async with ClaudeAi() as server, HttpClient() as transport:
        by_name = server.url.replace("127.0.0.1", "localhost")  # jars take no cookie from a bare address
        sources = {}
        for name in ("ana", "bo"):
            account = server.add_account(f"sk-ant-sid01-planted-0123-{name}-0")
            account.rotate_to.extend(f"sk-ant-sid01-planted-0123-{name}-{turn}" for turn in range(1, 20))
            session = Session(f"sk-ant-sid01-planted-0123-{name}-0", transport, by_name)
            sources[name] = ClaudeAiSource(Seat(name, "claude_ai"), session)
        for _ in range(3):
            await asyncio.gather(*(source.read(NOW) for source in sources.values()))
        sent = [request.headers.getall("Cookie") for request in server.requests]  # type: ignore[attr-defined]
        server.assert_expected_only()
    assert len(sent) == 22
    # One cookie header with one cookie each, and every key but the first is one that the server had just set.
    assert sorted(line for lines in sent for line in lines) == sorted(
        f"sessionKey=sk-ant-sid01-planted-0123-{name}-{turn}" for name in sources for turn in range(11)
    )
    assert {source.session.key for source in sources.values()} == {
        "sk-ant-sid01-planted-0123-ana-11",
        "sk-ant-sid01-planted-0123-bo-11",
    }


async def test_what_a_server_sets_for_one_request_is_not_in_the_next() -> None:
    async with ClaudeAi() as server, HttpClient() as transport:
        by_name = server.url.replace("127.0.0.1", "localhost")
        headers = [("Set-Cookie", "__cf_bm=x; Path=/"), ("Set-Cookie", "sessionKey=sk-ant-sid01-b; Path=/")]
        server.fail_always("account", Reply(body={}, headers=headers))
        await transport.get(by_name, "/api/account", COOKIE)
        await transport.get(by_name, "/api/account", {})
    assert [request.headers.get("Cookie") for request in server.requests] == [COOKIE["Cookie"], None]


async def test_a_connection_is_kept_for_the_next_poll() -> None:
    async with serving() as served:
        await served.read()
        await served.read()
        assert len({request.connection for request in served.server.requests}) == 1


async def test_a_redirect_is_not_followed() -> None:
    async with serving() as served:
        served.server.fail("account", Reply(302, headers={"Location": f"{served.server.url}/api/account"}))
        answer = await served.transport.get(served.server.url, "/api/account", COOKIE)
        assert answer.status == 302
        assert len(served.server.requests) == 1


async def test_a_compressed_body_is_unpacked() -> None:
    async with serving() as served:
        body = gzip.compress(b'{"uuid": null}')
        served.server.fail("account", Reply(body=body, headers=GZIP))
        answer = await served.transport.get(served.server.url, "/api/account", COOKIE)
    assert answer.body == b'{"uuid": null}'


@pytest.mark.parametrize(
    ("reply", "cause", "sentence"),
    [
        (Reply(body=b"[" * 20_000_000), Cause.DRIFTED, "larger than"),
        (
            Reply(body=gzip.compress(b"[" * 50_000_000), headers=GZIP),
            Cause.DRIFTED,
            "larger than",
        ),
        (Reply(body=b"no", headers=GZIP), Cause.UNREADABLE, "gzip"),
        (
            Reply(body=gzip.compress(gzip.compress(b"{}")), headers={"Content-Encoding": "gzip, gzip"}),
            Cause.UNREADABLE,
            "did not ask for",
        ),
        (Reply(body=gzip.compress(b"{}")[:-8], headers=GZIP), Cause.UNREADABLE, "not valid gzip"),
        (
            Reply(body=gzip.compress(b"[1") + gzip.compress(b"]"), headers=GZIP),
            Cause.UNREADABLE,
            "not valid gzip",
        ),
        (Reply(body=gzip.compress(b"{}") + b"{}", headers=GZIP), Cause.UNREADABLE, "not valid gzip"),
        (Reply(body=b"{}" * 500, cut=True), Cause.UNREACHABLE, "broke off"),
        (Reply(drop=True), Cause.UNREACHABLE, "closed without a response"),
    ],
    ids=[
        "20 MB",
        "gzip bomb",
        "no gzip",
        "gzip twice",
        "gzip without its end",
        "second member",
        "bytes after gzip",
        "cut off",
        "dropped",
    ],
)
async def test_a_broken_or_boundless_answer_is_reported_in_our_words(
    reply: Reply, cause: Cause, sentence: str
) -> None:
    async with serving() as served:
        served.server.fail_always("account", reply)
        with pytest.raises(SourceError, match=sentence) as trouble:
            await served.transport.get(served.server.url, "/api/account", COOKIE)
    assert trouble.value.cause is cause
    assert trouble.value.__cause__ is None


async def test_endless_bytes_after_a_compressed_body_are_not_read() -> None:
    """zlib would keep them, and copy all of them for each further chunk."""
    ended = asyncio.Event()

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}"))
        try:
            while True:
                writer.write(bytes(65_536))
                await writer.drain()
        except ConnectionError:
            ended.set()
        finally:
            writer.close()

    server = await asyncio.start_server(send, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, HttpClient(deadline=3) as transport:
        with pytest.raises(SourceError, match="not valid gzip"):
            await transport.get(f"http://127.0.0.1:{port}", "/api/account", COOKIE)
        await ended.wait()


async def test_a_compressed_body_without_a_byte_is_empty() -> None:
    async with serving() as served:
        served.server.fail("account", Reply(302, headers=GZIP))
        answer = await served.transport.get(served.server.url, "/api/account", COOKIE)
    assert (answer.status, answer.body) == (302, b"")


@pytest.mark.parametrize("encoding", ["br", "gzip"])
@pytest.mark.parametrize(
    ("status", "health", "wait"),
    [(401, Health.SESSION_EXPIRED, None), (403, Health.REFUSED, None), (429, Health.RATE_LIMITED, 600.0)],
)
async def test_an_error_with_an_unreadable_body_keeps_its_status_and_its_pause(
    encoding: str, status: int, health: Health, wait: float | None
) -> None:
    headers = {"Content-Encoding": encoding} | ({"Retry-After": f"{wait:g}"} if wait else {})
    async with serving() as served:
        served.server.fail("account", Reply(status, body=b"no", headers=headers))
        with pytest.raises(SourceError) as trouble:
            await Session(KEY, served.transport, served.server.url).get("/api/account", NOW)
    assert (trouble.value.health, trouble.value.retry_after) == (health, wait)


async def test_a_boundless_answer_is_not_unpacked_beyond_the_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    async with serving() as served:
        served.server.fail("account", Reply(body=bomb, headers=GZIP))
        tracemalloc.start()
        with pytest.raises(SourceError, match="larger than"):
            await served.transport.get(served.server.url, "/api/account", COOKIE)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 8_000_000  # the limit is 2 MB; one chunk of this body alone has 16 MB


async def test_an_answer_that_never_comes_ends_at_the_deadline() -> None:
    never = asyncio.Event()
    async with serving(deadline=0.05) as served:
        served.server.fail("account", Reply(until=never))
        with pytest.raises(SourceError, match="no response in time"):
            await served.transport.get(served.server.url, "/api/account", COOKIE)


async def test_an_answer_that_is_not_http_is_reported() -> None:
    async def speak_otherwise(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(speak_otherwise, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, HttpClient(deadline=5) as transport:
        with pytest.raises(SourceError, match="not HTTP") as trouble:
            await transport.get(f"http://127.0.0.1:{port}", "/api/account", COOKIE)
    assert trouble.value.health is Health.UNREACHABLE


async def test_a_closed_port_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with HttpClient(deadline=5) as transport:
        with pytest.raises(SourceError, match="refused it or cannot be reached"):
            await transport.get(f"http://127.0.0.1:{port}", "/api/account", COOKIE)


async def test_a_name_without_an_address_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with HttpClient(deadline=5) as transport:
        with pytest.raises(SourceError, match="DNS"):
            await transport.get("http://claude.invalid", "/api/account", COOKIE)


async def test_a_certificate_nobody_vouches_for_is_reported_and_the_cookie_stays_home(tmp_path: Path) -> None:
    received: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))
    server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server, HttpClient(deadline=5) as transport:
        with pytest.raises(SourceError, match="TLS"):
            await transport.get(f"https://localhost:{port}", "/api/account", COOKIE)
    assert not any(KEY.encode() in read for read in received)


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize("address", ["", "claude.ai", "ftp://claude.ai", "http://", "http://[::1"])
async def test_an_address_that_is_none_is_reported(address: str) -> None:
    async with HttpClient(deadline=5) as transport:
        with pytest.raises(SourceError) as trouble:
            await transport.get(address, "/api/account", COOKIE)
    assert trouble.value.cause is Cause.UNREACHABLE


async def test_money_survives_the_way_exactly() -> None:
    async with serving() as served:
        served.organization.used = Decimal("1234.5")
        snapshot = await served.read_one()
    assert snapshot.extra_usage is not None
    assert snapshot.extra_usage.used is not None
    assert snapshot.extra_usage.used.minor == Decimal("1234.5")
