"""`meterbot run` as a process, with a Slack that others wrote."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e import process
from tests.e2e.team import (
    DISCORD_TOKEN,
    SECRETS,
    SESSION_KEYS,
    Team,
    configuration,
    team,
)
from tests.peers.conftest import Peer
from tests.peers.local_slack import (
    APP_TOKEN,
    BOT,
    BOT_TOKEN,
    CHANNEL,
    LocalSlack,
    local_slack,
)

pytestmark = pytest.mark.peers


@pytest.fixture
def binary(peer: Peer) -> Path:
    return peer("local-slack-linux-x64") / "bin" / "local-slack"


def surroundings(three: Team, slack: LocalSlack, folder: Path) -> dict[str, str]:
    toml = configuration(
        f"sqlite:///{folder}/meterbot.db",
        claude_ai=three.claude.url,
        slack_api=slack.api_url,
        slack_channel=CHANNEL,
        discord=three.discord,
        poll_interval="2s",
    )
    tokens = {"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_APP_TOKEN": APP_TOKEN, "DISCORD_TOKEN": DISCORD_TOKEN}
    keys = {f"{name.upper()}_SESSION_KEY": key for name, key in SESSION_KEYS.items()}
    return {"METERBOT_CONFIG_TOML": toml, **tokens, **keys}


async def alert_with(three: Team, slack: LocalSlack, words: str) -> dict[str, Any]:
    """Waits until these words stand on both platforms; the message on Slack."""
    message = await slack.message(lambda one: words in one["text"], seconds=20)
    await three.discord.until(lambda: words in str(three.on_discord()), seconds=20)
    return message


@pytest.mark.timeout(120)
async def test_alerts_and_answers_on_both_platforms_and_nothing_twice(binary: Path, tmp_path: Path) -> None:
    async with team() as three, local_slack(binary, tmp_path) as slack:
        environ = surroundings(three, slack, tmp_path)
        three.block("ana")
        async with process.started("run", environ=environ, cwd=tmp_path) as running:
            alert = await alert_with(three, slack, "ana is BLOCKED")
            assert alert["user"] == BOT
            await slack.command("/claude-spend", "seat ana")
            answer = await slack.message(lambda one: "subtype" in one)
            assert "$50.00 / $50.00 (100%)  BLOCKED" in str(answer)
            on_discord = await three.discord.answer_to(await three.discord.slash("seat ana"))
            assert "$50.00 / $50.00 (100%)  BLOCKED" in str(on_discord)
            await three.slack.until(lambda: process.all_recorded(tmp_path / "meterbot.db"))
            running.kill()
            await process.ended(running)
        three.unblock("ana")
        three.block("cy")
        async with process.started("run", environ=environ, cwd=tmp_path) as running:
            await alert_with(three, slack, "cy is BLOCKED")
            await alert_with(three, slack, "ana is no longer blocked")
            await slack.message(lambda one: one.get("thread_ts") == alert["ts"])
            end = await process.stop(running)
        posted = [one for one in await slack.messages() if one["user"] == BOT and "subtype" not in one]
    assert end.status == 0
    assert not [secret for secret in SECRETS if secret in end.stderr]
    roots = [one for one in posted if one.get("thread_ts", one["ts"]) == one["ts"]]
    assert [one["ts"] for one in roots if "ana is no longer blocked" in one["text"]] == [alert["ts"]]
    assert sum("ana is BLOCKED" in one["text"] for one in roots) == 0
    assert sum("cy is BLOCKED" in one["text"] for one in roots) == 1
    assert sum("Resolved: ana is BLOCKED" in title for title in three.on_discord()) == 1
    assert sum("cy is BLOCKED" in title for title in three.on_discord()) == 1
