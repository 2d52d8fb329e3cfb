import asyncio
import io
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from meterbot import chat
from meterbot.app.heartbeat import Heartbeat
from meterbot.chat import Answer, Chat, Question
from meterbot.chat.command_words import WORDS
from meterbot.chat.console import Console
from meterbot.chat.text_forms import without_natives
from meterbot.commands.commands import FORMS, FUNCTIONS, Commands
from meterbot.commands.context import NOT_SHOWN, CommandContext
from meterbot.core.clock import ManualClock
from meterbot.core.deliveries import DeliveryKind, DeliveryState, Destination, DestinationTrouble, NewDelivery
from meterbot.core.inline import plain
from meterbot.core.messages import Message
from meterbot.core.models import (
    Counter,
    Event,
    EventKind,
    Health,
    Sample,
    Seat,
    Severity,
)
from meterbot.core.operators import Operators, Rows
from meterbot.delivery.redaction import Redaction
from meterbot.rules.hours import Hour
from meterbot.store import (
    Batch,
    Connection,
    Latest,
    Store,
    batches,
    delivery_claims,
    delivery_outcomes,
    rollup,
)
from meterbot.store.delivery_claims import Claim
from tests.properties import examples
from tests.shared_store import file_of
from tests.teams import (
    NOW,
    extra,
    money,
    reading,
    seat,
    snapshot,
    state,
)

SEATS = {each.name: each for each in (seat("ana"), seat("ana-home"), seat("bo"), seat("cy", "push"))}
BOSSES = Operators({"slack": frozenset({"UBOSS"})}, {"slack": frozenset({"SLEADS"})})
SEATS["ana-home"] = replace(SEATS["ana-home"], owner={"slack": "UANA", "discord": "7"})


async def test_status_says_whose_plan_is_another_than_the_accounts(store: Store) -> None:
    read = reading(snapshot("ana", extra_usage=extra("3", "10"), tier="pro"))
    await store.run(lambda c: batches.write(c, Batch(latest=[Latest(read.seat, read.counter, read.known)])))
    configured = {**SEATS, "ana": replace(SEATS["ana"], plan="max_5x")}
    answerer = commands(store, "self", seats=configured)
    said = "ana is configured with plan max_5x, and its account says pro"
    assert said in body((await ask(answerer, "status")).message)
    assert said not in body((await ask(answerer, "status", user="USOMEONE")).message)


@pytest.fixture
async def store(sqlite_store: Store) -> Store:
    """Ana twice (two accounts), Bo blocked, Cy never read."""
    readings = [
        reading("ana"),
        reading(snapshot("ana-home", extra_usage=extra("3", "10"))),
        reading(snapshot("bo", extra_usage=extra("50", "50"))),
    ]
    latest = [Latest(each.seat, each.counter, each.known) for each in readings]
    sources = [state("ana"), state("ana-home"), state("bo", Health.RATE_LIMITED)]
    await sqlite_store.run(lambda c: batches.write(c, Batch(latest=latest, sources=sources)))
    return sqlite_store


def commands(
    store: Store,
    rows: Rows = "named",
    chats: Sequence[Chat] = (),
    seats: Mapping[str, Seat] | None = None,
) -> Commands:
    return Commands(
        CommandContext(
            store,
            seats or SEATS,
            now=lambda: NOW,
            tz=UTC,
            version="1.2.3",
            redaction=Redaction(rows, BOSSES),
            chats=chats,
        )
    )


async def ask(answerer: Commands, text: str, user: str = "UANA", platform: str = "slack") -> Answer:
    return await answerer.answer(Question(tuple(text.split(" ")) if text else (), platform, user, "C1"))


def named(answer: Answer) -> str:
    """The title, of a seat its name alone."""
    name, _, _ = answer.message.title.partition(": ")
    return name if name in SEATS else answer.message.title


def body(message: Message) -> str:
    sections = without_natives(message, 120).sections
    return plain("\n".join([message.text, *(line for section in sections for line in section.lines)]))


async def test_no_word_answers_with_the_team(store: Store) -> None:
    answer = await ask(commands(store), "")
    assert answer.message.title == "Claude spend, April 2026: $70.20"
    assert "$70.20 spent of $110.00 (64%)" in answer.message.text
    assert not answer.public


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("team", "Claude spend, April 2026: $70.20"),
        ("  TEAM ", "Claude spend, April 2026: $70.20"),
        ("/claude-spend status", "meterbot status"),
        ("<@U0BOT> status", "meterbot status"),
        ("<@!123> Status", "meterbot status"),
        ("<@U0BOT|meterbot> renewals", "Renewals"),
        ("@meterbot renewals", "Renewals"),
        ("refresh seat bo", "bo"),
        ("@meterbot spend", "Claude spend, April 2026: $70.20"),
        ("spend me", "ana and ana-home"),
        ("refresh team", "Claude spend, April 2026: $70.20"),
        ("seat bo", "bo"),
        ("Seat   BO", "bo"),
        ("seat @bo", "Which seat?"),
        ("seat <@UANA>", "ana and ana-home"),
        ("help", "What you can ask"),
        ("help forecast", "What you can ask"),
        ("HELP", "What you can ask"),
    ],
)
async def test_words_are_understood_however_they_come(store: Store, text: str, title: str) -> None:
    answer = await ask(commands(store), text)
    assert named(answer) == title
    assert not answer.public


@pytest.mark.parametrize(
    "text", ["share", "share team", "team share", "refresh share", "Share seat bo", "seat share bo"]
)
async def test_share_anywhere_makes_the_answer_public(store: Store, text: str) -> None:
    answer = await ask(commands(store), text)
    assert answer.public
    assert named(answer) in {"bo", "Claude spend, April 2026: $70.20"}
    assert answer.message.actions == ()


async def test_a_button_asks_what_its_id_says(store: Store) -> None:
    answer = await ask(commands(store), "me")
    assert [action.id for action in answer.message.actions] == ["refresh:me", "share:me"]
    for action in answer.message.actions:
        pressed = await commands(store).answer(Question(tuple(action.id.split(":")), "slack", "UANA"))
        assert pressed.message.title == answer.message.title


async def test_me_finds_all_seats_of_the_person_on_that_platform(store: Store) -> None:
    assert (await ask(commands(store), "me")).message.title == "ana and ana-home"
    assert named(await ask(commands(store), "me", "7", "discord")) == "ana-home"


async def test_me_without_a_seat_says_how_to_get_one(store: Store) -> None:
    answer = await ask(commands(store), "me", "U999")
    assert answer.message.title == "No seat is yours"
    assert 'owner = { slack = "U999" }' in answer.message.text


@pytest.mark.parametrize("rows", ["self", "anonymous"])
async def test_the_seat_of_somebody_else_is_refused_politely(store: Store, rows: Rows) -> None:
    answer = await ask(commands(store, rows), "seat bo")
    assert answer.message.title == "Not shown"
    assert "50.00" not in body(answer.message)


@pytest.mark.parametrize("rows", ["self", "anonymous"])
@pytest.mark.parametrize("asked", ["seat {}", "history {}", "history 7d {}", "seat {} share"])
async def test_a_hidden_seat_is_answered_like_one_that_does_not_exist(
    store: Store, rows: Rows, asked: str
) -> None:
    answerer = commands(store, rows)
    for name in ("bo", "b", "bp", "nobody", "an", "<@UBO>", "<@UNOBODY>"):
        answer = await ask(answerer, asked.format(name), user="UZED")
        assert (answer.message.title, answer.message.fallback) == (NOT_SHOWN.title, NOT_SHOWN.fallback)
    assert (await ask(answerer, "seat", user="UZED")).message == NOT_SHOWN
    bare = [(await ask(answerer, name, user="UZED")).message.text for name in ("zzz", "bo")]
    assert not [text for text in bare if "seat bo" in text]


@pytest.mark.parametrize("rows", ["self", "anonymous"])
async def test_a_hidden_seat_does_not_change_what_a_beginning_means(store: Store, rows: Rows) -> None:
    anna = {**SEATS, "ana-home": replace(SEATS["ana-home"], owner={"slack": "UBO"})}
    assert named(await ask(commands(store, rows, seats=anna), "seat an")) == "ana"


@pytest.mark.parametrize("rows", ["self", "anonymous"])
async def test_an_operator_is_told_the_names_but_not_where_the_channel_reads_them(
    store: Store, rows: Rows
) -> None:
    answerer = commands(store, rows)
    assert "The seats: ana, ana-home, bo and cy." in (await ask(answerer, "seat x", "UBOSS")).message.text
    assert (await ask(answerer, "seat x share", "UBOSS")).message == NOT_SHOWN


@pytest.mark.parametrize("rows", ["self", "anonymous"])
async def test_status_names_only_the_seats_that_one_may_know(store: Store, rows: Rows) -> None:
    """Those that are not read are for everyone."""
    waiting = NewDelivery("d" * 20, "e1", "slack", "@UANA", DeliveryKind.POST, Message("ana", "ana"))
    happened = Event("e1", EventKind.SPEND_STARTED, NOW, Severity.INFO, "because", "ana")
    await store.run(lambda c: batches.write(c, Batch(events=[happened], deliveries=[waiting])))
    answerer = commands(store, rows)
    answerer.context.unsaved_session_keys = lambda: {"there is no key": ["ana", "bo"]}
    theirs, leads = [(await ask(answerer, "status", user)).message for user in ("UZED", "UBOSS")]
    assert ([row[0] for row in theirs.tables[0].rows], theirs.tables[0].note) == (
        ["bo", "cy"],
        "and 2 seats not shown to you",
    )
    assert "ana" not in body(theirs).lower()
    assert "and 1 queue of direct messages, not shown to you" in body(theirs)
    assert len(leads.tables[0].rows) == 4
    assert all(said in body(leads) for said in ("@UANA", "Renewed session keys of ana and bo are not kept"))
    assert "Renewed session keys of 2 seats are not kept" in body(theirs)


@pytest.mark.parametrize("rows", ["self", "anonymous"])
async def test_status_shows_people_the_queue_of_their_own_direct_messages(store: Store, rows: Rows) -> None:
    happened = Event("e1", EventKind.SPEND_STARTED, NOW, Severity.INFO, "because", "ana")
    waiting = [
        NewDelivery(user * 20, "e1", "slack", f"@{user}", DeliveryKind.POST, Message("ana", "ana"))
        for user in ("UANA", "UBO")
    ]
    await store.run(lambda c: batches.write(c, Batch(events=[happened], deliveries=waiting)))
    answerer = commands(store, rows)
    theirs = body((await ask(answerer, "status", "UANA")).message)
    assert "slack @UANA: not running; 1 message waiting" in theirs
    assert "@UBO" not in theirs
    assert "and 1 queue of direct messages, not shown to you" in theirs
    assert "@U" not in body((await ask(answerer, "status share", "UANA")).message), "the channel reads it"


@pytest.mark.parametrize("rows", ["self", "anonymous", "named"])
async def test_a_person_always_sees_their_own(store: Store, rows: Rows) -> None:
    for text in ("me", "seat ana", "share me"):
        assert "$17.20 / $50.00 (34%)" in body((await ask(commands(store, rows), text)).message)


@pytest.mark.parametrize("rows", ["self", "anonymous"])
async def test_a_public_team_names_nobodys_numbers(store: Store, rows: Rows) -> None:
    answer = await ask(commands(store, rows), "share")
    (table,) = answer.message.tables
    assert not any(row[0] != "a seat" for row in table.rows)
    assert (rows == "self") is (table.rows == ())


async def test_an_unknown_word_answers_with_help_and_a_guess(store: Store) -> None:
    answer = await ask(commands(store), "renewls")
    assert answer.message.title == "I do not know “renewls”."
    assert answer.message.text == "Did you mean “renewals”? Type “help” for the list."
    assert answer.message.sections == ()


async def test_a_word_that_is_near_none_answers_with_the_whole_list(store: Store) -> None:
    answer = await ask(commands(store), "xyzzy")
    assert answer.message.title == "What you can ask"
    assert answer.message.text.startswith("I do not know “xyzzy”.")


@pytest.mark.parametrize("text", ["thresholds", "levels", "quiet"])
async def test_another_name_of_a_word_is_answered_like_the_word(store: Store, text: str) -> None:
    assert (await ask(commands(store), text)).message.title == "Your settings"


def test_every_word_that_can_be_asked_has_one_function_and_no_two_words_share_a_name() -> None:
    assert [word.name for word in WORDS] == list(dict.fromkeys(word.name for word in WORDS))
    assert {word.name for word in WORDS} == set(FUNCTIONS)
    assert set(FORMS) <= set(FUNCTIONS)
    names = [name for word in WORDS for name in (word.name, *word.aliases)]
    assert len(names) == len(set(names))


async def test_the_bare_name_of_a_seat_is_guessed(store: Store) -> None:
    assert "Did you mean “seat bo”?" in (await ask(commands(store), "bo")).message.text


async def test_a_word_too_many_is_not_swallowed(store: Store) -> None:
    answer = await ask(commands(store), "status bo")
    assert answer.message.title == "I do not know “status bo”."
    assert answer.message.text.startswith("Did you mean “status”?")


async def test_words_of_a_later_version_are_not_listed(store: Store) -> None:
    text = body((await ask(commands(store), "forecast")).message)
    for later in ("history",):
        assert later not in text


async def test_a_seat_that_is_not_there_is_answered_with_the_nearest(store: Store) -> None:
    answer = await ask(commands(store), "seat ana-hme")
    assert answer.message.title == "No seat is called “ana-hme”."
    assert answer.message.text == "Did you mean “ana-home”? The seats: ana, ana-home, bo and cy."


@pytest.mark.parametrize(
    ("text", "title"), [("b", "bo"), ("ana-", "ana-home"), ("an", "No seat is called “an”.")]
)
async def test_the_beginning_of_a_name_is_enough_where_no_other_begins_so(
    store: Store, text: str, title: str
) -> None:
    assert named(await ask(commands(store), f"seat {text}")) == title


async def test_a_seat_without_a_name_is_asked_for(store: Store) -> None:
    answer = await ask(commands(store), "seat")
    assert (answer.message.title, answer.message.text) == (
        "Which seat?",
        "The seats: ana, ana-home, bo and cy.",
    )


async def test_status_tells_what_waits_where_and_which_chat_is_down(store: Store) -> None:
    happened = Event("e1", EventKind.SEAT_BLOCKED, NOW, Severity.CRITICAL, "because", "bo")
    queued = NewDelivery(
        "d" * 20, "e1", "slack", "C1", DeliveryKind.POST, Message("bo is BLOCKED", "bo is BLOCKED")
    )
    await store.run(lambda c: batches.write(c, Batch(events=[happened], deliveries=[queued])))
    claimed = await store.run(lambda c: delivery_claims.claim(c, "slack", Claim("worker", NOW, 60)).delivery)
    assert claimed is not None
    refusal = DestinationTrouble("not_in_channel", NOW, refused=True)
    await store.run(
        lambda c: delivery_outcomes.mark_waiting(
            c, claimed, DeliveryState.REFUSED, NOW + timedelta(minutes=10), refusal
        )
    )
    terminal = Console(None, io.StringIO())
    text = body((await ask(commands(store, chats=[terminal]), "status")).message)
    assert "bo: rate limited since Thu Apr 30 07:00." in text
    assert "cy: never seen." in text
    assert "console terminal: not connected; nothing waiting" in text
    assert "slack C1: not running; 1 message waiting" in text
    assert "trouble: not_in_channel" in text


async def test_status_beside_a_running_bot_says_how_its_chats_are_connected(store: Store) -> None:
    heartbeat = Heartbeat(store, "one", ManualClock(NOW))
    await heartbeat.ticked(
        NOW - timedelta(minutes=1), {"slack": chat.Connection(up=True, since=NOW - timedelta(hours=2))}
    )
    context = replace(commands(store).context, destinations=[Destination("slack", "C1")])
    text = body((await ask(Commands(context), "status")).message)
    assert "slack C1: connected since Thu Apr 30 08:00; nothing waiting" in text
    await heartbeat.ticked(NOW - timedelta(minutes=9), {"slack": chat.Connection(up=True)})
    text = body((await ask(Commands(context), "status")).message)
    assert "slack C1: not running; nothing waiting" in text
    assert "No bot seems to be running, its last tick was 9 min ago" in text


async def test_a_store_that_is_down_is_a_sentence_and_not_a_traceback(store: Store) -> None:
    with closing(sqlite3.connect(file_of(store))) as database, database:
        database.execute("drop table latest")
    database.close()
    with capture_logs() as logged:
        answer = await ask(commands(store), "share")
    assert answer.message.title == "No answer"
    assert answer.message.text == (
        "Something went wrong while I answered this. Please try again in a minute; the log has the reason."
    )
    assert not answer.public
    assert [(line["event"], line["log_level"]) for line in logged] == [
        ("answering a question failed", "error")
    ]
    assert (await ask(commands(store), "help")).message.title == "What you can ask"


@examples(20)
@given(
    words=st.lists(st.sampled_from(["share", "seat", "me", "refresh", "bo", "<@U1>", "x" * 300]) | st.text())
)
async def test_whatever_is_typed_is_answered(store: Store, words: list[str]) -> None:
    answer = await commands(store).answer(Question(tuple(words), "discord", "1"))
    assert answer.message.title
    assert answer.message.title != "No answer"
    assert len(answer.message.title.splitlines()) == 1


# --- history


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("history", "The team's extra usage, the last 30 days"),
        ("history 7d", "The team's extra usage, the last 7 days"),
        ("history 90d bo", "Extra usage of bo, the last 90 days"),
        ("history bo 7d", "Extra usage of bo, the last 7 days"),
        ("history 8d", "Which days?"),
        ("history bo 30", "Extra usage of bo, the last 30 days"),
        ("history cleo", "No seat is called “cleo”."),
        ("history 7d 30d", "Which days?"),
        ("forecast", "Where April is heading"),
    ],
)
async def test_history_takes_days_and_a_seat(store: Store, text: str, title: str) -> None:
    assert (await ask(commands(store), text)).message.title == title


async def test_history_has_charts_and_the_same_numbers_in_words(store: Store) -> None:
    points = [
        Sample(
            NOW - timedelta(days=2, hours=-number),
            reading("bo").counter,
            money(str(number)),
            None,
            blocked=False,
        )
        for number in range(5)
    ]
    await store.run(lambda c: batches.write(c, Batch(samples=points)))
    answer = await ask(commands(store), "history 7d share")
    assert answer.public
    assert answer.message.title == "The team's extra usage since Tue Apr 28: $4.00"
    assert answer.message.text.startswith("$4.00 spent since Tue Apr 28: bo $4.00.")
    assert len(answer.message.charts) == 2


async def test_what_many_ask_for_at_once_is_read_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    answerer, hours, read, asked = commands(store), rollup.read, 0, threading.Semaphore(0)

    class Lookups(dict[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            asked.release()
            return super().get(key, default)

    def counted(connection: Connection, counters: Iterable[Counter], since: datetime) -> list[Hour]:
        nonlocal read
        read += 1
        for _ in range(3 if read == 1 else 1):  # The first reading lasts until all three have asked.
            asked.acquire()
        return hours(connection, counters, since)

    answerer.context.hours_being_read = Lookups()
    monkeypatch.setattr(rollup, "read", counted)
    first = await asyncio.gather(*(ask(answerer, "history", user) for user in ("UANA", "UBO", "UCLEO")))
    assert read == 1
    await ask(answerer, "history")
    assert read == 2
    assert len({answer.message.text for answer in first}) == 1


async def test_a_colleagues_history_is_not_shown_where_rows_are_ones_own(store: Store) -> None:
    assert (await ask(commands(store, "self"), "history bo")).message.title == "Not shown"


# --- operators


@pytest.mark.parametrize("rows", ["anonymous", "self"])
@pytest.mark.parametrize("how", [{"user": "UBOSS"}, {"user": "UZED", "groups": ("SLEADS",)}])
async def test_an_operator_sees_every_seat_under_its_name(
    store: Store, rows: Rows, how: dict[str, Any]
) -> None:
    def asked(*words: str) -> Question:
        return Question(words, "slack", channel="C1", **how)

    answerer = commands(store, rows)
    team = await answerer.answer(asked())
    assert all(name in body(team.message) for name in ("ana", "bo"))
    assert named(await answerer.answer(asked("seat", "bo"))) == "bo"
    assert (await answerer.answer(asked("me"))).message.title == "No seat is yours"


@pytest.mark.parametrize("rows", ["anonymous", "self"])
async def test_what_an_operator_shares_shows_what_the_channel_may_see(store: Store, rows: Rows) -> None:
    answerer = commands(store, rows)
    shared = await ask(answerer, "team share", "UBOSS")
    theirs = await ask(answerer, "team share", "UZED")
    assert shared.public
    # Rows without a name come in no order.
    assert sorted(body(shared.message).splitlines()) == sorted(body(theirs.message).splitlines())
    assert (await ask(answerer, "seat bo share", "UBOSS")).message.title == "Not shown"
    assert (await ask(answerer, "seat ana", "UBOSS", "discord")).message.title == "Not shown"
