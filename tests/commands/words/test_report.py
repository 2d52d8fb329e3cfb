import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from meterbot.chat import Answer, Question
from meterbot.commands.commands import Commands
from meterbot.commands.context import CommandContext
from meterbot.core.clock import ManualClock
from meterbot.core.models import Health
from meterbot.core.seats import SeatDirectory
from meterbot.core.text import stamp
from meterbot.delivery.redaction import Redaction
from meterbot.ingest.ingest import Ingest
from meterbot.ingest.pushes import PushReceiver
from meterbot.ingest.recording import Recorder
from meterbot.rules.settings import RuleSettings
from meterbot.sources.pushed import snapshots_of
from meterbot.store import Store, counter_states, event_log, source_states
from tests.properties import examples
from tests.shared_store import SharedSqlite, file_of
from tests.teams import NOW, seat

ORG = "11111111-2222-4333-8444-555555555555"
SEATS = {each.name: each for each in (seat("ana", "push"), seat("bo", "push"), seat("cy"))}
SEATS["ana-work"] = replace(seat("ana-work", "push"), owner={"discord": "7", "slack": "UTWO"})
SEATS["ana-home"] = replace(seat("ana-home", "push"), owner={"slack": "UTWO"})


def document(used: int = 1720, ago: timedelta = timedelta(minutes=1), **more: object) -> str:
    """claude-meter's JSON, of a minute ago."""
    usage = {
        "five_hour": {"utilization": 41.0, "resets_at": "2026-04-30T12:00:00Z"},
        "extra_usage": {"is_enabled": True, "used_credits": used, "monthly_limit": 5000, "currency": "USD"},
    }
    whole = {"org_uuid": ORG, "account_email": "planted@example.com", "fetched_at": stamp(NOW - ago)}
    return json.dumps({**whole, "usage": usage, "overage": None, "subscription": None, "errors": [], **more})


class Desk:
    """A bot without chats."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = ManualClock(NOW)
        ingest = Ingest(store, Recorder(SEATS, (), RuleSettings()), lambda: None)
        self.receiver = PushReceiver(SeatDirectory(SEATS.values()), {}, store, ingest, snapshots_of)
        self.commands = Commands(
            CommandContext(
                store,
                SEATS,
                now=self.clock.now,
                tz=UTC,
                version="1",
                redaction=Redaction("self"),
                receiver=self.receiver,
            )
        )

    def form(self, words: str, user: str = "UANA", platform: str = "slack") -> tuple[str, ...] | None:
        form = self.commands.form(Question(tuple(words.split()), platform, user))
        return None if form is None else form.words

    async def paste(self, text: str | None, words: str = "report", user: str = "UANA") -> Answer:
        answer = await self.commands.answer(Question(tuple(words.split()), "slack", user, "C1", text))
        assert not answer.public
        return answer

    async def everything(self) -> tuple[object, ...]:
        """All that a report could have changed."""
        return (
            await self.store.read(counter_states.read_latest),
            await self.store.read(source_states.read_sources),
            await self.store.read(lambda c: event_log.read_events(c, NOW - timedelta(9))),
        )


@pytest.fixture
def desk(sqlite_store: Store) -> Desk:
    return Desk(sqlite_store)


def body(answer: Answer) -> str:
    return "\n".join(
        [answer.message.text, *(line for part in answer.message.sections for line in part.lines)]
    )


# --- the form


async def test_the_owner_gets_a_form_for_the_one_seat(desk: Desk) -> None:
    assert desk.form("report") == ("report", "ana")
    assert desk.form("Report ANA share") == ("report", "ana")


@pytest.mark.parametrize(
    ("words", "user"),
    [
        ("me", "UANA"),
        ("", "UANA"),
        ("report bo", "UANA"),
        ("report", "UCY"),
        ("report", "UTWO"),
        ("report", "7"),
    ],
)
async def test_there_is_no_form_for_anything_else(desk: Desk, words: str, user: str) -> None:
    assert desk.form(words, user) is None


async def test_one_of_several_seats_is_chosen_by_name_or_button(desk: Desk) -> None:
    asked = await desk.paste(None, user="UTWO")
    ids = [action.id for action in asked.message.actions]
    assert ids == ["report:ana-home", "report:ana-work"]
    assert desk.form(ids[1].replace(":", " "), "UTWO") == ("report", "ana-work")
    assert desk.form("report", "7", "discord") == ("report", "ana-work")


async def test_a_chat_without_forms_names_the_command_that_sends_a_file(desk: Desk) -> None:
    before = await desk.everything()
    refused = await desk.paste(None)
    assert "meterbot push --from FILE" in (refused.message.text or "")
    assert await desk.everything() == before


@examples(15)
@given(name=st.from_regex(r"[a-z0-9._-]{1,64}", fullmatch=True))
async def test_a_form_fits_every_chat(desk: Desk, name: str) -> None:
    seats = {name: seat(name, "push", owner={"slack": "U1"})}
    context = CommandContext(desk.store, seats, now=lambda: NOW, tz=UTC, version="1", receiver=desk.receiver)
    form = Commands(context).form(Question(("report",), "slack", "U1"))
    assert form is not None
    lengths = (len(":".join(form.words)), len(form.title), len(form.label), len(form.hint))
    assert all(length <= most for length, most in zip(lengths, (80, 24, 45, 100), strict=True))


# --- what is pasted


async def test_right_numbers_are_stored_and_shown(desk: Desk) -> None:
    answer = await desk.paste(document())
    assert not answer.invalid
    assert answer.message.text == "Stored 1 reading. Thank you."
    assert "$17.20 / $50.00" in body(answer)
    [row] = await desk.store.read(counter_states.read_latest)
    assert row.seat == "ana"
    assert (await desk.store.read(source_states.read_sources))["ana"].health is Health.OK


async def test_a_list_and_white_space_around_it_are_taken_too(desk: Desk) -> None:
    answer = await desk.paste(f"\n  [{document()}, {document(900, timedelta(hours=1))}]\n")
    assert answer.message.text == "Stored 2 readings. Thank you."
    assert "$17.20 / $50.00" in body(answer)


@pytest.mark.parametrize("second", [document(), document(900, timedelta(hours=1))])
async def test_the_same_again_and_older_numbers_change_nothing(desk: Desk, second: str) -> None:
    await desk.paste(document())
    before = await desk.everything()
    answer = await desk.paste(second)
    assert answer.message.text.startswith("Nothing new")
    assert not answer.invalid
    assert await desk.everything() == before


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Nothing was pasted."),
        (" \n", "Nothing was pasted."),
        (document()[:-1], "Nothing was stored. the body is not JSON"),
        (document(org_uuid=None), "Nothing was stored. org_uuid: is missing: which organization is this of?"),
        (document(ago=timedelta(hours=-1)), "Nothing was stored. fetched_at: is in the future"),
        (document(usage=3), "Nothing was stored. usage: expected an object or null, got a number"),
        (f"[{document()}, 3]", "Nothing was stored. [1]: expected an object, got a number"),
        ("\ud800", "Nothing was stored. the body is not UTF-8"),
        ("[" * 20_000, "Nothing was stored. the body is nested too deeply"),
    ],
)
async def test_what_is_wrong_is_said_with_its_field_and_nothing_is_stored(
    desk: Desk, text: str, why: str
) -> None:
    before = await desk.everything()
    answer = await desk.paste(text)
    assert answer.invalid
    assert answer.message.text.startswith(why)
    assert [action.id for action in answer.message.actions] == ["report:ana"]
    assert await desk.everything() == before


async def test_another_account_is_refused_with_what_to_do(desk: Desk) -> None:
    await desk.paste(document(account_uuid="99999999-2222-4333-8444-555555555555"))
    answer = await desk.paste(document(ago=timedelta(0), account_uuid="88888888-2222-4333-8444-555555555555"))
    assert answer.invalid
    assert "another account" in answer.message.text
    assert "ask the operator" in answer.message.text


@pytest.mark.parametrize(
    ("user", "words"), [("UBO", "report ana"), ("UCY", "report"), ("UCY", "report cy"), ("U9", "report ana")]
)
async def test_nobody_reports_for_somebody_else(desk: Desk, user: str, words: str) -> None:
    before = await desk.everything()
    answer = await desk.paste(document(), words, user)
    assert not answer.message.text.startswith("Stored")
    assert await desk.everything() == before


async def test_haste_is_held_up_and_may_be_tried_again(desk: Desk) -> None:
    for _ in range(6):
        await desk.paste("wrong")
    assert (await desk.paste(document())).message.text == "Too many reports at once: wait 30 seconds."
    assert (await desk.paste(document(), user="UBO")).message.text.startswith("Stored")
    desk.clock.advance(timedelta(seconds=30))
    assert (await desk.paste(document())).message.text.startswith("Stored")


async def test_nothing_of_what_was_pasted_is_repeated_or_logged(desk: Desk) -> None:
    with capture_logs() as logs:
        answers = [
            await desk.paste(text)
            for text in ("planted", document(org_uuid="planted"), document(planted="planted"))
        ]
    assert "planted" not in str(logs) + str(answers)
    with closing(sqlite3.connect(file_of(desk.store))) as database, database:
        assert "planted" not in "\n".join(database.iterdump())


async def test_a_database_that_is_away_loses_nothing_of_what_was_written(desk: Desk) -> None:
    with closing(sqlite3.connect(file_of(desk.store))) as database, database:
        database.execute("ALTER TABLE sources RENAME TO elsewhere")
    with capture_logs():
        answer = await desk.paste(document())
    assert (answer.message.title, answer.invalid) == ("No answer", True)
    with closing(sqlite3.connect(file_of(desk.store))) as database, database:
        database.execute("ALTER TABLE elsewhere RENAME TO sources")
    assert (await desk.paste(document())).message.text.startswith("Stored")


def _jsons() -> Iterator[st.SearchStrategy[str]]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    anything = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
    known = st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["org_uuid", "fetched_at", "usage", "overage", "subscription"], anything)
    )
    yield st.text()
    yield st.text(st.characters(codec=None))
    yield (anything | known | st.lists(known)).map(json.dumps)
    yield st.integers(0, len(document()) - 1).map(lambda end: document()[:end])


@examples(20)
@given(texts=st.lists(st.one_of(*_jsons()), min_size=1, max_size=5))
async def test_arbitrary_text_never_raises_and_changes_nothing(
    sqlite_shared: SharedSqlite, texts: list[str]
) -> None:
    async with sqlite_shared.lend() as store:
        desk = Desk(store)
        await desk.paste(document())
        before = await desk.everything()
        with capture_logs() as logs:
            for text in texts:
                assert (await desk.paste(text)).invalid
        assert logs == []
        assert await desk.everything() == before
