"""What the simulated GitHub sends is what GitHub says that it sends."""

import json
from datetime import UTC, datetime

import pytest

from meterbot.sources.github import read_hook
from tests.contracts.github_openapi import PACKAGE, Contract, contract
from tests.peers.conftest import Peer
from tests.simulator import github

pytestmark = pytest.mark.peers

NOON = datetime(2026, 4, 9, 12, tzinfo=UTC)
PULL = github.SimulatedPull("acme/app", 812, "ana", NOON, NOON)


@pytest.fixture(scope="session")
def github_says(peer: Peer) -> Contract:
    return contract(peer(PACKAGE))


def test_a_merged_pull_request_is_what_github_describes(github_says: Contract) -> None:
    assert github_says.problems("webhook-pull-request-closed", github.closed(PULL)) == []


def test_so_is_one_that_was_closed_only(github_says: Contract) -> None:
    body = github.closed(github.SimulatedPull("acme/app", 812, "ana", NOON, NOON, merged=False))
    assert github_says.problems("webhook-pull-request-closed", body) == []


@pytest.mark.parametrize("field", ["merged", "merged_at", "merge_commit_sha", "number", "user", "created_at"])
def test_github_promises_every_field_that_is_read(github_says: Contract, field: str) -> None:
    body = github.closed(PULL)
    del body["pull_request"][field]
    (problem,) = github_says.problems("webhook-pull-request-closed", body)
    assert field in problem


def test_what_github_describes_is_read(github_says: Contract) -> None:
    body = github.closed(PULL)
    assert github_says.problems("webhook-pull-request-closed", body | {"number": "812"})
    read = read_hook("pull_request", json.dumps(body).encode())
    assert not isinstance(read, str)
    assert (read.name, read.author, read.merge) == ("acme/app#812", "ana", PULL.sha)
