"""SlackChat against a simulated workspace: starting, posting, editing, and settling doubts."""

import asyncio
import json
import logging
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from meterbot.chat.slack import render
from meterbot.chat.slack.chat import SlackChat
from meterbot.core.errors import Outcome, SendError, StartError
from meterbot.core.messages import Chart, ChartKind, Column, Message, Posted, Section, Series, Table
from tests.chat.log_lines import logged
from tests.chat.secrets import Watch
from tests.chat.slack.rig import LONG_AGO, alert, chat_of, rig
from tests.simulator.slack import SlackSimulator
from tests.simulator.slack_faults import (
    Fault,
    dropped,
    hanging,
    page,
    rate_limited,
    refused,
    server_error,
)
from tests.simulator.slack_objects import Channel

# --- Posting


async def test_an_alert_is_in_the_channel_and_carries_its_delivery() -> None:
    async with rig() as r:
        where = await r.chat.post("delivery1", r.slack.channel, alert())

        (message,) = r.slack.messages()
        assert where == Posted(r.slack.channel, message.ts)
        assert message.text == "🚨 ana is BLOCKED: cap spent"
        assert message.payload["metadata"] == {
            "event_type": "meterbot_delivery",
            "event_payload": {"delivery": "delivery1"},
        }
        assert message.payload["unfurl_links"] is False
        assert message.payload["unfurl_media"] is False


async def test_an_edit_replaces_the_message_where_it_is() -> None:
    async with rig() as r:
        where = await r.chat.post("delivery1", r.slack.channel, alert())
        await r.chat.edit("delivery2", where, alert("ana is unblocked"))
        await r.chat.edit("delivery2", where, alert("ana is unblocked"))

        (message,) = r.slack.messages()
        assert message.text == "🚨 ana is unblocked: cap spent"
        assert len(message.edits) == 2


async def test_a_reply_is_one_line_in_the_thread_that_pings_nobody() -> None:
    async with rig() as r:
        where = await r.chat.post("delivery1", r.slack.channel, alert())
        await r.chat.reply("delivery2", where, alert("resolved"))

        (root,) = r.slack.messages()
        (reply,) = r.slack.replies(root)
        assert reply.text == "🚨 resolved: cap spent"
        assert len(reply.blocks) == 1
        assert "<@" not in str(reply.payload)
        assert reply.payload["reply_broadcast"] is False
        assert reply.delivery == "delivery2"


async def test_five_hundred_seats_are_cut_to_what_slack_takes() -> None:
    lines = tuple(f"seat-{number:03}         $4.20 / $50.00 (8%)" for number in range(500))
    async with rig() as r:
        await r.chat.post("delivery1", r.slack.channel, Message("Team", "Team", sections=(Section(lines),)))

        assert len(r.slack.messages()) == 1


# --- Settling doubts


async def test_a_post_whose_answer_was_lost_is_found_and_was_posted_once() -> None:
    async with rig() as r:
        r.slack.fail("chat.postMessage", dropped())
        with pytest.raises(SendError) as caught:
            await r.chat.post("delivery1", r.slack.channel, alert())

        assert caught.value.outcome is Outcome.IN_DOUBT
        (message,) = r.slack.messages()
        found = await r.chat.find("delivery1", r.slack.channel, LONG_AGO)
        assert found == [Posted(r.slack.channel, message.ts)]


async def test_a_post_that_was_lost_before_it_arrived_is_certainly_not_there() -> None:
    async with rig() as r:
        await r.chat.post("another", r.slack.channel, alert())
        r.slack.fail("chat.postMessage", dropped(accept=False))
        with pytest.raises(SendError) as caught:
            await r.chat.post("delivery1", r.slack.channel, alert())

        assert caught.value.outcome is Outcome.IN_DOUBT
        assert await r.chat.find("delivery1", r.slack.channel, LONG_AGO) == []


async def test_a_post_that_timed_out_is_in_doubt_and_found_when_it_arrived() -> None:
    release = asyncio.Event()
    async with rig(timeout=1.0) as r:
        r.slack.fail("chat.postMessage", hanging(release))
        with pytest.raises(SendError) as caught:
            await r.chat.post("delivery1", r.slack.channel, alert())
        release.set()

        assert caught.value.outcome is Outcome.IN_DOUBT
        assert await r.chat.find("delivery1", r.slack.channel, LONG_AGO) != []
        assert len(r.slack.messages()) == 1


async def test_a_reply_whose_answer_was_lost_is_found_in_its_thread() -> None:
    async with rig() as r:
        root = await r.chat.post("delivery1", r.slack.channel, alert())
        r.slack.fail("chat.postMessage", dropped())
        with pytest.raises(SendError):
            await r.chat.reply("delivery2", root, alert())

        (reply,) = r.slack.replies(r.slack.messages()[0])
        found = await r.chat.find("delivery2", r.slack.channel, LONG_AGO, thread=root)
        assert found == [Posted(r.slack.channel, reply.ts)]
        assert await r.chat.find("delivery3", r.slack.channel, LONG_AGO, thread=root) == []


async def test_a_doubt_is_settled_page_by_page() -> None:
    async with rig() as r:
        posted = await r.chat.post("delivery1", r.slack.channel, alert())
        for number in range(450):
            r.slack.say(f"chatter {number}")

        assert await r.chat.find("delivery1", r.slack.channel, LONG_AGO) == [posted]
        assert len(r.slack.called("conversations.history")) == 1 + 3, "the newest, and three pages"


@pytest.mark.parametrize("ahead", [timedelta(minutes=4), timedelta(days=2), timedelta(days=400)])
async def test_a_message_is_found_although_our_clock_is_ahead_of_slacks(ahead: timedelta) -> None:
    async with rig() as r:
        posted = await r.chat.post("delivery1", r.slack.channel, alert())
        line = await r.chat.reply("delivery2", posted, alert())
        since = datetime.now(UTC) + ahead

        assert await r.chat.find("delivery1", r.slack.channel, since) == [posted]
        assert await r.chat.find("delivery2", r.slack.channel, since, thread=posted) == [line]


async def test_a_page_that_slack_leaves_empty_is_not_an_empty_channel() -> None:
    hollow = {"ok": True, "messages": [], "response_metadata": {"next_cursor": "bmV4dA=="}}
    async with rig() as r:
        r.slack.fail("conversations.history", page(json.dumps(hollow), "application/json"))
        with pytest.raises(SendError, match="does not show") as caught:
            await r.chat.find("delivery1", r.slack.channel, LONG_AGO)
        assert caught.value.outcome is Outcome.IN_DOUBT


async def test_a_channel_too_long_to_read_leaves_the_doubt() -> None:
    async with rig() as r:
        for number in range(4001):
            r.slack.say(f"chatter {number}")

        with pytest.raises(SendError, match="more than 4000 messages") as caught:
            await r.chat.find("delivery1", r.slack.channel, LONG_AGO)
        assert caught.value.outcome is Outcome.IN_DOUBT


async def test_somebody_elses_message_with_our_mark_is_not_ours() -> None:
    mark = {"event_type": "meterbot_delivery", "event_payload": {"delivery": "delivery1"}}
    async with rig() as r:
        r.slack.say("copied", metadata=mark)

        assert await r.chat.find("delivery1", r.slack.channel, LONG_AGO) == []


async def test_without_a_history_scope_a_doubt_cannot_be_settled_and_it_says_so() -> None:
    async with rig(SlackSimulator(scopes=("chat:write", "commands"))) as r:
        with pytest.raises(
            SendError, match=r"cannot look up whether a message arrived.*channels:history"
        ) as caught:
            await r.chat.find("delivery1", r.slack.channel, LONG_AGO)
        assert caught.value.outcome is Outcome.REFUSED


async def test_a_lookup_that_fails_for_now_settles_nothing() -> None:
    async with rig() as r:
        r.slack.fail("conversations.history", rate_limited("7"))
        with pytest.raises(SendError) as caught:
            await r.chat.find("delivery1", r.slack.channel, LONG_AGO)
        assert caught.value.outcome is Outcome.NOT_SENT
        assert caught.value.retry_after == 7


# --- Refusals of the channel


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        (Channel("C0OTHER", member=False), "not_in_channel.*/invite"),
        (Channel("C0OTHER", archived=True), "is_archived.*unarchive"),
        (None, "channel_not_found.*check"),
    ],
)
async def test_a_channel_that_cannot_be_posted_to_is_refused_with_its_remedy(
    channel: Channel | None, code: str
) -> None:
    async with rig() as r:
        if channel is not None:
            r.slack.channels[channel.id] = channel
        with pytest.raises(SendError, match=code) as caught:
            await r.chat.post("delivery1", "C0OTHER", alert())
        assert caught.value.outcome is Outcome.REFUSED


async def test_a_message_that_a_person_deleted_cannot_be_edited() -> None:
    async with rig() as r:
        with pytest.raises(SendError, match="message_not_found") as caught:
            await r.chat.edit("delivery1", Posted(r.slack.channel, "1.000000"), alert())
        assert caught.value.outcome is Outcome.GONE


# --- Starting


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"bot_token": "xoxb-wrong"}, "SLACK_BOT_TOKEN.*invalid_auth"),
        ({"app_token": "xapp-wrong"}, "SLACK_APP_TOKEN.*invalid_auth"),
        ({"bot_token": "xapp-simulated-app"}, "SLACK_BOT_TOKEN.*not_allowed_token_type.*other kind"),
        ({"app_token": "xoxb-simulated-bot"}, "SLACK_APP_TOKEN.*not_allowed_token_type.*other kind"),
    ],
)
async def test_a_wrong_token_ends_the_start_and_says_which(settings: dict[str, Any], says: str) -> None:
    async with rig(start=False, **settings) as r:
        with pytest.raises(StartError, match=says):
            await r.chat.start(r.echo)
        assert not r.chat.connection().up
        assert r.chat._web._session is None or r.chat._web._session.closed


async def test_an_app_that_may_not_post_ends_the_start() -> None:
    async with rig(SlackSimulator(scopes=("commands",)), start=False) as r:
        with pytest.raises(StartError, match="lacks the bot scope chat:write"):
            await r.chat.start(r.echo)


async def test_an_app_that_may_not_post_is_not_connected_after_an_outage_either() -> None:
    slack = SlackSimulator(scopes=("commands",))
    async with rig(slack, start=False, mode="http", signing_secret="s") as r:
        r.slack.fail("auth.test", server_error())
        await r.chat.start(r.echo)

        await r.slack.until(lambda: "chat:write" in (r.chat.connection().detail or ""))
        assert not r.chat.connection().up


async def test_an_app_that_may_not_read_history_is_warned_about() -> None:
    with logged() as lines:
        async with rig(SlackSimulator(scopes=("chat:write",))):
            assert any("cannot be looked up" in str(line) for line in lines)


async def test_after_the_start_slack_is_connected() -> None:
    async with rig() as r:
        assert r.chat.connection().up
        assert r.chat.connection().since is not None
        assert r.slack.sockets == 1
        assert (r.chat.name, r.chat.destination) == ("slack", r.slack.channel)


@pytest.mark.parametrize("method", ["auth.test", "apps.connections.open"])
async def test_an_outage_at_the_start_is_waited_out(method: str) -> None:
    async with rig(start=False) as r:
        r.slack.fail(method, server_error(503), rate_limited("0"))
        await r.chat.start(r.echo)

        down = r.chat.connection()
        assert not down.up
        assert down.detail is not None
        assert "503" in down.detail
        await r.slack.until(lambda: r.chat.connection().up)


async def test_a_slack_that_asks_to_wait_at_the_start_is_left_alone_so_long() -> None:
    async with rig(start=False, ping_interval=0.05) as r:
        r.slack.fail("auth.test", rate_limited("0.4"), rate_limited("0.4"))
        start = time.monotonic()
        await r.chat.start(r.echo)
        await r.slack.until(lambda: len(r.slack.called("auth.test")) == 3)

        assert time.monotonic() - start > 0.8


async def test_a_slack_that_cannot_be_reached_at_the_start_is_waited_for() -> None:
    async with SlackSimulator() as gone:
        port = int(gone.url.rpartition(":")[2])
    chat = chat_of(gone)
    nobody = rig(start=False)
    async with nobody as r:
        await chat.start(r.echo)
        assert chat.connection().detail == "Slack cannot be reached (ClientConnectorError)"

        back = SlackSimulator()
        await back.start(port)
        await back.until(lambda: chat.connection().up)
        await chat.close()
        await back.close()


async def test_a_token_refused_after_an_outage_is_reported_and_tried_again() -> None:
    async with rig(start=False) as r:
        r.slack.fail("auth.test", server_error(), refused("account_inactive"))
        await r.chat.start(r.echo)

        await r.slack.until(lambda: "account_inactive" in (r.chat.connection().detail or ""))
        await r.slack.until(lambda: r.chat.connection().up)


# --- Posting needs no socket


async def test_posts_go_out_while_the_socket_is_down() -> None:
    async with rig() as r:
        r.slack.refuse_handshakes = 1000
        r.slack.drop_sockets()
        await r.slack.until(lambda: r.slack.sockets == 0)

        await r.chat.post("delivery1", r.slack.channel, alert())
        assert len(r.slack.messages()) == 1


# --- Secrets


async def test_no_token_is_shown_when_everything_fails(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch(caplog, capsys)
    slack = SlackSimulator(bot_token="xoxb-planted", app_token="xapp-planted", signing_secret="s-planted")
    async with rig(slack, signing_secret="s-planted") as r:
        watch.assert_hidden("planted", r.chat, r.chat.connection())
        for fault in (dropped(), server_error(), refused("invalid_auth"), rate_limited(), page("planted?")):
            r.slack.fail("chat.postMessage", fault)
            with pytest.raises(SendError) as caught:
                await r.chat.post("delivery1", r.slack.channel, alert())
            watch.assert_hidden("planted", caught.value)
        r.slack.refuse_handshakes = 1
        r.slack.drop_sockets()
        await r.slack.until(lambda: r.slack.hellos == 2)
        asked = await r.slack.slash("/claude-spend", "me")
        await r.slack.answer(asked)
    for secret in ("planted", "ticket=", asked.payload["response_url"]):
        watch.assert_hidden(secret, r.chat, r.chat.connection())


@pytest.mark.parametrize("settings", [{"bot_token": "xoxb-planted"}, {"app_token": "xapp-planted"}])
async def test_no_token_is_shown_when_the_start_fails(
    settings: dict[str, Any], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch(caplog, capsys)
    async with rig(start=False, **settings) as r:
        with pytest.raises(StartError) as caught:
            await r.chat.start(r.echo)
    watch.assert_hidden("planted", caught.value, r.chat.connection())


async def test_the_library_is_kept_from_logging_bodies_and_our_own_loggers_are_left_alone() -> None:
    async with rig():
        assert logging.getLogger("meterbot.chat.slack.chat.library").level == logging.ERROR
        assert logging.getLogger("meterbot").level == logging.NOTSET
        assert logging.getLogger("meterbot").filters == []


async def test_closing_twice_or_before_the_start_is_harmless() -> None:
    chat = SlackChat(bot_token="xoxb-1", app_token="xapp-1", channel="C1")
    await chat.close()
    await chat.close()
    assert not chat.connection().up


# --- Direct messages


async def test_a_direct_message_is_posted_edited_answered_found_and_taken_back() -> None:
    async with rig() as r:
        where = await r.chat.post("delivery1", "@U0ANA", alert())
        await r.chat.edit("delivery2", where, alert("ana is unblocked"))
        line = await r.chat.reply("delivery3", where, alert("resolved"))

        (message,) = r.slack.messages(where.channel)
        assert message.text == "🚨 ana is unblocked: cap spent"
        assert [reply.ts for reply in r.slack.replies(message)] == [line.message]
        assert r.slack.messages() == []
        assert await r.chat.find("delivery1", "@U0ANA", LONG_AGO) == [where]
        assert await r.chat.find("delivery3", "@U0ANA", LONG_AGO, thread=where) == [line]
        assert await r.chat.find("delivery1", "@U0BO", LONG_AGO) == []
        for _ in range(2):
            await r.chat.delete(line)
        assert r.slack.replies(message) == []
        assert [each["users"] for each in r.slack.called("conversations.open")] == ["U0ANA", "U0BO"]


async def test_a_direct_message_to_nobody_is_refused() -> None:
    async with rig() as r:
        with pytest.raises(SendError, match="user_not_found") as caught:
            await r.chat.post("delivery1", "@nobody", alert())
        assert caught.value.outcome is Outcome.NO_DIRECT


# --- A message that Slack refuses for its content

DAYS = Chart("Days", ChartKind.LINE, ("Apr 1", "Apr 2"), (Series("ana", (Decimal(1), Decimal(2))),))
SEATS = Table("Seats", (Column("Seat"), Column("Spent", numeric=True)), (("ana", "$3.00"),))


async def test_tables_and_charts_are_native() -> None:
    async with rig() as r:
        await r.chat.post("d" * 16, r.slack.channel, alert(tables=(SEATS,), charts=(DAYS,)))
        kinds = [block["type"] for block in r.slack.messages()[0].blocks]
        assert {"table", "data_visualization"} <= {*kinds}


async def test_a_refused_native_block_is_sent_again_as_text_and_the_refused_field_is_logged() -> None:
    async with rig() as r, logged() as lines:
        said = {"messages": ["[ERROR] unsupported type: data_visualization [json-pointer:/blocks/3/type]"]}
        body = json.dumps({"ok": False, "error": "invalid_blocks", "response_metadata": said})
        r.slack.fail("chat.postMessage", Fault(body=body))
        await r.chat.post("d" * 16, r.slack.channel, alert(tables=(SEATS,), charts=(DAYS,)))
        [posted] = r.slack.messages()
        assert "$3.00" in json.dumps(posted.blocks)
        assert "data_visualization" not in {block["type"] for block in posted.blocks}
        assert any("json-pointer:/blocks/3/type" in str(line) for line in lines)


async def test_a_message_refused_without_its_native_blocks_too_becomes_text_alone() -> None:
    async with rig() as r:
        r.slack.fail("chat.postMessage", refused("invalid_blocks"), refused("invalid_blocks"))
        await r.chat.post("d" * 16, r.slack.channel, alert(tables=(SEATS,), charts=(DAYS,)))
        with_natives, without, text = [call.get("blocks", "") for call in r.slack.called("chat.postMessage")]
        assert "data_visualization" in str(with_natives)
        assert "data_visualization" not in str(without)
        assert without
        assert not text
        [posted] = r.slack.messages()
        assert posted.blocks == []
        assert "$3.00" in posted.text


async def test_refused_blocks_become_plain_text_with_the_mention() -> None:
    async with rig() as r:
        r.slack.fail("chat.postMessage", refused("invalid_blocks"))
        await r.chat.post("d" * 16, r.slack.channel, alert())
        [posted] = r.slack.messages()
        assert posted.blocks == []
        assert posted.text.startswith("<@U0123> 🚨 ana is BLOCKED")
        assert "$50.00 / $50.00" in posted.text


async def test_a_message_refused_in_every_form_is_that_messages_fault() -> None:
    async with rig() as r:
        r.slack.fail("chat.postMessage", refused("invalid_blocks"), refused("msg_too_long"))
        with pytest.raises(SendError) as caught:
            await r.chat.post("d" * 16, r.slack.channel, alert())
        assert caught.value.outcome is Outcome.INVALID
        assert r.slack.messages() == []


async def test_a_bug_in_our_rendering_is_a_traceback_and_the_alert_arrives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(render, "_bottom", lambda _: 1 / 0)
    async with rig() as r, logged() as lines:
        await r.chat.post("d" * 16, r.slack.channel, alert())
        assert "ana is BLOCKED" in r.slack.messages()[0].text
        assert "a message could not be rendered" in lines.events


async def test_a_person_who_takes_no_direct_messages_is_distinguished() -> None:
    async with rig() as r:
        r.slack.fail("chat.postMessage", refused("messages_tab_disabled"))
        with pytest.raises(SendError) as caught:
            await r.chat.post("d" * 16, "@U0123", alert())
        assert caught.value.outcome is Outcome.NO_DIRECT


async def test_a_workspace_that_is_being_moved_is_waited_for() -> None:
    async with rig(start=False) as r:
        r.slack.fail("auth.test", refused("team_added_to_org"))
        await r.chat.start(r.echo)
        assert "migrated" in (r.chat.connection().detail or "")


async def test_a_rotating_token_is_refused_with_a_remedy() -> None:
    async with rig(start=False, bot_token="xoxe.xoxb-1-planted") as r:
        with pytest.raises(StartError, match="token rotation"):
            await r.chat.start(r.echo)
