"""Who gets a token for a push seat, and from where its machine reaches the bot."""

import pytest

from tests.app.config.writing import ANA, loaded, problems


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
