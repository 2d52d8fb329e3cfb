from dataclasses import replace

import pytest

from meterbot.commands.own_seats import chosen
from meterbot.core.messages import Message
from meterbot.core.models import Seat
from tests.teams import seat

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


def choose(user: str, named: str | None = None, platform: str = "slack") -> Seat | Message:
    return chosen(SEATS, platform, user, "join", named)


def test_the_only_one_needs_no_name() -> None:
    assert choose("UBO") == SEATS["bo"]
    assert choose("7", platform="discord") == SEATS["ana-work"]


def test_one_of_several_is_named_or_chosen_by_a_button() -> None:
    assert choose("UANA", "ana-work") == SEATS["ana-work"]
    asked = choose("UANA")
    assert isinstance(asked, Message)
    assert [action.id for action in asked.actions] == ["join:ana", "join:ana-work"]


@pytest.mark.parametrize(
    "named", ["bo", "ana-web", "nobody", "never-heard-of", "", "new", "ana ana", "x" * 300]
)
def test_no_other_seat_can_be_named_and_all_of_them_are_answered_alike(named: str) -> None:
    said = choose("UANA", named)
    assert isinstance(said, Message)
    assert said.text == "Choose one of ana and ana-work."


@pytest.mark.parametrize("user", ["U999", "", "7"])
@pytest.mark.parametrize("named", [None, "bo", "nobody"])
def test_a_person_without_one_is_told_what_the_configuration_needs(user: str, named: str | None) -> None:
    said = choose(user, named)
    assert isinstance(said, Message)
    assert said.sections[0].lines == (
        "[[seats]]",
        'name = "your-name"',
        'source = "push"',
        f'owner = {{ slack = "{user}" }}',
    )
    assert said.actions == ()
