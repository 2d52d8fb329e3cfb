"""The test alert, through what posts the alerts."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from meterbot.cli.operations import try_alerts
from meterbot.core.findings import Check, Status
from tests.chat.secrets import watching
from tests.e2e.team import SECRETS, Team, team
from tests.simulator.discord_faults import refused as refused_by_discord
from tests.simulator.slack_faults import dropped

NOWHERE = "sqlite:////nowhere/at/all.db"
"""Cannot be opened."""
POST = "/channels/{channel_id}/messages"


@pytest.fixture
async def three() -> AsyncIterator[Team]:
    async with team() as made:
        yield made


async def tried(three: Team) -> list[Check]:
    return await try_alerts(three.config(NOWHERE), datetime.now(UTC), "test-alert")


async def test_a_test_alert_is_everywhere_and_says_where(three: Team) -> None:
    slack, discord = await tried(three)
    (on_slack,) = three.slack.messages()
    (on_discord,) = three.discord.messages()
    assert slack.sentence == f"slack {three.slack.channel}: posted as message {on_slack.ts}"
    assert discord.sentence == (f"discord {three.discord.channel_id}: posted as message {on_discord['id']}")
    assert three.on_discord() == ["Test: alerts arrive here"]


async def test_it_opens_no_database_and_no_connection_of_a_bot(three: Team) -> None:
    await tried(three)
    assert (three.slack.sockets, three.discord.gateway.live, three.discord.registrations) == (0, False, 0)


async def test_where_it_cannot_be_posted_it_says_why_and_the_other_chat_has_it(three: Team) -> None:
    three.slack.channels[three.slack.channel].member = False
    slack, discord = await tried(three)
    assert (slack.status, discord.status) == (Status.FAIL, Status.OK)
    assert "/invite the bot to the channel" in slack.sentence
    assert slack.remedy


async def test_an_answer_that_is_lost_is_looked_up_and_nothing_is_posted_twice(three: Team) -> None:
    three.slack.fail("chat.postMessage", dropped(accept=True))
    slack, _ = await tried(three)
    assert slack.status is Status.OK
    assert len(three.slack.messages()) == 1


async def test_a_doubt_that_cannot_be_settled_is_reported_as_one(three: Team) -> None:
    three.slack.fail("chat.postMessage", dropped(accept=False))
    slack, _ = await tried(three)
    assert (slack.status, "not known whether it arrived" in slack.sentence) == (Status.FAIL, True)


async def test_no_secret_is_shown_when_it_fails(
    three: Team, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    three.slack.scopes = ()
    three.discord.fail("POST", POST, refused_by_discord(403, 50013))
    with watching(caplog, capsys) as watch:
        found = await tried(three)
        for secret in SECRETS:
            watch.assert_hidden(secret, found)
    assert [check.status for check in found] == [Status.FAIL, Status.FAIL]
