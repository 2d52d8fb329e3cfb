"""The file's tables, and the one `Config` they make."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from meterbot import money, secret
from meterbot.config.problems import Problem
from meterbot.config.values import (
    Amount,
    Bind,
    Clock,
    Crowd,
    Currency,
    DatabaseUrl,
    Days,
    Duration,
    GithubLogin,
    Kind,
    Level,
    Listen,
    Loudness,
    Moment,
    MonthDay,
    RepositoryPattern,
    SeatLevel,
    SeatName,
    SecretKeys,
    SecretUrl,
    Sha256,
    SlackChannel,
    SlackGroup,
    SlackUser,
    Snowflake,
    Target,
    Url,
    Uuid,
    Weekday,
    Zone,
    did_you_mean,
    fits,
    listed,
)
from meterbot.deliveries import Place
from meterbot.digest import Reader, Schedule
from meterbot.models import EventKind, Seat, Severity
from meterbot.money import Money
from meterbot.noise import NoiseSettings, Quiet, Route, Silence
from meterbot.plans import LIST_PRICES, list_price
from meterbot.privacy import Operators
from meterbot.rules.settings import DEFAULT_THRESHOLDS, Budget, RuleSettings, Threshold
from meterbot.veil import Veil

CLAUDE_AI = "https://claude.ai"
ANTHROPIC_API = "https://api.anthropic.com"
GITHUB_API = "https://api.github.com"

INTERVALS = dict.fromkeys(("push", "claude_code", "admin_api"), timedelta(minutes=15))
"""How often a seat is read, or expected to report, when it does not say; `claude_ai` has `poll_interval`."""

SHORTEST_CHANGES = timedelta(days=14)
"""A pace is measured over a week, and a pull request may take another."""

Unstrict = Field(strict=False)
"""For tuples: TOML's arrays arrive as lists. Their items stay strict."""


def _each_once(levels: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
    return tuple(dict.fromkeys(levels))


Levels = Annotated[tuple[Level, ...], Unstrict, AfterValidator(_each_once)]
"""In the order they are written; what is written twice, as `80%` and `80.0%`, is one."""
SeatLevels = Annotated[tuple[SeatLevel, ...], Unstrict, AfterValidator(_each_once)]


class Table(BaseModel):
    """A table of the file. A secret is a field, too, filled from where its `…_env` or `…_file` points."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True
    )


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


class OperatorsConfig(Table):
    """`operators`: who sees every seat under its name, by platform, and by groups and roles there."""

    slack: Annotated[tuple[SlackUser, ...], Unstrict] = ()
    slack_groups: Annotated[tuple[SlackGroup, ...], Unstrict] = ()
    discord: Annotated[tuple[Snowflake, ...], Unstrict] = ()
    discord_roles: Annotated[tuple[Snowflake, ...], Unstrict] = ()
    console: Literal["operator"] | None = None
    """Whoever sits at the terminal."""


class SeatDigestConfig(Table):
    """`digest` of a seat: when its owner gets theirs, in a direct message."""

    every: Literal["day", "week", "never"] | None = None
    at: Clock | None = None
    weekday: Weekday | None = None
    timezone: Zone | None = None


class DigestConfig(Table):
    """`[digest]`: what has changed, told without being asked."""

    every: Literal["day", "week"] = "week"
    at: Clock = time(9)
    weekday: Weekday = 0
    timezone: Zone | None = None
    to: Annotated[tuple[Literal["channel", "owner", "operators"], ...], Unstrict] = ("channel",)


class PrivacyConfig(Table):
    """`[privacy]`: who sees the numbers of single seats."""

    rows: Literal["named", "anonymous", "self"] = "named"
    operators: OperatorsConfig = OperatorsConfig()


class StorageConfig(Table):
    """`[storage]`: how long the history stays as fine as it was read."""

    keep_hours: Duration = timedelta(days=365)
    keep_changes: Duration = timedelta(days=90)

    @field_validator("keep_changes")
    @classmethod
    def _serves_a_pace_and_ends_before_the_hours(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        if value < SHORTEST_CHANGES:
            raise ValueError(f"must be at least {SHORTEST_CHANGES.days} days")
        if value > info.data.get("keep_hours", value):
            raise ValueError("must not be longer than keep_hours, which is 365 days by default")
        return value


class HttpConfig(Table):
    """`[http]`: the listener."""

    bind: Listen = Bind("127.0.0.1", 8080)
    public_url: Url | None = None
    """Where the seats' machines reach it."""


class WatchConfig(Table):
    """`[watch]`: who watches the bot itself. All of it is secret: who pings in its place hides that it is dead."""

    ping_url_env: str | None = None
    ping_url_file: str | None = None
    ping_url: SecretUrl | None = None
    metrics_token_env: str | None = None
    metrics_token_file: str | None = None
    metrics_token: SecretStr | None = None
    sentry_dsn_env: str | None = None
    sentry_dsn_file: str | None = None
    sentry_dsn: SecretUrl | None = None


class ApproversConfig(Table):
    """Who may approve, on each platform. Whoever sits at the terminal may, too."""

    slack: Annotated[tuple[SlackUser, ...], Unstrict] = ()
    discord: Annotated[tuple[Snowflake, ...], Unstrict] = ()


class PushConfig(Table):
    """`[push]`: how a seat's owner gets a token by asking for it."""

    approvers: ApproversConfig = ApproversConfig()
    approval: bool = False

    @field_validator("approval")
    @classmethod
    def _has_somebody_to_ask(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        approvers = info.data.get("approvers")
        if value and approvers is not None and not (approvers.slack or approvers.discord):
            raise ValueError('needs somebody to ask: approvers = { slack = ["U0123456789"] }')
        return value


class GithubConfig(Table):
    """`[github]`: which merged pull requests are reckoned, and how GitHub tells of them."""

    webhook_secret_env: str | None = None
    webhook_secret_file: str | None = None
    webhook_secret: SecretStr
    token_env: str | None = None
    token_file: str | None = None
    token: SecretStr | None = None
    repositories: Annotated[tuple[RepositoryPattern, ...], Unstrict] = ()

    @field_validator("webhook_secret")
    @classmethod
    def _holds_one(cls, value: SecretStr) -> SecretStr:
        parts = _parts(value)
        for part in parts:
            secret.remember(part)
        if not parts:
            raise ValueError("holds no secret")
        return value

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Several, with commas between them, are a rotation."""
        return _parts(self.webhook_secret)


def _parts(value: SecretStr) -> tuple[str, ...]:
    return tuple(part for part in value.get_secret_value().split(",") if part)


class EndpointsConfig(Table):
    """`[endpoints]`: where the services are. No address ends in a slash, but for Slack's."""

    claude_ai: Url = CLAUDE_AI
    anthropic_api: Url = ANTHROPIC_API
    slack_api: Url = "https://slack.com/api/"
    discord_api: Url = "https://discord.com/api/v10"
    github_api: Url = GITHUB_API

    @field_validator("slack_api")
    @classmethod
    def _ends_in_a_slash(cls, value: str) -> str:
        return value.rstrip("/") + "/"  # slack_sdk appends the name of a method


class OwnerConfig(Table):
    """`owner`: whose seat it is, on each platform."""

    slack: SlackUser | None = None
    discord: Snowflake | None = None
    github: GithubLogin | None = None
    console: Literal["operator"] | None = None
    """Whoever sits at the terminal."""


class SeatConfig(Table):
    """`[[seats]]`: one person's Claude account."""

    name: SeatName
    source: Literal["push", "claude_ai", "claude_code", "admin_api"]
    poll_interval: Duration | None = None
    session_key_env: str | None = None
    session_key_file: str | None = None
    session_key: SecretStr | None = None
    """Always there for claude_ai."""
    token_env: str | None = None
    token_file: str | None = None
    token: SecretStr | None = None
    credentials_file: str | None = None
    """Where Claude Code keeps its sign-in: once checked, from the root."""
    push_token_sha256: Sha256 | None = None
    store_emails: bool = False
    """Of admin_api: keep who the people in its reports are."""
    organizations: Annotated[tuple[Uuid, ...], Unstrict] = ()
    plan_currency: Currency = "USD"
    plan_price: Amount | None = None
    plan: str | None = None
    renews_on: MonthDay | None = None
    owner: OwnerConfig = OwnerConfig()
    digest: SeatDigestConfig | None = None

    @field_validator("plan_price")
    @classmethod
    def _fits_its_currency(cls, value: Decimal | None, info: ValidationInfo) -> Decimal | None:
        return None if value is None else fits(value, info.data.get("plan_currency", "USD"))

    @field_validator("plan")
    @classmethod
    def _has_a_price(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A price that was refused is not among the data, and is a problem of its own.
        unpriced = "plan_price" in info.data and info.data["plan_price"] is None
        if value is not None and value not in LIST_PRICES and unpriced:
            near = did_you_mean(value, LIST_PRICES)
            raise ValueError(f"must be one of {listed(LIST_PRICES)}, or come with a plan_price{near}")
        return value

    @property
    def price(self) -> Money | None:
        """A month of the plan; None where it is not known."""
        if self.plan_price is not None:
            return money.of_major(self.plan_price, self.plan_currency)
        return list_price(self.plan)


class Config(Table):
    """Everything meterbot was told, checked: the file's keys, and the secrets they point to."""

    timezone: Zone = ZoneInfo("UTC")
    poll_interval: Duration = timedelta(seconds=60)
    database_url: DatabaseUrl = SecretStr("sqlite:///meterbot.db")
    secret_key_env: str | None = None
    secret_key_file: str | None = None
    secret_key: SecretKeys = ()
    """What the stored session keys are encrypted with, the newest key first; empty where there is none."""
    slack: SlackConfig | None = None
    discord: DiscordConfig | None = None
    console: ConsoleConfig | None = None
    alerts: AlertsConfig = AlertsConfig()
    digest: DigestConfig | None = None
    privacy: PrivacyConfig = PrivacyConfig()
    storage: StorageConfig = StorageConfig()
    http: HttpConfig | None = None
    watch: WatchConfig = WatchConfig()
    push: PushConfig = PushConfig()
    github: GithubConfig | None = None
    endpoints: EndpointsConfig = EndpointsConfig()
    seats: Annotated[tuple[SeatConfig, ...], Unstrict]
    _old_keys: tuple[Problem, ...] = PrivateAttr(default=())

    def with_old_keys(self, old_keys: Iterable[Problem]) -> Self:
        self._old_keys = (*old_keys,)
        return self

    @property
    def old_keys(self) -> tuple[Problem, ...]:
        """Keys of the file that the next minor version refuses, in the order of the file."""
        return self._old_keys

    @property
    def console_enabled(self) -> bool:
        """As told; untold, when there is no other chat."""
        return self.console.enabled if self.console else self.slack is None and self.discord is None

    @property
    def push_approvers(self) -> dict[str, frozenset[str]] | None:
        """Platform → ids of those who may approve; None: nobody has to."""
        if not self.push.approval:
            return None
        return {platform: frozenset(map(str, ids)) for platform, ids in self.push.approvers}

    def operators(self) -> Operators:
        """Who sees every seat under its name."""
        listed = self.privacy.operators
        people = {
            "slack": frozenset(listed.slack),
            "discord": frozenset(map(str, listed.discord)),
            "console": frozenset([listed.console] if listed.console else []),
        }
        groups = {
            "slack": frozenset(listed.slack_groups),
            "discord": frozenset(map(str, listed.discord_roles)),
        }
        return Operators(people, groups)

    def interval(self, seat: SeatConfig) -> timedelta:
        """Between two reads of a seat, or two arrivals expected from it."""
        return seat.poll_interval or INTERVALS.get(seat.source, self.poll_interval)

    def seat_list(self) -> tuple[Seat, ...]:
        """The seats without their secrets, in the order of the file."""
        return tuple(
            Seat(
                name=seat.name,
                source=seat.source,
                organizations=seat.organizations,
                plan=seat.plan,
                plan_price=seat.price,
                owner={platform: str(who) for platform, who in seat.owner if who is not None},
                interval=self.interval(seat).total_seconds(),
                renews_on=seat.renews_on,
            )
            for seat in self.seats
        )

    def places(self) -> tuple[Place, ...]:
        """Where alerts go."""
        found = [] if self.slack is None else [Place("slack", self.slack.channel)]
        found += [] if self.discord is None else [Place("discord", str(self.discord.channel_id))]
        found += [Place("console", "terminal")] if self.console is not None and self.console.enabled else []
        return tuple(found)

    def digest_readers(self, places: Iterable[Place]) -> tuple[Reader, ...]:
        """Who gets a digest, and when: channels, owners, operators. A person has one on each chat, by the first of their
        seats that says when."""
        places = tuple(places)
        readers = [
            Reader(place, self._schedule(None))
            for place in places
            if self.digest and "channel" in self.digest.to
        ]
        chats = [place.chat for place in places if place.chat != "console"]
        for chat in chats:
            owned: dict[str, list[SeatConfig]] = {}
            for seat in self.seats:
                if (who := getattr(seat.owner, chat)) is not None:
                    owned.setdefault(str(who), []).append(seat)
            for who, seats in owned.items():
                own = next((seat.digest for seat in seats if seat.digest is not None), None)
                wanted = own is not None or (self.digest is not None and "owner" in self.digest.to)
                if wanted and (own is None or own.every != "never"):
                    names = tuple(seat.name for seat in seats)
                    readers.append(Reader(Place(chat, f"@{who}"), self._schedule(own), names))
            if self.digest is not None and "operators" in self.digest.to:
                people = sorted(self.operators().people.get(chat, ()))
                readers += [
                    Reader(Place(chat, f"@{who}"), self._schedule(None), operator=True) for who in people
                ]
        return tuple(readers)

    def _schedule(self, own: SeatDigestConfig | None) -> Schedule:
        """A seat's, with what it does not say taken from the table."""
        table, own = self.digest or DigestConfig(), own or SeatDigestConfig()
        every = table.every if own.every is None or own.every == "never" else own.every
        return Schedule(
            every,
            table.at if own.at is None else own.at,
            table.weekday if own.weekday is None else own.weekday,
            own.timezone or table.timezone or self.timezone,
        )

    def noise_settings(self) -> NoiseSettings:
        """How much is said, where and when."""
        alerts = self.alerts
        return NoiseSettings(
            routes=tuple(
                Route(route.to, frozenset(route.seats), frozenset(route.kinds), route.severity)
                for route in alerts.routes
            ),
            quiet=self._quiet(alerts.quiet),
            silences=tuple(
                Silence(self._instant(each.start), self._instant(each.end), frozenset(each.seats))
                for each in alerts.silences
            ),
            living=alerts.living,
            send_resolved=alerts.send_resolved,
            loud_from=alerts.loud_from,
            remind_blocked=alerts.remind_blocked,
            group_from=alerts.group_from,
            veil=Veil(self.privacy.rows, self.operators()),
        )

    def _quiet(self, quiet: QuietConfig | None) -> Quiet | None:
        if quiet is None:
            return None
        zone = quiet.timezone or self.timezone
        return Quiet(quiet.start or time(0), quiet.end or time(0), frozenset(quiet.days), zone, quiet.allow)

    def _instant(self, moment: datetime) -> datetime:
        """A moment of the file, in the file's zone unless it names one."""
        local = moment if moment.tzinfo is not None else moment.replace(tzinfo=self.timezone)
        return local.astimezone(UTC)

    def rule_settings(self) -> RuleSettings:
        """What the rules watch for."""
        budgets = (
            Budget(money.of_major(budget.amount, budget.currency), budget.thresholds)
            for budget in self.alerts.budgets
        )
        return RuleSettings(
            thresholds=self.alerts.thresholds,
            renewal_days=self.alerts.renewal_days,
            budgets=tuple(budgets),
            source_grace=self.alerts.source_grace,
            timezone=self.timezone,
            kinds=frozenset(EventKind) - {*self.alerts.mute} - self._switched_off,
        )

    @property
    def _switched_off(self) -> frozenset[EventKind]:
        on = {
            EventKind.CAP_FORECAST: self.alerts.cap_forecast,
            EventKind.SPEND_SPIKE: self.alerts.spend_spike,
        }
        return frozenset(kind for kind, told in on.items() if not told)
