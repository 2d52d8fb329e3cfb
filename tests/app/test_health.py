from datetime import UTC, datetime, timedelta

import pytest

from meterbot.app.health import BotHealth, ChatHealth, on_time
from meterbot.chat import Connection
from meterbot.core import secret
from meterbot.core.models import Health, SourceState

NOW = datetime(2026, 4, 30, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last_tick", "expected"),
    [
        (None, False),
        (NOW, True),
        (NOW - timedelta(seconds=60), True),
        (NOW - timedelta(seconds=61), False),
        (NOW + timedelta(hours=1), True),
    ],
    ids=["never", "now", "just so", "late", "the clock was set back"],
)
def test_a_tick_is_on_time_for_a_minute(last_tick: datetime | None, *, expected: bool) -> None:
    assert on_time(last_tick, NOW) is expected


def test_one_line_says_all_of_it() -> None:
    health = BotHealth(
        NOW,
        "1.2.3",
        database=True,
        last_tick=NOW,
        chats={
            "slack": ChatHealth(Connection(up=True)),
            "discord": ChatHealth(Connection(up=False), waiting=3),
        },
        seats={"ana": SourceState("ana", Health.OK), "bo": SourceState("bo", Health.CHALLENGED)},
    )
    assert health.summary() == "1 of 2 seats ok, connected to slack, 3 messages waiting"


def test_why_it_is_not_ready_comes_first() -> None:
    health = BotHealth(NOW, "1.2.3", database=False, last_tick=None)
    assert health.summary() == (
        "not ready: the database does not answer; the last tick is late; 0 of 0 seats ok, no chat is connected, "
        "0 messages waiting"
    )


def test_no_secret_is_in_the_notes() -> None:
    secret.remember("planted-secret-0123456789")
    down = Connection(up=False, detail="refused planted-secret-0123456789")
    (note,) = BotHealth(NOW, "1", database=True, last_tick=NOW, chats={"slack": ChatHealth(down)}).notes()
    assert note == "slack is not connected: refused [hidden]"


def test_what_was_given_up_is_a_note_and_no_reason_to_restart() -> None:
    slack = ChatHealth(Connection(up=True), failed=2)
    health = BotHealth(NOW, "1", database=True, last_tick=NOW, chats={"slack": slack}, failed_pulls=1)
    assert health.notes() == [
        "2 messages for slack failed: meterbot failed lists and retries them",
        "the cost of 1 pull request could not be calculated: meterbot failed lists and retries them",
    ]
    assert health.problems() == []
    assert not health.stuck
