"""The fixtures of tests/ are used here, too: no connection leaves this machine, and the databases."""

from tests.conftest import (  # noqa: F401 - pytest finds fixtures by their names
    _as_before,
    _no_way_out,
    _tripwire,
    database_url,
    hosts_asked,
    postgres_server,
    postgres_shared,
    sqlite_shared,
    sqlite_template,
    store,
)
