"""A teammate joins: the line of `/claude-spend join` on a machine with nothing but Python, and the page of its code."""

import asyncio
import json
import os
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from meterbot.app.agent_script import agent_script
from meterbot.app.join_endpoint import EXPIRED
from meterbot.app.run import Bot
from meterbot.commands.invitations import new_seat
from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from meterbot.ingest.pushes import make_code
from meterbot.store import push_tokens
from qa.e2e.test_handing_in import House, command_on_slack, document, opened
from tests.agent.pythons import OLDEST, THIS
from tests.agent.rig import ACCESS, ACCOUNT, ORG, credentials, program
from tests.e2e import process
from tests.e2e.browser import CHROMIUM, browsing
from tests.e2e.tls import make_certificate, server_context, tls_proxy
from tests.missing import judged_by
from tests.ports import free_port
from tests.simulator.anthropic_api import AnthropicApi
from tests.simulator.slack import SlackSimulator

A_MINUTE = 60.0


@dataclass
class Site:
    """A bot whose public address is https."""

    house: House
    url: str
    certificate: Path

    async def line(self, user: str = "UANA1", words: str = "join") -> str:
        said = await self.house.slack.answer(await self.house.slack.slash("/claude-spend", words, user=user))
        return command_on_slack(said.payload)

    async def code(self) -> str:
        """The address in the line."""
        return (await self.line()).split()[2]

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        trusting = ssl.create_default_context(cafile=str(self.certificate))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session:
            yield session


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    certificate, key = make_certificate(tmp_path)
    port = free_port()
    async with tls_proxy(port, server_context(certificate, key)) as public:
        url = f"https://127.0.0.1:{public}"
        async with opened(tmp_path, port=port, public_url=url) as house:
            yield Site(house, url, certificate)


def machine(folder: Path, interpreter: str, site: Site, anthropic: AnthropicApi) -> dict[str, str]:
    """The environment of a machine with a Python, curl, cron and a sign-in of Claude Code, and nothing else."""
    tools = folder / "bin"
    program(tools, "crontab", f"import sys; open({str(folder / 'crontab')!r}, 'a').write(sys.stdin.read())")
    (tools / "python3").symlink_to(interpreter)
    curl = shutil.which("curl")
    assert curl is not None
    (tools / "curl").symlink_to(curl)
    (folder / ".claude").mkdir()
    (folder / ".claude/.credentials.json").write_text(json.dumps(credentials()))
    return {
        "HOME": str(folder),
        "PATH": str(tools),
        "SSL_CERT_FILE": str(site.certificate),
        "METERBOT_ANTHROPIC_API": anthropic.url,
        "LOCALAPPDATA": str(folder / "appdata"),  # WSL may pass it on; only on Windows it means something
    }


@asynccontextmanager
async def running(bot: Bot) -> AsyncIterator[None]:
    """The bot's own loop, which delivers what waits."""
    stop = asyncio.Event()
    task = asyncio.create_task(bot.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


def posted(slack: SlackSimulator, text: str) -> list[dict[str, Any]]:
    return [call for call in slack.called("chat.postMessage") if text in str(call)]


async def shell(line: str, env: dict[str, str]) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        line,
        env=env,
        cwd=env["HOME"],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


@judged_by("curl", shutil.which("curl"))
@pytest.mark.parametrize("python", [OLDEST, THIS])
async def test_one_line_brings_a_seat_s_first_number_into_the_team_answer_within_a_minute(
    site: Site, tmp_path: Path, python: str
) -> None:
    folder = tmp_path / "machine"
    folder.mkdir()
    async with AnthropicApi() as anthropic:
        organization = SimulatedOrganization(ORG)
        organization.used += 420
        anthropic.sign_in(ACCESS, account=ACCOUNT, organization=organization)
        env = machine(folder, python, site, anthropic)
        began = time.monotonic()
        status, said = await shell(await site.line(), env)
        team = await site.house.slack.answer(await site.house.slack.slash("/claude-spend", "", user="UANA1"))
        assert time.monotonic() - began < A_MINUTE
        assert said.startswith("ana: numbers sent ($4.20 of $50.00)\n"), said
        assert status == 0
        assert "$4.20" in str(team.payload)

        slack = site.house.slack
        async with running(site.house.bot):
            await slack.until(lambda: posted(slack, "ana is connected: $4.20 of $50.00"))

        agents = await site.house.bot.store.read(push_tokens.read_agents)
        assert agents == {"ana": agent_script().version}
        script = folder / ".local/share/meterbot/meterbot-agent.py"
        assert script.read_bytes() == agent_script().text
        assert f"{script} --settings" in (folder / "crontab").read_text()

        status, said = await shell(f"python3 {script} uninstall", env)
        assert (status, "deleted" in said, script.exists()) == (0, True, False)
        assert list((folder / ".local/share/meterbot").iterdir()) == []
        assert not (folder / "appdata").exists()


async def test_a_person_who_was_invited_at_the_terminal_joins_without_a_restart(
    site: Site, tmp_path: Path
) -> None:
    slack, bot = site.house.slack, site.house.bot
    environ = {"METERBOT_CONFIG_TOML": site.house.config, "SLACK_BOT_TOKEN": slack.bot_token}
    environ |= {"SLACK_APP_TOKEN": slack.app_token, "DISCORD_TOKEN": site.house.discord.token}
    async with running(bot):
        ended = await process.meterbot("seat", "invite", "cleo=UCLEO1", environ=environ, cwd=tmp_path)
        assert (ended.status, ended.stdout) == (
            0,
            "cleo: a direct message to its owner is queued on Slack.\n",
        )
        await slack.until(lambda: posted(slack, "Connect cleo to meterbot"))
        assert "join:cleo" in str(posted(slack, "Connect cleo to meterbot"))
        address = (await site.line("UCLEO1")).split()[2]
        async with site.session() as session, session.post(address) as traded:
            token = (await traded.json())["token"]
        assert await site.house.push(token, document(site.house)) == 202
        team = await slack.answer(await slack.slash("/claude-spend", "", user="UANA1"))
        assert "cleo" in str(team.payload)
        assert "$17.20" in str(team.payload)
        ended = await process.meterbot("seat", "forget", "cleo", "--yes", environ=environ, cwd=tmp_path)
        assert ended.status == 0
        assert await site.house.push(token, document(site.house)) == 401


async def test_a_code_works_once_and_for_its_own_seat(site: Site) -> None:
    address = await site.code()
    async with site.session() as session:
        async with session.get(address) as shown:  # a chat that previews links
            assert shown.status == 200
        async with session.post(address) as traded:
            traded_body = await traded.json()
            assert (traded.status, traded_body["seat"]) == (200, "ana")
            assert traded.headers["Cache-Control"] == "no-store"
        async with session.post(address) as again:
            assert again.status == 404
            assert "older than ten minutes" in (await again.json())["error"]
        async with session.get(address) as gone:
            assert (gone.status, "SystemExit" in await gone.text()) == (200, True)
        async with session.get(address, headers={"Accept": "text/html"}) as page:
            assert (page.status, "no longer valid" in await page.text()) == (404, True)
        bot = site.house.bot
        for seat in ("nobody", "cy"):  # a seat that was removed, and one that the bot reads itself
            code = await make_code(bot.store, seat, bot.clock.now())
            async with session.post(f"{site.url}/join/{code}") as refused:
                assert refused.status == 404
    assert [one.seat for one in await site.house.bot.store.read(push_tokens.read)] == ["ana"]
    assert traded_body["token"] not in site.house.seen_by_others()
    assert address.rpartition("/")[2] not in site.house.seen_by_others()


@judged_by("curl", shutil.which("curl"))
@pytest.mark.parametrize("python", [OLDEST])
async def test_the_line_says_why_it_does_nothing(site: Site, tmp_path: Path, python: str) -> None:
    folder = tmp_path / "machine"
    folder.mkdir()
    async with AnthropicApi() as anthropic:
        env = machine(folder, python, site, anthropic)
        line = await site.line()
        status, said = await shell(f"{line} --dry-run", env)
        assert status == 1
        assert f"This line takes no options. To see what would be sent: curl -fsSL {site.url}/agent" in said
        assert await site.house.bot.store.read(push_tokens.read) == []
        assert not (folder / ".local").exists()
        async with site.session() as session, session.post(line.split()[2]) as traded:
            assert traded.status == 200  # the code was not used up
        status, said = await shell(line, env)
        assert (status, said) == (1, f"{EXPIRED}\n")
        async with site.session() as session:
            for n in range(20):
                async with session.get(f"{site.url}/join/guess-{n}") as answer:
                    assert answer.status == 200
        status, said = await shell(line, env)
        assert (status, said.startswith("Too many wrong codes came from this address: wait ")) == (1, True)


async def test_an_address_that_tries_codes_is_told_to_wait(site: Site) -> None:
    good = await site.code()
    async with site.session() as session:
        statuses = []
        for n in range(22):
            async with session.post(f"{site.url}/join/guess-{n}") as answer:
                statuses.append(answer.status)
        assert statuses == [404] * 20 + [429] * 2
        async with session.post(good) as answer:
            assert (answer.status, int(answer.headers["Retry-After"]) > 0) == (429, True)


async def test_the_agent_is_served_with_its_version_and_digest(site: Site) -> None:
    script = agent_script()
    async with site.session() as session, session.get(f"{site.url}/agent") as answer:
        assert await answer.read() == script.text
        assert answer.headers["X-Meterbot-Agent-Version"] == script.version
        assert answer.headers["X-Meterbot-Agent-SHA256"] == script.digest
        tag = answer.headers["ETag"]
        async with session.head(f"{site.url}/agent") as looked:
            assert (looked.status, looked.headers["X-Meterbot-Agent-SHA256"]) == (200, script.digest)
        async with session.get(f"{site.url}/agent", headers={"If-None-Match": tag}) as again:
            assert again.status == 304


@pytest.mark.parametrize("python", [OLDEST])
async def test_the_script_does_not_start_an_agent_that_is_not_the_announced_one(
    site: Site, tmp_path: Path, python: str
) -> None:
    async with site.session() as session, session.get(await site.code()) as shown:
        script = await shown.text()
    assert script.isascii()
    changed = script.replace(agent_script().digest, "0" * 64)
    path = tmp_path / "changed.py"
    path.write_text(changed)
    env = {"HOME": str(tmp_path), "PATH": os.defpath, "SSL_CERT_FILE": str(site.certificate)}
    status, said = await shell(f"{python} {path}", env)
    assert (status, "is not the file that was announced" in said) == (1, True)
    untrusting = {name: value for name, value in env.items() if name != "SSL_CERT_FILE"}
    status, said = await shell(f"{python} {path}", untrusting)
    assert (status, "cannot download" in said, "CERTIFICATE_VERIFY_FAILED" in said) == (1, True, True)
    assert not (tmp_path / ".local").exists()


@pytest.mark.parametrize("python", [OLDEST])
async def test_the_script_says_when_the_download_breaks_off(site: Site, tmp_path: Path, python: str) -> None:
    async with site.session() as session, session.get(await site.code()) as shown:
        script = await shown.text()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nimport")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        there = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        (tmp_path / "cut.py").write_text(script.replace(site.url, there))
        env = {"HOME": str(tmp_path), "PATH": os.defpath}
        status, said = await shell(f"{python} {tmp_path / 'cut.py'}", env)
    assert (status, said.startswith(f"cannot download {there}/agent: ")) == (1, True)
    assert not (tmp_path / ".local").exists()


@judged_by("Chromium", CHROMIUM)
async def test_the_page_of_a_code_reads_well_on_a_phone_in_the_dark_and_without_javascript(
    site: Site, tmp_path: Path
) -> None:
    address = (await site.code()).replace(site.url, site.house.url)
    async with browsing(tmp_path) as page:
        await page.phone(width=390, dark=True)
        await page.open(address)
        assert await page.value("document.title") == "Connect ana to meterbot"
        assert await page.value("document.documentElement.scrollWidth") == 390
        assert await page.value("document.querySelectorAll('button').length") == 5
        assert (
            await page.value("Math.min(...[...document.querySelectorAll('button')].map(b => b.offsetHeight))")
            >= 44
        )
        shade = await page.value("getComputedStyle(document.documentElement).colorScheme")
        assert shade == "light dark"
        lines = await page.value("[...document.querySelectorAll('pre.copy')].map(line => line.textContent)")
        code = address.rpartition("/")[2]
        assert lines[:2] == [
            f"curl -fsSL {site.url}/join/{code} | python3 -",
            f"irm {site.url}/join/{code} | python -",
        ]
        assert agent_script().digest in await page.value("document.body.innerText")
        await page.without_javascript()
        await page.open(address)
        assert "Stop and delete it" in await page.text()
        assert "<button" not in await page.text()
        assert page.complaints == []
    async with site.session() as session, session.post(f"{site.url}/join/{code}") as traded:
        assert traded.status == 200  # looking has not used it up


async def test_an_invitation_that_slack_may_not_deliver_waits_and_status_names_the_missing_scope(
    site: Site,
) -> None:
    slack, bot = site.house.slack, site.house.bot
    slack.scopes = tuple(scope for scope in slack.scopes if scope != "im:write")
    async with running(bot):
        await bot.invitations.invite([new_seat("cleo", {"slack": "UCLEO1"})], bot.clock.now())
        await slack.until(lambda: slack.called("conversations.open"))

        async def status() -> str:
            asked = await slack.slash("/claude-spend", "status", user="UANA1")
            return str((await slack.answer(asked)).payload)

        while "missing_scope im:write (add the scope to the app and reinstall it)" not in await status():
            assert posted(slack, "Connect cleo to meterbot") == []
        assert "1 message waiting" in await status()
