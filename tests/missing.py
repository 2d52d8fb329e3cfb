"""Skips or leaves out tests for which this machine lacks something.

Without PostgreSQL or the packages of npm tests are skipped; in continuous integration they fail. Other programs that
check our work are used where they are installed: elsewhere their tests are left out, and the summary names them.
"""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skips the test with this sentence; continuous integration (CI=true) must have everything, and fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing in continuous integration: {what}", pytrace=False)
    pytest.skip(f"missing here: {what}")


def judged_by(program: str, there: object) -> pytest.MarkDecorator:
    """For tests that are left out where this program, or whatever it is, is not `there`."""
    return pytest.mark.judged_by(program, bool(there))


def absent(item: pytest.Item) -> list[str]:
    """What this test is left out for."""
    return [mark.args[0] for mark in item.iter_markers("judged_by") if not mark.args[1]]
