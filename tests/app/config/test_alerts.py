"""`[digest]` and `[privacy]`."""

from datetime import time
from zoneinfo import ZoneInfo

import pytest

from meterbot.commands.digest import DigestReader, Schedule
from meterbot.core.deliveries import Destination
from meterbot.core.operators import Operators
from tests.app.config.writing import ANA, loaded, problems

# `[digest]`, and a seat's own.


SLACK, CONSOLE = Destination("slack", "C1"), Destination("console", "terminal")
OWNED = f'{ANA}owner = {{ slack = "UANA", console = "operator" }}\n'
BO = OWNED.replace('"ana"', '"bo"').replace("UANA", "UBO")
BERLIN = ZoneInfo("Europe/Berlin")


def readers(text: str, *places: Destination) -> list[DigestReader]:
    return list(loaded(text).digest_readers(places or (SLACK,)))


def test_without_the_table_nobody_gets_one() -> None:
    assert readers(OWNED) == []


def test_the_table_alone_is_for_the_channels_once_a_week() -> None:
    weekly = Schedule("week", time(9), 0, ZoneInfo("UTC"))
    assert readers(f"[digest]\n{OWNED}", SLACK, CONSOLE) == [
        DigestReader(SLACK, weekly),
        DigestReader(CONSOLE, weekly),
    ]


def test_owners_and_operators_get_direct_messages() -> None:
    table = 'timezone = "Europe/Berlin"\n[digest]\nevery = "day"\nat = "07:30"\nto = ["owner", "operators"]\n'
    boss = '[privacy]\noperators = { slack = ["UBOSS"] }\n'
    daily = Schedule("day", time(7, 30), 0, BERLIN)
    assert readers(table + boss + OWNED + BO, SLACK, CONSOLE) == [
        DigestReader(Destination("slack", "@UANA"), daily, ("ana",)),
        DigestReader(Destination("slack", "@UBO"), daily, ("bo",)),
        DigestReader(Destination("slack", "@UBOSS"), daily, operator=True),
    ]


def test_a_seat_says_when_its_owner_gets_theirs() -> None:
    own = 'digest = { every = "day", at = "08:30", timezone = "America/New_York" }\n'
    assert readers(OWNED + own + BO) == [
        DigestReader(
            Destination("slack", "@UANA"),
            Schedule("day", time(8, 30), 0, ZoneInfo("America/New_York")),
            ("ana",),
        )
    ]


def test_never_is_none() -> None:
    text = f'[digest]\nto = ["owner"]\n{OWNED}digest = {{ every = "never" }}\n{BO}'
    assert [reader.seats for reader in readers(text)] == [("bo",)]


def test_who_owns_several_seats_gets_one() -> None:
    text = f'[digest]\nto = ["owner"]\nweekday = "fri"\n{OWNED}{BO.replace("UBO", "UANA")}digest = {{ at = "10:00" }}\n'
    (reader,) = readers(text)
    assert (reader.seats, reader.schedule.at, reader.schedule.weekday) == (("ana", "bo"), time(10), 4)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ('every = "month"', "digest.every: must be"),
        ('at = "9"', "digest.at: must be"),
        ('to = ["everybody"]', "digest.to[0]: must be"),
    ],
)
def test_what_is_wrong_with_a_digest_is_said(written: str, problem: str) -> None:
    assert problem in problems(f"[digest]\n{written}\n{ANA}")[0]


def test_a_digest_is_not_muted_but_not_asked_for() -> None:
    assert problems(f'[alerts]\nmute = ["digest"]\n{ANA}') == [
        "2:1 alerts.mute: cannot contain digest: leave out the [digest] table instead"
    ]


# `[privacy] operators`: who sees every seat under its name.


WRITTEN = """
[privacy]
rows = "self"
operators = { slack = ["U1"], slack_groups = ["S1"], discord = [42], discord_roles = ["43"], console = "operator" }
"""


def test_operators_are_known_by_platform() -> None:
    config = loaded(WRITTEN + ANA)
    assert config.operators() == Operators(
        {"slack": frozenset({"U1"}), "discord": frozenset({"42"}), "console": frozenset({"operator"})},
        {"slack": frozenset({"S1"}), "discord": frozenset({"43"})},
    )
    assert config.routing_settings().redaction.rows == "self"
    assert config.routing_settings().redaction.operators == config.operators()


def test_without_being_told_nobody_is_one() -> None:
    assert not loaded(ANA).operators().include("slack", "U1", ("S1",))


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ('slack = ["S1"]', "privacy.operators.slack[0]: must be a member id"),
        ('slack_groups = ["leads"]', "privacy.operators.slack_groups[0]: must be the id of a user group"),
        ('discord_roles = ["boss"]', "privacy.operators.discord_roles[0]: must be"),
        ('console = "me"', "privacy.operators.console: must be"),
    ],
)
def test_what_is_wrong_with_an_operator_is_said(written: str, problem: str) -> None:
    assert problem in problems(f"[privacy]\noperators = {{ {written} }}\n{ANA}")[0]
