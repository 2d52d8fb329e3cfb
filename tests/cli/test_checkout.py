"""A branch's commits, from a real git checkout."""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meterbot.cli.checkout import CheckoutError, WhoseError, authored, branch_commits
from meterbot.core.models import Seat
from tests.cli.test_cli import typed

SEATS = [Seat("ana", "push", owner={"github": "Ana"}), Seat("bo", "push")]
NOREPLY = "123+ana@users.noreply.github.com"


class Checkout:
    """A repository in which commits are made at will."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("2026-04-09T08:00:00+00:00", "zed@example.com")

    def git(self, *arguments: str, **environ: str) -> None:
        alone = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(["git", "-C", str(self.folder), *arguments], check=True, env={**alone, **environ})  # noqa: S603, S607 - git as found

    def commit(self, at: str, email: str = NOREPLY, committed: str | None = None) -> None:
        names = {"GIT_AUTHOR_NAME": "Ana", "GIT_COMMITTER_NAME": "Ana", "GIT_COMMITTER_EMAIL": email}
        dates = {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": committed or at}
        self.git(
            "commit", "--quiet", "--allow-empty", "-m", "a change", **names, **dates, GIT_AUTHOR_EMAIL=email
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    made.git("checkout", "--quiet", "-b", "feature")
    made.commit("2026-04-09T11:12:00+02:00")
    made.commit("2026-04-09T12:00:00+00:00", committed="2026-04-10T16:40:00+00:00")
    return made


def test_what_the_branch_has_and_its_base_has_not(checkout: Checkout) -> None:
    commits = branch_commits(checkout.folder, "feature", None)
    assert [commit.authored_at for commit in commits] == [
        datetime(2026, 4, 9, 9, 12, tzinfo=UTC),
        datetime(2026, 4, 9, 12, tzinfo=UTC),
    ]
    assert commits[-1].committed_at == datetime(2026, 4, 10, 16, 40, tzinfo=UTC)
    assert {commit.login for commit in commits} == {"ana"}
    assert len(branch_commits(checkout.folder, "feature", "feature~1")) == 1


@pytest.mark.parametrize(
    ("branch", "base", "sentence"),
    [
        ("nowhere", None, "there is no branch or commit nowhere"),
        ("feature", "nowhere", "there is no branch or commit nowhere"),
        ("main", None, "has no commits beyond main"),
        ("--output=planted", None, "there is no branch or commit --output=planted"),
        ("feature", "--output=planted", "there is no branch or commit --output=planted"),
        ("feature;touch planted", None, "there is no branch or commit"),
    ],
)
def test_a_name_is_a_name_and_never_an_option_or_a_command(
    checkout: Checkout, branch: str, base: str | None, sentence: str
) -> None:
    with pytest.raises(CheckoutError, match=sentence):
        branch_commits(checkout.folder, branch, base)
    assert not (checkout.folder / "planted").exists()


def test_what_is_no_checkout_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckoutError, match="is not a git checkout"):
        branch_commits(tmp_path, "main", None)


def test_without_git_that_is_said(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout.folder / "empty"))
    with pytest.raises(CheckoutError, match="git is not installed"):
        branch_commits(checkout.folder, "feature", None)


def test_no_program_runs_that_the_checkout_names(checkout: Checkout) -> None:
    trap = checkout.folder / "trap"
    trap.write_text("#!/bin/sh\ntouch " + str(checkout.folder / "planted") + "\n")
    trap.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "gpg.program", "core.sshCommand"):
        checkout.git("config", name, str(trap))
    checkout.git("config", "log.showSignature", "true")
    assert branch_commits(checkout.folder, "feature", None)
    assert not (checkout.folder / "planted").exists()


def test_whose_it_is_tell_githubs_addresses_or_a_named_seat(checkout: Checkout) -> None:
    commits = branch_commits(checkout.folder, "feature", None)
    assert authored(commits, SEATS, None, None) == (commits, ["ana"])
    assert authored(commits, SEATS, "bo", None) == (commits, ["bo"])
    checkout.commit("2026-04-09T13:00:00+00:00", "bo@example.com")
    commits = branch_commits(checkout.folder, "feature", None)
    assert authored(commits, SEATS, None, None) == (commits[:2], ["ana"])
    assert authored(commits, SEATS, "bo", "BO@example.com") == (commits[2:], ["bo"])


@pytest.mark.parametrize(
    ("seat", "email", "sentence"),
    [
        ("cy", None, r"no such seat: cy \(there are ana, bo\)"),
        (None, "nobody@example.com", "no commit of the branch has the address"),
        (None, "bo@example.com", "name a seat with --seat"),
    ],
)
def test_whose_it_is_not_says_what_to_name(
    checkout: Checkout, seat: str | None, email: str | None, sentence: str
) -> None:
    checkout.commit("2026-04-09T13:00:00+00:00", "bo@example.com")
    commits = branch_commits(checkout.folder, "feature", None)
    with pytest.raises(WhoseError, match=sentence):
        authored(commits, SEATS, seat, email)


def test_the_command_prints_what_the_branch_cost_or_whose_it_is_not(checkout: Checkout) -> None:
    text = '[[seats]]\nname = "ana"\nsource = "push"\nowner = { github = "ana" }\n'
    url = f"sqlite:///{checkout.folder}/meterbot.db"
    environ = {"METERBOT_CONFIG_TOML": f'database_url = "{url}"\n[http]\n{text}'}
    words = ("pr", "--repo", str(checkout.folder), "--branch", "feature")
    assert typed(*words, **environ).exit_code == 0
    document = json.loads(typed(*words, "--json", **environ).stdout)
    assert document["branch"] == "feature"
    unknown = typed(*words, "--seat", "cy", **environ)
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "no such seat: cy (there are ana)" in unknown.stderr
    missing = typed("pr", "--repo", str(checkout.folder), "--branch", "nowhere", **environ)
    assert isinstance(missing.exception, CheckoutError)
