"""Which seat `join` and `report` are about."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC

import pytest

from meterbot.chat import Question
from meterbot.commands.context import CommandContext, Request
from meterbot.commands.words.join import pushed_seat
from meterbot.core.messages import Message
from meterbot.core.models import Seat
from meterbot.store import Store
from tests.teams import NOW, seat

SEATS = {
    each.name: each
    for each in (
        seat("ana", "push"),
        replace(seat("ana-work", "push"), owner={"slack": "UANA", "discord": "7"}),
        seat("bo", "push"),
        replace(seat("ana-web"), owner={"slack": "UANA"}),
        replace(seat("nobody", "push"), owner={}),
    )
}


Choose = Callable[..., Seat | Message]


@pytest.fixture
def choose(store: Store) -> Choose:
    context = CommandContext(store, SEATS, lambda: NOW, UTC, "1")

    def chosen(user: str, named: str = "", platform: str = "slack") -> Seat | Message:
        return pushed_seat(context, Request(Question((), platform, user), "join"), named.split(" "))

    return chosen


def test_the_only_one_needs_no_name(choose: Choose) -> None:
    assert choose("UBO") == SEATS["bo"]
    assert choose("7", platform="discord") == SEATS["ana-work"]


def test_one_of_several_is_named_or_chosen_by_a_button(choose: Choose) -> None:
    assert choose("UANA", "ana-work") == SEATS["ana-work"]
    asked = choose("UANA")
    assert isinstance(asked, Message)
    assert [action.id for action in asked.actions] == ["join:ana", "join:ana-work"]


@pytest.mark.parametrize(
    "named", ["bo", "ana-web", "nobody", "never-heard-of", "", "new", "ana ana", "x" * 300]
)
def test_no_other_seat_can_be_named_and_all_of_them_are_answered_alike(choose: Choose, named: str) -> None:
    said = choose("UANA", named)
    assert isinstance(said, Message)
    assert said.text == "Choose one of ana and ana-work."
    assert said.fallback.endswith(
        (" seats. Choose one of ana and ana-work.", "? Choose one of ana and ana-work.")
    )


@pytest.mark.parametrize("user", ["U999", "", "7"])
@pytest.mark.parametrize("named", ["", "bo", "nobody"])
def test_a_person_without_one_is_told_what_the_configuration_needs(
    choose: Choose, user: str, named: str
) -> None:
    said = choose(user, named)
    assert isinstance(said, Message)
    assert said.text.startswith(
        "Ask an operator to type “/claude-spend invite NAME @you”, where NAME is the name of your new seat. Or"
    )
    assert said.sections[0].lines == (
        "[[seats]]",
        'name = "your-name"',
        'source = "push"',
        f'owner = {{ slack = "{user}" }}',
    )
    assert said.actions == ()
