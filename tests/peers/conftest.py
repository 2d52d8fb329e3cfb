"""Peers that are fetched when they are first needed. Where they cannot be had, their tests are skipped (in CI:
fail)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.missing import missing
from tests.peers.install import PeersMissingError, package

Peer = Callable[[str], Path]


@pytest.fixture(scope="session")
def peer() -> Peer:
    """The folder of an npm package named in package.json."""

    def found(name: str) -> Path:
        try:
            return package(name)
        except PeersMissingError as why:
            missing(f"packages of npm: {why}")

    return found
