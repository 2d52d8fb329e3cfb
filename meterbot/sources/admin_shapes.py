"""The fields that are read from the Admin API's answers. Every amount is in cents or another minor unit."""

from typing import Any

from meterbot.sources.fields import (
    AmountText,
    Currency,
    Email,
    Flag,
    Identity,
    Instant,
    Number,
    Shape,
    Text,
)


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


class UsageShape(Shape):
    """One person or API key on one day of the Claude Code report, on one kind of terminal."""

    actor: Any = None
    core_metrics: Any = None
    model_breakdown: Any = None


class ActorShape(Shape):
    """Who used it: a person has an e-mail address, an API key a name."""

    email_address: Email = None
    api_key_name: Text = None


class CoreMetricsShape(Shape):
    """What was done on that day, as far as it is used here."""

    pull_requests_by_claude_code: Number = None


class ModelShape(Shape):
    """The use of one model."""

    estimated_cost: Any = None


class EstimateShape(Shape):
    """A list-price estimate: whole cents."""

    amount: Number = None
    currency: Currency = None


class LimitRowShape(Shape):
    """A limit in one period. `amount` null is unlimited."""

    is_enabled: Flag = None
    actor: Any = None
    amount: AmountText = None
    currency: Currency = None
    period: Text = None
    period_to_date_spend: AmountText = None


class LimitActorShape(Shape):
    """The limit's owner: a person has a `user_id`; an API key has an id of its own."""

    type: Text = None
    user_id: Text = None
    api_key_id: Text = None
    email_address: Email = None
