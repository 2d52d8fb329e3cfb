"""What GitHub sends and answers, taken or refused with a sentence."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from meterbot.rules.pull_requests import Commit, Merged
from meterbot.sources import CommitsUnreadError, UnusableHookError
from meterbot.sources.github import GitHub, read_hook
from meterbot.sources.http_client import HttpClient
from tests.simulator import github as simulated
from tests.simulator.github import GitHub as SimulatedGitHub
from tests.simulator.github import SimulatedCommit, closed, refused
from tests.simulator.server import Reply
from tests.sources.bodies import json_values

NOON = datetime(2026, 4, 9, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PULL = simulated.SimulatedPull("Acme/App", 812, "Ana", NOON - HOUR, NOON)
TOKEN = "github_pat_planted-token"


def body(**changes: Any) -> bytes:
    """What is sent of a merged pull request, with these changes in `pull_request`."""
    whole = closed(PULL)
    whole["pull_request"] |= changes
    return json.dumps(whole).encode()


# --- the webhook --------------------------------------------------------------------------------------------------


def test_a_merged_pull_request_is_read_and_its_names_are_lower_case() -> None:
    found = read_hook("pull_request", body())
    assert found == Merged("acme/app", 812, PULL.sha, "ana", NOON - HOUR, NOON)


def test_the_number_inside_counts() -> None:
    whole = closed(PULL)
    del whole["number"]
    found = read_hook("pull_request", json.dumps(whole).encode())
    assert isinstance(found, Merged)
    assert found.number == 812


@pytest.mark.parametrize(
    ("event", "document", "why"),
    [
        ("push", b"{}", "no use for this event"),
        ("pull_request", b'{"action": "opened"}', "was not closed"),
        ("pull_request", body(merged=False, merged_at=None), "without being merged"),
        ("pull_request", body(user=None), "account does not exist"),
    ],
)
def test_what_is_of_no_concern_says_why(event: str, document: bytes, why: str) -> None:
    found = read_hook(event, document)
    assert isinstance(found, str)
    assert why in found


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"planted", "the body is not JSON"),
        (b"[]", "the body: must be an object$"),
        (body(number=0), "pull_request.number: must be a whole number above 0$"),
        (body(number=2**31), "pull_request.number: must be a smaller number$"),
        (body(number="planted"), "pull_request.number: must be a whole number$"),
        (body(created_at="yesterday"), "pull_request.created_at: must be a time with a UTC offset, like"),
        (
            body(created_at="2026-04-09T12:00:00"),
            "pull_request.created_at: must be a time with a UTC offset, like",
        ),
        (body(merged="planted"), "pull_request.merged: must be true or false$"),
        (
            body(created_at="0001-01-01T00:00:00+05:00"),
            "pull_request.created_at: must be a time of this century$",
        ),
        (body(merged_at="9999-12-31T23:59:59-05:00"), "pull_request.merged_at: "),
        (body(merged_at=None), "does not say when"),
        (body(user="planted"), "pull_request.user: must be an object$"),
        (body(user={}), "pull_request.user.login: is missing$"),
        (body(user={"login": None}), "pull_request.user.login: must be a string$"),
        (body(user={"login": "x" * 201}), "pull_request.user.login: is too long$"),
        (body(merge_commit_sha="../planted"), "pull_request.merge_commit_sha: must be a commit's hash$"),
    ],
)
def test_what_is_not_githubs_is_refused_and_not_repeated(document: bytes, sentence: str) -> None:
    with pytest.raises(UnusableHookError, match=sentence) as caught:
        read_hook("pull_request", document)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["../..", "acme/..", "./app", "acme", "acme/app/x", "acme/a b", "acme/app?x"]
)
def test_a_repository_that_would_lead_elsewhere_is_refused(name: str) -> None:
    whole = closed(PULL)
    whole["repository"]["full_name"] = name
    with pytest.raises(UnusableHookError, match=r"repository\.full_name: must be owner/name$"):
        read_hook("pull_request", json.dumps(whole).encode())


@given(json_values)
def test_whatever_is_signed_is_read_or_refused(value: Any) -> None:
    for document in (value, {"action": "closed", "pull_request": value, "repository": value}):
        with suppress(UnusableHookError):
            assert isinstance(read_hook("pull_request", json.dumps(document).encode()), Merged | str)


# --- the commits --------------------------------------------------------------------------------------------------


@pytest.fixture
async def service() -> AsyncIterator[SimulatedGitHub]:
    async with SimulatedGitHub(TOKEN) as server:
        yield server
        server.assert_expected_only()


@pytest.fixture
async def github(service: SimulatedGitHub) -> AsyncIterator[GitHub]:
    async with HttpClient() as transport:
        yield GitHub(transport, service.url, TOKEN)


def asked_for(service: SimulatedGitHub, commits: list[datetime | SimulatedCommit]) -> Merged:
    pull = service.merge("acme/app", 812, "ana", commits=commits, opened_at=NOON, merged_at=NOON)
    return Merged(pull.repo, pull.number, pull.sha, pull.author, NOON, NOON)


async def test_commits_are_listed_with_both_dates(service: SimulatedGitHub, github: GitHub) -> None:
    wanted = asked_for(service, [SimulatedCommit(NOON, NOON + HOUR, "Ana"), SimulatedCommit(NOON)])
    assert await github.commits(wanted, NOON) == [
        Commit("ana", NOON, NOON + HOUR),
        Commit(None, NOON, NOON),
    ]
    (request,) = service.requests
    assert (request.method, dict(request.query)) == ("GET", {"per_page": "100", "page": "1"})


@pytest.mark.parametrize(("commits", "pages"), [(1, 1), (100, 2), (250, 3), (600, 3)])
async def test_at_most_three_pages_are_read(
    service: SimulatedGitHub, github: GitHub, commits: int, pages: int
) -> None:
    wanted = asked_for(service, [NOON] * commits)
    assert len(await github.commits(wanted, NOON)) == min(commits, 250)
    assert len(service.requests) == pages


async def test_a_date_that_is_missing_or_absurd_gives_way_to_the_other(
    service: SimulatedGitHub, github: GitHub
) -> None:
    wanted = asked_for(service, [NOON])
    good, absurd = {"date": "2026-04-09T12:00:00Z"}, {"date": "0001-01-01T00:00:00Z"}
    listed = [
        {"commit": {"author": absurd, "committer": good}, "author": None},
        {"commit": {"author": good, "committer": None}, "author": {}},
        {"commit": {"author": None, "committer": {}}, "author": {"login": "ana"}},
    ]
    service.fail("commits", Reply(200, listed))
    assert await github.commits(wanted, NOON) == [Commit(None, NOON, NOON), Commit(None, NOON, NOON)]


@pytest.mark.parametrize(
    ("reply", "sentence", "wait"),
    [
        (refused(401, "Bad credentials"), "does not accept the token (401)", None),
        (refused(403, "Resource not accessible"), "may not read pull requests (403)", None),
        (refused(404, "Not Found"), "no such pull request", None),
        (refused(500, "Oops"), "answers that it cannot (500)", None),
        (Reply(429, {}, {"retry-after": "90"}), "no more requests for now (429)", 90.0),
        (Reply(403, {}, {"retry-after": "60"}), "no more requests for now (403)", 60.0),
        (simulated.rate_limited(NOON + HOUR), "no more requests for now (403)", 3600.0),
        (Reply(301, {}, {"location": "/elsewhere"}), "answers that it cannot (301)", None),
        (Reply(200, {"message": "planted"}), "has a new form", None),
        (Reply(200, [{"commit": {"author": "planted"}}]), "has a new form: 0.commit.author: ", None),
        (Reply(200, b"planted"), "not JSON", None),
        (Reply(200, cut=True, body=b"[" + b" " * 5000 + b"]"), "GitHub: ", None),
    ],
)
async def test_what_is_no_list_says_why_and_how_long_to_wait(
    service: SimulatedGitHub, github: GitHub, reply: Reply, sentence: str, wait: float | None
) -> None:
    wanted = asked_for(service, [NOON])
    service.fail_always("commits", reply)
    with pytest.raises(CommitsUnreadError) as caught:
        await github.commits(wanted, NOON)
    assert sentence in caught.value.sentence
    assert caught.value.retry_after == wait
    assert "planted" not in f"{caught.value}{caught.value.__cause__}{github!r}"


async def test_the_last_request_of_the_hour_is_used_and_no_other_is_sent(
    service: SimulatedGitHub, github: GitHub
) -> None:
    wanted = asked_for(service, [NOON])
    reset = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int((NOON + HOUR).timestamp()))}
    service.fail("commits", Reply(200, [], reset))
    assert await github.commits(wanted, NOON) == []
    with pytest.raises(CommitsUnreadError, match="no more requests"):
        await github.commits(wanted, NOON + HOUR / 2)
    assert len(await github.commits(wanted, NOON + HOUR)) == 1
    assert len(service.requests) == 2
