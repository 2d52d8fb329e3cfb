"""`[github]`: the webhook for merged pull requests."""

from pathlib import Path

import pytest

from tests.app.config.writing import ANA, ENVIRON, WEBHOOK_SECRET, loaded, problems

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
