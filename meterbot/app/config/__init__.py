"""TOML and environment → one validated `Config`.

    load(path_arg, environ, cwd) -> Config                  every secret fetched; raises ConfigError
    load_database_url(path_arg, environ, cwd) -> SecretStr  for what only needs the database
    load_text(text, label, environ, directory) -> Config    a text that is no file yet
    listening_address(path_arg, environ, cwd) -> Bind       where [http] listens; reads no secret
    find(path_arg, environ, cwd) -> ConfigText              which text would be read
    SCHEMA                                                  the JSON schema for editors

Read downwards: types (of values), secrets, the tables (alerts, infrastructure, seats), the `config` that they
make, problems (what can be wrong), loading.
"""

from pathlib import Path

import meterbot
from meterbot.app.config.config import Config
from meterbot.app.config.loading import load
from meterbot.app.config.problems import ConfigError

SCHEMA = Path(meterbot.__file__).parent / "meterbot.schema.json"

__all__ = ["SCHEMA", "Config", "ConfigError", "load"]
