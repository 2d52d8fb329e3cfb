"""The fields that are read from the answers. Amounts are in minor units of their currency."""

from typing import Any

from pydantic import AliasChoices, Field

from meterbot.sources.fields import (
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

    used: Any = None
    limit: Any = None
    enabled: Flag = None
    disabled_reason: Text = None
    balance: Any = None
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


class CreditsShape(Shape):
    """`/prepaid/credits`. The currency is null where nothing was ever bought."""

    amount: Number = None
    currency: Currency = None
    balance: Any = None
    auto_reload_settings: Any = None


class CreditsBalanceShape(Shape):
    """`balance` of `/prepaid/credits`."""

    money: Any = None


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
    scheduled_downgrade: Any = None
    gift_details: Any = None
    payment_paused_until: DayOrInstant = None


class AccountShape(Shape):
    """`/api/account`."""

    uuid: Identity = None
    email_address: Email = None
    memberships: Any = None


class MembershipShape(Shape):
    """One of an account's memberships."""

    seat_tier: Text = None
    organization: Any = None


class OrganizationShape(Shape):
    """The organization of a membership."""

    uuid: Identity = None
    name: Text = None
    capabilities: Any = None
    rate_limit_tier: Text = None


class ProfileShape(Shape):
    """`/api/oauth/profile`. Some answers have the flat fields instead of `organization`."""

    account: Any = None
    organization: Any = None
    organization_uuid: Identity = None
    organization_name: Text = None


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
