"""Posting, finding again and answering on Discord, by real discord.py against the simulated one."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from meterbot.chat import Answer, Question
from meterbot.chat.discord.connection import STANDING_BY
from meterbot.chat.discord.pictures import draw
from meterbot.chat.discord.render import hidden_mark
from meterbot.core.clock import ManualClock
from meterbot.core.errors import Outcome, StartError
from meterbot.core.lease import Lease
from meterbot.core.messages import Chart, ChartKind, Message, Posted, Series
from tests.chat.discord.rig import (
    CALLBACK,
    DELIVERY,
    ONE_MESSAGE,
    POST_MESSAGE,
    Answers,
    Notes,
    a_while_ago,
    alert,
    chat_on,
    refusal_of,
    running,
    simulated,
)
from tests.chat.log_lines import logged
from tests.simulator.discord import DiscordSimulator
from tests.simulator.discord_faults import garbled, refused

BARE_INTERACTION = {
    "id": "1",
    "type": 3,
    "token": "x",
    "version": 1,
    "application_id": "1",
    "attachment_size_limit": 1,
}


@pytest.fixture
async def discord() -> AsyncIterator[DiscordSimulator]:
    async with simulated() as discord:
        yield discord


# Posting.


async def test_an_alert_is_in_the_channel_and_pings_its_owner_only(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        posted = await chat.post(DELIVERY, discord.channel_id, alert(title="@everyone <@7>"))
    [message] = discord.messages()
    assert posted == Posted(discord.channel_id, message["id"])
    assert message["content"] == "<@42> 🚨 @\u200beveryone <\u200b@\u200b7>"
    assert [user["id"] for user in message["mentions"]] == ["42"]
    assert not message["mention_everyone"]


async def test_the_same_delivery_sent_twice_is_one_message(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        first = await chat.post(DELIVERY, discord.channel_id, alert())
        again = await chat.post(DELIVERY, discord.channel_id, alert())
    assert first == again
    assert len(discord.messages()) == 1


async def test_an_edit_replaces_the_message_and_its_buttons(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        posted = await chat.post(DELIVERY, discord.channel_id, alert())
        await chat.edit("e" * 16, posted, alert(title="ana is unblocked", actions=()))
    [message] = discord.messages()
    assert "ana is unblocked" in message["content"]
    assert message["components"] == []
    assert message["edited_timestamp"]


async def test_an_edit_of_a_message_somebody_deleted_has_nothing_left_to_do(
    discord: DiscordSimulator,
) -> None:
    async with running(discord) as chat:
        posted = await chat.post(DELIVERY, discord.channel_id, alert())
        discord.delete(posted.message)
        assert (await refusal_of(chat.edit("e" * 16, posted, alert()))).outcome is Outcome.GONE
    assert discord.messages() == []


async def test_a_reply_is_one_line_under_the_message_and_pings_nobody(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        posted = await chat.post(DELIVERY, discord.channel_id, alert())
        await chat.reply("a" * 16, posted, alert(fallback="ana is unblocked"))
    reply = discord.messages()[1]
    assert reply["content"] == f"ana is unblocked{hidden_mark('a' * 16)}"
    assert reply["message_reference"]["message_id"] == posted.message
    assert reply["mentions"] == []


async def test_a_reply_to_a_deleted_message_is_posted_alone(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        posted = await chat.post(DELIVERY, discord.channel_id, alert())
        discord.delete(posted.message)
        await chat.reply("a" * 16, posted, alert())
    [reply] = discord.messages()
    assert "message_reference" not in reply


# Settling a doubt.


@pytest.mark.parametrize(
    "message",
    [alert(), alert(actions=()), alert(actions=(), footer="")],
    ids=["button", "footer", "bare"],
)
async def test_a_post_is_found_by_its_delivery(discord: DiscordSimulator, message: Message) -> None:
    async with running(discord) as chat:
        await chat.post("b" * 16, discord.channel_id, message)
        posted = await chat.post(DELIVERY, discord.channel_id, message)
        assert await chat.find(DELIVERY, discord.channel_id, a_while_ago()) == [posted]
        assert await chat.find("f" * 16, discord.channel_id, a_while_ago()) == []


async def test_a_reply_is_found_by_its_delivery(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        root = await chat.post(DELIVERY, discord.channel_id, alert())
        reply = await chat.reply("a" * 16, root, alert())
        assert await chat.find("a" * 16, discord.channel_id, a_while_ago(), thread=root) == [reply]


async def test_what_somebody_else_wrote_is_not_taken_for_ours(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        await discord.say(f"look{hidden_mark(DELIVERY)}")
        assert await chat.find(DELIVERY, discord.channel_id, a_while_ago()) == []


@pytest.mark.parametrize("ahead", [timedelta(minutes=4), timedelta(days=2), timedelta(days=400)])
async def test_a_message_is_found_although_our_clock_is_ahead_of_discords(
    discord: DiscordSimulator, ahead: timedelta
) -> None:
    async with running(discord) as chat:
        posted = await chat.post(DELIVERY, discord.channel_id, alert())
        assert await chat.find(DELIVERY, discord.channel_id, datetime.now(UTC) + ahead) == [posted]


async def test_a_message_is_found_behind_hundreds_of_others(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        for number in range(250):
            await discord.say(f"chatter {number}")
        posted = await chat.post(DELIVERY, discord.channel_id, alert())
        assert await chat.find(DELIVERY, discord.channel_id, a_while_ago()) == [posted]


async def test_a_doubt_stays_one_in_a_channel_too_busy_to_read(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        for number in range(3001):
            await discord.say(f"chatter {number}")
        error = await refusal_of(chat.find(DELIVERY, discord.channel_id, a_while_ago()))
    assert error.outcome is Outcome.IN_DOUBT


async def test_an_empty_channel_is_not_believed_when_we_may_not_read(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        await chat.post(DELIVERY, discord.channel_id, alert())
        discord.history_readable = False
        error = await refusal_of(chat.find(DELIVERY, discord.channel_id, a_while_ago()))
    assert error.outcome is Outcome.REFUSED
    assert "Read Message History" in error.reason


async def test_a_channel_that_really_is_empty_is_believed(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        assert await chat.find(DELIVERY, discord.channel_id, a_while_ago()) == []


async def test_a_doubt_stays_one_while_discord_is_out_of_order(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        discord.fail("GET", POST_MESSAGE, refused(503))
        error = await refusal_of(chat.find(DELIVERY, discord.channel_id, a_while_ago()))
    assert error.outcome is Outcome.IN_DOUBT


# Starting, connecting, closing.


async def test_a_wrong_token_ends_the_start_with_advice(discord: DiscordSimulator) -> None:
    chat = chat_on(discord, token="wrong")
    with pytest.raises(StartError, match="DISCORD_TOKEN"):
        await chat.start(Answers())
    await chat.close()


@pytest.mark.parametrize("code", [4004, 4014])
async def test_a_gateway_that_will_never_have_us_ends_the_start(discord: DiscordSimulator, code: int) -> None:
    discord.gateway.identify_refusal = code
    chat = chat_on(discord)
    with pytest.raises(StartError, match="Discord"):
        await chat.start(Answers())
    assert not chat.connection().up


async def test_messages_leave_while_the_gateway_is_down_and_questions_come_once_it_is_up(
    discord: DiscordSimulator,
) -> None:
    discord.gateway.refusals = 2
    async with running(discord) as chat:
        assert not chat.connection().up
        assert "gateway" in (chat.connection().detail or "")
        await chat.post(DELIVERY, discord.channel_id, alert())
        await discord.connected()
        await discord.until(lambda: discord.commands)
        assert await discord.answer_to(await discord.slash("me"))
        assert chat.connection().up
        assert discord.gateway.connections == 3


async def test_an_outage_at_the_start_is_survived(discord: DiscordSimulator) -> None:
    await discord.close()
    async with running(discord) as chat:
        assert not chat.connection().up
        error = await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
        assert error.outcome is Outcome.NOT_SENT
        await discord.start()
        await discord.connected()
        await chat.post(DELIVERY, discord.channel_id, alert())
        await discord.until(lambda: discord.commands)


@pytest.mark.parametrize("body", ["<html>Log in to the Wi-Fi</html>", "[]"], ids=["page", "list"])
async def test_a_start_behind_a_hotel_s_login_page_is_survived(discord: DiscordSimulator, body: str) -> None:
    content_type = "text/html" if "html" in body else "application/json"
    discord.fail("GET", "/users/@me", garbled(body, content_type), times=3)
    async with running(discord):
        await discord.connected()
        await discord.until(lambda: discord.commands)


async def test_a_database_that_is_away_only_delays_the_registration(discord: DiscordSimulator) -> None:
    class AwayOnce(Notes):
        asked = 0

        async def note(self, name: str) -> str | None:
            self.asked += 1
            if self.asked == 1:
                raise RuntimeError("the database is away")
            return await super().note(name)

    async with running(discord, notes=AwayOnce()):
        await discord.until(lambda: discord.commands)


@pytest.mark.parametrize(
    "event",
    [{"nonsense": True}, None, {**BARE_INTERACTION, "authorizing_integration_owners": []}],
    ids=["key", "type", "attribute"],
)
async def test_a_malformed_event_is_survived(discord: DiscordSimulator, event: Any) -> None:
    async with running(discord) as chat:
        await discord.connected()
        await discord.gateway.dispatch("INTERACTION_CREATE", event)
        await discord.until(lambda: discord.gateway.identifies == 2 and discord.gateway.live)
        await discord.until(lambda: discord.commands)
        assert await discord.answer_to(await discord.slash("me"))
        assert chat.connection().up


async def test_a_question_asked_while_reconnecting_is_answered(discord: DiscordSimulator) -> None:
    async with running(discord):
        await discord.connected()
        await discord.until(lambda: discord.commands)
        await discord.gateway.ask_to_reconnect()
        await discord.until(lambda: not discord.gateway.live)
        asked = await discord.slash("me")
        assert await discord.answer_to(asked)
        assert (discord.gateway.identifies, discord.gateway.resumes) == (1, 1)


@pytest.mark.parametrize("end", ["close", "drop", "invalidate"])
async def test_a_lost_connection_comes_back(discord: DiscordSimulator, end: str) -> None:
    async with running(discord) as chat:
        await discord.connected()
        before = discord.gateway.connections
        ended = getattr(discord.gateway, end)()
        if ended is not None:
            await ended
        await discord.until(lambda: discord.gateway.connections > before and discord.gateway.live)
        await discord.until(lambda: discord.commands)
        assert await discord.answer_to(await discord.slash("me"))
        assert chat.connection().up


async def test_the_state_says_since_when(discord: DiscordSimulator) -> None:
    clock = ManualClock(datetime(2026, 4, 1, tzinfo=UTC))
    async with running(discord, clock=clock) as chat:
        assert chat.connection().since == clock.now()
        clock.advance(timedelta(hours=1))
        await discord.close()
        async with asyncio.timeout(5):
            while chat.connection().up:  # noqa: ASYNC110 - the connection's state has no event
                await asyncio.sleep(0)
        assert chat.connection().since == clock.now()


async def test_a_gateway_that_does_not_even_close_is_left_behind(discord: DiscordSimulator) -> None:
    discord.gateway.deaf = True
    async with running(discord):
        await discord.gateway.dispatch("INTERACTION_CREATE", {"nonsense": True})
        await discord.until(lambda: discord.gateway.identifies == 2)
        assert discord.gateway.connections == 2


async def test_closing_does_not_wait_for_a_dead_gateway(discord: DiscordSimulator) -> None:
    discord.gateway.deaf = True
    chat = chat_on(discord, patience=0.2)
    await chat.start(Answers())
    async with asyncio.timeout(2):
        await chat.close()
    assert not chat.connection().up


# One of several processes.


async def test_only_the_holder_listens_and_everybody_sends(discord: DiscordSimulator) -> None:
    gateway = Lease("gateway")
    chat = chat_on(discord, gateway=gateway)
    await chat.start(Answers())
    try:
        assert (chat.connection().up, chat.connection().detail) == (True, STANDING_BY)
        await chat.post("d" * 16, discord.channel_id, alert())
        assert (len(discord.messages()), discord.gateway.identifies) == (1, 0)
        gateway.turn(held=True)
        await discord.connected()
        await discord.answer_to(await discord.slash("me"))
        gateway.turn(held=False)
        await discord.until(lambda: not discord.gateway.live)
        await chat.post("e" * 16, discord.channel_id, alert())
        gateway.turn(held=True)
        await discord.connected()
        assert (len(discord.messages()), discord.gateway.identifies) == (2, 2)
    finally:
        await chat.close()


async def test_a_process_that_stands_by_says_when_discord_is_out_of_reach(discord: DiscordSimulator) -> None:
    chat = chat_on(discord, gateway=Lease("gateway"))
    await discord.close()
    await chat.start(Answers())
    assert (chat.connection().up, chat.connection().detail) == (
        False,
        "Discord cannot be reached (ClientConnectorError)",
    )
    await chat.close()


# Questions.


async def test_an_answer_is_for_the_asker_only(discord: DiscordSimulator) -> None:
    answers = Answers()
    async with running(discord, answers):
        await discord.until(lambda: discord.commands and discord.gateway.live)
        answer = await discord.answer_to(await discord.slash("seat  ana", user="77"))
    assert answer["flags"] == 64
    assert answer["embeds"][0]["title"] == "The team"
    assert discord.messages() == []
    [question] = answers.asked
    assert question.words == ("seat", "ana")
    assert (question.platform, question.user, question.channel) == ("discord", "77", discord.channel_id)


async def test_share_publishes_the_answer_and_pings_nobody(discord: DiscordSimulator) -> None:
    async with running(discord, Answers(alert())):
        await discord.until(lambda: discord.commands and discord.gateway.live)
        asked = await discord.slash("share")
        await discord.until(lambda: asked.followups)
        answer = await discord.answer_to(asked)
    [shared] = discord.messages()
    assert shared["embeds"][0]["title"] == "ana is BLOCKED"
    assert shared["mentions"] == []
    assert answer["content"] == "Shared with the channel."


@pytest.mark.parametrize("public", [False, True])
async def test_a_picture_is_attached_with_its_words(discord: DiscordSimulator, public: bool) -> None:  # noqa: FBT001
    values = (Decimal("1.50"), Decimal(0), None, Decimal("2.50"))
    series = (Series("ana", values), Series("bo", values))
    labels = ("Apr 1", "Apr 2", "Apr 3", "Apr 4")
    charts = tuple(
        Chart(f"Spend {kind}", kind, labels, series, "USD", "ana $4.00")
        for kind in (ChartKind.BAR, ChartKind.LINE)
    )

    async def answer(_: Question) -> Answer:
        return Answer(alert(owner={}, charts=charts), public)

    await draw(charts)  # importing matplotlib takes seconds on a busy machine

    chat = chat_on(discord)
    await chat.start(answer)
    try:
        await discord.until(lambda: discord.commands and discord.gateway.live)
        asked = await discord.slash("history")
        said = await discord.answer_to(asked)
        if public:
            await discord.until(lambda: asked.followups)
            [said] = asked.followups
    finally:
        await chat.close()
    [file] = said["attachments"]
    assert (file["filename"], file["description"]) == ("claude-spend.png", "ana $4.00 ana $4.00")
    assert file["size"] > 5000
    assert "1.50" in said["embeds"][0]["description"]


ORIGINAL = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
NUMBERS = Chart("Spend", ChartKind.BAR, ("Apr 1",), (Series("ana", (Decimal("1.50"),)),), "USD", "ana $1.50")


@pytest.mark.parametrize("refusals", [1, 2])
async def test_a_refused_answer_is_sent_again_without_its_picture_and_then_as_text(
    discord: DiscordSimulator, refusals: int
) -> None:
    async def answer(_: Question) -> Answer:
        return Answer(alert(charts=(NUMBERS,)))

    await draw((NUMBERS,))
    async with logged() as lines:
        chat = chat_on(discord)
        await chat.start(answer)
        try:
            await discord.until(lambda: discord.commands and discord.gateway.live)
            discord.fail("PATCH", ORIGINAL, refused(400, 50035, "embeds.0 is odd"), times=refusals)
            said = await discord.answer_to(await discord.slash("history"))
        finally:
            await chat.close()
    assert said["attachments"] == []
    if refusals == 1:
        assert "1.50" in said["embeds"][0]["description"]
    else:
        assert said["embeds"] == []
        assert "Spent: $50.00" in said["content"]
        assert "1.50" in said["content"]
    assert sum("embeds.0 is odd" in str(line) for line in lines) == refusals


async def test_a_button_works_after_a_restart(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        posted = await chat.post(DELIVERY, discord.channel_id, alert())
    answers = Answers()
    async with running(discord, answers):
        await discord.connected()
        buttons = [button for row in discord.messages()[0]["components"] for button in row["components"]]
        for button in buttons:
            answer = await discord.answer_to(await discord.press(posted.message, button["custom_id"]))
            assert answer["flags"] == 64
    assert [question.words for question in answers.asked] == [("ack", "7"), ("snooze", "7")]


async def test_a_question_delivered_twice_is_answered_once(discord: DiscordSimulator) -> None:
    answers = Answers()
    async with running(discord, answers):
        await discord.until(lambda: discord.commands and discord.gateway.live)
        asked = await discord.slash("me")
        await discord.answer_to(asked)
        await discord.repeat(asked)
        await discord.answer_to(await discord.slash("status"))
        assert discord.requests("POST", CALLBACK) == [{"type": 5, "data": {"flags": 64}}] * 3
    assert [question.words for question in answers.asked] == [("me",), ("status",)]


async def test_a_question_that_was_too_late_disturbs_nothing(discord: DiscordSimulator) -> None:
    async with running(discord):
        await discord.until(lambda: discord.commands and discord.gateway.live)
        discord.fail("POST", CALLBACK, refused(404, 10062, "Unknown interaction"))
        await discord.slash("me")
        assert await discord.answer_to(await discord.slash("me"))


async def test_suggestions_that_were_too_late_are_a_warning_each_and_no_traceback(
    discord: DiscordSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(discord):
        await discord.until(lambda: discord.commands and discord.gateway.live)
        discord.fail("POST", CALLBACK, refused(404, 10062, "Unknown interaction"))
        with capture_logs() as lines:
            await discord.type_ahead("s")
            assert (await discord.answer_to(await discord.slash("me")))["content"] is not None
    warnings = [line for line in lines if line["log_level"] != "info"]
    assert [(line["log_level"], line["event"]) for line in warnings] == [
        ("warning", "completions were not shown")
    ]
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_broken_answer_is_told_to_the_asker(discord: DiscordSimulator) -> None:
    async def broken(_: object) -> Any:
        raise RuntimeError("the store is away")

    chat = chat_on(discord)
    await chat.start(broken)
    await discord.until(lambda: discord.commands and discord.gateway.live)
    answer = await discord.answer_to(await discord.slash("me"))
    await chat.close()
    assert answer["content"].startswith("Something went wrong")
    assert "store" not in answer["content"]


# Direct messages.


async def test_a_direct_message_is_posted_edited_answered_found_and_taken_back(
    discord: DiscordSimulator,
) -> None:
    async with running(discord) as chat:
        where = await chat.post(DELIVERY, "@42", alert())
        await chat.edit(DELIVERY, where, alert(title="ana is unblocked"))
        reply = await chat.reply("a" * 16, where, alert(fallback="resolved"))
        message, line = discord.messages(where.channel)
        assert "ana is unblocked" in message["content"]
        assert line["message_reference"]["message_id"] == where.message
        assert discord.messages() == []
        assert await chat.find(DELIVERY, "@42", a_while_ago()) == [where]
        assert await chat.find("a" * 16, "@42", a_while_ago(), thread=where) == [reply]
        assert await chat.find(DELIVERY, "@43", a_while_ago()) == []
        for _ in range(2):
            await chat.delete(reply)
        assert discord.messages(where.channel) == [message]
    people = discord.requests("POST", "/users/@me/channels")
    assert [each["recipient_id"] for each in people] == ["42", "43"]


async def test_a_question_says_which_roles_its_asker_has(discord: DiscordSimulator) -> None:
    answers = Answers()
    discord.roles["42"] = ["777", "888"]
    async with running(discord, answers):
        await discord.answer_to(await discord.slash("team", user="42"))
        await discord.answer_to(await discord.slash("team", user="43"))
    assert [question.groups for question in answers.asked] == [("777", "888"), ()]


async def test_an_edit_of_another_applications_message_has_nothing_left_to_do(
    discord: DiscordSimulator,
) -> None:
    async with running(discord) as chat:
        posted = await chat.post(DELIVERY, discord.channel_id, alert())
        discord.fail("PATCH", ONE_MESSAGE, refused(403, 50005))
        assert (await refusal_of(chat.edit(DELIVERY, posted, alert()))).outcome is Outcome.GONE


async def test_a_refused_embed_is_sent_again_as_text_and_discords_words_are_logged(
    discord: DiscordSimulator,
) -> None:
    async with running(discord) as chat, logged() as lines:
        discord.fail("POST", POST_MESSAGE, refused(400, 50035, "embeds.0.title is odd"))
        posted = await chat.post(DELIVERY, discord.channel_id, alert())
        assert await chat.find(DELIVERY, discord.channel_id, a_while_ago()) == [posted]
    [message] = discord.messages()
    assert message["embeds"] == []
    assert "Spent: $50.00" in message["content"]
    assert any("embeds.0.title is odd" in str(line) for line in lines)


async def test_a_person_who_takes_no_direct_messages_is_distinguished(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        discord.fail("POST", POST_MESSAGE, refused(403, 50007))
        error = await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
    assert error.outcome is Outcome.NO_DIRECT
