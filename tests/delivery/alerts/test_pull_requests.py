"""The words about a merged pull request."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from meterbot.core.inline import plain
from meterbot.core.messages import Message
from meterbot.core.models import Seat
from meterbot.core.money import Money
from meterbot.delivery.alerts import text_of
from meterbot.delivery.alerts.message import alert
from meterbot.rules.pull_requests import Bill, Commits, Merged, PullRequest, merged_event

START = datetime(2026, 4, 9, 9, 12, tzinfo=UTC)
END = datetime(2026, 4, 10, 16, 40, tzinfo=UTC)
DONE = Bill((Money(Decimal(147), "USD", 2),), settled=True)
ZERO = (Money(Decimal(0), "USD", 2),)
PULL = PullRequest(
    Merged("acme/app", 812, "c0ffee", "ana", START, END + timedelta(hours=1)),
    ("ana",),
    commits=Commits(START, END),
)


def said(bill: Bill, pull: PullRequest = PULL, now: datetime = END) -> Message:
    event = merged_event(replace(pull, bill=bill), now, shown=True)
    return alert(event, Seat("ana", "push"), UTC)


@pytest.mark.parametrize(
    ("bill", "title"),
    [
        (DONE, "PR #812: $1.47 of extra usage (ana, app)"),
        (
            Bill(ZERO, why="no plan window was full", settled=True),
            "PR #812: $0.00: no plan window was full (ana, app)",
        ),
        (Bill(ZERO, settled=True), "PR #812: $0.00 of extra usage (ana, app)"),
        (
            Bill(None, why="there is no reading from the first commit or before", settled=True),
            "PR #812: unknown (ana, app)",
        ),
        (
            Bill((*DONE.amounts, Money(Decimal(310), "EUR", 2)), settled=True),  # type: ignore[misc] # amounts are there
            "PR #812: $1.47 + €3.10 of extra usage (ana, app)",
        ),
    ],
)
def test_the_title_is_the_answer(bill: Bill, title: str) -> None:
    assert said(bill).title == title


def test_what_a_reader_must_know_is_in_sentences() -> None:
    bill = replace(
        DONE,
        shared=("acme/app#811", "acme/web#3"),
        later=(Money(Decimal(30), "USD", 2),),
        settled=False,
        read_at=END,
    )
    pull = replace(PULL, commits=None, no_commits="no GitHub token is configured")
    assert plain(said(bill, pull).text).splitlines() == [
        "Ask for the final amount later: /claude-spend pr 812.",
        "Spend of the same hours is shared equally with #811 and acme/web#3.",
        "The next reading showed $0.30 more; a part of it may belong to this pull request.",
        "Spend is counted from opening to merge, because no GitHub token is configured.",
        "Not final yet: the last reading is from Fri Apr 10 16:40.",
    ]


@pytest.mark.parametrize(
    ("days", "window"), [(2, "Thu 09:12 – Fri 16:40"), (9, "Thu Apr 9 09:12 – Fri Apr 10 16:40")]
)
def test_the_window_is_evidence_and_has_its_dates_after_a_week(days: int, window: str) -> None:
    event = merged_event(replace(PULL, bill=DONE), START + timedelta(days=days), shown=True)
    evidence = text_of(event, Seat("ana", "push"), UTC).evidence
    assert evidence == (
        "Repository: acme/app.",
        f"Spend was counted from {window}.",
    )


def test_the_same_pull_request_has_the_same_key_and_an_amount_of_nobody_elses() -> None:
    event = merged_event(replace(PULL, bill=DONE), END, shown=False)
    assert event.key == "pull:acme/app#812:c0ffee"
    message = alert(event, Seat("ana", "push", owner={"slack": "U1"}), UTC)
    assert (message.title, message.owner) == ("PR #812 was merged (app)", {"slack": "U1"})
    assert "$" not in str(message)
