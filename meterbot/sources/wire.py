"""The fields that are read from the answers. Amounts are in minor units of their currency."""

from typing import Annotated, Any

from pydantic import AliasChoices, Field

from meterbot.sources.fields import (
    AmountText,
    Currency,
    Day,
    DayOrInstant,
    Email,
    Flag,
    Identity,
    Instant,
    Number,
    Scale,
    Shape,
    Text,
    nested,
)


class WindowShape(Shape):
    """`five_hour`, `seven_day`, `seven_day_…` of `/usage`."""

    utilization: Number = None
    resets_at: Instant = None


class LimitShape(Shape):
    """One of `limits` of `/usage`: the same windows in their newer form."""

    kind: Text = None
    percent: Number = None
    resets_at: Instant = None
    scope: Any = None
    """A plain string, or `{model: {id, display_name}, surface}`, where the surface is a string or `{display_name}`."""


class ModelWindowShape(WindowShape):
    """One of `model_scoped`: the window of one model."""

    display_name: Text = None


class AmountShape(Shape):
    """An amount of `spend`."""

    amount_minor: Number = None
    currency: Currency = None
    exponent: Scale = None


class SpendShape(Shape):
    """`spend` of `/usage`, the counter's newest form. `used` is 0 if nothing was ever bought."""

    used: Annotated[AmountShape | None, nested(AmountShape)] = None
    limit: Annotated[AmountShape | None, nested(AmountShape)] = None
    enabled: Flag = None
    disabled_reason: Text = None
    balance: Annotated[AmountShape | None, nested(AmountShape)] = None
    auto_reload: Any = None


class ExtraUsageShape(Shape):
    """`extra_usage` of `/usage`. `monthly_limit` null while enabled means no cap."""

    is_enabled: Flag = None
    monthly_limit: Number = None
    used_credits: Number = None
    currency: Currency = None
    decimal_places: Scale = None
    disabled_reason: Text = None
    user_disabled: Flag = None
    spend_limit_reached: Flag = None
    credits_ever_enabled: Flag = None


class OverageShape(Shape):
    """A row of `/overage_spend_limit`. The last four fields are older names of those above."""

    organization_uuid: Identity = None
    account_uuid: Identity = None
    limit_type: Text = None
    is_enabled: Flag = None
    monthly_credit_limit: Number = None
    used_credits: Number = None
    currency: Currency = None
    out_of_credits: Flag = None
    disabled_reason: Text = None
    disabled_until: Instant = None
    discount_percent: Number = None
    used_credits_basis: Text = None
    monthly_limit: Number = None
    spend_limit_amount_cents: Number = None
    balance_cents: Number = None
    spend_limit_currency: Currency = None


class CreditsBalanceShape(Shape):
    """`balance` of `/prepaid/credits`."""

    money: Annotated[AmountShape | None, nested(AmountShape)] = None


class CreditsShape(Shape):
    """`/prepaid/credits`. The currency is null where nothing was ever bought."""

    amount: Number = None
    currency: Currency = None
    balance: Annotated[CreditsBalanceShape | None, nested(CreditsBalanceShape)] = None
    auto_reload_settings: Any = None


class GiftShape(Shape):
    """`gift_details` of a subscription."""

    paid_through: Day = None


class DowngradeShape(Shape):
    """`scheduled_downgrade` of a subscription."""

    plan_type: Text = None
    plan: Text = None


class SubscriptionShape(Shape):
    """`/subscription_details`. The payment method is deliberately not read."""

    status: Text = None
    next_charge_date: Day = None
    next_charge_at: Instant = None
    billing_interval: Text = None
    plan_ending_before: Day = None
    plan_ending_at: Instant = None
    has_schedule: Flag = None
    scheduled_downgrade: Annotated[DowngradeShape | None, nested(DowngradeShape)] = None
    gift_details: Annotated[GiftShape | None, nested(GiftShape)] = None
    payment_paused_until: DayOrInstant = None


class AccountShape(Shape):
    """`/api/account`."""

    uuid: Identity = None
    email_address: Email = None
    memberships: Any = None


class OrganizationShape(Shape):
    """The organization of a membership."""

    uuid: Identity = None
    name: Text = None
    capabilities: Any = None
    rate_limit_tier: Text = None


class MembershipShape(Shape):
    """One of an account's memberships."""

    seat_tier: Text = None
    organization: Annotated[OrganizationShape | None, nested(OrganizationShape)] = None


class ProfileAccountShape(Shape):
    """`account` of a profile."""

    uuid: Identity = None
    email: Email = Field(None, validation_alias=AliasChoices("email", "email_address", "emailAddress"))


class ProfileOrganizationShape(Shape):
    """`organization` of a profile."""

    uuid: Identity = None
    name: Text = None
    organization_type: Text = None
    billing_type: Text = None
    rate_limit_tier: Text = None
    seat_tier: Text = None
    has_extra_usage_enabled: Flag = None
    subscription_status: Text = None


class ProfileShape(Shape):
    """`/api/oauth/profile`. Some answers have the flat fields instead of `organization`."""

    account: Annotated[ProfileAccountShape | None, nested(ProfileAccountShape)] = None
    organization: Annotated[ProfileOrganizationShape | None, nested(ProfileOrganizationShape)] = None
    organization_uuid: Identity = None
    organization_name: Text = None


class EstimateShape(AmountShape):
    """`list_price_estimate` of a push."""

    source: Text = None
    period: Text = None


class ThrottleShape(Shape):
    """`throttle` of a push."""

    tool: Text = None
    as_of: Instant = None
    enabled: Flag = None
    throttling: Flag = None
    delay_seconds: Number = None


class PushShape(Shape):
    """claude-meter's JSON, one object for each organization. `usage` is either written from a fixed list of fields,
    or the server's own body; `account_uuid` is meterbot's addition."""

    org_uuid: Identity = None
    account_uuid: Identity = None
    account_email: Email = None
    fetched_at: Instant = None
    stale: Flag = None
    usage: Any = None
    overage: Any = None
    subscription: Any = None
    errors: Any = None
    list_price_estimate: Any = None
    throttle: Any = None


# The Admin API.


class OrgShape(Shape):
    """`/v1/organizations/me`."""

    id: Identity = None
    name: Text = None


class PageShape(Shape):
    """One page of a report. `/spend_limits/effective` has no `has_more`."""

    data: Any = None
    has_more: Flag = None
    next_page: Any = None


class BucketShape(Shape):
    """A day of the cost report."""

    starting_at: Instant = None
    results: Any = None


class CostShape(Shape):
    """A cost of a day: `"12345.00"` is $123.45."""

    amount: AmountText = None
    currency: Currency = None


class ActorShape(Shape):
    """Who used it: a person has an e-mail address, an API key a name."""

    email_address: Email = None
    api_key_name: Text = None


class CoreMetricsShape(Shape):
    """What was done on that day, as far as it is used here."""

    pull_requests_by_claude_code: Number = None


class UsageShape(Shape):
    """One person or API key on one day of the Claude Code report, on one kind of terminal."""

    actor: Annotated[ActorShape | None, nested(ActorShape)] = None
    core_metrics: Annotated[CoreMetricsShape | None, nested(CoreMetricsShape)] = None
    model_breakdown: Any = None


class CostEstimateShape(Shape):
    """A list-price estimate: whole cents."""

    amount: Number = None
    currency: Currency = None


class ModelShape(Shape):
    """The use of one model."""

    estimated_cost: Annotated[CostEstimateShape | None, nested(CostEstimateShape)] = None


class LimitActorShape(Shape):
    """The limit's owner: a person has a `user_id`; an API key has an id of its own."""

    type: Text = None
    user_id: Text = None
    api_key_id: Text = None
    email_address: Email = None


class LimitRowShape(Shape):
    """A limit in one period. `amount` null is unlimited."""

    is_enabled: Flag = None
    actor: Any = None
    amount: AmountText = None
    currency: Currency = None
    period: Text = None
    period_to_date_spend: AmountText = None
