"""Seats that wait for their person: who is invited, what arrives, and who has joined."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.app.build_sources import end_invitations, known_seats
from meterbot.app.config.loading import load_text
from meterbot.chat import Question
from meterbot.commands.commands import Commands
from meterbot.commands.context import CommandContext
from meterbot.commands.invitations import (
    LATE_AFTER,
    Invitations,
    NotInvitedError,
    as_toml,
    join_status,
    new_seat,
    owner_of,
    remove_invitation,
)
from meterbot.commands.join_lines import JoinTerms
from meterbot.core.clock import ManualClock
from meterbot.core.models import Seat
from meterbot.core.operators import Operators
from meterbot.core.seats import SeatDirectory
from meterbot.delivery.redaction import Redaction
from meterbot.ingest.ingest import Ingest
from meterbot.ingest.pushes import PushReceiver, digest, make_code, trade_code
from meterbot.ingest.recording import Recorder
from meterbot.rules.settings import RuleSettings
from meterbot.sources.pushed import snapshots_of
from meterbot.store import (
    PushToken,
    Store,
    forgetting,
    invited_seats,
    notes,
    push_tokens,
    tables,
)
from meterbot.store.database import open_store
from meterbot.store.invited_seats import InvitedSeat
from tests.teams import NOW, seat, snapshot
from tests.transactions import blocked

OPERATORS = Operators({"slack": frozenset({"UBOSS"})})
BO = new_seat("bo", {"slack": "UBO"})


def inviting(store: Store, configured: Iterable[Seat] = (), chats: Sequence[str] = ("slack",)) -> Invitations:
    return Invitations(store, SeatDirectory(configured), chats, Redaction())


async def queued(store: Store) -> list[tuple[str, str, str]]:
    """Chat, channel and event of every queued message."""
    rows = await store.read(lambda c: c.execute(tables.deliveries.select()).all())
    return sorted((row.chat, row.channel, row.event) for row in rows)


async def test_an_invited_seat_waits_and_its_person_gets_one_message_a_day(store: Store) -> None:
    invitations = inviting(store)
    (first,) = await invitations.invite([BO], NOW)
    (second,) = await invitations.invite([BO], NOW + timedelta(hours=1))
    assert first.sentence == "bo: a direct message to its owner is queued on Slack."
    assert second.sentence == "bo: today's direct message to its owner is already queued on Slack."
    assert invitations.seats["bo"] == BO
    assert len(await queued(store)) == 1
    (third,) = await invitations.invite([BO], NOW + timedelta(days=1))
    assert "a direct message to its owner is queued" in third.sentence
    assert [(chat, channel) for chat, channel, _ in await queued(store)] == [("slack", "@UBO")] * 2
    (kept,) = await store.read(invited_seats.read)
    assert kept == InvitedSeat("bo", {"slack": "UBO"}, NOW)


async def test_a_seat_without_an_owner_on_a_chat_waits_and_the_operator_passes_the_line_on(
    store: Store,
) -> None:
    invitations = inviting(store, [seat("cy")])
    seats = [new_seat("dan", {}), new_seat("eve", {"discord": "77777"}), seat("cy")]
    invited = await invitations.invite(seats, NOW)
    assert [each.needs_line for each in invited] == [True, True, False]
    assert "the bot reads this seat itself" in invited[2].sentence
    assert await queued(store) == []
    assert [*invitations.seats] == ["cy", "dan", "eve"]
    (named,) = await invitations.invite([new_seat("dan", {"slack": "UDAN"})], NOW)
    assert named.sentence == "dan: a direct message to its owner is queued on Slack."


async def test_nobody_is_invited_where_one_of_them_cannot_be(store: Store) -> None:
    invitations = inviting(store, [seat("ana", "push")])
    await invitations.invite([BO], NOW)
    before = await queued(store)
    for wrong, said in (
        ("bo", "for another person: run meterbot seat forget bo"),
        ("ana", "in the configuration"),
    ):
        with pytest.raises(NotInvitedError, match=said):
            await invitations.invite([new_seat("cleo", {}), new_seat(wrong, {"slack": "U9"})], NOW)
    assert (await queued(store), [*invitations.seats]) == (before, ["ana", "bo"])


async def test_a_seat_that_another_process_invited_may_push_at_once(database_url: str) -> None:
    store, other = await open_store(database_url), None
    try:
        directory = SeatDirectory([])
        ingest = Ingest(store, Recorder(directory, [], RuleSettings()), lambda: None)
        receiver = PushReceiver(directory, {}, store, ingest, snapshots_of)
        other = store if database_url.startswith("sqlite") else await open_store(database_url)
        await inviting(other).invite([BO], NOW)
        await other.run(lambda tx: push_tokens.write(tx, PushToken("bo", digest("t"), NOW)))
        assert await receiver.seat_of("t") == "bo"
        await other.run(lambda tx: invited_seats.remove(tx, ["bo"]))
        assert await receiver.seat_of("t") is None
    finally:
        await store.close()
        if other is not None and other is not store:
            await other.close()


async def test_an_entry_in_the_configuration_replaces_the_invitation(store: Store) -> None:
    text = '[[seats]]\nname = "bo"\nsource = "push"\nplan_price = "100.00"\nowner = { slack = "UBO" }\n'
    config = load_text(text, "config.toml", {}, Path())
    await inviting(store).invite([BO, new_seat("cleo", {})], NOW)
    seats = await known_seats(config, store)
    assert [*seats] == ["bo", "cleo"]
    assert seats.is_configured("bo")
    assert seats["bo"].plan_price is not None
    await end_invitations(config, store)
    assert [each.name for each in await store.read(invited_seats.read)] == ["cleo"]
    other = load_text(text.replace("bo", "zed"), "config.toml", {}, Path())
    assert [*await known_seats(other, store)] == ["zed", "cleo"]


async def test_forgetting_a_seat_forgets_its_invitation(store: Store) -> None:
    await inviting(store).invite([BO], NOW)
    assert await store.run(lambda tx: forgetting.forget(tx, "bo"))
    assert await store.read(invited_seats.read) == []
    assert await queued(store) == []


async def test_another_person_of_the_same_seat_gets_a_message_of_their_own_on_the_same_day(
    store: Store,
) -> None:
    await inviting(store).invite([BO], NOW)
    await store.run(lambda tx: invited_seats.remove(tx, ["bo"]))
    (again,) = await inviting(store).invite([new_seat("bo", {"slack": "U999"})], NOW)
    assert again.sentence == "bo: a direct message to its owner is queued on Slack."


@pytest.mark.parametrize("removed", [True, False], ids=["removed", "gone from the configuration"])
async def test_the_first_person_of_a_seat_cannot_write_it_once_it_is_another_s(
    store: Store, *, removed: bool
) -> None:
    if removed:
        await inviting(store).invite([BO], NOW)
    directory = SeatDirectory([] if removed else [seat("bo", "push")])
    ingest = Ingest(store, Recorder(directory, [], RuleSettings()), lambda: None)
    receiver = PushReceiver(directory, {}, store, ingest, snapshots_of)
    _, token = await trade_code(store, await make_code(store, "bo", NOW), NOW) or ("", "")
    code = await make_code(store, "bo", NOW)
    await store.run(lambda tx: push_tokens.write_agent(tx, "bo", "1"))
    await store.run(lambda tx: notes.write(tx, "join:bo", "approved"))
    assert await receiver.seat_of(token) == "bo"
    if removed:
        assert await store.run(lambda tx: remove_invitation(tx, "bo"))
        assert not await store.run(lambda tx: remove_invitation(tx, "bo"))
        assert await receiver.accepts_now("bo") is False
    receiver = replace(receiver, seats=SeatDirectory([]))
    await inviting(store).invite([new_seat("bo", {"slack": "UOTHER"})], NOW)
    assert await receiver.accepts_now("bo")
    assert await receiver.seat_of(token) is None
    assert await trade_code(store, code, NOW) is None
    assert await store.read(push_tokens.read_agents) == {}
    assert await store.read(lambda c: notes.read(c, "join:bo")) is None
    said, _ = await join_status(store, [BO], None, NOW, may_invite=False)
    assert said == ["Invited, not joined yet: bo."]


# SQLite has one writer at a time.
@pytest.mark.databases("postgresql")
async def test_a_seat_is_forgotten_while_its_invitation_is_removed(store: Store, database_url: str) -> None:
    await inviting(store).invite([BO], NOW)
    ingest = Ingest(store, Recorder(SeatDirectory([BO]), [], RuleSettings()), lambda: None)
    await ingest.store_snapshots([snapshot("bo")], NOW)
    other = await open_store(database_url)
    forget = other.run(lambda tx: forgetting.forget(tx, "bo"))
    remove = store.run(lambda tx: remove_invitation(tx, "bo"))
    forgotten, removed = await blocked(other, "DELETE FROM invited_seats", forget, remove, watch=store)
    assert (forgotten.invitations, removed) == (1, False)
    await other.close()


async def test_a_reminder_leaves_the_seat_s_machine_connected(store: Store) -> None:
    await inviting(store).invite([BO], NOW)
    await store.run(lambda tx: push_tokens.write(tx, PushToken("bo", digest("t"), NOW)))
    await inviting(store).invite([BO], NOW + timedelta(days=4))
    assert [each.seat for each in await store.read(push_tokens.read)] == ["bo"]


async def test_a_seat_that_moves_into_the_configuration_keeps_its_machine(store: Store) -> None:
    config = load_text('[[seats]]\nname = "bo"\nsource = "push"\n', "config.toml", {}, Path())
    await inviting(store).invite([BO], NOW)
    await store.run(lambda tx: push_tokens.write(tx, PushToken("bo", digest("t"), NOW)))
    await end_invitations(config, store)
    assert [each.seat for each in await store.read(push_tokens.read)] == ["bo"]


NAMES = st.from_regex("[a-z0-9._-]{1,64}", fullmatch=True)
OWNERS = st.fixed_dictionaries(
    {},
    optional={
        "slack": st.from_regex("[UW][A-Z0-9]{2,12}", fullmatch=True),
        "discord": st.integers(10_000, 2**63).map(str),
    },
)


@given(st.dictionaries(NAMES, OWNERS, min_size=1, max_size=4))
def test_what_is_exported_is_a_configuration_of_the_same_seats(people: dict[str, dict[str, str]]) -> None:
    invited = [InvitedSeat(name, owner, NOW) for name, owner in people.items()]
    config = load_text(as_toml(invited), "config.toml", {}, Path())
    assert [*config.seat_list()] == [each.seat for each in invited]


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("U0123ABC", {"slack": "U0123ABC"}),
        ("<@U0123ABC|ana>", {"slack": "U0123ABC"}),
        ("@W0123", {"slack": "W0123"}),
        ("123456789012345678", {"discord": "123456789012345678"}),
        ("<@!123456789012345678>", {"discord": "123456789012345678"}),
    ],
)
def test_an_owner_is_an_id_or_a_mention(text: str, owner: dict[str, str]) -> None:
    assert owner_of(text) == owner


@pytest.mark.parametrize("text", ["", "ana", "@ana", "u0123", "12", "U0123 U4567"])
def test_what_is_no_owner_is_said(text: str) -> None:
    with pytest.raises(NotInvitedError, match="is not an owner"):
        owner_of(text)


# In a chat.


def commands(store: Store, invitations: Invitations | None, clock: ManualClock) -> Commands:
    seats = SeatDirectory([seat("ana", "push")]) if invitations is None else invitations.seats
    redaction = Redaction(operators=OPERATORS)
    return Commands(
        CommandContext(store, seats, clock.now, UTC, "1", redaction=redaction, invitations=invitations)
    )


async def ask(asked: Commands, words: str, user: str = "UBOSS") -> str:
    message = (await asked.answer(Question(tuple(words.split()), "slack", user))).message
    lines = [line for section in message.sections for line in section.lines]
    return "\n".join([message.title, message.text, *lines, *(action.id for action in message.actions)])


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("invite ana", ["ana"]),
        ("invite bo <@U7>", ["bo"]),
        ("invite <@U7|bo> cleo <@U8|c>", ["bo", "cleo"]),
        ("invite <@UANA|whatever>", ["ana"]),
        ("invite ana <@UANA|a>", ["ana"]),
    ],
)
async def test_an_operator_invites_by_name_and_mention(store: Store, words: str, names: list[str]) -> None:
    invitations = inviting(store, [seat("ana", "push")])
    said = await ask(commands(store, invitations, ManualClock(NOW)), words)
    assert said.splitlines()[1:] == [
        f"{name}: a direct message to its owner is queued on Slack." for name in names
    ]
    assert [*invitations.seats] == list(dict.fromkeys(["ana", *names]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("invite bo", "“bo” is not a seat yet"),
        ("invite <@U7>", "Put a seat name before each new person: “invite NAME @person”, or"),
        ("invite cleo <@U7> <@U8>", "Put a seat name before each new person"),
        ("invite dan @dan", "meterbot cannot tell who “@dan” is. Type @ and pick the person from the list"),
        ("invite @dan", "meterbot cannot tell who “@dan” is"),
        ("invite ana @ana", "meterbot cannot tell who “@ana” is"),
        ("invite", "“invite NAME @person” for a new one"),
        ("invite b/o <@U7>", "cannot be a seat's name"),
        ("invite ana <@U7>", "ana is in the configuration"),
        ("invite team <@U7>", "“team” cannot be a seat name because it is a word of /claude-spend. Choose"),
        ("invite .. <@U7>", "“..” cannot be a seat's name: it must contain a letter or a digit"),
    ],
)
async def test_an_invitation_that_cannot_be_understood_invites_nobody(
    store: Store, words: str, said: str
) -> None:
    assert said in await ask(commands(store, inviting(store, [seat("ana", "push")]), ManualClock(NOW)), words)
    assert (await queued(store), await store.read(invited_seats.read)) == ([], [])


async def test_an_operator_in_chat_is_told_how_to_get_the_line_of_an_unreachable_person(store: Store) -> None:
    invitations = inviting(store)
    await invitations.invite([new_seat("dan", {})], NOW)
    said = await ask(commands(store, invitations, ManualClock(NOW)), "invite dan")
    assert said.splitlines()[1:] == [
        (
            "dan: its owner has no id on a chat configured here, so no message was sent. Run meterbot seat invite dan in "
            "a terminal to get a line, and pass it on yourself."
        )
    ]


async def test_status_says_who_has_joined_and_offers_operators_to_remind_the_others(store: Store) -> None:
    clock = ManualClock(NOW)
    invitations = inviting(store)
    await invitations.invite([BO, new_seat("cleo", {"slack": "UC"}), new_seat("dan", {"slack": "UD"})], NOW)
    await store.run(lambda tx: push_tokens.write(tx, PushToken("bo", digest("bo"), NOW)))
    clock.advance(LATE_AFTER - timedelta(seconds=1))
    asked = commands(store, invitations, clock)
    said = await ask(asked, "status")
    assert "Invited and joined: bo.\nInvited, not joined yet: cleo and dan." in said
    assert "invite:" not in said
    clock.advance(timedelta(seconds=1))
    said = await ask(asked, "status")
    assert (
        "Not joined 3 days after the invitation: cleo and dan.\nRemind them: /claude-spend invite cleo dan"
        in said
    )
    assert "invite:cleo:dan" in said
    others = await ask(asked, "status", user="UBO")
    assert "invite" not in others.replace("the invitation", "")
    assert "dan.\nThe owner of a seat types /claude-spend join." in others
    assert "cleo: a direct message to its owner is queued" in await ask(asked, "invite cleo dan")
    assert "cleo: today's direct message to its owner is already queued on Slack" in await ask(
        asked, "invite cleo dan"
    )


async def test_each_seat_is_in_one_place_of_the_status(store: Store) -> None:
    await inviting(store).invite([BO, new_seat("cleo", {}), new_seat("dan", {})], NOW)
    await inviting(store).invite([new_seat("eve", {})], NOW + timedelta(days=2))
    seats = [
        BO,
        *(seat(name, "push") for name in ("ana", "cleo", "dan", "eve", "fay")),
        seat("gus", "claude_ai"),
    ]
    terms = JoinTerms(None, configured=frozenset({"bo", "fay"}))
    lines = [
        "Invited and joined: bo.",
        "Invited, not joined yet: eve.",
        "Not joined 3 days after the invitation: cleo and dan.",
        "No machine sends numbers yet for ana (from the configuration).",
    ]
    asked, others = [
        await join_status(store, seats, terms, NOW + LATE_AFTER, may_invite=may) for may in (True, False)
    ]
    more = ["Remind them: /claude-spend invite cleo dan", "Invite them: /claude-spend invite ana"]
    assert asked == ([*lines, *more], ["cleo", "dan", "ana"])
    assert others[0] == [*lines, "The owner of a seat types /claude-spend join."]
    elsewhere, _ = await join_status(store, seats, None, NOW + LATE_AFTER, may_invite=False)
    assert not [line for line in elsewhere if "ana" in line or "fay" in line]


async def test_seats_that_two_operators_invite_at_once_are_one(store: Store) -> None:
    both = [inviting(store), inviting(store)]
    invited = await asyncio.gather(*(each.invite([BO], NOW) for each in both))
    assert sorted("already" in each.sentence for (each,) in invited) == [False, True]
    assert len(await queued(store)) == 1


def test_the_configuration_comes_first() -> None:
    ana = seat("ana", "push")
    seats = SeatDirectory([ana], [replace(ana, owner={"slack": "U9"}), BO])
    assert dict(seats) == {"ana": ana, "bo": BO}
    values, items = iter(seats.values()), iter(seats.items())
    next(values), next(items)
    seats.set_invited([])
    assert ([*values], [*items], [*seats]) == ([BO], [("bo", BO)], ["ana"])
