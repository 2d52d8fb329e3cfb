"""Peers that are fetched when first needed, and skipped by name where they cannot be had."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.install import PeersMissingError, package

Peer = Callable[[str], Path]


@pytest.fixture(scope="session")
def peer() -> Peer:
    """The folder of an npm package named in package.json; skips the test where it cannot be had."""

    def found(name: str) -> Path:
        try:
            return package(name)
        except PeersMissingError as missing:
            pytest.skip(f"{name} is missing: {missing}")

    return found
