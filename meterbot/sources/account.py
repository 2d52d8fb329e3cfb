"""Whose session or token it is, which organizations the account belongs to, and their plans: from the bodies of
`/api/account` and `/api/oauth/profile`."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from meterbot.sources.fields import DriftNotes, elements, note_missing, read, section
from meterbot.sources.wire import (
    AccountShape,
    MembershipShape,
    ProfileAccountShape,
    ProfileOrganizationShape,
    ProfileShape,
)

_MOST_ORGANIZATIONS = 50

_ENDED = {"canceled", "cancelled", "expired", "incomplete_expired"}
_UNPAID = {"past_due", "unpaid"}

_PREMIUM_SEAT = "team_tier_1"
_ENTERPRISE_TIER = "default_claude_zero"
_SHARED_TIERS = ("default_raven", "claude_team", "claude_enterprise", _ENTERPRISE_TIER)
_SHARED_SEATS = ("team", "enterprise", "unassigned")
_SHARED_KINDS = {"raven", "claude_team", "claude_enterprise"}


@dataclass(frozen=True, slots=True)
class Organization:
    """`team`: shared by several people (Team, Enterprise), so its own counter is not one seat's. `tier`: its plan."""

    uuid: str
    name: str | None
    team: bool
    api_only: bool
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """`organizations` is None when the body did not say."""

    uuid: str | None
    email: str | None
    organizations: tuple[Organization, ...] | None

    def completed_by(self, known: "AccountInfo") -> "AccountInfo":
        """This account, completed with an earlier one."""
        return AccountInfo(
            uuid=self.uuid or known.uuid,
            email=self.email or known.email,
            organizations=known.organizations if self.organizations is None else self.organizations,
        )


def account_of(body: object, notes: DriftNotes) -> AccountInfo:
    """The account that a body describes, each organization once. An organization without a valid UUID is left out
    with a note."""
    shape = section(AccountShape, body, "account", notes)
    if shape is None:
        return AccountInfo(None, None, None)
    if "uuid" not in shape.model_fields_set:
        note_missing(shape, "uuid", "account", "a UUID", notes)
    if not isinstance(shape.memberships, list):
        note_missing(shape, "memberships", "account", "a list", notes)
        return AccountInfo(shape.uuid, shape.email_address, None)
    if len(shape.memberships) > _MOST_ORGANIZATIONS:
        notes.add(f"account.memberships: more than {_MOST_ORGANIZATIONS}, the rest is left out")
    organizations: dict[str, Organization] = {}
    for path, item in elements(shape.memberships, "account.memberships", notes)[:_MOST_ORGANIZATIONS]:
        organization = _organization(item, path, notes)
        if organization is not None:
            organizations.setdefault(organization.uuid, organization)
    if shape.memberships and not organizations:
        notes.reject("account.memberships", "organizations", "none that can be read")
        return AccountInfo(shape.uuid, shape.email_address, None)
    return AccountInfo(shape.uuid, shape.email_address, tuple(organizations.values()))


def _organization(item: object, path: str, notes: DriftNotes) -> Organization | None:
    membership = read(MembershipShape, item, path, notes)
    if membership is None or membership.organization is None:
        return None
    shape, path = membership.organization, f"{path}.organization"
    if shape.uuid is None:  # the membership has a UUID of its own, which is not the organization's
        if "uuid" not in shape.model_fields_set:
            note_missing(shape, "uuid", path, "a UUID", notes)
        return None
    capabilities = [value for _, value in elements(shape.capabilities, f"{path}.capabilities", notes)]
    kinds = [capability for capability in capabilities if isinstance(capability, str)]
    return Organization(
        uuid=shape.uuid,
        name=shape.name,
        team=is_shared(kinds, shape.rate_limit_tier, membership.seat_tier),
        api_only=capabilities == ["api"],
        tier=tier_of(kinds, shape.rate_limit_tier, membership.seat_tier),
    )


@dataclass(frozen=True, slots=True)
class Profile:
    """`lapsed`: one sentence about a subscription that is no longer paid, else None. `metered` False: extra usage is
    off."""

    account: str
    org: str
    email: str | None = None
    org_name: str | None = None
    tier: str | None = None
    lapsed: str | None = None
    metered: bool | None = None


def profile_of(body: object, notes: DriftNotes) -> Profile | None:
    """The profile in a body; None, with a note, if its account or organization is missing."""
    shape = section(ProfileShape, body, "profile", notes)
    if shape is None:
        return None
    account = shape.account or ProfileAccountShape()
    organization = shape.organization or ProfileOrganizationShape()
    org = organization.uuid or shape.organization_uuid
    if account.uuid is None:
        note_missing(account, "uuid", "profile.account", "a UUID", notes)
        return None
    if org is None:
        note_missing(organization, "uuid", "profile.organization", "a UUID", notes)
        return None
    kinds = [] if organization.organization_type is None else [organization.organization_type]
    return Profile(
        account=account.uuid,
        org=org,
        email=account.email,
        org_name=organization.name or shape.organization_name,
        tier=tier_of(kinds, organization.rate_limit_tier, organization.seat_tier),
        lapsed=_lapsed(organization),
        metered=organization.has_extra_usage_enabled,
    )


def _lapsed(organization: ProfileOrganizationShape) -> str | None:
    """The service may still answer for a plan that has ended, with old windows."""
    status = (organization.subscription_status or "").lower()
    if status in _ENDED:
        return f"the subscription has lapsed: its status is {status.replace('_', ' ')}"
    if status in _UNPAID:
        return f"the subscription is not paid for: its status is {status.replace('_', ' ')}"
    if organization.billing_type == "none":
        return "the subscription has lapsed: nothing is billed to the organization"
    return None


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
