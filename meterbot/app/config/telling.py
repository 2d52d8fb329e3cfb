"""The tables that say what is told, when, where and to whom."""

from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from meterbot.app.config.table import Table, Unstrict
from meterbot.app.config.values import (
    Amount,
    Clock,
    Crowd,
    Currency,
    Days,
    Duration,
    Kind,
    Level,
    Loudness,
    Moment,
    SeatLevel,
    SeatName,
    SlackChannel,
    SlackGroup,
    SlackUser,
    Snowflake,
    Target,
    Weekday,
    Zone,
    fits,
)
from meterbot.core.models import EventKind, Severity
from meterbot.rules.settings import DEFAULT_THRESHOLDS, Threshold


def _each_once(levels: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
    return tuple(dict.fromkeys(levels))


Levels = Annotated[tuple[Level, ...], Unstrict, AfterValidator(_each_once)]
"""In the order they are written; what is written twice, as `80%` and `80.0%`, is one."""
SeatLevels = Annotated[tuple[SeatLevel, ...], Unstrict, AfterValidator(_each_once)]


class SlackConfig(Table):
    """`[slack]`: where to post, and how Slack reaches us."""

    channel: SlackChannel
    mode: Literal["socket", "http"] = "socket"
    bot_token_env: str | None = None
    bot_token_file: str | None = None
    bot_token: SecretStr
    app_token_env: str | None = None
    app_token_file: str | None = None
    app_token: SecretStr | None = None
    """Always there in socket mode."""
    signing_secret_env: str | None = None
    signing_secret_file: str | None = None
    signing_secret: SecretStr | None = None
    """Always there in http mode."""


class DiscordConfig(Table):
    """`[discord]`: where to post, and on which server the command is (None: on all that have the bot)."""

    guild_id: Snowflake | None = None
    channel_id: Snowflake
    bot_token_env: str | None = None
    bot_token_file: str | None = None
    bot_token: SecretStr


class ConsoleConfig(Table):
    """`[console]`: the terminal as a chat."""

    enabled: bool = True


class BudgetConfig(Table):
    """`[[alerts.budgets]]`: what the team's extra usage may sum up to in a period, in one currency."""

    currency: Currency = "USD"
    amount: Amount
    thresholds: Levels = (
        Threshold(percent=Decimal(80)),
        Threshold(percent=Decimal(100)),
    )

    @field_validator("amount")
    @classmethod
    def _is_something(cls, value: Decimal, info: ValidationInfo) -> Decimal:
        if not value:
            raise ValueError("must be more than 0")
        return fits(value, info.data.get("currency", "USD"))


class QuietConfig(Table):
    """`[alerts.quiet]`: hours and days in which only what is loud enough is told at once."""

    start: Clock | None = None
    end: Clock | None = None
    days: Annotated[tuple[Weekday, ...], Unstrict] = ()
    timezone: Zone | None = None
    allow: Loudness = Severity.CRITICAL

    @field_validator("end")
    @classmethod
    def _has_a_start(cls, value: time | None, info: ValidationInfo) -> time | None:
        if value is not None and info.data.get("start") is None:
            raise ValueError('needs a start, like start = "22:00"')
        return value

    @model_validator(mode="after")
    def _has_an_end(self) -> "QuietConfig":
        if self.start is not None and self.end is None:
            raise ValueError('needs an end, like end = "07:00"')
        if self.start is None and not self.days:
            raise ValueError('needs hours (start and end) or days, like days = ["sat", "sun"]')
        return self


class SilenceConfig(Table):
    """`[[alerts.silences]]`: a time in which nothing is told."""

    start: Moment
    end: Moment
    seats: Annotated[tuple[SeatName, ...], Unstrict] = ()

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
    """`[[alerts.routes]]`: where some alerts go instead."""

    to: Annotated[tuple[Target, ...], Unstrict]
    seats: Annotated[tuple[SeatName, ...], Unstrict] = ()
    kinds: Annotated[tuple[Kind, ...], Unstrict] = ()
    severity: Loudness = Severity.GOOD

    @field_validator("to")
    @classmethod
    def _is_somewhere(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("must name a place; what is not to be told goes into mute")
        return value


class AlertsConfig(Table):
    """`[alerts]`: what is told, and when."""

    thresholds: SeatLevels = DEFAULT_THRESHOLDS
    renewal_days: Annotated[tuple[Days, ...], Unstrict] = (7, 1)
    source_grace: Duration = timedelta(minutes=30)
    cap_forecast: bool = True
    spend_spike: bool = False
    mute: Annotated[tuple[Kind, ...], Unstrict] = ()
    living: bool = True
    send_resolved: bool = True
    loud_from: Loudness = Severity.WARNING
    remind_blocked: Duration | None = None
    group_from: Crowd = 4
    quiet: QuietConfig | None = None
    silences: Annotated[tuple[SilenceConfig, ...], Unstrict] = ()
    routes: Annotated[tuple[RouteConfig, ...], Unstrict] = ()
    budgets: Annotated[tuple[BudgetConfig, ...], Unstrict] = ()

    @field_validator("mute")
    @classmethod
    def _mutes_no_digest(cls, value: tuple[EventKind, ...]) -> tuple[EventKind, ...]:
        if EventKind.DIGEST in value:
            raise ValueError("cannot mute digest: without a [digest] table there is none")
        return value


class DigestConfig(Table):
    """`[digest]`: what has changed, told without being asked."""

    every: Literal["day", "week"] = "week"
    at: Clock = time(9)
    weekday: Weekday = 0
    timezone: Zone | None = None
    to: Annotated[tuple[Literal["channel", "owner", "operators"], ...], Unstrict] = ("channel",)


class OperatorsConfig(Table):
    """`operators`: who sees every seat under its name, by platform, and by groups and roles there."""

    slack: Annotated[tuple[SlackUser, ...], Unstrict] = ()
    slack_groups: Annotated[tuple[SlackGroup, ...], Unstrict] = ()
    discord: Annotated[tuple[Snowflake, ...], Unstrict] = ()
    discord_roles: Annotated[tuple[Snowflake, ...], Unstrict] = ()
    console: Literal["operator"] | None = None
    """Whoever sits at the terminal."""


class PrivacyConfig(Table):
    """`[privacy]`: who sees the numbers of single seats."""

    rows: Literal["named", "anonymous", "self"] = "named"
    operators: OperatorsConfig = OperatorsConfig()
