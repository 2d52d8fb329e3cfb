"""The driver of emulate, an independent GitHub: one process of Node.js on loopback."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.peers.node import NODE
from tests.ports import free_port

OWNER, REPOSITORY, TOKEN = "ana", "ana/app", "planted-emulate-token"
_START_SECONDS = 30.0


class Emulate:
    """A running GitHub with one repository. `call` drives it as its owner."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def call(self, method: str, path: str, **body: Any) -> Any:
        async with self._session.request(method, f"{self.url}{path}", json=body or None) as response:
            assert response.status < 300, f"{method} {path}: {response.status} {await response.text()}"
            return await response.json()

    async def hook(self, url: str, secret: str) -> None:
        """Makes GitHub send webhooks about pull requests."""
        config = {"url": url, "content_type": "json", "secret": secret}
        await self.call(
            "POST", f"/repos/{REPOSITORY}/hooks", config=config, events=["pull_request"], active=True
        )

    async def branch(self, name: str) -> None:
        main = await self.call("GET", f"/repos/{REPOSITORY}/git/ref/heads/main")
        await self.call(
            "POST", f"/repos/{REPOSITORY}/git/refs", ref=f"refs/heads/{name}", sha=main["object"]["sha"]
        )

    async def commit(self, branch: str, path: str) -> None:
        content = base64.b64encode(b"a change").decode()
        await self.call(
            "PUT", f"/repos/{REPOSITORY}/contents/{path}", message="a change", content=content, branch=branch
        )

    async def open(self, branch: str) -> int:
        made = await self.call(
            "POST", f"/repos/{REPOSITORY}/pulls", title="a change", head=branch, base="main"
        )
        number: int = made["number"]
        return number

    async def merge(self, number: int) -> None:
        await self.call("PUT", f"/repos/{REPOSITORY}/pulls/{number}/merge", merge_method="merge")

    async def close(self, number: int) -> None:
        await self.call("PATCH", f"/repos/{REPOSITORY}/pulls/{number}", state="closed")


@asynccontextmanager
async def emulate(package: Path, folder: Path) -> AsyncIterator[Emulate]:
    """The process is ended with the block, by force if need be."""
    seed = folder / "github.json"
    user = {"login": OWNER, "name": "Ana", "email": "ana@example.com"}
    seed.write_text(
        json.dumps(
            {
                "tokens": {TOKEN: {"login": OWNER, "scopes": ["repo", "admin:repo_hook"]}},
                "github": {"users": [user], "repos": [{"owner": OWNER, "name": "app", "auto_init": True}]},
            }
        )
    )
    port = free_port()
    words = ["start", "--service", "github", "--host", "127.0.0.1", "--port", str(port), "--seed", str(seed)]
    process = await asyncio.create_subprocess_exec(
        str(NODE), str(package / "dist" / "index.js"), *words,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
            github = Emulate(f"http://127.0.0.1:{port}", session)
            await _answering(github, process)
            yield github
    finally:
        if process.returncode is None:
            process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 3)
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _answering(github: Emulate, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            assert process.returncode is None, f"emulate ended with status {process.returncode}"
            with suppress(aiohttp.ClientConnectionError):
                await github.call("GET", "/user")
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 0.05)
