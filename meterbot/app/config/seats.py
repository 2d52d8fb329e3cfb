"""`[[seats]]`: one Claude account each. `source` decides how it is read, and which other keys it has."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from meterbot.app.config.infrastructure import ANTHROPIC_API, CLAUDE_AI
from meterbot.app.config.secrets import Secret, Table, Vault, read_text, text_in_quotes
from meterbot.app.config.types import (
    Amount,
    Clock,
    Currency,
    Duration,
    GithubLogin,
    Many,
    MonthDay,
    SeatName,
    Sha256,
    SlackUser,
    Snowflake,
    Uuid,
    Weekday,
    Zone,
    did_you_mean,
    fits,
    quoted,
)
from meterbot.core import money
from meterbot.core.money import Money
from meterbot.core.plans import LIST_PRICES, list_price


class SeatDigestConfig(Table):
    """`digest` of a seat: when its owner gets a digest as a direct message. What is absent is as in `[digest]`."""

    every: Literal["day", "week", "never"] | None = None
    at: Clock | None = None
    weekday: Weekday | None = None
    timezone: Zone | None = None


class OwnerConfig(Table):
    """`owner`: who uses the seat, on each platform."""

    slack: SlackUser | None = None
    discord: Snowflake | None = None
    github: GithubLogin | None = None
    console: Literal["operator"] | None = None


class BaseSeat(Table):
    """What every seat may have."""

    credentials: ClassVar[str] = "name"
    usual_interval: ClassVar[timedelta | None] = timedelta(minutes=15)
    """None: `poll_interval` of the file."""
    shortest_interval: ClassVar[timedelta] = timedelta(0)
    """How often the real service may be asked; a relay may be asked more often."""
    service: ClassVar[tuple[str, str, str]] = ("", "", "")
    """The key in `[endpoints]`, the real address, and what people call it."""

    name: SeatName
    source: str
    poll_interval: Duration | None = None
    organizations: Many[Uuid] = ()
    owner: OwnerConfig = OwnerConfig()
    digest: SeatDigestConfig | None = None

    @field_validator("poll_interval")
    @classmethod
    def _is_long_enough(cls, value: timedelta | None, info: ValidationInfo) -> timedelta | None:
        return None if value is None else cls.long_enough(value, info)

    @classmethod
    def long_enough(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        """Raises ValueError where the service would be asked too often."""
        endpoint, address, who = cls.service
        if value < cls.shortest_interval and _is_real(info.context, endpoint, address):
            raise ValueError(
                f'must be at least "{cls.shortest_interval.seconds}s": {who} refuses more frequent requests'
            )
        return value

    @property
    def price(self) -> Money | None:
        """The monthly price of its plan; None if unknown."""
        return None


class PlanSeat(BaseSeat):
    """A seat with a subscription."""

    plan_currency: Currency = "USD"
    plan_price: Amount | None = None
    plan: str | None = None

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
            raise ValueError(f"must be one of {quoted(LIST_PRICES)}, or come with a plan_price{near}")
        return value

    @property
    def price(self) -> Money | None:
        if self.plan_price is not None:
            return money.of_major(self.plan_price, self.plan_currency)
        return list_price(self.plan)


class ClaudeAiSeat(PlanSeat):
    """Read from claude.ai with the session key."""

    usual_interval = None
    shortest_interval = timedelta(seconds=10)
    service = ("claude_ai", CLAUDE_AI, "claude.ai")

    source: Literal["claude_ai"]
    session_key: Secret


class ClaudeCodeSeat(PlanSeat):
    """Read with the sign-in of Claude Code: its own file, or a copy of its token."""

    # Anthropic answers five times in 300 seconds, to all programs of an account together.
    shortest_interval = timedelta(minutes=5)
    service = ("anthropic_api", ANTHROPIC_API, "Anthropic")

    source: Literal["claude_code"]
    token: Secret | None = None
    credentials_file: Path | None = None
    renews_on: MonthDay | None = None

    @classmethod
    def needs(cls, values: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
        return {} if "credentials_file" in values else {"token": ("credentials_file",)}

    @field_validator("credentials_file", mode="before")
    @classmethod
    def _can_be_read(cls, value: object, info: ValidationInfo) -> object:
        """Its path from the root: the file is read at every poll, whatever the working directory is then."""
        name = text_in_quotes(value)
        if info.data.get("token") is not None:
            raise ValueError("is set together with a token: keep one of the two")
        vault = info.context or Vault({}, Path())
        path = vault.path(name)
        if vault.sign_in_here:
            read_text(path)
        return path


class AdminApiSeat(BaseSeat):
    """What an organization spends on the API, read with an admin key."""

    # A reading is up to sixty requests, and the API answers a hundred a minute.
    shortest_interval = timedelta(minutes=1)
    service = ("anthropic_api", ANTHROPIC_API, "Anthropic")

    source: Literal["admin_api"]
    token: Secret
    store_emails: bool = False
    """Keep who the people in its reports are."""


class PushSeat(PlanSeat):
    """Waits for what the seat's own machine sends. Its token may also be made by `meterbot seat add`."""

    source: Literal["push"]
    push_token_sha256: Sha256 | None = None
    renews_on: MonthDay | None = None


SeatConfig = ClaudeAiSeat | ClaudeCodeSeat | AdminApiSeat | PushSeat
AnySeat = Annotated[SeatConfig, Field(discriminator="source")]
SOURCES: dict[str, type[BaseSeat]] = {
    "push": PushSeat,
    "claude_ai": ClaudeAiSeat,
    "claude_code": ClaudeCodeSeat,
    "admin_api": AdminApiSeat,
}


def _is_real(vault: Vault | None, endpoint: str, address: str) -> bool:
    """Whether the file leaves this service at its real address."""
    endpoints = None if vault is None else vault.document.get("endpoints")
    return not isinstance(endpoints, dict) or endpoints.get(endpoint, address) == address
