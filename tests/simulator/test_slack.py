"""The simulated workspace, asked by Slack's own client: it refuses what Slack refuses, and writes down what is odd."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulator.slack import NotAcknowledgedError, SlackSimulator
from tests.simulator.slack_faults import rate_limited, refused, server_error
from tests.simulator.slack_judge import verdict
from tests.simulator.slack_objects import Channel, Interaction, Modal, SlackMessage

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with SlackSimulator() as running:
        yield running


def client(slack: SlackSimulator, token: str | None = None) -> AsyncWebClient:
    return AsyncWebClient(token or slack.bot_token, slack.api_url, retry_handlers=[])


async def code(slack: SlackSimulator, method: str, token: str | None = None, **arguments: Any) -> str:
    """The error of a call that Slack refuses."""
    with pytest.raises(SlackApiError) as caught:
        await client(slack, token).api_call(method, json=arguments)
    return str(caught.value.response["error"])


# --- The Web API


@pytest.mark.parametrize(
    ("method", "token", "expected"),
    [
        ("auth.test", "xoxb-another", "invalid_auth"),
        ("auth.test", "xapp-simulated-app", "not_allowed_token_type"),
        ("apps.connections.open", "xoxb-simulated-bot", "not_allowed_token_type"),
        ("apps.connections.open", "xapp-another", "invalid_auth"),
    ],
)
async def test_the_wrong_token_is_refused(
    slack: SlackSimulator, method: str, token: str, expected: str
) -> None:
    assert await code(slack, method, token) == expected


async def test_a_call_without_a_token_is_refused(slack: SlackSimulator) -> None:
    async with aiohttp.ClientSession() as session, session.post(f"{slack.api_url}auth.test") as response:
        assert await response.json() == {"ok": False, "error": "not_authed"}


async def test_a_missing_scope_is_named(slack: SlackSimulator) -> None:
    slack.scopes = ("chat:write",)
    with pytest.raises(SlackApiError) as caught:
        await client(slack).conversations_history(channel=slack.channel)

    assert caught.value.response["error"] == "missing_scope"
    assert caught.value.response["needed"] == "channels:history"


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        (Channel("C1", member=False), "not_in_channel"),
        (Channel("C1", archived=True), "is_archived"),
        (Channel("C2"), "channel_not_found"),
    ],
)
async def test_a_channel_out_of_reach_is_refused(
    slack: SlackSimulator, channel: Channel, expected: str
) -> None:
    slack.channels[channel.id] = channel

    assert await code(slack, "chat.postMessage", channel="C1", text="x") == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({}, "no_text"),
        ({"text": " "}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": "x", "blocks": [{"type": "nonsense"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{**SECTION, "colour": "red"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [SECTION] * 51}, "invalid_blocks"),
        (
            {"text": "x", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": ""}}]},
            "invalid_blocks",
        ),
        (
            {"text": "x", "blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]},
            "invalid_blocks",
        ),
        (
            {"text": "x", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]},
            "invalid_blocks",
        ),
        (
            {
                "text": "x",
                "blocks": [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}],
            },
            "invalid_blocks",
        ),
        ({"text": "x", "blocks": [{"type": "context", "elements": []}]}, "invalid_blocks"),
        (
            {"text": "x", "blocks": [{**SECTION, "block_id": "b"}, {**SECTION, "block_id": "b"}]},
            "invalid_blocks",
        ),
        (
            {
                "text": "x",
                "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}] * 5,
            },
            "msg_blocks_too_long",
        ),
    ],
)
async def test_what_slack_would_not_show_is_refused_and_written_down(
    slack: SlackSimulator, payload: dict[str, Any], expected: str
) -> None:
    assert await code(slack, "chat.postMessage", channel=slack.channel, **payload) == expected
    assert len(slack.unexpected) == 1
    assert slack.messages() == []


def test_a_proper_message_is_let_through() -> None:
    assert verdict({"text": "x", "blocks": [SECTION]}) is None


async def test_a_method_it_does_not_know_is_written_down(slack: SlackSimulator) -> None:
    assert await code(slack, "chat.scheduleMessage", channel=slack.channel) == "unknown_method"
    assert slack.unexpected == ["unknown method chat.scheduleMessage"]


async def test_only_the_bots_own_messages_can_be_edited(slack: SlackSimulator) -> None:
    other = slack.say("mine")

    assert (
        await code(slack, "chat.update", channel=slack.channel, ts=other.ts, text="x")
        == "cant_update_message"
    )
    assert await code(slack, "chat.update", channel=slack.channel, ts="1.0", text="x") == "message_not_found"


async def test_an_edit_keeps_what_was_there_before(slack: SlackSimulator) -> None:
    web = client(slack)
    posted = await web.chat_postMessage(channel=slack.channel, text="before")
    await web.chat_update(channel=slack.channel, ts=posted["ts"], text="after")

    (message,) = slack.messages()
    assert (message.text, [edit["text"] for edit in message.edits]) == ("after", ["before"])


async def test_history_is_listed_newest_first_page_by_page(slack: SlackSimulator) -> None:
    said = [slack.say(f"message {number}") for number in range(5)]
    found = []
    async for page in await client(slack).conversations_history(
        channel=slack.channel, limit=2, oldest=said[0].ts, include_all_metadata=True
    ):
        found += [message["ts"] for message in page["messages"]]

    assert found == [message.ts for message in reversed(said[1:])]


async def test_metadata_is_listed_only_when_asked_for(slack: SlackSimulator) -> None:
    slack.say("marked", metadata={"event_type": "x", "event_payload": {}})
    web = client(slack)
    plain = await web.conversations_history(channel=slack.channel)
    full = await web.conversations_history(channel=slack.channel, include_all_metadata=True)

    assert "metadata" not in plain["messages"][0]
    assert full["messages"][0]["metadata"]["event_type"] == "x"


async def test_a_thread_is_listed_with_its_root_and_not_in_the_channel(slack: SlackSimulator) -> None:
    web = client(slack)
    root = await web.chat_postMessage(channel=slack.channel, text="root")
    await web.chat_postMessage(channel=slack.channel, text="reply", thread_ts=root["ts"])
    thread = await web.conversations_replies(channel=slack.channel, ts=root["ts"])

    assert [message["text"] for message in thread["messages"]] == ["root", "reply"]
    assert [message.text for message in slack.messages()] == ["root"]
    assert [message.text for message in slack.replies(slack.messages()[0])] == ["reply"]


async def test_faults_come_in_order_and_then_the_call_goes_through(slack: SlackSimulator) -> None:
    slack.fail("auth.test", rate_limited("3"), server_error(502), refused("account_inactive"))
    statuses = []
    for _ in range(3):
        with pytest.raises(SlackApiError) as caught:
            await client(slack).auth_test()
        statuses.append((caught.value.response.status_code, caught.value.response.headers.get("Retry-After")))

    assert statuses == [(429, "3"), (502, None), (200, None)]
    assert (await client(slack).auth_test())["ok"]


# --- Sockets and interactions


async def opened(slack: SlackSimulator) -> str:
    return str((await client(slack).apps_connections_open(app_token=slack.app_token))["url"])


async def test_a_ticket_opens_one_socket(slack: SlackSimulator) -> None:
    url = await opened(slack)
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        assert (await socket.receive_json())["type"] == "hello"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)


async def test_a_command_nobody_acknowledges_fails_for_the_person(
    slack: SlackSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.simulator.slack._ACK_SECONDS", 0.05)
    with pytest.raises(NotAcknowledgedError, match="no socket"):
        await slack.slash("/claude-spend")
    async with aiohttp.ClientSession() as session, session.ws_connect(await opened(slack)):
        await slack.until(lambda: slack.hellos)
        with pytest.raises(NotAcknowledgedError, match="slash_commands"):
            await slack.slash("/claude-spend")


async def test_an_acknowledgement_of_nothing_is_written_down(slack: SlackSimulator) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(await opened(slack)) as socket:
        await socket.send_json({"envelope_id": "nobody's"})
        await slack.until(lambda: slack.unexpected)

    assert slack.unexpected == ["acknowledged an unknown envelope"]


async def test_a_response_url_serves_five_times(slack: SlackSimulator) -> None:
    asked = slack._interaction("slash_commands", {})
    async with aiohttp.ClientSession() as session:
        statuses = [await _respond(session, asked, {"text": "x"}) for _ in range(6)]

    assert statuses == [200] * 5 + [404]
    assert slack.messages() == []


async def test_an_answer_slack_would_not_show_is_written_down(slack: SlackSimulator) -> None:
    asked = slack._interaction("slash_commands", {})
    async with aiohttp.ClientSession() as session:
        assert await _respond(session, asked, {"text": ""}) == 400

    assert slack.unexpected == ["response_url: no_text"]


async def _respond(session: aiohttp.ClientSession, asked: Interaction, payload: dict[str, Any]) -> int:
    async with session.post(asked.payload["response_url"], json=payload) as response:
        return response.status


async def test_waiting_for_what_never_comes_ends(slack: SlackSimulator) -> None:
    with pytest.raises(TimeoutError):
        await slack.until(lambda: False, seconds=0.05)


async def test_message_times_are_unique_and_rise_even_while_the_clock_stands() -> None:
    async with SlackSimulator(clock=lambda: 1_700_000_000.0) as slack:
        said: list[SlackMessage] = [slack.say("x") for _ in range(3)]

    assert [message.ts for message in said] == ["1700000000.000000", "1700000000.000001", "1700000000.000002"]


async def test_closing_lets_go_of_what_hangs() -> None:
    async with SlackSimulator() as slack:
        slack.hang()
        async with aiohttp.ClientSession() as session, session.ws_connect(await opened(slack)):
            await slack.until(lambda: slack.sockets)
            async with asyncio.timeout(2):
                await slack.close()
        assert slack.sockets == 0


# --- Modals

BOX = {
    "type": "input",
    "block_id": "b",
    "label": {"type": "plain_text", "text": "Text"},
    "element": {"type": "plain_text_input", "action_id": "a", "max_length": 10},
}
MODAL = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "Title"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [BOX],
}


def pressed(slack: SlackSimulator) -> Interaction:
    return slack._interaction("slash_commands", {"user_id": "U1"})


async def test_a_trigger_opens_one_modal(slack: SlackSimulator) -> None:
    asked = pressed(slack)
    opened = await client(slack).views_open(trigger_id=asked.trigger, view=MODAL)
    assert asked.modal
    assert opened["view"]["id"] == asked.modal.id
    assert await code(slack, "views.open", trigger_id=asked.trigger, view=MODAL) == "exchanged_trigger_id"
    assert await code(slack, "views.open", trigger_id="another", view=MODAL) == "invalid_trigger_id"


async def test_a_trigger_expires(slack: SlackSimulator) -> None:
    asked = pressed(slack)
    asked.at -= 3.1
    assert await code(slack, "views.open", trigger_id=asked.trigger, view=MODAL) == "expired_trigger_id"


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "home"},
        {"title": {"type": "plain_text", "text": "x" * 25}},
        {"title": {"type": "plain_text", "text": ""}},
        {"submit": None},
        {"blocks": [BOX, BOX]},
        {"blocks": [{"type": "nonsense"}]},
        {"private_metadata": "x" * 3001},
        {"unheard_of": 1},
    ],
)
async def test_a_modal_that_slack_would_not_show_is_refused(
    slack: SlackSimulator, changes: dict[str, Any]
) -> None:
    view = {key: value for key, value in {**MODAL, **changes}.items() if value is not None}
    assert (
        await code(slack, "views.open", trigger_id=pressed(slack).trigger, view=view) == "invalid_arguments"
    )
    assert slack.unexpected


async def test_only_an_open_modal_is_updated(slack: SlackSimulator) -> None:
    asked = pressed(slack)
    await client(slack).views_open(trigger_id=asked.trigger, view=MODAL)
    assert asked.modal
    changed = {**MODAL, "title": {"type": "plain_text", "text": "Other"}}
    await client(slack).views_update(view_id=asked.modal.id, view=changed)
    assert asked.modal.view["title"]["text"] == "Other"
    asked.modal.open = False
    assert await code(slack, "views.update", view_id=asked.modal.id, view=MODAL) == "not_found"


@pytest.mark.parametrize("text", ["", "x" * 11])
async def test_a_box_is_sent_with_as_much_as_it_takes(slack: SlackSimulator, text: str) -> None:
    with pytest.raises(ValueError, match="empty or too long"):
        await slack.submit(Modal("V1", "U1", MODAL), text)
