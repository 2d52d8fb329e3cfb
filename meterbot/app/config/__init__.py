"""TOML and environment → one validated `Config`.

    load(path_arg, environ, cwd) -> Config  every secret fetched; raises ConfigError
    SCHEMA                                  the JSON schema for editors

Read downwards: types (of values), secrets, the tables (chats, alerts, infrastructure, seats), the `config` that they
make, problems (what can be wrong), loading. Import what is used more rarely from these modules.
"""

from pathlib import Path

import meterbot
from meterbot.app.config.config import Config
from meterbot.app.config.loading import load
from meterbot.app.config.problems import ConfigError

SCHEMA = Path(meterbot.__file__).parent / "meterbot.schema.json"

__all__ = ["SCHEMA", "Config", "ConfigError", "load"]
