"""The commits of a branch, from a git checkout on this machine. Only reads."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from meterbot.core.errors import MeterbotError
from meterbot.core.models import Seat
from meterbot.rules.pull_requests import seats_of

MOST_COMMITS = 10_000
_SECONDS = 30.0
_SEPARATOR = "\x1f"
_BASES = ("origin/HEAD", "main", "master")
_NOREPLY = re.compile(r"(?:\d+\+)?(?P<login>[\w-]+)@users\.noreply\.github\.com", re.IGNORECASE)


class CheckoutError(MeterbotError):
    """The checkout lacks something; the text says what to do."""


class WhoseError(MeterbotError):
    """The branch's seat is unclear; the text says what to name."""


@dataclass(frozen=True, slots=True)
class LocalCommit:
    id: str
    email: str
    authored_at: datetime
    committed_at: datetime

    @property
    def login(self) -> str | None:
        """The author's GitHub login, if their address is the one that GitHub gives out."""
        match = _NOREPLY.fullmatch(self.email)
        return match["login"].lower() if match else None


def branch_commits(repo: Path, branch: str, base: str | None) -> list[LocalCommit]:
    """The commits of `branch` that `base` does not have, the oldest first. Without a base it is the remote's default
    branch, or else main or master. Raises `CheckoutError`."""
    if _git(repo, "rev-parse", "--git-dir") is None:
        raise CheckoutError(f"{repo} is not a git checkout")
    _, tip = _commit_of(repo, branch)
    base_name, start = _commit_of(repo, *(_BASES if base is None else [base]))
    log = _git(
        repo,
        "log",
        "--reverse",
        f"--max-count={MOST_COMMITS}",
        f"--format=%H{_FIELDS}",
        f"{start}..{tip}",
        "--",
    )
    if log is None:
        raise CheckoutError(f"git failed in {repo}")
    commits = [_commit(line) for line in log.splitlines()]
    if not commits:
        raise CheckoutError(
            f"{branch} has no commits beyond {base_name}: is it already merged? Then give its starting point "
            "with --base"
        )
    return commits


def authored(
    commits: Sequence[LocalCommit], seats: Sequence[Seat], named: str | None, email: str | None
) -> tuple[list[LocalCommit], list[str]]:
    """A person's commits and seats: the `named` seat, or those of the login in the commits' addresses. Raises
    `WhoseError`."""
    own = [commit for commit in commits if email is None or commit.email.lower() == email.lower()]
    if not own:
        raise WhoseError(f"no commit of the branch has the address {email}: {_addresses(commits)}")
    if named is not None:
        if named not in {seat.name for seat in seats}:
            raise WhoseError(
                f"no such seat: {named} (there are {', '.join(sorted(seat.name for seat in seats))})"
            )
        return own, [named]
    logins = {commit.login for commit in own if commit.login is not None}
    people = [login for login in logins if seats_of(login, seats)]
    if len(people) != 1:
        whose = "by several people" if people else "not by anybody with a seat, judging by their addresses"
        raise WhoseError(
            f"the commits are {whose}: name a seat with --seat, and perhaps --email ({_addresses(own)})"
        )
    return [commit for commit in own if commit.login == people[0]], list(seats_of(people[0], seats))


def _addresses(commits: Sequence[LocalCommit]) -> str:
    return "there are " + ", ".join(sorted({commit.email for commit in commits})[:5])


_FIELDS = "%x1f%ae%x1f%aI%x1f%cI"


def _commit(line: str) -> LocalCommit:
    id_, email, authored, committed = line.split(_SEPARATOR)
    return LocalCommit(id_, email, _instant(authored), _instant(committed))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _commit_of(repo: Path, *names: str) -> tuple[str, str]:
    """The first name that there is, and its commit's id, so that no name is mistaken for an option of git."""
    for name in names:
        found = _git(repo, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if found is not None:
            return name, found.strip()
    step = ": give the branch's starting point with --base" if names == _BASES else ""
    raise CheckoutError(f"there is no branch or commit {' or '.join(names)} in {repo}{step}")


def _git(repo: Path, *arguments: str) -> str | None:
    """What git prints; None if it fails."""
    # Nothing is locked, and no program is run that the checkout's own configuration names.
    safe = ["-c", "core.fsmonitor=false", "-c", "log.showSignature=false"]
    command = ["git", "--no-pager", "--no-optional-locks", *safe, "-C", str(repo), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_SECONDS
        )
    except FileNotFoundError:
        raise CheckoutError("git is not installed, or not on the path") from None
    except subprocess.TimeoutExpired:
        raise CheckoutError(f"git took longer than {_SECONDS:.0f} seconds in {repo}") from None
    return None if done.returncode else done.stdout.decode("utf-8", "replace")
