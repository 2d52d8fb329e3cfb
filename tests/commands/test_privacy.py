from collections import Counter as Count
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.chat.text_forms import without_natives
from meterbot.commands.outlooks import outlooks
from meterbot.commands.privacy import View
from meterbot.commands.reports import team_report
from meterbot.commands.team_report import TeamReport
from meterbot.commands.words.forecast import forecast_answer
from meterbot.commands.words.renewals import renewals
from meterbot.commands.words.team import team
from meterbot.core.messages import Message
from meterbot.core.models import Health
from meterbot.core.operators import Rows
from tests.properties import examples
from tests.teams import (
    NOW,
    extra,
    reading,
    seat,
    snapshot,
    state,
)

REPORT = team_report([], {}, [], NOW)


@pytest.mark.parametrize(
    ("rows", "public", "own_named", "other_named", "own_row", "other_row"),
    [
        ("named", False, True, True, True, True),
        ("named", True, True, True, True, True),
        ("anonymous", False, True, False, True, True),
        ("anonymous", True, False, False, True, True),
        ("self", False, True, False, True, False),
        ("self", True, False, False, False, False),
    ],
)
def test_who_sees_whose_numbers(
    *, rows: Rows, public: bool, own_named: bool, other_named: bool, own_row: bool, other_row: bool
) -> None:
    view = View(REPORT, rows=rows, own=frozenset({"ana"}), public=public)
    assert (view.may_see("ana"), view.may_see("bo")) == (own_named, other_named)
    assert (view.sees_rows_of("ana"), view.sees_rows_of("bo")) == (own_row, other_row)


# --- rows without names -------------------------------------------------------------------------------------------

NAMES = ("ana", "bo", "cleo", "dee")
Answer = Callable[[View], Message]
ANSWERS: tuple[Answer, ...] = (
    team,
    renewals,
    lambda view: forecast_answer(view, outlooks(view.report, [], [])),
)
CENTS = st.integers(0, 4999)


def asked(cents: dict[str, int], salt: str = "", **more: object) -> View:
    """What Ana may see of the four."""
    return seen_by_ana(of_four(cents), salt, **more)


def seen_by_ana(report: TeamReport, salt: str, **more: object) -> View:
    return View(report, rows="anonymous", own=frozenset({"ana"}), salt=salt, **more)  # type: ignore[arg-type]  # as given


def of_four(cents: dict[str, int], failing: str | None = None) -> TeamReport:
    """One of them may be read no more."""
    shots = [snapshot(name, extra_usage=extra(f"{cents[name] / 100:.2f}")) for name in NAMES]
    known = [reading(shot, ago=timedelta(hours=5) if shot.seat == failing else timedelta()) for shot in shots]
    states = {name: state(name, Health.UNREACHABLE if name == failing else Health.OK) for name in NAMES}
    return team_report(known, states, [seat(name) for name in NAMES], NOW)


def lines(message: Message) -> list[str]:
    """Without the blanks that make columns."""
    sections = without_natives(message, 200).sections
    return [" ".join(line.split()) for section in sections for line in section.lines]


def every_view(answer: Answer, cents: dict[str, int], failing: str | None = None) -> set[tuple[str, ...]]:
    """All that Ana may come to read, whichever way the rows are mixed."""
    found, report = set(), of_four(cents, failing)
    for number in range(80):
        message = answer(seen_by_ana(report, str(number)))
        found.add((message.title, message.text, message.fallback, *lines(message)))
    return found


@pytest.mark.parametrize("answer", ANSWERS, ids=["team", "renewals", "forecast"])
@examples(6)
@given(ana=CENTS, mine=CENTS, yours=CENTS)
def test_two_colleagues_who_swap_their_numbers_change_nothing_that_one_sees(
    answer: Answer, ana: int, mine: int, yours: int
) -> None:
    one = {"ana": ana, "bo": mine, "cleo": yours, "dee": 2500}
    other = {**one, "bo": yours, "cleo": mine}
    assert every_view(answer, one) == every_view(answer, other)


def test_nor_does_it_where_one_of_them_is_not_read_any_more() -> None:
    """The list of missing seats names it for everyone, so its row must not."""
    one = {"ana": 100, "bo": 200, "cleo": 300, "dee": 400}
    swapped = {**one, "bo": 300, "cleo": 200}
    assert every_view(team, one, "bo") == every_view(team, swapped, "bo")


@given(cents=st.fixed_dictionaries(dict.fromkeys(NAMES, CENTS)), more=st.integers(1, 4999))
def test_one_persons_number_changes_one_row_and_the_sums(cents: dict[str, int], more: int) -> None:
    changed = {**cents, "bo": (cents["bo"] + more) % 5000}
    before, after = (Count(lines(team(asked(each, "salt")))) for each in (cents, changed))
    assert (before - after).total() <= 1
    assert (after - before).total() <= 1


@examples(6)
@given(cents=st.fixed_dictionaries(dict.fromkeys(NAMES, CENTS)))
def test_neither_place_nor_label_goes_with_an_amount(cents: dict[str, int]) -> None:
    """Every row of another person appears in every place, and all have the same name."""
    order: dict[str, set[int]] = {name: set() for name in NAMES[1:]}
    report = of_four(cents)
    for number in range(80):
        view = seen_by_ana(report, str(number))
        shown = view.rows_shown(view.report.rows)
        assert shown[0].seat.name == "ana"
        for place, row in enumerate(shown[1:]):
            order[row.seat.name].add(place)
    assert all(places == {0, 1, 2} for places in order.values())
    labels = [line for line in lines(team(asked(cents))) if line.startswith(("a seat ", "seat "))]
    assert not any(line.startswith("seat ") for line in labels)
    assert sum(" $50.00 ▰" in line or " $50.00 ▱" in line for line in labels) == 3


def test_where_the_channel_reads_it_ones_own_row_is_like_any() -> None:
    view = asked(dict.fromkeys(NAMES, 100), public=True)
    assert not [line for line in lines(team(view)) if "ana" in line]
