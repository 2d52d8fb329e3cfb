"""`[push]`, `[http]` and `[github]`."""

from pathlib import Path

import pytest

from tests.app.config.writing import ANA, ENVIRON, WEBHOOK_SECRET, loaded, problems

# Who gets a token for a push seat, and from where its machine reaches the bot.


def test_nobody_has_to_approve_unless_told() -> None:
    config = loaded(ANA)
    assert config.push_approvers is None
    assert loaded(f'[push]\napprovers = {{ slack = ["U1"] }}\n{ANA}').push_approvers is None


def test_approvers_are_known_by_platform() -> None:
    config = loaded(f'[push]\napproval = true\napprovers = {{ slack = ["U0", "U1"], discord = [42] }}\n{ANA}')
    assert config.push_approvers == {"slack": frozenset({"U0", "U1"}), "discord": frozenset({"42"})}


def test_an_address_alone_makes_a_listener() -> None:
    http = loaded(f'[http]\npublic_url = "https://meterbot.example/"\n{ANA}').http
    assert http is not None
    assert (http.public_url, http.addresses) == ("https://meterbot.example", (("127.0.0.1", 8080),))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[push]\napproval = true", "2:1 push.approval: needs somebody to ask: approvers = { slack = "),
        ("[push]\napproval = 1", "2:1 push.approval: must be true or false"),
        (
            '[push]\napproval = true\napprovers = { slack = ["bo"] }',
            "3:24 push.approvers.slack[0]: must be a member id",
        ),
        ("[push]\napprove = true", "2:1 push.approve: is not a known key"),
        ('[http]\npublic_url = "meterbot.example"', "2:1 http.public_url: must be an address like"),
    ],
)
def test_what_is_wrong_is_said_once(text: str, problem: str) -> None:
    (said,) = problems(f"{text}\n{ANA}")
    assert said.startswith(problem)


# `[github]`: the webhook for merged pull requests.


HTTP = '[http]\nbind = "127.0.0.1:0"\n'


def test_the_secret_is_looked_for_in_its_usual_place_and_the_token_is_none_where_there_is_none() -> None:
    github = loaded(f"{HTTP}[github]\n{ANA}").github
    assert github is not None
    assert github.webhook_secret.values == (WEBHOOK_SECRET,)
    assert github.token is None
    assert github.repositories == ()


def test_several_secrets_are_a_rotation() -> None:
    github = loaded(f"{HTTP}[github]\n{ANA}", ENVIRON | {"GITHUB_WEBHOOK_SECRET": "new-one,,old-one"}).github
    assert github is not None
    assert github.webhook_secret.values == ("new-one", "old-one")
    assert "new-one" not in repr(github)


def test_both_may_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("from-a-file\n")
    (tmp_path / "token").write_text("github_pat_from-a-file\n")
    text = f'{HTTP}[github]\nwebhook_secret_file = "hook"\ntoken_file = "token"\n{ANA}'
    github = loaded(text, cwd=tmp_path).github
    assert github is not None
    assert github.webhook_secret.values == ("from-a-file",)
    assert github.token is not None
    assert github.token.get_secret_value() == "github_pat_from-a-file"


@pytest.mark.parametrize(
    ("text", "environ", "problem"),
    [
        (
            f"{HTTP}[github]\n{ANA}",
            {},
            "github.webhook_secret: is missing: the environment variable GITHUB_WEBHOOK",
        ),
        (f"{HTTP}[github]\n{ANA}", {"GITHUB_WEBHOOK_SECRET": ","}, "holds no secret"),
        (
            f"{HTTP}[github]\n{ANA}",
            {"GITHUB_WEBHOOK_SECRET": "\0\0\0"},
            "GITHUB_WEBHOOK_SECRET contains a control or invisible character: paste the secret again",
        ),
        (
            f"[github]\n{ANA}",
            {"GITHUB_WEBHOOK_SECRET": "x"},
            "github: needs a listener that GitHub can reach",
        ),
        (f'{HTTP}[github]\nwebhook_secret = "x"\n{ANA}', {}, "a secret is never written in this file"),
        (
            f'{HTTP}[github]\nrepositories = ["acme"]\n{ANA}',
            {"GITHUB_WEBHOOK_SECRET": "x"},
            'github.repositories[0]: must be a repository like "acme/app"',
        ),
    ],
)
def test_what_cannot_work_is_said_at_once(text: str, environ: dict[str, str], problem: str) -> None:
    rest = {name: value for name, value in ENVIRON.items() if name != "GITHUB_WEBHOOK_SECRET"}
    (found,) = problems(text, rest | environ)
    assert problem in found
