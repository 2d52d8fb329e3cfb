"""Which tests run, and in which order."""

from tests.selection import (  # noqa: F401 - pytest finds hooks by their names
    pytest_collection_modifyitems,
    pytest_generate_tests,
    pytest_make_collect_report,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)
