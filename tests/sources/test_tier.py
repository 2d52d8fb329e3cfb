"""The words of accounts and profiles, and the plan that they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.sources.tier import is_shared, tier_of


@pytest.mark.parametrize(
    ("kinds", "tier", "seat", "plan"),
    [
        (["claude_max", "chat"], "default_claude_max_5x", None, "max_5x"),
        (["claude_max"], "default_claude_max_20x", None, "max_20x"),
        ([], "default_claude_max_20x", None, "max_20x"),
        (["claude_max"], "default_claude_ai", None, "max"),
        (["claude_pro", "chat"], "default_claude_ai", None, "pro"),
        ([], "claude_pro", None, "pro"),
        (["chat"], "default_claude_ai", None, "free"),
        (["chat"], "lunar_eclipse", None, None),
        ([], "default_claude_ai", None, None),
        ([], None, None, None),
        (["claude_team"], "default_claude_max_5x", "team_tier_1", "team_premium"),
        (["claude_team"], "default_raven", "team_standard", "team"),
        (["claude_team"], None, None, "team"),
        (["raven", "chat"], "default_raven", None, None),
        (["raven", "chat"], "default_raven", "unassigned", None),
        (["raven"], "default_raven", "enterprise_standard", "enterprise"),
        (["claude_enterprise"], None, None, "enterprise"),
    ],
)
def test_the_plan_is_what_the_words_say(
    kinds: list[str], tier: str | None, seat: str | None, plan: str | None
) -> None:
    assert tier_of(kinds, tier, seat) == plan


_words = st.sampled_from(
    ["claude_max", "claude_pro", "chat", "raven", "claude_team", "claude_enterprise", "x"]
)


@given(st.lists(_words), st.none() | st.text(), st.none() | st.text())
def test_a_shared_organization_is_never_taken_for_a_personal_plan(
    kinds: list[str], tier: str | None, seat: str | None
) -> None:
    shared = {"team", "team_premium", "enterprise", None}
    assert (tier_of(kinds, tier, seat) in shared) or not is_shared(kinds, tier, seat)
