"""`meterbot run` as a process, with a GitHub that others wrote: opened, committed, merged there, and told here."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from meterbot.app.github_endpoint import PATH
from meterbot.ingest.pushes import digest
from tests.e2e import process
from tests.peers.conftest import Peer
from tests.peers.emulate import TOKEN, emulate
from tests.ports import free_port

pytestmark = pytest.mark.peers

PUSH_TOKEN, SECRET = "mbpush_planted-push-token-of-ana", "planted-webhook-secret"


class Machine:
    """Ana's, which pushes."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = f"{url}/api/v1/snapshots", session

    async def pushes(self, cents: int, at: datetime) -> None:
        extra = {"is_enabled": True, "monthly_limit": 5000, "used_credits": cents, "currency": "USD"}
        body = {
            "org_uuid": "11111111-1111-4111-8111-111111111111",
            "fetched_at": at.isoformat(),
            "usage": {"five_hour": {"utilization": 100.0, "resets_at": None}, "extra_usage": extra},
        }
        headers = {"Authorization": f"Bearer {PUSH_TOKEN}"}
        async with self._session.post(self._url, json=body, headers=headers) as response:
            assert response.status == 202, await response.text()


def configuration(folder: Path, port: int, github: str) -> str:
    return f"""
database_url = "sqlite:///{folder}/meterbot.db"
[http]
bind = "127.0.0.1:{port}"
[github]
webhook_secret_env = "HOOK"
token_env = "TOKEN"
[endpoints]
github_api = "{github}"
[[seats]]
name = "ana"
source = "push"
push_token_sha256 = "{digest(PUSH_TOKEN)}"
owner = {{ github = "ana" }}
"""


@pytest.mark.timeout(120)
async def test_a_pull_request_that_is_merged_there_is_reported_here(peer: Peer, tmp_path: Path) -> None:
    port = free_port()
    async with emulate(peer("emulate"), tmp_path) as github:
        environ = {
            "METERBOT_CONFIG_TOML": configuration(tmp_path, port, github.url),
            "HOOK": SECRET,
            "TOKEN": TOKEN,
        }
        url = f"http://127.0.0.1:{port}"
        async with (
            process.started("run", environ=environ, cwd=tmp_path, module="tests.e2e.hurried") as running,
            aiohttp.ClientSession() as session,
        ):
            await process.line(running.stderr, lambda line: "started" in line)
            ana = Machine(url, session)
            await ana.pushes(100, datetime.now(UTC) - timedelta(minutes=5))
            await github.hook(f"{url}{PATH}", SECRET)
            await github.branch("change")
            await github.commit("change", "one.txt")
            await ana.pushes(247, datetime.now(UTC))
            await github.commit("change", "two.txt")
            number = await github.open("change")
            await github.merge(number)
            await ana.pushes(247, datetime.now(UTC) + timedelta(seconds=1))
            await github.branch("other")
            await github.commit("other", "three.txt")
            await github.close(await github.open("other"))
            announced = await process.line(running.stdout, lambda line: "PR #" in line)
            end = await process.stop(running)
        shown = await process.meterbot("pr", str(number), "--json", environ=environ, cwd=tmp_path)
    assert f"PR #{number}: $1.47 of extra usage (ana, app)" in announced
    (found,) = json.loads(shown.stdout)
    assert (found["repo"], found["dated_by"], found["settled"]) == ("ana/app", "commits", True)
    assert found["amounts"] == [{"currency": "USD", "amount": "1.47"}]
    assert end.status == 0
    assert not [secret for secret in (SECRET, TOKEN, PUSH_TOKEN) if secret in end.stderr]
