"""Which tests run, on which databases, and in which order: hooks of pytest, which finds them in conftest.py."""

import os
from collections import Counter
from collections.abc import Generator
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
    "tests/test_",
    "tests/sources",
)
"""Path prefixes of the slowest files, and of those that are last by name and not short. They start early so that no
core waits at the end for one long file."""


ABSENT = pytest.StashKey[set[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Each process loads the same files, but starts with others. In a new clone pytest rewrites the asserts of every
    file, which takes longer than all other preparations; so one process rewrites a file, and the others read the
    result.
    """
    report = yield
    if isinstance(collector, pytest.Session | pytest.Directory) and report.result:
        processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        mine = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        start = len(report.result) * mine // processes
        report.result = [*report.result[start:], *report.result[:start]]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if absent(item)]
    config.stash.setdefault(ABSENT, set()).update(program for item in left_out for program in absent(item))
    config.hook.pytest_deselected(items=left_out)
    items[:] = sorted((item for item in items if not absent(item)), key=_place)


def _place(item: pytest.Item) -> tuple[int, str]:
    """The same in every process. The tests of a file keep their order."""
    file, _, _ = item.nodeid.partition("::")
    return _turn(file), file


def _turn(test: str) -> int:
    return next((turn for turn, path in enumerate(LONGEST) if test.startswith(path)), len(LONGEST))


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
