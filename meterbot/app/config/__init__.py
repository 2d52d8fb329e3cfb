"""TOML and environment → one validated `Config`.

    load(path_arg, environ, cwd) -> Config                  every secret fetched; raises ConfigError
    load_database_url(path_arg, environ, cwd) -> SecretStr  for what only needs the database
    load_text(text, label, environ, directory) -> Config    a text that is no file yet
    SCHEMA                                                  the file that tells editors what may be written
    find(path_arg, environ, cwd) -> Found                   which text would be read

Read downwards: values (what may be written for one), the tables (telling, surroundings, seat, and the whole that they
make), problems (what can be wrong), reading (of it all).
"""

from pathlib import Path

import meterbot
from meterbot.app.config.credentials import Vault
from meterbot.app.config.problems import ConfigError, Problem
from meterbot.app.config.reading import (
    ConfigText,
    credentials_needed,
    find,
    load,
    load_database_url,
    load_text,
)
from meterbot.app.config.seat import SeatConfig
from meterbot.app.config.surroundings import EndpointsConfig
from meterbot.app.config.telling import DiscordConfig, SlackConfig
from meterbot.app.config.values import Bind
from meterbot.app.config.whole import Config

SCHEMA = Path(meterbot.__file__).parent / "meterbot.schema.json"

__all__ = [
    "SCHEMA",
    "Bind",
    "Config",
    "ConfigError",
    "ConfigText",
    "DiscordConfig",
    "EndpointsConfig",
    "Problem",
    "SeatConfig",
    "SlackConfig",
    "Vault",
    "credentials_needed",
    "find",
    "load",
    "load_database_url",
    "load_text",
]
