import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from functools import partial

import pytest
from structlog.testing import capture_logs

from meterbot.chat import Answer, Question
from meterbot.commands.commands import Commands
from meterbot.commands.context import CommandContext
from meterbot.commands.invitations import Invitations
from meterbot.commands.join_lines import JoinTerms
from meterbot.commands.words.join import APPROVAL_HOLDS, ASKED_AGAIN_AFTER
from meterbot.core.clock import ManualClock
from meterbot.core.models import Health, SourceState
from meterbot.core.operators import Operators
from meterbot.core.seats import SeatDirectory
from meterbot.core.secret import hide
from meterbot.delivery.redaction import Redaction
from meterbot.ingest.pushes import CODE_LASTS, digest, seat_of_code, trade_code
from meterbot.store import PushToken, Store, forgetting, notes, push_tokens, source_states
from tests.e2e.wall import Trouble, Wall
from tests.teams import NOW, seat

SEATS = {each.name: each for each in (seat("ana", "push"), seat("bo", "push"), seat("cy"))}
URL = "https://meterbot.example"
BOSS = Question(("approve", "ana"), "slack", "UBOSS")
DIGEST = "0123456789abcdef" * 4
COMMAND = re.compile(r"curl -fsSL https://meterbot\.example/join/([\w-]{32}) \| python3 -")


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


def joining(
    store: Store, clock: ManualClock, walls: Sequence[Wall] = (), *, url: str | None = URL, **terms: object
) -> CommandContext:
    interval = {name: replace(each, interval=900.0) for name, each in SEATS.items()}
    join_terms = JoinTerms(url, DIGEST, "2.0", **terms)  # type: ignore[arg-type]  # a factory passes what it is given
    return CommandContext(store, interval, clock.now, UTC, "1", chats=walls, join_terms=join_terms)


def approved_by_boss(store: Store, clock: ManualClock, *walls: Wall) -> CommandContext:
    return joining(store, clock, walls, approvers={"slack": frozenset({"UBOSS"})})


async def join(
    joining: CommandContext, words: str = "join", user: str = "UANA", platform: str = "slack"
) -> Answer:
    answer = await Commands(joining).answer(Question(tuple(words.split()), platform, user))
    assert not answer.public
    return answer


async def approve(joining: CommandContext, question: Question = BOSS) -> Answer:
    return await Commands(joining).answer(question)


def code_in(answer: Answer) -> str:
    found = COMMAND.fullmatch(answer.message.sections[0].lines[0])
    assert found, answer.message
    return found[1]


async def sent(store: Store, name: str = "ana") -> None:
    """A reading of the seat has arrived."""
    state = SourceState(name, Health.OK, since=NOW, last_ok_at=NOW)
    await store.run(lambda tx: source_states.write_sources(tx, [state]))


async def stored(store: Store) -> dict[str, str]:
    return {token.seat: token.sha256 for token in await store.read(push_tokens.read)}


async def test_the_owner_of_a_seat_that_the_bot_reads_is_told_so(store: Store, clock: ManualClock) -> None:
    answer = await join(joining(store, clock), user="UCY")
    assert answer.message.title == "Nothing to send"
    assert "The bot reads cy itself." in answer.message.text
    assert await stored(store) == {}


async def test_the_owner_gets_the_line_and_the_database_its_digest(store: Store, clock: ManualClock) -> None:
    message = (await join(joining(store, clock))).message
    code = code_in(Answer(message))
    assert await seat_of_code(store, code, NOW) == "ana"
    assert await stored(store) == {}
    lines = [line for section in message.sections for line in section.lines]
    assert f"irm https://meterbot.example/join/{code} | python -" in lines
    assert "python3 ~/.local/share/meterbot/meterbot-agent.py uninstall" in lines
    assert any(DIGEST[:16] in line for line in lines)
    assert code not in message.fallback + message.text


async def test_a_code_is_traded_once_for_a_token_that_replaces_the_one_before(
    store: Store, clock: ManualClock
) -> None:
    await store.run(lambda tx: push_tokens.write(tx, PushToken("ana", "0" * 64, NOW)))
    door = joining(store, clock)
    code = code_in(await join(door, "join ana new"))
    traded = await asyncio.gather(*(trade_code(store, code, NOW) for _ in range(3)))
    [(seat, token)] = [each for each in traded if each is not None]
    assert (seat, await stored(store)) == ("ana", {"ana": digest(token)})
    assert await trade_code(store, code, NOW) is None
    assert await seat_of_code(store, code, NOW) is None


async def test_a_code_lasts_for_ten_minutes(store: Store, clock: ManualClock) -> None:
    code = code_in(await join(joining(store, clock)))
    assert await seat_of_code(store, code, NOW + CODE_LASTS - timedelta(seconds=1)) == "ana"
    assert await trade_code(store, code, NOW + CODE_LASTS) is None
    assert await stored(store) == {}


async def test_a_newer_code_of_the_seat_makes_the_older_one_worthless(
    store: Store, clock: ManualClock
) -> None:
    door = joining(store, clock)
    first, second = [code_in(await join(door)) for _ in range(2)]
    other = code_in(await join(door, user="UBO"))
    assert [await seat_of_code(store, code, NOW) for code in (first, second, other)] == [None, "ana", "bo"]


async def test_a_seat_that_is_connected_is_connected_again_only_when_asked_again(
    store: Store, clock: ManualClock
) -> None:
    await store.run(lambda tx: push_tokens.write(tx, PushToken("ana", "0" * 64, NOW)))
    await sent(store)
    clock.advance(timedelta(hours=2))
    door = joining(store, clock)
    warned = (await join(door)).message
    assert warned.title == "ana is connected already"
    assert "It was connected 2 h ago" in warned.text
    assert not warned.sections
    assert [action.id for action in warned.actions] == ["join:ana:new"]
    assert code_in(await join(door, "join ana new"))


async def test_a_configured_token_is_told_of_and_stays(store: Store, clock: ManualClock) -> None:
    door = joining(store, clock, configured=frozenset({"ana"}))
    for title, silent in (("ana has a token already", True), ("ana is connected already", False)):
        warned = (await join(door)).message
        assert (warned.title, "no machine has used it yet" in warned.text) == (title, silent)
        assert "its own token; both tokens work" in warned.text
        assert code_in(await join(door, "join ana new"))
        await sent(store)


async def test_a_token_with_which_nothing_was_sent_connects_nobody(store: Store, clock: ManualClock) -> None:
    await store.run(lambda tx: push_tokens.write(tx, PushToken("ana", "0" * 64, NOW)))
    clock.advance(timedelta(hours=2))
    warned = (await join(joining(store, clock))).message
    assert warned.title == "ana has a token already"
    assert warned.text == (
        "The token was made 2 h ago, and no machine has used it yet. Connecting a machine makes a new token; the old one "
        "stops working."
    )
    assert [action.id for action in warned.actions] == ["join:ana:new"]


@pytest.mark.parametrize(
    ("user", "words"),
    [("UBO", "join ana"), ("UBO", "join ana new"), ("UCY", "join"), ("UCY", "join cy"), ("U9", "join ana")],
)
async def test_nobody_joins_for_somebody_else(
    store: Store, clock: ManualClock, user: str, words: str
) -> None:
    for answer in (
        await join(joining(store, clock), words, user),
        await join(joining(store, clock), words, "UANA", "discord"),
    ):
        assert not any("/join/" in line for section in answer.message.sections for line in section.lines)
    assert await stored(store) == {}


async def test_without_an_address_the_operator_s_part_is_named(store: Store, clock: ManualClock) -> None:
    answer = await join(joining(store, clock, url=None))
    assert 'public_url = "https://…" under [http]' in answer.message.text
    assert await stored(store) == {}


async def test_the_code_is_in_no_log(store: Store, clock: ManualClock) -> None:
    with capture_logs() as logs:
        code = code_in(await join(joining(store, clock)))
    assert [log["event"] for log in logs] == ["a join code was made"]
    assert code not in str(logs)
    assert hide(f"GET /join/{code}") == "GET /join/[hidden]"


async def test_status_says_who_has_no_machine_and_whose_agent_is_old(
    store: Store, clock: ManualClock
) -> None:
    async def remarks() -> str:
        message = (await join(door, "status")).message
        return "\n".join(line for section in message.sections for line in section.lines)

    door = joining(store, clock, configured=frozenset({"bo"}))
    assert "No machine sends numbers yet for ana (from the configuration)." in await remarks()
    for name, version in (("ana", "1.0"), ("bo", "2.0")):
        token = PushToken(name, digest(name), NOW)
        await store.run(partial(push_tokens.write, token=token))
        await store.run(partial(push_tokens.write_agent, seat=name, version=version))
    assert "No machine" not in await remarks()
    assert "An older agent sends for ana: run a new line" in await remarks()


@pytest.mark.parametrize(
    ("user", "platform", "title"),
    [("UANA", "slack", "Not allowed"), ("UBOSS", "slack", "Invitations"), ("me", "console", "Invitations")],
)
async def test_only_operators_invite(
    store: Store, clock: ManualClock, user: str, platform: str, title: str
) -> None:
    operators = Operators({"slack": frozenset({"UBOSS"})})
    seats = SeatDirectory(SEATS.values())
    context = CommandContext(
        store,
        seats,
        clock.now,
        UTC,
        "1",
        redaction=Redaction(operators=operators),
        invitations=Invitations(store, seats, ["slack"], Redaction()),
    )
    answer = await Commands(context).answer(Question(("invite", "ana"), platform, user))
    assert answer.message.title == title


# Where somebody has to approve.


async def test_an_approved_request_is_good_for_one_code(store: Store, clock: ManualClock) -> None:
    wall = Wall()
    door = approved_by_boss(store, clock, wall)
    assert "posted your request" in (await join(door)).message.text
    assert wall.titles() == ["The owner of ana asks to send its numbers"]
    assert [action.id for action in wall.standing[0].message.actions] == ["approve:ana"]
    assert await stored(store) == {}

    said = await approve(door)
    assert said.public
    assert said.message.owner == {"slack": "UANA"}
    assert await seat_of_code(store, code_in(await join(door)), NOW) == "ana"

    assert "posted your request" in (await join(door, "join ana new")).message.text
    assert len(wall.standing) == 2


async def test_an_approval_survives_a_restart(store: Store, clock: ManualClock) -> None:
    await join(approved_by_boss(store, clock, Wall()))
    await approve(approved_by_boss(store, clock))
    assert code_in(await join(approved_by_boss(store, clock)))


@pytest.mark.parametrize(
    "who",
    [
        Question(("approve", "ana"), "slack", "UANA"),
        Question(("approve", "ana"), "discord", "UBOSS"),
        Question(("approve", "ana"), "slack", ""),
    ],
)
async def test_only_approvers_approve(store: Store, clock: ManualClock, who: Question) -> None:
    door = approved_by_boss(store, clock, Wall())
    await join(door)
    said = await approve(door, who)
    assert (said.message.title, said.public) == ("Not approved", False)
    assert not (await join(door)).message.sections


async def test_a_person_at_the_terminal_approves_too(store: Store, clock: ManualClock) -> None:
    door = approved_by_boss(store, clock, Wall())
    await join(door)
    await approve(door, Question(("approve", "ana"), "console", "operator"))
    assert code_in(await join(door))


@pytest.mark.parametrize("name", ["bo", "never-heard-of", "", "ana ana"])
async def test_there_is_nothing_to_approve_where_nobody_asked(
    store: Store, clock: ManualClock, name: str
) -> None:
    door = approved_by_boss(store, clock, Wall())
    await join(door)
    said = await approve(door, replace(BOSS, words=("approve", name)))
    assert (said.message.title, said.public) == ("Nothing to approve", False)


async def test_an_approval_is_for_who_asked_and_when(store: Store, clock: ManualClock) -> None:
    wall = Wall()
    both = replace(SEATS["ana"], owner={"slack": "UANA", "discord": "7"})
    door = replace(approved_by_boss(store, clock, wall), seats={"ana": both})
    await join(door)
    await approve(door)
    assert "posted your request" in (await join(door, user="7", platform="discord")).message.text

    await approve(door)
    clock.advance(APPROVAL_HOLDS)
    assert "posted your request" in (await join(door, user="7", platform="discord")).message.text


async def test_approving_twice_changes_nothing(store: Store, clock: ManualClock) -> None:
    door = approved_by_boss(store, clock, Wall())
    await join(door)
    await approve(door)
    assert (await approve(door)).message.title == "Nothing to approve"
    assert code_in(await join(door))


async def test_a_request_is_posted_once_an_hour(store: Store, clock: ManualClock) -> None:
    wall = Wall()
    door = approved_by_boss(store, clock, wall)
    await join(door)
    clock.advance(ASKED_AGAIN_AFTER - timedelta(minutes=1))
    assert "asked 59 min ago" in (await join(door)).message.text
    clock.advance(timedelta(minutes=1))
    await join(door)
    assert len({each.delivery for each in wall.standing}) == len(wall.standing) == 2


async def test_a_request_that_an_earlier_version_used_up_can_be_made_again(
    store: Store, clock: ManualClock
) -> None:
    """It stored null then."""
    await store.run(lambda tx: notes.write(tx, notes.approval_of("ana"), "null"))
    door = approved_by_boss(store, clock, Wall())
    assert (await approve(door)).message.title == "Nothing to approve"
    assert (await join(door)).message.title == "Waiting for approval"


@pytest.mark.parametrize("trouble", [Trouble.NOT_SENT, Trouble.REFUSED])
async def test_a_request_that_was_posted_nowhere_is_reported_and_can_be_made_again(
    store: Store, clock: ManualClock, trouble: Trouble
) -> None:
    wall = Wall()
    wall.troubles.append(trouble)
    door = approved_by_boss(store, clock, wall)
    assert (await join(door)).message.title == "Not asked for"
    assert (await approve(door)).message.title == "Nothing to approve"
    assert (await join(door)).message.title == "Waiting for approval"


async def test_a_request_is_posted_wherever_a_chat_takes_it(store: Store, clock: ManualClock) -> None:
    broken, well = Wall("broken"), Wall("well")
    broken.troubles.append(Trouble.REFUSED)
    await join(approved_by_boss(store, clock, broken, well))
    assert (len(broken.standing), len(well.standing)) == (0, 1)


async def test_a_request_that_may_have_arrived_is_waited_for(store: Store, clock: ManualClock) -> None:
    wall = Wall()
    wall.troubles.append(Trouble.LOST_ON_THE_WAY)
    door = approved_by_boss(store, clock, wall)
    assert (await join(door)).message.title == "Waiting for approval"
    assert (await approve(door)).public


async def test_forgetting_a_seat_forgets_who_asked(store: Store, clock: ManualClock) -> None:
    door = approved_by_boss(store, clock, Wall())
    await join(door)
    noted = await store.read(lambda c: notes.read(c, "join:ana"))
    assert json.loads(noted or "null")["user"] == "UANA"
    assert await store.run(lambda c: forgetting.forget(c, "ana"))
    assert await store.read(lambda c: notes.read(c, "join:ana")) is None
