"""`/claude-spend pr`, over a real database: who asks, and what they may read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from meterbot.chat import Question
from meterbot.chat.text_forms import section_lines, without_natives
from meterbot.commands.commands import Commands
from meterbot.commands.context import CommandContext
from meterbot.commands.words.pull_requests import cost_json, month_json, pull_json
from meterbot.core.messages import Message
from meterbot.core.operators import Rows
from meterbot.delivery.redaction import Redaction
from meterbot.ingest.pull_requests import month_so_far
from meterbot.rules.pull_requests import Commit, Merged
from meterbot.store import Store
from tests.ingest.test_pull_requests import (
    MERGED_AT,
    MINUTE,
    SEATS,
    START,
    Desk,
    merged,
    spent_between_its_commits,
)

pytestmark = pytest.mark.databases("sqlite")
"""What is said; the queries behind it are tested in tests/store on both databases."""

NOW = MERGED_AT + 5 * MINUTE


@pytest.fixture
async def desk(store: Store) -> Desk:
    """Ana's #811 and #812, which overlap, and Bo's #7, of which nothing is known."""
    made = Desk(store)
    await spent_between_its_commits(made)
    await made.take(merged(811))
    await made.take(merged(812), 6)
    await made.take(merged(7, "bo"))
    await made.merges.calculate_due(MERGED_AT + 2 * MINUTE)
    return made


async def asked(desk: Desk, words: str, user: str = "U1", rows: Rows = "named") -> Message:
    commands = Commands(
        CommandContext(desk.store, SEATS, now=lambda: NOW, tz=UTC, version="0", redaction=Redaction(rows))
    )
    return (await commands.answer(Question(tuple(words.split()), "slack", user))).message


def text(message: Message) -> str:
    lines = [line for section in without_natives(message, 120).sections for line in section_lines(section)]
    return "\n".join([message.title, message.text, *lines, message.fallback])


async def test_one_is_answered_from_the_record(desk: Desk) -> None:
    said = text(await asked(desk, "pr 812"))
    assert "Extra usage      $1.03" in said
    assert "Window           Thu Apr 9 09:12 – Thu Apr 9 15:12" in said
    assert "Spend of the same hours is shared equally with #811." in said


@pytest.mark.parametrize("words", ["pr #812", "pr acme/app#812", "pr Acme/App#812"])
async def test_it_may_be_written_as_github_writes_it(desk: Desk, words: str) -> None:
    assert (await asked(desk, words)).title == "PR #812"


async def test_what_is_unknown_is_said_to_be(desk: Desk) -> None:
    said = text(await asked(desk, "pr 7"))
    assert "Extra usage      unknown" in said
    assert "The cost is unknown: the seat has not been read yet." in said
    assert "$" not in said


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("pr 999", "PR #999 is not recorded"),
        ("pr other/app#812", "PR #812 is not recorded"),
        ("pr latest", "Which pull request?"),
        ("pr 99999999999999999999", "Which pull request?"),
    ],
)
async def test_what_is_not_there_is_answered(desk: Desk, words: str, title: str) -> None:
    assert (await asked(desk, words)).title == title


@pytest.mark.parametrize("number", ["-1", "99999999999999999999"])
async def test_an_invalid_number_gets_its_own_answer(desk: Desk, number: str) -> None:
    assert f"“{number}” is not a pull request number. Type" in (await asked(desk, f"pr {number}")).text


async def test_an_unreported_pull_request_is_not_called_unmerged(store: Store) -> None:
    said = (await asked(Desk(store), "pr")).text
    assert (
        "No merged pull requests are recorded for this month. meterbot records a merged pull request when GitHub's "
        "webhook reports it" in said
    )


async def test_why_a_cost_is_unknown_does_not_contradict_how_it_is_counted(store: Store) -> None:
    """Without a token for GitHub nobody asks for the commits, also before the bot has calculated the cost."""
    desk = Desk(store)
    await desk.merges.add(merged(7, "bo"), "d-7", MERGED_AT)
    said = text(await asked(desk, "pr 7"))
    assert "The cost is unknown: meterbot has not calculated it yet." in said
    assert "because no GitHub token is configured" in said
    assert cost_json(await desk.pull(7))["why"] == "meterbot has not calculated it yet"


async def test_until_the_commits_are_read_that_is_why_a_cost_is_unknown(store: Store) -> None:
    async def commits(_merged: Merged, _now: datetime) -> list[Commit]:
        raise AssertionError("nobody asks for commits here")

    desk = Desk(store)
    await replace(desk.merges, read_commits=commits).add(merged(7, "bo"), "d-7", MERGED_AT)
    assert "The cost is unknown: meterbot has not read the commits yet." in text(await asked(desk, "pr 7"))


async def test_the_month_has_a_table_a_median_and_what_falls_to_none(desk: Desk) -> None:
    message = await asked(desk, "pr")
    assert message.title == "Pull requests, April 2026"
    assert message.text.splitlines() == [
        "3 pull requests merged, median $0.89 (1 unknown left out).",
        "$0.00 of $1.77 (0%) was spent outside merged pull requests.",
    ]
    assert sorted(message.tables[0].rows, key=lambda row: int(row[0][1:])) == [
        ("#7", "unknown", "bo", "Thu Apr 9"),
        ("#811", "$0.74 (shared)", "ana", "Thu Apr 9"),
        ("#812", "$1.03 (shared)", "ana", "Thu Apr 9"),
    ]


@pytest.mark.parametrize("rows", ["anonymous", "self"])
async def test_where_rows_are_private_everybody_has_their_own(desk: Desk, rows: Rows) -> None:
    assert "$1.03" in text(await asked(desk, "pr 812", rows=rows))
    other = text(await asked(desk, "pr 812", user="U2", rows=rows))
    assert "Not shown" in other
    assert "$" not in other
    month = text(await asked(desk, "pr", rows=rows))
    assert "#812" in month
    assert "#7" not in month
    assert "1 pull request of others not shown" in month
    strangers = text(await asked(desk, "pr", user="U2", rows=rows))
    assert "3 pull requests of others not shown" in strangers
    assert "$" not in strangers


@pytest.mark.parametrize("rows", ["anonymous", "self"])
async def test_what_others_spend_changes_nothing_of_what_one_sees(desk: Desk, rows: Rows) -> None:
    before = [await asked(desk, words, rows=rows) for words in ("pr", "pr 812", "pr 7")]
    await desk.reads("900", START, of="bo")
    await desk.reads("950", NOW, of="bo")
    await desk.merges.calculate_due(NOW)
    assert [await asked(desk, words, rows=rows) for words in ("pr", "pr 812", "pr 7")] == before


async def test_for_programs_unknown_is_null_and_amounts_are_exact(desk: Desk) -> None:
    known, unknown = pull_json(await desk.pull(812)), pull_json(await desk.pull(7))
    assert known["amounts"] == [{"currency": "USD", "amount": "1.03"}]
    assert (known["start"], known["shared_with"]) == ("2026-04-09T09:12:00Z", ["acme/app#811"])
    assert (unknown["amounts"], unknown["settled"]) == (None, False)
    month = month_json(await month_so_far(desk.store, SEATS, SEATS, NOW + timedelta(minutes=1)))
    assert month["spent"] == [{"currency": "USD", "amount": "1.77"}]
    assert month["unmerged"] == [{"currency": "USD", "amount": "0.00"}]
