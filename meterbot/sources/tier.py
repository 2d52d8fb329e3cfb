"""An organization's plan, from the words in accounts and profiles."""

import re
from collections.abc import Collection

_PREMIUM_SEAT = "team_tier_1"
_ENTERPRISE_TIER = "default_claude_zero"
_SHARED_TIERS = ("default_raven", "claude_team", "claude_enterprise", _ENTERPRISE_TIER)
_SHARED_SEATS = ("team", "enterprise", "unassigned")
_SHARED_KINDS = {"raven", "claude_team", "claude_enterprise"}


def is_shared(kinds: Collection[str], tier: str | None, seat: str | None) -> bool:
    """Whether several people share the organization (Team, Enterprise), so its counter is not one seat's. `kinds`:
    its capabilities, or its type."""
    return (
        not _SHARED_KINDS.isdisjoint(kinds)
        or (tier or "").startswith(_SHARED_TIERS)
        or (seat or "").startswith(_SHARED_SEATS)
    )


def tier_of(kinds: Collection[str], tier: str | None, seat: str | None) -> str | None:
    """`pro`, `max_5x`, `max_20x`, `max`, `team`, `team_premium`, `enterprise` or `free`; None if unknown.

    `kinds`: the organization's capabilities, or its type; `tier`: its rate limit tier; `seat`: the member's seat
    tier. A shared organization may have the rate limits of a personal plan, so it is checked first.
    """
    words = {*kinds, tier or ""}
    if is_shared(kinds, tier, seat):
        return _shared(words, seat or "")
    if "claude_max" in words or "claude_max" in (tier or ""):
        times = re.search(r"claude_max_(\d{1,3}x)\b", tier or "")
        return f"max_{times[1]}" if times else "max"
    if "claude_pro" in words:
        return "pro"
    free = "claude_free" in words or {*kinds} == {"chat"}
    return "free" if free and tier in {None, "default_claude_ai"} else None


def _shared(words: set[str], seat: str) -> str | None:
    if not words.isdisjoint({"claude_enterprise", _ENTERPRISE_TIER}) or seat.startswith("enterprise"):
        return "enterprise"
    if seat == _PREMIUM_SEAT:
        return "team_premium"
    return "team" if "claude_team" in words or seat.startswith("team") else None
