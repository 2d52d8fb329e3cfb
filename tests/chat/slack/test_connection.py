"""Socket Mode: what Slack, and the way to it, do to a connection, and that it always comes back."""

import asyncio
import logging
import time

from meterbot.chat.slack.connection import QuietLog
from tests.chat.log_lines import logged
from tests.chat.slack.rig import rig
from tests.simulator.slack import SlackSimulator
from tests.simulator.slack_faults import hanging, rate_limited, refused, server_error


async def answered(slack: SlackSimulator) -> bool:
    asked = await slack.slash("/claude-spend", "me")
    return (await slack.answer(asked)).text == "me"


async def test_a_refresh_is_followed_to_the_new_socket() -> None:
    async with rig() as r:
        await r.slack.refresh()
        await r.slack.until(lambda: r.slack.hellos == 2 and r.slack.sockets == 1)

        assert await answered(r.slack)
        await r.slack.until(lambda: r.chat.connection().up)


async def test_a_refresh_without_an_address_is_tried_again_while_the_old_socket_serves() -> None:
    async with rig() as r:
        r.slack.fail("apps.connections.open", server_error(), rate_limited("0"))
        await r.slack.refresh()
        await r.slack.until(lambda: r.slack.calls[-1].method == "apps.connections.open")
        assert await answered(r.slack)

        await r.slack.until(lambda: r.slack.hellos == 2 and r.slack.sockets == 1)
        assert await answered(r.slack)


async def test_a_broken_socket_is_replaced() -> None:
    async with rig() as r:
        before = r.chat.connection()
        r.slack.drop_sockets()
        await r.slack.until(lambda: r.slack.sockets == 0)
        await r.slack.until(lambda: r.slack.hellos == 2)
        await r.slack.until(lambda: r.chat.connection().up)

        assert await answered(r.slack)
        assert r.chat.connection().since != before.since


async def test_a_handshake_that_failed_is_tried_again_with_a_new_address() -> None:
    async with rig() as r:
        r.slack.refuse_handshakes = 2
        r.slack.drop_sockets()
        await r.slack.until(lambda: r.slack.hellos == 2)
        await r.slack.until(lambda: r.chat.connection().up)

        assert await answered(r.slack)


async def test_a_slack_that_hangs_is_down_although_its_socket_is_open() -> None:
    async with rig() as r:
        r.slack.hang()
        assert r.chat.connection().up
        await r.slack.until(lambda: not r.chat.connection().up)

        assert r.chat.connection().detail == "no word from Slack"
        r.slack.recover()
        await r.slack.until(lambda: r.chat.connection().up)
        assert await answered(r.slack)


async def test_a_socket_that_slack_has_not_greeted_is_not_up() -> None:
    async with rig() as r:
        r.slack.hang()
        r.slack.drop_sockets()
        await r.slack.until(lambda: r.slack.sockets == 0)
        await r.slack.until(lambda: r.slack.sockets)

        assert not r.chat.connection().up
        r.slack.recover()
        await r.slack.until(lambda: r.chat.connection().up)


async def test_a_socket_without_an_answered_ping_is_not_up() -> None:
    async with rig(ping_interval=30) as r:
        socket = r.chat._socket
        assert socket is not None
        long_ago = time.time() - 3 * 30
        socket._greeted_at = socket.last_ping_pong_time = long_ago

        assert not r.chat.connection().up
        socket.last_ping_pong_time = long_ago + 10
        assert r.chat.connection().up


async def test_a_token_revoked_on_the_way_is_reported() -> None:
    async with rig() as r:
        r.slack.fail("apps.connections.open", *[refused("token_revoked")] * 3)
        r.slack.drop_sockets()
        await r.slack.until(lambda: "token_revoked" in (r.chat.connection().detail or ""))

        await r.slack.until(lambda: r.chat.connection().up)


async def test_it_closes_within_two_seconds_when_slack_hangs() -> None:
    async with rig() as r:
        r.slack.hang()
        start = time.monotonic()
        await r.chat.close()

        assert time.monotonic() - start < 2


async def test_it_closes_within_two_seconds_while_it_is_connecting() -> None:
    release = asyncio.Event()
    async with rig() as r:
        r.slack.fail("apps.connections.open", hanging(release))
        r.slack.drop_sockets()
        await r.slack.until(lambda: len(r.slack.called("apps.connections.open")) == 2)
        start = time.monotonic()
        await r.chat.close()

        assert time.monotonic() - start < 2
        assert not r.chat.connection().up


async def test_nothing_of_it_is_left_when_it_is_closed() -> None:
    before = asyncio.all_tasks()
    async with rig() as r:
        await r.slack.refresh()
        await r.slack.until(lambda: r.slack.hellos == 2)
    left = {task for task in asyncio.all_tasks() - before if not task.done()}

    assert left == set()


async def test_a_lost_connection_is_logged_once_when_it_goes_and_once_when_it_returns() -> None:
    async with rig() as r:
        r.slack.fail("apps.connections.open", *[server_error()] * 3)
        with logged() as lines:
            r.slack.drop_sockets()
            await r.slack.until(lambda: r.slack.hellos == 2)
            await r.slack.until(lambda: r.chat.connection().up)
            assert lines.events == ["not connected", "connected"]


def test_the_librarys_log_loses_tickets_tracebacks_and_repetitions() -> None:
    quiet = QuietLog()
    record = logging.LogRecord(
        "x",
        logging.ERROR,
        "x",
        1,
        "url='wss://slack/link?ticket=t1&x=2'",
        (),
        (ValueError, ValueError("t1"), None),
    )

    assert quiet.filter(record)
    assert record.getMessage() == "url='wss://slack/link?…'"
    assert record.exc_info is None
    assert not quiet.filter(record)
