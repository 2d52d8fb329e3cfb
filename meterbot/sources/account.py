"""Whose session it is and which organizations it belongs to, from an `/api/account` body."""

from dataclasses import dataclass

from meterbot.sources.fields import DriftNotes, kind, read
from meterbot.sources.tier import is_shared, tier_of
from meterbot.sources.wire import AccountShape, MembershipShape, OrganizationShape

_MOST_ORGANIZATIONS = 50


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
    shape = read(AccountShape, body, "account", notes)
    if shape is None:
        if body is None:
            notes.reject("account", "an object", "null")
        return AccountInfo(None, None, None)
    if "uuid" not in shape.model_fields_set:
        notes.reject("account.uuid", "a UUID", "nothing")
    if not isinstance(shape.memberships, list):
        found = kind(shape.memberships) if "memberships" in shape.model_fields_set else "nothing"
        notes.reject("account.memberships", "a list", found)
        return AccountInfo(shape.uuid, shape.email_address, None)
    if len(shape.memberships) > _MOST_ORGANIZATIONS:
        notes.add(f"account.memberships: more than {_MOST_ORGANIZATIONS}, the rest is left out")
    organizations: dict[str, Organization] = {}
    for place, item in enumerate(shape.memberships[:_MOST_ORGANIZATIONS]):
        organization = _organization(item, f"account.memberships[{place}]", notes)
        if organization is not None:
            organizations.setdefault(organization.uuid, organization)
    if shape.memberships and not organizations:
        notes.reject("account.memberships", "organizations", "none that can be read")
        return AccountInfo(shape.uuid, shape.email_address, None)
    return AccountInfo(shape.uuid, shape.email_address, tuple(organizations.values()))


def _organization(item: object, path: str, notes: DriftNotes) -> Organization | None:
    membership = read(MembershipShape, item, path, notes)
    if membership is None:
        return None
    shape = read(OrganizationShape, membership.organization, f"{path}.organization", notes)
    if shape is None or shape.uuid is None:
        # The membership has a UUID of its own, which is not the organization's.
        if shape is not None and "uuid" not in shape.model_fields_set:
            notes.reject(f"{path}.organization.uuid", "a UUID", "nothing")
        return None
    capabilities = shape.capabilities
    if capabilities is not None and not isinstance(capabilities, list):
        notes.reject(f"{path}.organization.capabilities", "a list", kind(capabilities))
        capabilities = None
    kinds = [capability for capability in capabilities or [] if isinstance(capability, str)]
    return Organization(
        uuid=shape.uuid,
        name=shape.name,
        team=is_shared(kinds, shape.rate_limit_tier, membership.seat_tier),
        api_only=capabilities == ["api"],
        tier=tier_of(kinds, shape.rate_limit_tier, membership.seat_tier),
    )
