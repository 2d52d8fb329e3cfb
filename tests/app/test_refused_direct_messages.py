"""An owner who takes no direct messages, in the whole bot: the channel has the alert, as far as it may see it."""

from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from meterbot.app.build import assembled
from meterbot.commands.invitations import new_seat
from meterbot.core.clock import ManualClock
from tests.chat.discord.rig import POST_MESSAGE
from tests.e2e.team import NOW, Team, play, shown, team
from tests.simulator import discord_faults, slack_faults

OWNER_ALONE = '[[alerts.routes]]\nto = ["owner"]\n'


def refuse_direct(three: Team) -> None:
    """The next message on each chat, which is one to ana."""
    three.slack.fail("chat.postMessage", slack_faults.refused("messages_tab_disabled"))
    refused = discord_faults.refused(403, 50007, "Cannot send messages to this user")
    three.discord.fail("POST", POST_MESSAGE, refused)


@pytest.mark.parametrize(
    ("privacy", "who"),
    [("", "ana"), ('[privacy]\nrows = "anonymous"\n', "A seat")],
    ids=["named", "anonymous"],
)
async def test_a_block_whose_owner_takes_no_direct_messages_is_in_the_channel_and_ends_there(
    tmp_path: Path, privacy: str, who: str
) -> None:
    clock = ManualClock(NOW)
    async with team(clock) as three:
        config = three.config(f"sqlite:///{tmp_path}/meterbot.db", OWNER_ALONE + privacy)
        async with assembled(config, clock) as bot:
            await bot.run_once()
            await play(bot, clock)
            refuse_direct(three)
            three.block("ana")
            with capture_logs() as logs:
                await play(bot, clock)
            moved = [line for line in logs if line["event"].startswith("a direct message was refused")]
            assert sorted(line["chat"] for line in moved) == ["discord", "slack"]
            assert three.slack.called("chat.postMessage")[0]["channel"] != three.slack.channel
            (on_slack,) = three.slack.messages()
            (on_discord,) = three.discord.messages()
            for said, whole in ((on_slack.text, on_slack.payload), (shown(on_discord), on_discord)):
                assert f"{who} is BLOCKED: $50.00 of $50.00" in said
                assert "does not accept direct messages" in str(whole)
                assert who == "ana" or "ana" not in str(whole)
            three.unblock("ana")
            await play(bot, clock, rounds=2)
            (root,) = three.slack.messages()
            assert f"{who} is no longer blocked" in "".join(each.text for each in three.slack.replies(root))
            assert any(f"{who} is no longer blocked" in text for text in three.on_discord())


async def test_an_invitation_that_slack_does_not_let_through_is_said_to_wait_until_it_arrives(
    tmp_path: Path,
) -> None:
    clock = ManualClock(NOW)
    async with team(clock) as three:
        config = three.config(f"sqlite:///{tmp_path}/meterbot.db")
        async with assembled(config, clock) as bot:
            granted = three.slack.scopes
            three.slack.scopes = tuple(scope for scope in granted if scope != "im:write")

            async def invite(name: str) -> tuple[str, str]:
                wanted = new_seat(name, {"slack": f"U{name.upper()}1"})
                (invited,) = await bot.invitations.invite([wanted], clock.now())
                return invited.sentence, invited.line_step

            queued = "cleo: a direct message to its owner is queued on Slack."
            assert await invite("cleo") == (queued, "")
            assert await invite("cleo") == (
                "cleo: today's direct message to its owner is already queued on Slack.",
                "",
            )
            await play(bot, clock)
            refused = "Slack refuses conversations.open: missing_scope im:write (add the scope to the app and reinstall it)."
            assert await invite("cleo") == (
                f"cleo: today's direct message has not been sent yet. Reason: {refused}",
                "Fix this, or run meterbot seat invite cleo in a terminal to get a line, and pass it on yourself.",
            )
            refusing = "Slack is refusing direct messages at the moment."
            assert await invite("dan") == (
                f"dan: a direct message is queued on Slack, but {refusing} Reason: {refused}",
                "Fix this, or run meterbot seat invite dan in a terminal to get a line, and pass it on yourself.",
            )
            three.slack.scopes = granted
            clock.advance(timedelta(minutes=20))
            await play(bot, clock)
            assert await invite("cleo") == (
                "cleo: its owner already got a direct message on Slack today.",
                "",
            )


async def test_an_invitation_that_its_owner_does_not_accept_is_said_to_have_failed(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    async with team(clock) as three:
        config = three.config(f"sqlite:///{tmp_path}/meterbot.db")
        async with assembled(config, clock) as bot:
            cleo = new_seat("cleo", {"slack": "UCLEO1"})
            await bot.invitations.invite([cleo], clock.now())
            three.slack.fail("chat.postMessage", slack_faults.refused("messages_tab_disabled"))
            await play(bot, clock)
            (again,) = await bot.invitations.invite([cleo], clock.now())
            assert again.sentence.startswith(
                "cleo: today's direct message could not be sent. Reason: Slack refuses chat.postMessage: "
                "messages_tab_disabled"
            )
            assert again.line_step == (
                "Run meterbot seat invite cleo in a terminal to get a line, and pass it on yourself."
            )
