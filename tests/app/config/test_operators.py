"""`[privacy] operators`: who sees every seat under its name."""

import pytest

from meterbot.core.operators import Operators
from tests.app.config.writing import ANA, loaded, problems

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
def test_what_is_wrong_is_said(written: str, problem: str) -> None:
    assert problem in problems(f"[privacy]\noperators = {{ {written} }}\n{ANA}")[0]
