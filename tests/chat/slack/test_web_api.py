"""What each failure of Slack's Web API means for the message that was on its way."""

import logging
import socket

import pytest

from meterbot.chat.slack.web_api import SlackWeb
from meterbot.core.errors import Outcome, SendError
from tests.chat.slack.rig import alert, rig
from tests.simulator.slack import SlackSimulator
from tests.simulator.slack_faults import (
    Fault,
    dropped,
    page,
    rate_limited,
    refused,
    server_error,
)

IN_DOUBT, NOT_SENT, REFUSED = Outcome.IN_DOUBT, Outcome.NOT_SENT, Outcome.REFUSED


@pytest.mark.parametrize(
    ("fault", "outcome", "retry_after"),
    [
        (rate_limited("7"), NOT_SENT, 7.0),
        (rate_limited("0.5"), NOT_SENT, 0.5),
        (rate_limited(None), NOT_SENT, 30.0),
        (rate_limited("soon"), NOT_SENT, 30.0),
        (rate_limited("nan"), NOT_SENT, 30.0),
        (rate_limited("-1"), NOT_SENT, 30.0),
        (rate_limited("1e99"), NOT_SENT, 3600.0),
        (page("<html>slow down</html>", status=429), NOT_SENT, 30.0),
        (refused("ratelimited"), NOT_SENT, 30.0),
        (refused("request_timeout"), NOT_SENT, None),
        (server_error(500), IN_DOUBT, None),
        (server_error(502), IN_DOUBT, None),
        (server_error(503), IN_DOUBT, None),
        (page('{"ok": false, "error": "channel_not_found"}', "application/json", 503), IN_DOUBT, None),
        (refused("internal_error"), IN_DOUBT, None),
        (refused("fatal_error"), IN_DOUBT, None),
        (dropped(), IN_DOUBT, None),
        (dropped(accept=False), IN_DOUBT, None),
        (page("<html>Sign in to the hotel's network</html>"), IN_DOUBT, None),
        (page("ok", "text/plain"), IN_DOUBT, None),
        (page("[1, 2]", "application/json"), IN_DOUBT, None),
        (page("{not json", "application/json"), IN_DOUBT, None),
        (page("{}", "application/json"), IN_DOUBT, None),
        (page('{"ok": true}', "application/json"), IN_DOUBT, None),
        (page("<html>blocked by policy</html>", status=403), REFUSED, None),
        (refused("channel_not_found"), REFUSED, None),
        (refused("not_in_channel"), REFUSED, None),
        (refused("is_archived"), REFUSED, None),
        (refused("token_revoked"), REFUSED, None),
        (refused("invalid_auth"), REFUSED, None),
        (refused("account_inactive"), REFUSED, None),
        (refused("restricted_action"), REFUSED, None),
        (refused("missing_scope", needed="chat:write"), REFUSED, None),
        (refused("message_limit_exceeded"), REFUSED, None),
        (refused("an_error_of_tomorrow"), REFUSED, None),
    ],
)
async def test_a_failed_post_says_what_is_known_and_is_not_repeated(
    fault: Fault, outcome: Outcome, retry_after: float | None
) -> None:
    async with rig() as r:
        r.slack.fail("chat.postMessage", fault)
        with pytest.raises(SendError) as caught:
            await r.chat.post("delivery1", r.slack.channel, alert())

        assert (caught.value.outcome, caught.value.retry_after) == (outcome, retry_after)
        assert len(r.slack.called("chat.postMessage")) == 1
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


async def test_a_refused_connection_means_not_sent() -> None:
    async with SlackSimulator() as gone:
        url = gone.api_url
    web = SlackWeb("xoxb-1", url, 2.0, logging.getLogger("test"))
    with pytest.raises(SendError, match="cannot be reached") as caught:
        await web.call("chat.postMessage", json={})
    await web.close()

    assert caught.value.outcome is Outcome.NOT_SENT


async def test_a_host_that_never_accepts_means_not_sent() -> None:
    # It takes the connection and never answers the TLS handshake.
    with socket.create_server(("127.0.0.1", 0)) as server:
        web = SlackWeb(
            "xoxb-1", f"https://127.0.0.1:{server.getsockname()[1]}/api/", 0.6, logging.getLogger("test")
        )
        with pytest.raises(SendError, match="cannot be reached") as caught:
            await web.call("chat.postMessage", json={})
        await web.close()

    assert caught.value.outcome is Outcome.NOT_SENT


async def test_an_endpoint_that_is_no_url_is_refused() -> None:
    web = SlackWeb("xoxb-1", "no url", 1.0, logging.getLogger("test"))
    with pytest.raises(SendError, match="not a URL") as caught:
        await web.call("chat.postMessage", json={})
    await web.close()

    assert caught.value.outcome is Outcome.REFUSED


async def test_the_text_of_a_strange_answer_is_not_repeated() -> None:
    async with rig() as r:
        r.slack.fail("chat.postMessage", refused("Your session key is sk-ant-1"))
        with pytest.raises(SendError) as caught:
            await r.chat.post("delivery1", r.slack.channel, alert())

        assert "sk-ant" not in caught.value.reason


async def test_the_missing_scope_is_named() -> None:
    async with rig() as r:
        r.slack.fail("chat.postMessage", refused("missing_scope", needed="chat:write"))
        with pytest.raises(SendError, match=r"missing_scope chat:write .add the scope"):
            await r.chat.post("delivery1", r.slack.channel, alert())


async def test_hosts_that_need_no_proxy_are_reached_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with rig() as r:
        assert r.chat.connection().up
        await r.chat.post("delivery1", r.slack.channel, alert())

        assert len(r.slack.messages()) == 1


async def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with SlackSimulator() as slack:
        monkeypatch.setenv("HTTP_PROXY", slack.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        web = SlackWeb(slack.bot_token, "http://slack.example/api/", 5.0, logging.getLogger("test"))
        answer = await web.call("auth.test")
        await web.close()

        assert answer["user_id"] == slack.bot["user"]
