"""The fixtures of tests/ hold here, too: no way out of this machine, and the databases."""

from tests.conftest import (  # noqa: F401 - pytest finds fixtures by their names
    _as_before,
    _no_way_out,
    _tripwire,
    database_url,
    hosts_asked,
    postgres_server,
    postgres_shared,
    sqlite_template,
    store,
)
