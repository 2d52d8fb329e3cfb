"""What Slack says of tokens, scopes and the channel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from meterbot.chat.slack.check import SlackCheck
from meterbot.chat.slack.manifest import SCOPES
from meterbot.core.findings import Check, Status
from tests.chat.secrets import watching
from tests.simulator.slack import SlackSimulator
from tests.simulator.slack_faults import Fault, page, refused, server_error


def present() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def looking(slack: SlackSimulator, token: str | None = None) -> AsyncIterator[SlackCheck]:
    async with SlackCheck(token or slack.bot_token, slack.api_url, now=present, seconds=5.0) as check:
        yield check
    assert slack.unexpected == []
    assert slack.messages() == []


def scopes_of(found: list[Check]) -> list[Check]:
    return [check for check in found if check.id == "slack_scopes"]


async def test_a_sound_set_up_is_all_well_and_opens_no_socket() -> None:
    async with SlackSimulator() as slack, looking(slack) as check:
        found = [*await check.bot(), await check.channel(slack.channel), await check.app(slack.app_token)]
        assert slack.sockets == 0
    assert [(one.id, one.status) for one in found] == [
        (name, Status.OK) for name in ("slack_token", "slack_scopes", "slack_channel", "slack_socket")
    ]
    assert check.team == "Simulated"


@pytest.mark.parametrize("which", ["bot", "app"])
async def test_a_wrong_token_is_reported_and_not_shown(
    which: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = f"{'xoxb' if which == 'bot' else 'xapp'}-planted-wrong-token"
    async with SlackSimulator() as slack, looking(slack, planted if which == "bot" else None) as check:
        with watching(caplog, capsys) as watch:
            found = (await check.bot())[0] if which == "bot" else await check.app(planted)
            watch.assert_hidden(planted, found, check)
    assert (found.status, found.sentence.endswith("invalid_auth")) == (Status.FAIL, True)
    assert found.remedy


async def test_tokens_that_were_mixed_up_are_told_so() -> None:
    async with SlackSimulator() as slack, looking(slack, slack.app_token) as check:
        (bot,) = await check.bot()
    assert "xoxb- for the bot" in str(bot.remedy)


async def test_each_missing_scope_is_reported_with_what_is_lost() -> None:
    async with SlackSimulator(scopes=("commands",)) as slack, looking(slack) as check:
        sentences = scopes_of(await check.bot(direct_messages=True))
    missing = [scope for scope in SCOPES if "commands" not in scope.names]
    assert [(one.status, one.sentence) for one in sentences] == [
        (Status.FAIL if scope.vital else Status.WARN, f"without {' or '.join(scope.names)} {scope.lost}")
        for scope in missing
    ]
    assert all(one.remedy for one in sentences)


async def test_without_a_history_scope_nobody_can_see_whether_the_bot_is_in_the_channel() -> None:
    async with SlackSimulator(scopes=("chat:write", "commands")) as slack, looking(slack) as check:
        found = await check.channel(slack.channel)
    assert (found.status, "channels:history" in str(found.remedy)) == (Status.WARN, True)


async def test_a_channel_without_the_bot_wants_an_invitation() -> None:
    async with SlackSimulator() as slack, looking(slack) as check:
        slack.channels[slack.channel].member = False
        found = await check.channel(slack.channel)
    assert (found.status, found.remedy) == (Status.FAIL, "/invite the bot to the channel")


async def test_a_channel_that_slack_does_not_know_is_reported() -> None:
    async with SlackSimulator() as slack, looking(slack) as check:
        found = await check.channel("C404")
    assert (found.status, found.sentence) == (
        Status.FAIL,
        "Slack rejects the channel C404: channel_not_found",
    )


@pytest.mark.parametrize("fault", [server_error(), refused("internal_error")])
async def test_an_outage_is_not_taken_for_a_wrong_token(fault: Fault) -> None:
    async with SlackSimulator() as slack, looking(slack) as check:
        slack.fail("auth.test", fault)
        (found,) = await check.bot()
    assert found.status is Status.FAIL
    assert "could not be checked" in found.sentence
    assert "network" in str(found.remedy)


async def test_a_page_of_somebody_else_is_no_answer() -> None:
    async with SlackSimulator() as slack, looking(slack) as check:
        slack.fail("auth.test", page("<html>sign in</html>", status=403))
        (found,) = await check.bot()
    assert (found.status, "not Slack's" in found.sentence) == (Status.FAIL, True)


async def test_the_difference_of_the_clocks_is_known_once_slack_has_answered() -> None:
    async with SlackSimulator() as slack, looking(slack) as check:
        gaps = [check.ahead]
        await check.bot()
        gaps.append(check.ahead)
    assert gaps[0] is None
    assert gaps[1] is not None
    assert abs(gaps[1]) < timedelta(seconds=5)


async def test_a_rotating_token_is_refused_before_slack_is_asked() -> None:
    async with SlackSimulator() as slack, looking(slack, "xoxe.xoxb-1-planted") as check:
        (found,) = await check.bot()
        assert slack.called("auth.test") == []
    assert (found.status, "rotation" in found.sentence) == (Status.FAIL, True)


async def test_scopes_of_direct_messages_are_missed_only_where_they_are_configured() -> None:
    scopes = ("chat:write", "commands", "app_mentions:read", "channels:history", "usergroups:read")
    async with SlackSimulator(scopes=scopes) as slack, looking(slack) as check:
        assert [one.status for one in scopes_of(await check.bot())] == [Status.OK]
        assert len(scopes_of(await check.bot(direct_messages=True))) == 2


async def test_the_socket_is_really_opened() -> None:
    async with SlackSimulator() as slack, looking(slack) as check:
        assert (await check.app(slack.app_token)).status is Status.OK
        assert slack.hellos == 1
        slack.refuse_handshakes = 1
        found = await check.app(slack.app_token)
    assert (found.status, "WebSocket" in found.sentence) == (Status.FAIL, True)
