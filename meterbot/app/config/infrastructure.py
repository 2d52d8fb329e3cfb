"""The tables about what the bot runs on and talks to: storage, HTTP, monitoring, GitHub, the services' addresses."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import ValidationInfo, field_validator

from meterbot.app.config.secrets import Secret, SecretList, SecretUrl, Table, Usual
from meterbot.app.config.types import (
    AgentUrl,
    Bind,
    Duration,
    Listen,
    Many,
    Network,
    Port,
    RepositoryPattern,
    SlackUser,
    Snowflake,
    Url,
)

CLAUDE_AI = "https://claude.ai"
ANTHROPIC_API = "https://api.anthropic.com"
GITHUB_API = "https://api.github.com"


SHORTEST_CHANGES = timedelta(days=14)
"""A pace is measured over a week, and a pull request may have been open for another."""


class StorageConfig(Table):
    """`[storage]`: how long the history keeps its full detail."""

    keep_hours: Duration = timedelta(days=365)
    keep_changes: Duration = timedelta(days=90)

    @field_validator("keep_changes")
    @classmethod
    def _is_long_enough_and_ends_before_the_hours(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        if value < SHORTEST_CHANGES:
            raise ValueError(f"must be at least {SHORTEST_CHANGES.days} days")
        if value > info.data.get("keep_hours", value):
            raise ValueError("must not be longer than keep_hours, which is 365 days by default")
        return value


class HttpConfig(Table):
    """`[http]`: the listener."""

    bind: Listen | None = None
    port: Port | None = None
    """Of every address of this machine, IPv4 and IPv6."""
    public_url: AgentUrl | None = None
    """Where the seats' machines reach it."""
    trusted_proxies: Many[Network] = ()
    """Only these may name another client's address in `X-Forwarded-For`."""

    @property
    def addresses(self) -> tuple[Bind, ...]:
        """Where to listen. An empty host means every address."""
        if self.port is None:
            return (self.bind or Bind("127.0.0.1", 8080),)
        own = self.bind is not None and self.bind.port != self.port
        return (Bind("", self.port), *([self.bind] if own and self.bind else ()))


class WatchConfig(Table):
    """`[watch]`: who watches the bot itself. The ping's address is secret, too: everybody who has it can hide that the
    bot is dead."""

    credentials: ClassVar[str] = "watch"

    ping_url: Annotated[SecretUrl | None, Usual("METERBOT_PING_URL")] = None
    metrics_token: Annotated[Secret | None, Usual("METERBOT_METRICS_TOKEN")] = None
    sentry_dsn: Annotated[SecretUrl | None, Usual("SENTRY_DSN")] = None


class ApproversConfig(Table):
    """Who may approve, on each platform. The operator at the console always may."""

    slack: Many[SlackUser] = ()
    discord: Many[Snowflake] = ()


class PushConfig(Table):
    """`[push]`: how a seat's owner gets a token by asking for it."""

    approvers: ApproversConfig = ApproversConfig()
    approval: bool = False

    @field_validator("approval")
    @classmethod
    def _has_an_approver(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        approvers = info.data.get("approvers")
        if value and approvers is not None and not (approvers.slack or approvers.discord):
            raise ValueError('needs somebody to ask: approvers = { slack = ["U0123456789"] }')
        return value


class GithubConfig(Table):
    """`[github]`: the webhook that reports merged pull requests, and which repositories count."""

    credentials: ClassVar[str] = "github"

    webhook_secret: Annotated[SecretList, Usual("GITHUB_WEBHOOK_SECRET")]
    token: Annotated[Secret | None, Usual("GITHUB_TOKEN")] = None
    repositories: Many[RepositoryPattern] = ()
    post_without_cost: bool = False


class EndpointsConfig(Table):
    """`[endpoints]`: the services' addresses. Only Slack's ends in a slash."""

    claude_ai: Url = CLAUDE_AI
    anthropic_api: Url = ANTHROPIC_API
    slack_api: Url = "https://slack.com/api/"
    discord_api: Url = "https://discord.com/api/v10"
    github_api: Url = GITHUB_API

    @field_validator("slack_api")
    @classmethod
    def _ends_in_a_slash(cls, value: str) -> str:
        return value.rstrip("/") + "/"  # slack_sdk appends the name of a method
