"""The demonstration as its visitor sees it: the month in one go, and live."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from meterbot.core.errors import StartError
from meterbot.demo import demo, month
from tests.docs import examples
from tests.e2e import process
from tests.e2e.process import Ended

# A look at the clock beside what was printed: `Wed Apr 1 13:00  `
AT = r"^\w{3} (Apr|May) \d+ \d\d:00  "


pytestmark = pytest.mark.timeout(180)
"""The month is much work for a machine that has other work, too."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The month, in a process that hashes unlike the one before, and elsewhere on earth."""
    folder = tmp_path_factory.mktemp("demo")
    environ = {"PYTHONHASHSEED": "random", "TZ": "Asia/Tokyo"}
    return asyncio.run(process.meterbot("demo", "--once", environ=environ, cwd=folder, seconds=150))


def test_the_month_plays_in_one_go_and_says_nothing_on_the_side(played: Ended) -> None:
    assert (played.status, played.stderr) == (0, "")
    assert played.stdout.startswith("A simulated team of five in April 2026")
    assert played.stdout.endswith("That was the month. Your own team's: see README.md.\n")


def test_every_run_tells_the_same(played: Ended) -> None:
    assert played.stdout == examples.MONTH.read_text("utf-8"), "changed on purpose? run make docs"


STORY = [
    f"{AT}ana started extra usage",
    f"{AT}PR #41: \\$6.80 of extra usage \\(ana",
    f"{AT}WARNING ana will reach the \\$100.00 cap around",
    f"{AT}bo started extra usage",
    f"{AT}3 renewals on Wed Apr 15: \\$420.00$",
    "^> /claude-spend$",
    "dan +\\$8.05 .* session expired",
    f"{AT}WARNING dan cannot be read: the sign-in has expired",
    f"{AT}dan can be read again",
    f"{AT}WARNING ana passed 80% of the cap",
    f"{AT}WARNING ana passed 95% of the cap",
    f"{AT}CRITICAL ana is BLOCKED",
    "^> /claude-spend seat ana$",
    "Extra usage +\\$100.00 / \\$100.00 \\(100%\\)  BLOCKED until Fri May 1$",
    f"{AT}ana is no longer blocked: .* The cap was raised from \\$100.00 to \\$150.00",
    f"{AT}CRITICAL eve is BLOCKED",
    "The prepaid credits are used up",
    f"{AT}WARNING The team passed 80% of the budget",
    "^> /claude-spend$",
    "5 of 5 seats, all up to date",
    "The team closed April at €30.40 \\+ \\$223.05",
    "ana: \\$130.10, blocked for 18 hours",
    "bo: €30.40",
    "Claude spend, May 2026",
]


def test_the_month_tells_its_story_in_order(played: Ended) -> None:
    rest = played.stdout
    for sentence in STORY:
        found = re.search(sentence, rest, re.MULTILINE)
        assert found, f"not shown, or not in order: {sentence}"
        rest = rest[found.end() :]


def test_the_month_has_at_most_25_posts(played: Ended) -> None:
    titles = re.findall(rf"^(> /claude-spend.*\n)?{AT.removeprefix('^')}(.*)", played.stdout, re.MULTILINE)
    posts = [title for question, _, title in titles if not question]
    assert 20 <= len(posts) <= 25, "\n".join(posts)


def test_the_questions_fall_into_the_moments_they_are_about() -> None:
    people = {person.name: person for person in month.TEAM}
    dan, before, ana, _, end = (at for at, _ in month.QUESTIONS)

    def reason(at: datetime) -> str | None:
        return month.account_of(people["ana"], at).organizations[0].disabled_reason

    assert reason(before) is None
    assert not month.account_of(people["dan"], dan).signed_in
    assert reason(ana) is not None
    assert month.START < dan < ana < end < month.END


async def test_live_the_first_alert_comes_and_what_is_typed_is_answered(tmp_path: Path) -> None:
    async with process.started("demo", cwd=tmp_path, stdin=b"/claude-spend status\nseat bo\n") as running:
        how = await process.line(running.stdout, lambda text: "quit" in text)
        assert all(word in how for word in ("/claude-spend", "me", "seat ana", "help"))
        await process.line(running.stdout, lambda text: text.endswith("meterbot status\n"))
        await process.line(running.stdout, lambda text: re.search(r" bo(: .*)?\n", text) is not None)
        await process.line(running.stdout, lambda text: " started extra usage" in text)
        assert running.stdin is not None
        running.stdin.write(b"me\nquit\n")
        await process.line(running.stdout, lambda text: re.search(r" ana(: .*)?\n", text) is not None)
        rest = await process.ended(running, 10)
    assert (rest.status, rest.stderr) == (0, "")


async def test_live_and_unattended_it_asks_by_itself_and_ends_with_the_month(tmp_path: Path) -> None:
    played = await process.meterbot("demo", "--speed", "1000000", cwd=tmp_path)
    assert (played.status, played.stderr) == (0, "")
    assert played.stdout.count("> /claude-spend\n") == 2
    for words in ("seat ana", "forecast", "pr"):
        assert played.stdout.count(f"> /claude-spend {words}\n") == 1
    assert "That was the month" in played.stdout


class Missing:
    """A list that cannot be read."""

    def __iter__(self) -> Iterator[object]:
        raise StartError("the month has no pull requests")


def test_live_what_goes_wrong_beside_the_bot_ends_it_as_the_plain_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(month, "PULLS", Missing())
    with Path(os.devnull).open() as nothing_typed:
        monkeypatch.setattr(sys, "stdin", nothing_typed)
        with pytest.raises(StartError, match="no pull requests"):
            asyncio.run(demo.play_live(1_000_000))
