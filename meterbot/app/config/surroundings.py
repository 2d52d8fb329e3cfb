"""The tables about what stands around the bot: its database, its listener, other services."""

from datetime import timedelta
from typing import Annotated

from pydantic import (
    SecretStr,
    ValidationInfo,
    field_validator,
)

from meterbot.app.config.table import Table, Unstrict
from meterbot.app.config.values import (
    Bind,
    Duration,
    Listen,
    RepositoryPattern,
    SecretUrl,
    SlackUser,
    Snowflake,
    Url,
)
from meterbot.core import secret

CLAUDE_AI = "https://claude.ai"
ANTHROPIC_API = "https://api.anthropic.com"
GITHUB_API = "https://api.github.com"


SHORTEST_CHANGES = timedelta(days=14)
"""A pace is measured over a week, and a pull request may take another."""


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
