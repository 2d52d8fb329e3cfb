"""Which tests run, on which databases, and in which order: hooks of pytest, which finds them in conftest.py."""

from collections import Counter
from typing import Any

import pytest

from tests.missing import absent

LONGEST = (
    "qa/faults",
    "qa",
    "tests/demo",
    "tests/deploy",
    "tests/store",
    "tests/wire",
    "tests/peers",
    "tests/agent",
)
"""Where the longest files are. What begins last should be short, or one core waits for the other."""


ABSENT = pytest.StashKey[set[str]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if absent(item)]
    config.stash.setdefault(ABSENT, set()).update(program for item in left_out for program in absent(item))
    config.hook.pytest_deselected(items=left_out)
    items[:] = sorted((item for item in items if not absent(item)), key=lambda item: _turn(item.nodeid))


def _turn(test: str) -> int:
    return next((turn for turn, folder in enumerate(LONGEST) if test.startswith(f"{folder}/")), len(LONGEST))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["absent"] = [*session.config.stash.get(ABSENT, ())]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash.setdefault(ABSENT, set()).update(node.workeroutput.get("absent", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", ()))
    for reason, count in skipped.items():
        terminalreporter.write_line(f"{count} skipped, {reason.removeprefix('Skipped: ')}")
    if programs := config.stash.get(ABSENT, set()):
        terminalreporter.write_line(
            f"not asked, because they are not installed: {', '.join(sorted(programs))}"
        )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with a database runs on both, unless `databases` names those that say something about it."""
    if "database_url" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("databases")
        metafunc.parametrize("database_url", mark.args if mark else ("sqlite", "postgresql"), indirect=True)
