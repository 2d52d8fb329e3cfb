"""The tables about alerts: what is posted, when, and who may see it."""

from collections import Counter
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, ValidationInfo, field_validator, model_validator

from meterbot.app.config.secrets import Table, Vault
from meterbot.app.config.types import (
    Amount,
    AmountLevel,
    Clock,
    Currency,
    Days,
    Duration,
    GroupThreshold,
    Instant,
    Kind,
    Level,
    Many,
    MinimumSeverity,
    SeatLevel,
    SeatName,
    SlackGroup,
    SlackUser,
    Snowflake,
    Target,
    Weekday,
    Zone,
    did_you_mean,
    fits,
)
from meterbot.core.models import EventKind, Severity
from meterbot.rules.settings import DEFAULT_BALANCE_LEVELS, DEFAULT_THRESHOLDS, Threshold


def _each_once(levels: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
    return tuple(dict.fromkeys(levels))


def _is_configured(name: str, info: ValidationInfo) -> str:
    names = _seat_names(info.context)
    if names is not None and name not in names:
        raise ValueError(f"must be the name of a seat of this file{did_you_mean(name, names)}")
    return name


def _seat_names(vault: Vault | None) -> list[str] | None:
    """The names in the file; None where there is none to compare with."""
    seats = None if vault is None else vault.document.get("seats")
    if not isinstance(seats, list):
        return None
    return [str(seat.get("name")) for seat in seats if isinstance(seat, dict)]


def _has_its_chat(target: str, info: ValidationInfo) -> str:
    chat, colon, _ = target.partition(":")
    if colon and info.context is not None and chat not in info.context.document:
        raise ValueError(f"needs a [{chat}] table")
    return target


Levels = Annotated[Many[Level], AfterValidator(_each_once)]
"""In the order they are written; two spellings of one level, as `80%` and `80.0%`, are one."""
SeatLevels = Annotated[Many[SeatLevel], AfterValidator(_each_once)]
BalanceLevels = Annotated[Many[AmountLevel], AfterValidator(_each_once)]
KnownSeat = Annotated[SeatName, AfterValidator(_is_configured)]
Place = Annotated[Target, AfterValidator(_has_its_chat)]


class BudgetConfig(Table):
    """`[[alerts.budgets]]`: the team's limit for extra usage in a month, in one currency."""

    currency: Currency = "USD"
    amount: Amount
    thresholds: Levels = (Threshold(percent=Decimal(80)), Threshold(percent=Decimal(100)))

    @field_validator("amount")
    @classmethod
    def _is_something(cls, value: Decimal, info: ValidationInfo) -> Decimal:
        if not value:
            raise ValueError("must be more than 0")
        return fits(value, info.data.get("currency", "USD"))


class QuietConfig(Table):
    """`[alerts.quiet]`: hours and days in which only alerts at or above `allow` are sent."""

    start: Clock | None = None
    end: Clock | None = None
    days: Many[Weekday] = ()
    timezone: Zone | None = None
    allow: MinimumSeverity = Severity.CRITICAL

    @field_validator("end")
    @classmethod
    def _has_a_start(cls, value: time | None, info: ValidationInfo) -> time | None:
        if value is not None and info.data.get("start") is None:
            raise ValueError('needs a start, like start = "22:00"')
        if value is not None and value == info.data["start"]:
            raise ValueError(
                'must differ from start. For whole days, remove start and end and set days = ["sat", "sun"]'
            )
        return value

    @model_validator(mode="after")
    def _has_an_end(self) -> "QuietConfig":
        if self.start is not None and self.end is None:
            raise ValueError('needs an end, like end = "07:00"')
        if self.start is None and not self.days:
            raise ValueError('needs hours (start and end) or days, like days = ["sat", "sun"]')
        return self


class SilenceConfig(Table):
    """`[[alerts.silences]]`: a time in which no alert is sent."""

    start: Instant
    end: Instant
    seats: Many[KnownSeat] = ()

    @field_validator("end")
    @classmethod
    def _is_later(cls, value: datetime, info: ValidationInfo) -> datetime:
        start = info.data.get("start")
        if start is not None and (start.tzinfo is None) != (value.tzinfo is None):
            raise ValueError("must name a time zone if start does")
        if start is not None and value <= start:
            raise ValueError("must be later than start")
        return value


class RouteConfig(Table):
    """`[[alerts.routes]]`: sends some alerts to another place."""

    to: Many[Place]
    seats: Many[KnownSeat] = ()
    kinds: Many[Kind] = ()
    severity: MinimumSeverity = Severity.GOOD

    @field_validator("to")
    @classmethod
    def _is_somewhere(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("must name a place (use mute for alerts that nobody wants)")
        return value


class AlertsConfig(Table):
    """`[alerts]`: which alerts there are, and how they are posted."""

    thresholds: SeatLevels = DEFAULT_THRESHOLDS
    balance_levels: BalanceLevels = DEFAULT_BALANCE_LEVELS
    renewal_days: Many[Days] = (3,)
    source_grace: Duration = timedelta(minutes=30)
    push_silence: Duration = timedelta(days=3)
    cap_forecast: bool = True
    spend_spike: bool = False
    window_reset: bool = False
    mute: Many[Kind] = ()
    update_in_place: bool = True
    send_resolved: bool = True
    broadcast_from: MinimumSeverity = Severity.WARNING
    repeat_interval: Duration | None = None
    group_threshold: GroupThreshold = 4
    quiet: QuietConfig | None = None
    silences: Many[SilenceConfig] = ()
    routes: Many[RouteConfig] = ()
    budgets: Many[BudgetConfig] = ()

    @field_validator("budgets")
    @classmethod
    def _are_of_different_currencies(cls, value: tuple[BudgetConfig, ...]) -> tuple[BudgetConfig, ...]:
        for currency, number in Counter(budget.currency for budget in value).items():
            if number > 1:
                raise ValueError(f"has {number} budgets in {currency}: keep one per currency")
        return value

    @field_validator("mute")
    @classmethod
    def _leaves_digests(cls, value: tuple[EventKind, ...]) -> tuple[EventKind, ...]:
        if EventKind.DIGEST in value:
            raise ValueError("cannot contain digest: leave out the [digest] table instead")
        if EventKind.NOTICE in value:
            raise ValueError("cannot contain notice: it answers an invitation, and is no alert")
        return value


class DigestConfig(Table):
    """`[digest]`: a daily or weekly summary of what changed."""

    every: Literal["day", "week"] = "week"
    at: Clock = time(9)
    weekday: Weekday = "mon"
    timezone: Zone | None = None
    to: Many[Literal["channel", "owner", "operators"]] = ("channel",)


class OperatorsConfig(Table):
    """`operators`: who sees every seat under its name: people, Slack user groups, Discord roles."""

    slack: Many[SlackUser] = ()
    slack_groups: Many[SlackGroup] = ()
    discord: Many[Snowflake] = ()
    discord_roles: Many[Snowflake] = ()
    console: Literal["operator"] | None = None


class PrivacyConfig(Table):
    """`[privacy]`: who sees the numbers of a single seat."""

    rows: Literal["named", "anonymous", "self"] = "named"
    operators: OperatorsConfig = OperatorsConfig()
