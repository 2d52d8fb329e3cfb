"""The account and organization of an OAuth token, from an `/api/oauth/profile` body."""

from dataclasses import dataclass

from meterbot.sources.fields import DriftNotes, read
from meterbot.sources.tier import tier_of
from meterbot.sources.wire import ProfileAccountShape, ProfileOrganizationShape, ProfileShape

_ENDED = {"canceled", "cancelled", "expired", "incomplete_expired"}
_UNPAID = {"past_due", "unpaid"}


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
    shape = read(ProfileShape, body, "profile", notes)
    if shape is None:
        if body is None:
            notes.reject("profile", "an object", "null")
        return None
    account = read(ProfileAccountShape, shape.account, "profile.account", notes)
    organization = read(ProfileOrganizationShape, shape.organization, "profile.organization", notes)
    organization = organization or ProfileOrganizationShape()
    org = organization.uuid or shape.organization_uuid
    if account is None or account.uuid is None:
        _note_missing("profile.account.uuid", notes)
        return None
    if org is None:
        _note_missing("profile.organization.uuid", notes)
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


def _note_missing(path: str, notes: DriftNotes) -> None:
    if path not in notes.rejected:
        notes.reject(path, "a UUID", "nothing")


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
