"""The driver of local-slack, an independent Slack workspace: one binary, one process, on loopback for its clients."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.ports import free_port

CHANNEL, USER, BOT = "C01GEN", "U01ALICE", "U0BOT"
BOT_TOKEN, APP_TOKEN, SIGNING_SECRET = "xoxb-peer", "xapp-peer", "peer-signing-secret"
_START_SECONDS = 15.0


class LocalSlack:
    """A running workspace. `post` drives it, `messages` shows its channel's messages."""

    def __init__(
        self, port: int, session: aiohttp.ClientSession, process: asyncio.subprocess.Process
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._session = session
        self._process = process

    async def pause(self) -> None:
        """Waits a moment before it is asked again: asked all the time, it uses the core that the bot needs."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), 0.05)
        code = self._process.returncode
        assert code is None, f"local-slack ended with status {code}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    async def command(self, command: str, text: str) -> None:
        await self._post("command", {"channel": CHANNEL, "user": USER, "command": command, "text": text})

    async def press(self, message: dict[str, Any], value: str) -> None:
        button = next(
            button
            for block in message["blocks"]
            if block["type"] == "actions"
            for button in block["elements"]
            if button["value"] == value
        )
        await self._post(
            "interact", {"channel": CHANNEL, "messageTs": message["ts"], "user": USER, "action": button}
        )

    async def messages(self) -> list[dict[str, Any]]:
        async with self._session.get(f"{self.url}/_control/messages/{CHANNEL}") as response:
            found: list[dict[str, Any]] = (await response.json())["messages"]
            return found

    async def message(
        self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 10.0
    ) -> dict[str, Any]:
        """The first matching message, as soon as there is one."""
        async with asyncio.timeout(seconds):
            while True:
                for message in await self.messages():
                    if wanted(message):
                        return message
                await self.pause()

    async def _post(self, what: str, body: dict[str, Any]) -> None:
        async with self._session.post(f"{self.url}/_control/{what}", json=body) as response:
            assert (await response.json())["ok"] is True


@asynccontextmanager
async def local_slack(binary: Path, folder: Path, bot_url: str | None = None) -> AsyncIterator[LocalSlack]:
    """With `bot_url` the app is in HTTP mode. The process is ended with the block, by force if need be."""
    config = folder / "workspace.json"
    config.write_text(json.dumps(_workspace(bot_url)))
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        str(binary), "--config", str(config), "--port", str(port), "--base-host", "127.0.0.1",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as session:
            slack = LocalSlack(port, session, process)
            await _answering(slack)
            yield slack
    finally:
        if process.returncode is None:
            process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 3)
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _answering(slack: LocalSlack) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            with suppress(aiohttp.ClientConnectionError):
                await slack.messages()
                return
            await slack.pause()


def _workspace(bot_url: str | None) -> dict[str, Any]:
    delivery = {"mode": "socket"} if bot_url is None else {"mode": "events", "requestUrl": bot_url}
    tokens = {"botToken": BOT_TOKEN, "appToken": APP_TOKEN, "signingSecret": SIGNING_SECRET}
    return {
        "workspace": {"name": "Peers", "domain": "peers", "teamId": "T01PEER"},
        "app": {"appId": "A01APP", "botUserId": BOT, "botName": "meterbot", **tokens, **delivery},
        "users": [{"id": USER, "name": "alice", "real_name": "Alice"}],
        "channels": [{"id": CHANNEL, "name": "general", "members": [USER, BOT]}],
    }
