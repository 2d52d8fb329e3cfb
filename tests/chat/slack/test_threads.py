"""What reaches the bot where Slack takes no slash command: a mention, and the entry in a message's menu."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from meterbot.chat import Answer, Question
from tests.chat.slack.rig import Rig, alert, rig
from tests.simulator.slack_faults import refused


async def test_a_mention_in_a_thread_is_answered_there_for_the_asker_only() -> None:
    async with rig() as r:
        root = r.slack.say("What does that cost us?")
        await r.slack.mention("seat ana", root, user="U0ASKER")
        await r.slack.until(lambda: r.slack.whispered)

        ((user, said),) = r.slack.whispered
        assert (user, said.thread_ts, said.text) == ("U0ASKER", root.ts, "seat ana")
        assert r.asked == [Question(("seat", "ana"), "slack", "U0ASKER", r.slack.channel)]
        assert [message.by for message in r.slack.replies(root)] == [{"user": "U0ASKER"}]


async def test_a_mention_outside_of_threads_is_answered_beside_it() -> None:
    async with rig() as r:
        await r.slack.mention("me")
        await r.slack.until(lambda: r.slack.whispered)

        assert r.slack.whispered[0][1].thread_ts is None


@pytest.mark.parametrize("inside", [True, False])
async def test_a_shared_answer_is_in_the_thread(inside: bool) -> None:  # noqa: FBT001
    async with rig() as r:
        root = r.slack.say("What does that cost us?") if inside else None
        await r.slack.mention("share", root)
        begun = root or r.slack.messages()[0]
        await r.slack.until(lambda: any(each.by == r.slack.bot for each in r.slack.replies(begun)))

        assert r.slack.replies(begun)[-1].text == "share"
        assert r.slack.whispered == []


async def test_a_mention_that_slack_delivers_twice_is_answered_once() -> None:
    async with rig() as r:
        asked = await r.slack.mention("me")
        await r.slack.deliver(asked, retry=1)
        await r.slack.mention("team")
        await r.slack.until(lambda: len(r.slack.whispered) == 2)

        assert [question.words[0] for question in r.asked] == ["me", "team"]


async def test_another_bot_that_mentions_us_is_not_answered() -> None:
    async with rig() as r:
        event = {"type": "app_mention", "text": "<@U0BOT>", "ts": "1.1", "channel": r.slack.channel}
        await r.slack.event({**event, "user": "U0OTHER", "bot_id": "B0OTHER"})
        await r.slack.mention("me")
        await r.slack.until(lambda: r.slack.whispered)

        assert [question.user for question in r.asked] == [r.slack.user]


async def test_a_form_cannot_be_opened_from_a_mention_and_that_is_said() -> None:
    async with rig() as r:
        await r.slack.mention("paste ana")
        await r.slack.until(lambda: r.slack.whispered)

        assert "/claude-spend report" in r.slack.whispered[0][1].payload["blocks"][-1]["text"]["text"]
        assert r.asked == []


async def test_a_mention_where_the_bot_may_not_answer_disturbs_nothing() -> None:
    async with rig() as r:
        r.slack.fail("chat.postEphemeral", refused("user_not_in_channel"))
        await r.slack.mention("me")
        await r.slack.until(lambda: r.slack.called("chat.postEphemeral"))
        await r.slack.mention("team")
        await r.slack.until(lambda: r.slack.whispered)

        assert [said.text for _, said in r.slack.whispered] == ["team"]


@pytest.mark.parametrize("inside", [True, False])
async def test_the_shortcut_of_a_message_answers_beside_it(inside: bool) -> None:  # noqa: FBT001
    async with rig() as r:
        root = r.slack.say("What does that cost us?")
        await r.slack.mention("me", root)
        message = r.slack.replies(root)[0] if inside else root
        said = await r.slack.answer(await r.slack.shortcut(message, user="U0ASKER"))

        assert said.payload["response_type"] == "ephemeral"
        assert said.thread_ts == (root.ts if inside else None)
        assert r.asked[-1] == Question((), "slack", "U0ASKER", r.slack.channel, name="u0asker")


async def test_a_button_of_an_answer_in_a_thread_is_answered_there() -> None:
    async with rig(start=False) as r:

        async def with_buttons(question: Question) -> Answer:
            r.asked.append(question)
            return Answer(alert(owner={}))

        await r.chat.start(with_buttons)
        root = r.slack.say("What does that cost us?")
        await r.slack.mention("me", root)
        await r.slack.until(lambda: r.slack.whispered)
        said = await r.slack.answer(await r.slack.press(r.slack.whispered[0][1], "share:why"))

        assert said.thread_ts == root.ts


@asynccontextmanager
async def over_http() -> AsyncIterator[Rig]:
    async with rig(start=False, mode="http", signing_secret=SECRET) as r:
        app = web.Application()
        app.add_routes(r.chat.routes())
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        r.slack.bot_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
        await r.chat.start(r.echo, r.forms)
        try:
            yield r
        finally:
            await runner.cleanup()


SECRET = "simulated-signing-secret"


async def test_mentions_and_shortcuts_come_over_http_too() -> None:
    async with over_http() as r:
        root = r.slack.say("What does that cost us?")
        mentioned = await r.slack.mention("me", root)
        await r.slack.until(lambda: r.slack.whispered)
        said = await r.slack.answer(await r.slack.shortcut(root))

        assert mentioned.status == 200
        assert said.payload["response_type"] == "ephemeral"
