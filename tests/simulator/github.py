"""A GitHub on loopback: the commits of pull requests, and what a webhook is sent.

    async with GitHub() as github:
        pull = github.merge("acme/app", 812, "ana", commits=[...], opened_at=..., merged_at=...)
        await github.deliver(pull, "http://127.0.0.1:8080/hooks/github", "the secret")
        ...  # its commits are read from github.url with github.token
        github.assert_expected_only()

The bodies have every field that GitHub's own description asks for. Anything that a reader must not send is recorded in
`unexpected`.
"""

import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

from tests.simulator.server import Reply, Server, send

COMMITS = "commits"
"""The route, for `fail`."""

_COMMITS_PATH = re.compile(r"/repos/(?P<repo>[^/]+/[^/]+)/pulls/(?P<number>\d+)/commits")
_REPOSITORY_URLS = (
    "archive assignees blobs branches collaborators comments commits compare contents contributors deployments downloads "
    "events forks git_commits git_refs git_tags hooks html issue_comment issue_events issues keys labels languages merges "
    "milestones notifications pulls releases stargazers statuses subscribers subscription tags teams trees clone git "
    "mirror ssh svn"
)
_USER_URLS = (
    "avatar events followers following gists html organizations received_events repos starred subscriptions"
)
_PULL_URLS = "comments commits diff html issue patch review_comment review_comments statuses"
_LINKS = "comments commits statuses html issue review_comments review_comment self"


@dataclass(frozen=True, slots=True)
class SimulatedCommit:
    """When it was written, and by whom: a login, or None where GitHub knows none."""

    authored_at: datetime
    committed_at: datetime | None = None
    author: str | None = None


@dataclass(frozen=True, slots=True)
class SimulatedPull:
    """A pull request that was merged, or only closed where `merged` is False."""

    repo: str
    number: int
    author: str
    opened_at: datetime
    merged_at: datetime
    commits: tuple[SimulatedCommit, ...] = ()
    merged: bool = True

    @property
    def sha(self) -> str:
        return hashlib.sha1(f"{self.repo}#{self.number}".encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


def rate_limited(reset: datetime) -> Reply:
    """The answer once the hour's requests are used up."""
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(reset.timestamp()))}
    return Reply(403, {"message": "API rate limit exceeded"}, headers)


def refused(status: int, message: str) -> Reply:
    return Reply(status, {"message": message})


class GitHub(Server[Asked]):
    """The server, and the sender of its webhooks."""

    def __init__(self, token: str = "github_pat_simulated") -> None:
        super().__init__()
        self.token = token
        self.pulls: dict[tuple[str, int], SimulatedPull] = {}

    def merge(
        self,
        repo: str,
        number: int,
        author: str,
        *,
        commits: Sequence[datetime | SimulatedCommit] = (),
        opened_at: datetime,
        merged_at: datetime,
        merged: bool = True,
    ) -> SimulatedPull:
        """A pull request whose commits are listed from now on; a bare instant is one of its author's."""
        made = tuple(
            SimulatedCommit(one, author=author) if isinstance(one, datetime) else one for one in commits
        )
        pull = SimulatedPull(repo, number, author, opened_at, merged_at, made, merged)
        self.pulls[repo, number] = pull
        return pull

    async def deliver(
        self, pull: SimulatedPull, url: str, secret: str, delivery: str | None = None
    ) -> tuple[int, Any]:
        """Sends what a webhook is sent; the status and body of the answer."""
        return await self.send("pull_request", closed(pull), url, secret, delivery)

    async def send(
        self, event: str, payload: Mapping[str, Any], url: str, secret: str, delivery: str | None = None
    ) -> tuple[int, Any]:
        body = json.dumps(payload).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/simulated",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
            "X-Hub-Signature-256": sign(body, secret),
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=headers) as response,
        ):
            return response.status, await response.json()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.method, request.path, dict(request.query), request.headers.copy())
        self.requests.append(asked)
        match = _COMMITS_PATH.fullmatch(asked.path)
        self._note_unexpected(request, _problem(asked, self.token, known=match is not None))
        scripted = self._scripted(COMMITS)
        if scripted is not None:
            return await send(request, scripted)
        if asked.headers.get("Authorization") != f"Bearer {self.token}":
            return await send(request, refused(401, "Bad credentials"))
        pull = None if match is None else self.pulls.get((match["repo"], int(match["number"])))
        if pull is None:
            return await send(request, refused(404, "Not Found"))
        size, page = int(asked.query.get("per_page", "30")), int(asked.query.get("page", "1"))
        listed = pull.commits[:250][(page - 1) * size : page * size]
        return await send(request, Reply(200, [_listed(commit) for commit in listed]))


def sign(body: bytes, secret: str) -> str:
    """An `X-Hub-Signature-256`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _problem(asked: Asked, token: str, *, known: bool) -> str | None:
    if asked.method != "GET":
        return "writes"
    if not known:
        return "an address that nobody needs"
    if asked.headers.get("Authorization") != f"Bearer {token}":
        return None  # a wrong token is a person's mistake
    return None if asked.headers.get("X-GitHub-Api-Version") else "without a version"


def _listed(commit: SimulatedCommit) -> dict[str, Any]:
    committed = commit.committed_at or commit.authored_at
    person = {"name": "Somebody", "email": "somebody@example.com"}
    return {
        "sha": hashlib.sha1(str(commit).encode(), usedforsecurity=False).hexdigest(),
        "commit": {
            "author": {**person, "date": _stamp(commit.authored_at)},
            "committer": {**person, "date": _stamp(committed)},
            "message": "A change",
        },
        "author": {} if commit.author is None else user(commit.author),
    }


def closed(pull: SimulatedPull) -> dict[str, Any]:
    """The body of `pull_request` with the action `closed`."""
    return {
        "action": "closed",
        "number": pull.number,
        "pull_request": _pull_request(pull),
        "repository": repository(pull.repo),
        "sender": user(pull.author),
    }


def ping() -> dict[str, Any]:
    return {"zen": "Keep it logically awesome.", "hook_id": 1}


def _pull_request(pull: SimulatedPull) -> dict[str, Any]:
    url = f"https://api.github.com/repos/{pull.repo}/pulls/{pull.number}"
    side = {"label": f"{pull.author}:change", "ref": "change", "sha": "0" * 40, "user": user(pull.author)}
    return {
        **_urls(_PULL_URLS, url),
        "url": url,
        "_links": {name: {"href": url} for name in _LINKS.split()},
        "id": pull.number,
        "node_id": "PR_simulated",
        "number": pull.number,
        "state": "closed",
        "locked": False,
        "title": "A change",
        "body": None,
        "user": user(pull.author),
        "author_association": "MEMBER",
        "assignee": None,
        "assignees": [],
        "labels": [],
        "milestone": None,
        "auto_merge": None,
        "active_lock_reason": None,
        "requested_reviewers": [],
        "requested_teams": [],
        "draft": False,
        "head": {**side, "repo": repository(pull.repo)},
        "base": {**side, "ref": "main", "repo": repository(pull.repo)},
        "created_at": _stamp(pull.opened_at),
        "updated_at": _stamp(pull.merged_at),
        "closed_at": _stamp(pull.merged_at),
        "merged": pull.merged,
        "merged_at": _stamp(pull.merged_at) if pull.merged else None,
        "merged_by": user(pull.author) if pull.merged else None,
        "merge_commit_sha": pull.sha,
        "mergeable": None,
        "mergeable_state": "unknown",
        "rebaseable": None,
        "maintainer_can_modify": False,
        "commits": len(pull.commits),
        "additions": 1,
        "deletions": 0,
        "changed_files": 1,
        "comments": 0,
        "review_comments": 0,
    }


def repository(name: str) -> dict[str, Any]:
    owner, _, short = name.partition("/")
    url = f"https://api.github.com/repos/{name}"
    zero = "forks forks_count open_issues open_issues_count size stargazers_count watchers watchers_count"
    no = "fork private has_downloads has_issues has_projects has_wiki has_pages archived disabled"
    return {
        **_urls(_REPOSITORY_URLS, url),
        **dict.fromkeys(zero.split(), 0),
        **dict.fromkeys(no.split(), False),
        **dict.fromkeys(["description", "homepage", "language", "license", "mirror_url"]),
        "id": 1,
        "node_id": "R_simulated",
        "name": short,
        "full_name": name,
        "owner": user(owner),
        "url": url,
        "default_branch": "main",
        "visibility": "private",
        "topics": [],
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "pushed_at": "2026-01-01T00:00:00Z",
    }


def user(login: str) -> dict[str, Any]:
    url = f"https://api.github.com/users/{login}"
    more = {
        "login": login,
        "id": 1,
        "node_id": "U_simulated",
        "gravatar_id": "",
        "type": "User",
        "site_admin": False,
    }
    return {**_urls(_USER_URLS, url), "url": url, **more}


def _urls(names: str, url: str) -> dict[str, str]:
    return {f"{name}_url": url for name in names.split()}


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
