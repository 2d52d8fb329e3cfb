"""Skips tests for which this machine lacks something."""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skips the test with this sentence; continuous integration (CI=true) must have everything, and fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing in continuous integration: {what}", pytrace=False)
    pytest.skip(f"missing here: {what}")
