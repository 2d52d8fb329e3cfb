"""The contract bites, and the simulated Discord keeps it in everything a bot makes it say."""

from typing import Any

import pytest

from meterbot.chat.discord.render import Payload, post_payload
from meterbot.core.errors import SendError
from tests.chat.discord.rig import DELIVERY, Answers, alert, chat_on, running
from tests.contracts.discord_openapi import MISSING, Contract, contract
from tests.missing import judged_by
from tests.simulator.discord import DiscordSimulator, Exchange
from tests.simulator.discord_faults import rate_limited

pytestmark = judged_by(MISSING, contract())

POST_MESSAGE = "/channels/{channel_id}/messages"


@pytest.fixture
def discord_says() -> Contract:
    found = contract()
    assert found is not None
    return found


def posting(payload: Payload) -> Exchange:
    return Exchange("POST", POST_MESSAGE, payload, 500, None)


def test_an_alert_is_a_message_discord_takes(discord_says: Contract) -> None:
    payload = post_payload(alert(), DELIVERY) | {"nonce": DELIVERY, "enforce_nonce": True}
    assert discord_says.problems(posting(payload)) == []


@pytest.mark.parametrize(
    "part",
    [
        {"embeds": [{"title": "x" * 257}]},
        {"embeds": [{"description": "x" * 4097}]},
        {"embeds": [{"fields": [{"name": "x"}]}]},
        {"embeds": [{"fields": [{"name": "x", "value": "x"}] * 26}]},
        {"embeds": [{"color": 2**24}]},
        {"embeds": [{"title": "x"}] * 11},
        {"nonce": "x" * 26},
        {"allowed_mentions": {"parse": ["nobody"]}},
        {
            "components": [
                {"type": 1, "components": [{"type": 2, "style": 2, "label": "x" * 81, "custom_id": "x"}]}
            ]
        },
    ],
)
def test_a_message_discord_would_refuse_is_found(discord_says: Contract, part: dict[str, Any]) -> None:
    assert discord_says.problems(posting({"content": "x", **part}))


def test_an_answer_that_lacks_what_discord_always_sends_is_found(discord_says: Contract) -> None:
    exchange = Exchange("GET", "/gateway", None, 200, {})
    assert discord_says.problems(exchange) == ["GET /gateway answer 200: $: 'url' is a required property"]


def test_a_route_discord_has_not_is_found(discord_says: Contract) -> None:
    exchange = Exchange("GET", "/channels/{channel_id}/secrets", None, 200, {})
    assert discord_says.problems(exchange) == [
        "GET /channels/{channel_id}/secrets: Discord has no such route"
    ]


def test_a_body_is_missed_and_a_needless_one_found(discord_says: Contract) -> None:
    assert discord_says.problems(Exchange("POST", POST_MESSAGE, None, 500, None))
    assert discord_says.problems(Exchange("GET", "/gateway", {}, 500, None))


async def test_a_whole_day_of_a_bot_keeps_the_contract(discord_says: Contract) -> None:
    async with DiscordSimulator() as discord:
        answers = Answers()
        async with running(discord, answers) as chat:
            await discord.until(lambda: discord.commands)
            posted = await chat.post(DELIVERY, discord.channel_id, alert())
            await chat.edit("e" * 16, posted, alert(actions=()))
            await chat.reply("r" * 16, posted, alert())
            await chat.find("f" * 16, discord.channel_id, discord.clock.now())
            discord.history_readable = False
            with pytest.raises(SendError, match="Read Message History"):
                await chat.find("f" * 16, discord.channel_id, discord.clock.now())
            discord.fail("POST", POST_MESSAGE, rate_limited(0.01))
            await chat.post("a" * 16, discord.channel_id, alert())
            for words in ("me", "share"):
                asked = await discord.slash(words)
                await discord.answer_to(asked)
            await discord.until(lambda: asked.followups)
            typed = await discord.type_ahead("m")
            await discord.until(lambda: typed.choices is not None)
        async with running(discord, guild_id=None):
            await discord.until(lambda: "global" in discord.commands)
        wrong = chat_on(discord, channel_id=999)
        with pytest.raises(SendError, match="channel_id"):
            await wrong.post(DELIVERY, "999", alert())
        await wrong.close()
        found = [problem for exchange in discord.exchanges for problem in discord_says.problems(exchange)]
        spoken = {f"{exchange.method} {exchange.path}" for exchange in discord.exchanges}
    assert found == []
    assert len(spoken) >= 12
