"""`[[seats]]`: the tables of one person's Claude account."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import (
    SecretStr,
    ValidationInfo,
    field_validator,
)

from meterbot.app.config.table import Table, Unstrict
from meterbot.app.config.values import (
    Amount,
    Clock,
    Currency,
    Duration,
    GithubLogin,
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
    listed,
)
from meterbot.core import money
from meterbot.core.money import Money
from meterbot.core.plans import LIST_PRICES, list_price


class SeatDigestConfig(Table):
    """`digest` of a seat: when its owner gets theirs, in a direct message."""

    every: Literal["day", "week", "never"] | None = None
    at: Clock | None = None
    weekday: Weekday | None = None
    timezone: Zone | None = None


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
