"""A network whose only way out is a CONNECT proxy that opens TLS with a company's certificate."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from meterbot.app.github_endpoint import PATH as HOOK_PATH
from meterbot.sources.http_client import HttpClient
from meterbot.sources.responses import SourceError
from tests.app.test_watchdog import SECRET_PATH, alarm
from tests.e2e import process
from tests.e2e.team import Team, team
from tests.e2e.tls import USAGE
from tests.ports import free_port
from tests.simulator.admin_api import AdminApi
from tests.simulator.github import GitHub

PASSWORD = "planted-proxy-password"
CLAUDE, SLACK, DISCORD, PING = "claude.test", "slack.test", "discord.test", "ping.test"
ANTHROPIC, GITHUB = "anthropic.test", "github.test"
ADMIN_KEY, HOOK = "sk-ant-admin01-planted-0123456789", "planted-webhook-secret"


@dataclass
class Proxy:
    """`hosts`: the loopback port behind each name. `connected`: what was asked for; `refused`: without the password."""

    hosts: Mapping[str, int]
    tls: ssl.SSLContext
    port: int = 0
    connected: list[str] = field(default_factory=list)
    refused: int = 0

    @property
    def url(self) -> str:
        return f"http://meterbot:{PASSWORD}@127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, *_ = head.split()
        host = target.partition(":")[0]
        sign_in = base64.b64encode(f"meterbot:{PASSWORD}".encode()).decode()
        if f"Basic {sign_in}" not in head:
            self.refused += 1
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            return
        if method != "CONNECT" or host not in self.hosts:
            writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            return
        self.connected.append(host)
        there = await asyncio.open_connection("127.0.0.1", self.hosts[host])
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            await writer.start_tls(self.tls)
            await asyncio.gather(_pipe(reader, there[1]), _pipe(there[0], writer))
        finally:
            there[1].close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxying(folder: Path, hosts: Mapping[str, int]) -> AsyncIterator[tuple[Proxy, Path]]:
    """The proxy, and the file with the company's certificate."""
    authority, context = certificates(folder, list(hosts))
    proxy = Proxy(hosts, context)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy, authority
    finally:
        server.close()


def certificates(folder: Path, hosts: list[str]) -> tuple[Path, ssl.SSLContext]:
    """A company's own authority, and a certificate of it for these hosts."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("A company", hosts[0])]
    now, made = datetime.now(UTC), []
    for turn in range(2):
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[turn])
            .issuer_name(names[0])
            .public_key(keys[turn].public_key())
            .serial_number(turn + 1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=turn == 0, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys[turn].public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), critical=False
            )
        )
        if turn:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
            builder = builder.add_extension(alternatives, critical=False)
        else:
            builder = builder.add_extension(USAGE, critical=True)
        made.append(builder.sign(keys[0], hashes.SHA256()))
    authority, server = folder / "company.pem", folder / "server.pem"
    authority.write_bytes(made[0].public_bytes(serialization.Encoding.PEM))
    key = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server.write_bytes(key + made[1].public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    return authority, context


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def outside(three: Team, port: int) -> str:
    """The configuration with names that only the proxy knows; with an organization on the API, and pull requests."""
    three.slack.socket_base, three.discord.gateway_base = f"wss://{SLACK}", f"wss://{DISCORD}/"
    extra = f"""anthropic_api = "https://{ANTHROPIC}"
github_api = "https://{GITHUB}"
[http]
bind = "127.0.0.1:{port}"
[github]
webhook_secret_env = "HOOK"
token_env = "GITHUB_TOKEN"
[[seats]]
name = "api"
source = "admin_api"
token_env = "ADMIN_KEY"
"""
    text = three.toml("sqlite:///meterbot.db", extra, poll_interval="20s")
    named = {CLAUDE: three.claude.url, SLACK: three.slack.api_url, DISCORD: three.discord.api_url}
    text = text.replace('slack = "UANA1"', 'slack = "UANA1", github = "ana"')
    for host, url in named.items():
        text = text.replace(f"http://127.0.0.1:{port_of(url)}", f"https://{host}")
    return text


async def merged(github: GitHub, port: int) -> None:
    """Reports a merged pull request to the bot."""
    now = datetime.now(UTC)
    opened, commit = now - timedelta(hours=2), now - timedelta(hours=1)
    pull = github.merge("acme/app", 7, "ana", commits=[commit], opened_at=opened, merged_at=now)
    status, body = await github.deliver(pull, f"http://127.0.0.1:{port}{HOOK_PATH}", HOOK)
    assert status == 202, body


async def test_everything_connects_through_the_only_way_out(tmp_path: Path) -> None:
    port = free_port()
    async with team() as three, alarm() as there, AdminApi(ADMIN_KEY) as api, GitHub() as github:
        hosts = {
            CLAUDE: port_of(three.claude.url),
            SLACK: port_of(three.slack.api_url),
            DISCORD: port_of(three.discord.api_url),
            PING: port_of(there.url),
            ANTHROPIC: port_of(api.url),
            GITHUB: port_of(github.url),
        }
        async with proxying(tmp_path, hosts) as (proxy, authority):
            environ = {
                **three.environ,
                "METERBOT_CONFIG_TOML": outside(three, port),
                "METERBOT_PING_URL": f"https://{PING}{SECRET_PATH}",
                "ADMIN_KEY": ADMIN_KEY,
                "HOOK": HOOK,
                "GITHUB_TOKEN": github.token,
                "HTTPS_PROXY": proxy.url,
                "HTTP_PROXY": proxy.url,
                "SSL_CERT_FILE": str(authority),
                # A process of its own: aiohttp reads the certificates when it is imported, before a fork.
                "PYTHONUNBUFFERED": "1",
            }
            checked = await process.meterbot("check", "--live", environ=environ, cwd=tmp_path)
            assert PASSWORD not in checked.stdout + checked.stderr
            assert f"the dead man's switch through http://127.0.0.1:{proxy.port}" in checked.stdout
            assert "fail  " not in checked.stdout, checked.stdout
            proxy.connected.clear()
            async with process.started(
                "run", environ=environ, cwd=tmp_path, module="tests.e2e.hurried"
            ) as running:
                await process.line(running.stderr, lambda line: "started" in line)
                await merged(github, port)
                await three.slack.until(
                    lambda: (
                        three.slack.sockets > 0
                        and three.discord.gateway.live
                        and set(hosts) == set(proxy.connected)
                    ),
                    seconds=process.SECONDS / 2,
                )
                await process.stop(running)
        assert proxy.refused == 0
        three.claude.assert_expected_only()


async def test_a_proxy_that_refuses_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxying(tmp_path, {CLAUDE: 9}) as (proxy, _):
        monkeypatch.setenv("HTTPS_PROXY", f"http://meterbot:{PASSWORD}-old@127.0.0.1:{proxy.port}")
        async with HttpClient(deadline=5) as http:
            with pytest.raises(SourceError, match="the proxy that the environment names refuses") as trouble:
                await http.get(f"https://{CLAUDE}", "/api/account", {})
    assert (proxy.refused, proxy.connected) == (1, [])
    assert PASSWORD not in repr(trouble.value)
