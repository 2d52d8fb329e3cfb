"""Which tests run, and in which order; and the fixtures of every test. They are here, so that qa/ and tests/ share one
PostgreSQL in each process."""

from tests.fixtures import (  # noqa: F401 - pytest finds hooks and fixtures by their names
    _as_before,
    _no_way_out,
    _tripwire,
    database_url,
    hosts_asked,
    own_store,
    postgres_server,
    postgres_shared,
    pytest_collection_finish,
    sqlite_shared,
    sqlite_store,
    sqlite_template,
    store,
)
from tests.selection import (  # noqa: F401 - the same
    pytest_collection_modifyitems,
    pytest_generate_tests,
    pytest_make_collect_report,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)
