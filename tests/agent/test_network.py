"""Which addresses a token may be sent to, and what is said when a request fails."""

import asyncio
import os
import socket
import ssl
from pathlib import Path

import pytest

from meterbot.agent import network
from meterbot.agent.network import Answer, base_address, certificates, exchange
from meterbot.agent.storage import Problem
from tests.agent.rig import PUSH_TOKEN, Answered, Home, Meterbot


async def post(url: str) -> Answer:
    headers = {"Authorization": f"Bearer {PUSH_TOKEN}"}
    return await asyncio.to_thread(lambda: exchange("POST", url, headers, b"{}"))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("https://meterbot.example.com", "https://meterbot.example.com"),
        ("https://meterbot.example.com/team/", "https://meterbot.example.com/team"),
        ("https://meterbot.example.com:8443", "https://meterbot.example.com:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_address_that_a_token_may_be_sent_to(text: str, base: str) -> None:
    assert base_address(text, "METERBOT_URL") == base


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://meterbot.example.com", "must begin with https://"),
        ("http://10.0.0.7:8080", "must begin with https://"),
        ("http://localhost.example.com", "must begin with https://"),
        ("meterbot.example.com", "must be a plain address"),
        ("ftp://meterbot.example.com", "must be a plain address"),
        ("https://", "must be a plain address"),
        ("https://x:port", "must be a plain address"),
        ("https://[::1", "must be a plain address"),
        ("https://me\u200bterbot.example.com", "must be a plain address"),
        ("https://meter\nbot.example.com", "must be a plain address"),
        (f"https://:{PUSH_TOKEN}@meterbot.example.com", "must be a plain address"),
        (f"https://meterbot.example.com/?token={PUSH_TOKEN}", "must be a plain address"),
        (f"https://meterbot.example.com/#{PUSH_TOKEN}", "must be a plain address"),
    ],
)
def test_an_address_that_no_token_may_be_sent_to(text: str, said: str) -> None:
    with pytest.raises(Problem, match=f"METERBOT_URL .*{said}|METERBOT_URL {said}") as refused:
        base_address(text, "METERBOT_URL")
    assert PUSH_TOKEN not in str(refused.value)


async def test_the_answer_comes_back_whatever_its_status(meterbot: Meterbot) -> None:
    meterbot.answers.append(Answered(418, {"Retry-After": "3"}, '{"tea": 1}'))
    answer = await post(meterbot.url)
    assert answer == (418, 3.0, {"tea": 1})


async def test_a_redirect_is_not_followed_with_the_token(meterbot: Meterbot) -> None:
    async with Meterbot() as elsewhere:
        meterbot.answers.append(Answered(307, {"Location": elsewhere.url}))
        assert (await post(meterbot.url)).status == 307
        assert elsewhere.pushes == []


async def test_no_proxy_gets_what_is_meant_for_this_machine(home: Home, meterbot: Meterbot) -> None:
    async with Meterbot() as proxy:
        home.env["http_proxy"] = proxy.url
        await post(meterbot.url)
        assert proxy.pushes == []


async def test_a_proxy_gets_what_is_meant_for_another_machine(home: Home) -> None:
    async with Meterbot() as proxy:
        home.env["http_proxy"] = proxy.url
        await post("http://meterbot.invalid/x")
        assert [push.headers["Host"] for push in proxy.pushes] == ["meterbot.invalid"]


async def test_a_proxy_that_refuses_is_named(home: Home) -> None:
    async with Meterbot() as proxy:
        proxy.answers.append(Answered(407))
        home.env["https_proxy"] = proxy.url
        with pytest.raises(Problem, match="the proxy refused to connect there: check HTTPS_PROXY"):
            await post("https://meterbot.invalid/x")


async def test_more_than_any_answer_needs_is_not_read(meterbot: Meterbot) -> None:
    meterbot.answers.append(Answered(200, {}, '{"a": "' + "x" * 2_000_000 + '"}'))
    with pytest.raises(Problem, match="the answer is too long"):
        await post(meterbot.url)


async def test_an_answer_that_comes_in_drips_is_waited_for_only_so_long(
    meterbot: Meterbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "ANSWER_SECONDS", -1.0)  # the deadline is over when the first byte comes
    with pytest.raises(Problem, match="or too slow"):
        await post(meterbot.url)


async def test_an_answer_that_is_no_json_has_no_document(meterbot: Meterbot) -> None:
    meterbot.answers.append(Answered(200, {}, '{"a": 1, "b": '))
    assert await post(meterbot.url) == (200, 0.0, None)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("talk", "said"),
    [
        (b"", "no connection, or it broke off"),
        (b"SSH-2.0-x\r\n", "no connection, or it broke off"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
            "the connection broke off before a whole answer came",
        ),
    ],
)
async def test_a_connection_that_breaks_off_is_said_without_the_token(talk: bytes, said: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(talk)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        with pytest.raises(Problem, match=rf"^127\.0\.0\.1: {said}") as refused:
            await post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert PUSH_TOKEN not in repr(refused.value)
    assert refused.value.__context__ is None or refused.value.__suppress_context__


@pytest.mark.usefixtures("home")
async def test_nobody_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Problem, match="is this machine online"):
        await post(f"http://127.0.0.1:{port}")


@pytest.mark.usefixtures("home")
async def test_no_answer_in_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "SILENT_SECONDS", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(Problem, match="no answer in time"),
    ):
        await post(f"http://127.0.0.1:{silent.getsockname()[1]}")


async def test_what_is_not_encrypted_where_it_should_be_is_said(meterbot: Meterbot) -> None:
    with pytest.raises(Problem, match="no connection, or it broke off"):
        await post(meterbot.url.replace("http:", "https:"))


def test_a_python_without_certificates_uses_the_systems(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = next(
        (
            path
            for path in ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
            if os.path.exists(path)  # noqa: PTH110 - texts
        ),
        None,
    )
    if bundle is None:
        pytest.skip("this machine has no file of certificates to copy")
    (tmp_path / "cert.pem").write_bytes(Path(bundle).read_bytes())
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    monkeypatch.setattr(network, "SYSTEM_CERTIFICATES", tmp_path / "cert.pem")
    del home.env["SSL_CERT_FILE"]
    context = certificates()
    assert context.get_ca_certs()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        home.env[name] = "/nowhere"
        assert not certificates().get_ca_certs()
        del home.env[name]
