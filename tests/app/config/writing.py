"""Valid configurations, and variations of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from meterbot.app.config import Config, ConfigError, load
from meterbot.app.config.seats import SeatConfig

SESSION_KEY = "sk-ant-sid01-planted-session-key-AAAAAAAAAAAA"
BOT_TOKEN = "xoxb-1111-2222-planted-bot-token"
APP_TOKEN = "xapp-1-A111-2222-planted-app-token"
SIGNING_SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
DISCORD_TOKEN = "MTExMTExMTExMTExMTExMTEx.GplntD.planted-discord-token-planted-0000"
WEBHOOK_SECRET = "planted-github-webhook-secret"

ENVIRON = {
    "ANA_SESSION_KEY": SESSION_KEY,
    "SLACK_BOT_TOKEN": BOT_TOKEN,
    "SLACK_APP_TOKEN": APP_TOKEN,
    "SLACK_SIGNING_SECRET": SIGNING_SECRET,
    "DISCORD_TOKEN": DISCORD_TOKEN,
    "GITHUB_WEBHOOK_SECRET": WEBHOOK_SECRET,
}
SECRETS = tuple(ENVIRON.values())

ANA = """
[[seats]]
name = "ana"
source = "claude_ai"
session_key_env = "ANA_SESSION_KEY"
"""


Kind = TypeVar("Kind", bound=SeatConfig)


def only_seat(config: Config, kind: type[Kind]) -> Kind:
    (seat,) = config.seats
    assert isinstance(seat, kind)
    return seat


def loaded(text: str, environ: Mapping[str, str] = ENVIRON, cwd: Path = Path("/nowhere")) -> Config:
    return load(None, {"METERBOT_CONFIG_TOML": text, **environ}, cwd)


def problems(text: str, environ: Mapping[str, str] = ENVIRON, cwd: Path = Path("/nowhere")) -> list[str]:
    """Every problem as it is printed, with the name of the text left out: `14:7 seats[2].plan_price: …`."""
    with pytest.raises(ConfigError) as caught:
        loaded(text, environ, cwd)
    return [str(problem).removeprefix("METERBOT_CONFIG_TOML:").strip() for problem in caught.value.problems]
