"""What an operator asks about the seats and does to them."""

from datetime import UTC
from zlib import crc32
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from meterbot.commands.seat_admin import (
    forgotten_text,
    make_token,
    overview,
    overview_text,
    push_command,
    push_instructions,
    toml_block,
)
from meterbot.core.models import Health, Seat, SourceState
from meterbot.core.seats import SeatDirectory
from meterbot.ingest.pushes import digest
from meterbot.rules.seat_facts import FACTS_VERSION
from meterbot.store import Batch, Forgotten, Latest, Store, push_tokens, tables
from tests.app.config.writing import loaded
from tests.store.examples import ANA, NOW, known, later, write

SEATS = [Seat("bo", "push", interval=900.0), Seat("ana", "claude_ai"), Seat("cy", "push", interval=900.0)]


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


async def test_a_token_is_made_once_and_kept_as_its_digest(store: Store) -> None:
    token = await make_token(store, "bo", NOW, replace=False)
    assert token is not None
    (kept,) = await store.read(push_tokens.read)
    assert (kept.seat, kept.sha256, kept.made_at) == ("bo", digest(token), NOW)
    assert await make_token(store, "bo", NOW, replace=False) is None
    assert await store.read(push_tokens.read) == [kept]


async def test_a_replaced_token_is_another_one(store: Store) -> None:
    first = await make_token(store, "bo", NOW, replace=True)
    second = await make_token(store, "bo", later(hours=1), replace=True)
    assert second not in {None, first}
    assert [one.made_at for one in await store.read(push_tokens.read)] == [later(hours=1)]


@pytest.mark.parametrize(
    ("interval", "every"), [(900.0, "15m"), (3600.0, "60m"), (390.0, "390s"), (60.0, "5m"), (86400.0, "360m")]
)
def test_the_line_to_run_holds_all_that_is_needed(interval: float, every: str) -> None:
    assert push_command("secret", interval, "https://bot.example") == (
        f"METERBOT_URL=https://bot.example METERBOT_PUSH_TOKEN=secret meterbot push --every {every}"
    )


def test_the_block_to_add_loads_and_is_safe_for_any_name() -> None:
    assert [(seat.name, seat.source) for seat in loaded(toml_block("bo")).seats] == [("bo", "push")]
    assert toml_block('x"\ny') == '[[seats]]\nname = "x\\"\\ny"\nsource = "push"\n'


async def test_the_overview_tells_how_each_is_doing_without_a_secret(store: Store) -> None:
    token = await make_token(store, "bo", NOW, replace=False)
    await write(
        store,
        Batch(
            latest=[Latest("ana", ANA, known())],
            sources=[
                SourceState("ana", Health.OK, NOW, last_ok_at=NOW),
                SourceState("gone", Health.REFUSED, NOW),
            ],
        ),
    )
    infos = await overview(store, SeatDirectory(SEATS), {"cy": "0" * 64}, later(seconds=1))
    assert [info.as_json() for info in infos] == [
        {
            "seat": "bo",
            "source": "push",
            "configured": True,
            "invited": False,
            "health": "never_seen",
            "last_reading": None,
            "token_made_at": "2026-04-30T10:00:00Z",
            "token_configured": False,
        },
        {
            "seat": "ana",
            "source": "claude_ai",
            "configured": True,
            "invited": False,
            "health": "ok",
            "last_reading": "2026-04-30T10:00:00Z",
            "token_made_at": None,
            "token_configured": False,
        },
        {
            "seat": "cy",
            "source": "push",
            "configured": True,
            "invited": False,
            "health": "never_seen",
            "last_reading": None,
            "token_made_at": None,
            "token_configured": True,
        },
        {
            "seat": "gone",
            "source": None,
            "configured": False,
            "invited": False,
            "health": "refused",
            "last_reading": None,
            "token_made_at": None,
            "token_configured": False,
        },
    ]
    text = overview_text(infos, ZoneInfo("Europe/Berlin"))
    assert text.splitlines() == [
        "Seat  Source              State       Last reading      Token",
        "bo    push                never seen  never             made 2026-04-30 12:00",
        "ana   claude_ai           ok          2026-04-30 12:00  –",
        "cy    push                never seen  never             in the configuration",
        "gone  ? (not configured)  refused     never             –",
    ]
    for secret in (str(token), digest(str(token)), "0" * 64):
        assert secret not in text + repr(infos)


async def test_the_overview_needs_the_stored_facts_of_a_seat_alone(store: Store) -> None:
    """So it can be made although what is known of it cannot be read."""
    await write(store, Batch(latest=[Latest("ana", ANA, known())]))
    unreadable = update(tables.latest).values(known="{", known_crc32=crc32(b"{", FACTS_VERSION))
    await store.run(lambda c: c.execute(unreadable))
    infos = await overview(store, SeatDirectory(SEATS), {}, NOW)
    assert [info.last_reading for info in infos if info.seat == "ana"] == [NOW]


async def test_a_push_seat_without_a_token_is_told_how_to_get_one(store: Store) -> None:
    (info,) = await overview(store, SeatDirectory(SEATS[:1]), {}, NOW)
    assert overview_text([info], UTC).endswith("none yet: meterbot seat add bo")
    assert overview_text([], UTC) == ""


async def test_silence_shows_although_no_bot_runs(store: Store) -> None:
    await write(store, Batch(latest=[Latest("bo", ANA, known("bo"))]))
    (info,) = await overview(store, SeatDirectory(SEATS[:1]), {}, later(minutes=46))
    assert info.health is Health.STALE


def test_what_was_deleted_is_said_part_by_part() -> None:
    assert forgotten_text("bo", Forgotten()) == "nothing is stored about bo"
    all_of_it = Forgotten(
        counters=1, points=2, events=3, deliveries=4, tokens=1, sessions=1, others=2, shared=1
    )
    deleted, *rest = forgotten_text("bo", all_of_it).splitlines()
    assert deleted == (
        "deleted for bo: 1 counter with 2 points of history, 3 events with 4 messages, its push token, "
        "its stored session and its current numbers and health"
    )
    assert rest == [
        "kept: 1 counter that another seat reads too",
        "What was posted in a chat stays there. While bo is in the configuration, its next reading is stored again.",
    ]
    assert forgotten_text("bo", Forgotten(invitations=1)).splitlines() == [
        "deleted for bo: its invitation",
        "What was posted in a chat stays there. Unless it is in the configuration, it is no longer a seat: meterbot seat invite bo invites it again.",
    ]
    assert forgotten_text("bo", Forgotten(tokens=1)).startswith("deleted for bo: its push token\n")


def test_a_line_that_works_on_this_machine_only_says_so() -> None:
    here = push_instructions("bo", "token", 900.0, "http://127.0.0.1:8080")
    assert "http://127.0.0.1:8080 works on this machine only." in here
    assert "works on this machine only" not in push_instructions(
        "bo", "token", 900.0, "https://bot.example.com"
    )
