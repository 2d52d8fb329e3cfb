import asyncio
import socket
import ssl
from collections.abc import Callable

import httpx
import pytest

from meterbot.agent.transport import Answer, _sentence, address, exchange
from meterbot.agent.trouble import RefusedError, SetupError
from tests.agent.rig import PUSH_TOKEN, Answered, Meterbot


async def post(url: str, seconds: float = 5.0) -> Answer:
    headers = {"Authorization": f"Bearer {PUSH_TOKEN}"}
    return await asyncio.to_thread(lambda: exchange("POST", url, headers, b"{}", seconds=seconds))


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
    assert address(text, "METERBOT_URL", {}) == base


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://meterbot.example.com", "is http"),
        ("http://10.0.0.7:8080", "is http"),
        ("http://localhost.example.com", "is http"),
        ("meterbot.example.com", "not an address"),
        ("ftp://meterbot.example.com", "not an address"),
        ("https://", "not an address"),
        ("https://x:port", "not an address"),
        ("https://[::1", "not an address"),
        ("https://me\u200bterbot.example.com", "not an address"),
        ("https://meter\nbot.example.com", "not an address"),
        (f"https://:{PUSH_TOKEN}@meterbot.example.com", "plain address"),
        (f"https://meterbot.example.com/?token={PUSH_TOKEN}", "plain address"),
        (f"https://meterbot.example.com/#{PUSH_TOKEN}", "plain address"),
    ],
)
def test_an_address_that_no_token_may_be_sent_to(text: str, said: str) -> None:
    with pytest.raises(SetupError, match=f"METERBOT_URL .*{said}|METERBOT_URL {said}") as refused:
        address(text, "METERBOT_URL", {})
    assert PUSH_TOKEN not in str(refused.value)


def test_http_is_allowed_by_whoever_says_so() -> None:
    env = {"METERBOT_ALLOW_HTTP": "1"}
    assert address("http://meterbot.internal", "METERBOT_URL", env) == "http://meterbot.internal"


async def test_the_answer_comes_back_whatever_its_status(meterbot: Meterbot) -> None:
    meterbot.answers.append(Answered(418, {"Retry-After": "3"}, "tea"))
    answer = await post(meterbot.url)
    assert (answer.status, answer.headers["retry-after"], answer.body) == (418, "3", b"tea")
    assert repr(answer) == "Answer(418, 3 bytes)"


async def test_a_redirect_is_not_followed_with_the_token(meterbot: Meterbot) -> None:
    async with Meterbot() as elsewhere:
        meterbot.answers.append(Answered(307, {"Location": elsewhere.url}))
        assert (await post(meterbot.url)).status == 307
        assert elsewhere.pushes == []


async def test_no_proxy_gets_what_is_meant_for_this_machine(
    meterbot: Meterbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Meterbot() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        await post(meterbot.url)
        assert proxy.pushes == []


async def test_more_than_any_answer_needs_is_not_read(meterbot: Meterbot) -> None:
    meterbot.answers.append(Answered(200, {}, "x" * 2_000_001))
    with pytest.raises(RefusedError, match="more than 2000000 bytes"):
        await post(meterbot.url)


@pytest.mark.parametrize(
    "talk", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"SSH-2.0-x\r\n"]
)
async def test_a_connection_that_breaks_off_is_said_without_the_token(talk: bytes) -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(talk)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        with pytest.raises(RefusedError, match=r"^127\.0\.0\.1: the connection broke off") as refused:
            await post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert PUSH_TOKEN not in repr(refused.value)
    assert refused.value.__suppress_context__


async def test_nobody_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(RefusedError, match="no connection: is this machine online"):
        await post(f"http://127.0.0.1:{port}")


async def test_no_answer_in_time_is_said() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(RefusedError, match="no answer in time"),
    ):
        await post(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=0.2)


async def test_what_is_not_encrypted_where_it_should_be_is_said(meterbot: Meterbot) -> None:
    with pytest.raises(RefusedError, match="no secure connection"):
        await post(meterbot.url.replace("http:", "https:"))


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (lambda: httpx.ProxyError("x"), "proxy"),
        (lambda: httpx.ReadTimeout("x"), "in time"),
        (lambda: httpx.ConnectError("x"), "no connection"),
        (lambda: httpx.RemoteProtocolError("x"), "broke off"),
        (lambda: ssl.SSLCertVerificationError("x"), "certificate"),
    ],
)
def test_each_kind_of_failure_has_a_sentence(failure: Callable[[], Exception], said: str) -> None:
    assert said in _sentence(failure())
