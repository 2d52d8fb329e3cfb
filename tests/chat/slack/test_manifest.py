"""The manifest that `meterbot slack manifest` prints."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from meterbot.chat.slack.listen import COMMAND
from meterbot.chat.slack.manifest import SCOPES, creation_link, lacking, manifest


def read(http_url: str | None = None) -> dict[str, Any]:
    parsed = yaml.safe_load(manifest(http_url))
    assert isinstance(parsed, dict)
    return parsed


def test_it_asks_for_what_the_bot_calls_and_for_nothing_else() -> None:
    assert read()["oauth_config"]["scopes"] == {
        "bot": [
            "chat:write",
            "commands",
            "app_mentions:read",
            "channels:history",
            "groups:history",
            "usergroups:read",
        ]
    }


def test_a_person_in_the_command_arrives_as_an_id() -> None:
    """Otherwise `seat @ana` would be the words that were typed, and could name the seat ana of somebody else."""
    assert [command["should_escape"] for command in read()["features"]["slash_commands"]] == [True]


def test_direct_messages_need_two_scopes_more() -> None:
    parsed = yaml.safe_load(manifest(direct_messages=True))
    assert {*parsed["oauth_config"]["scopes"]["bot"]} - {*read()["oauth_config"]["scopes"]["bot"]} == {
        "im:write",
        "im:history",
    }
    assert [
        scope.names
        for scope in lacking(
            "chat:write,commands,app_mentions:read,channels:history,usergroups:read", direct_messages=True
        )
    ] == [
        ("im:write",),
        ("im:history",),
    ]


def test_socket_mode_needs_no_address() -> None:
    parsed = read()

    assert parsed["settings"]["socket_mode_enabled"] is True
    assert parsed["settings"]["interactivity"] == {"is_enabled": True}
    assert "url" not in parsed["features"]["slash_commands"][0]


def test_http_mode_sends_commands_and_buttons_to_the_one_route() -> None:
    parsed = read("https://meterbot.example.org/")

    assert parsed["settings"]["socket_mode_enabled"] is False
    assert parsed["settings"]["interactivity"]["request_url"] == "https://meterbot.example.org/slack/events"
    assert parsed["settings"]["event_subscriptions"]["request_url"] == (
        "https://meterbot.example.org/slack/events"
    )
    assert parsed["features"]["slash_commands"][0]["url"] == "https://meterbot.example.org/slack/events"


def test_the_command_is_the_one_the_bot_listens_to() -> None:
    assert [command["command"] for command in read()["features"]["slash_commands"]] == [COMMAND]


def test_it_subscribes_to_what_the_bot_hears_and_to_nothing_else() -> None:
    parsed = read()

    assert parsed["settings"]["event_subscriptions"] == {"bot_events": ["app_mention", "app_home_opened"]}
    assert parsed["features"]["app_home"]["home_tab_enabled"] is True
    (shortcut,) = parsed["features"]["shortcuts"]
    assert (shortcut["type"], shortcut["callback_id"]) == ("message", "claude_spend")
    assert len(shortcut["name"]) <= 24
    assert len(shortcut["description"]) <= 150


def test_an_address_cannot_break_out_of_its_line() -> None:
    parsed = read('https://x.example/"\n    evil: true #')

    assert parsed["settings"].keys() == read("https://x.example")["settings"].keys()
    assert parsed["settings"]["interactivity"].keys() == {"is_enabled", "request_url"}


def test_its_texts_keep_slacks_lengths() -> None:
    features = read()["features"]

    assert len(features["bot_user"]["display_name"]) <= 80
    assert len(features["slash_commands"][0]["description"]) <= 2000
    assert len(features["slash_commands"][0]["usage_hint"]) <= 1000


@pytest.mark.parametrize("url", [None, "https://meterbot.example.org"])
def test_the_link_makes_the_same_app(url: str | None) -> None:
    link = urlsplit(creation_link(url))
    asked = parse_qs(link.query, strict_parsing=True)

    assert (link.scheme, link.netloc, link.path) == ("https", "api.slack.com", "/apps")
    assert asked["new_app"] == ["1"]
    assert yaml.safe_load(asked["manifest_yaml"][0]) == read(url)


def test_what_an_app_lacks_is_reported_with_what_is_lost() -> None:
    everything = ",".join(name for scope in SCOPES for name in scope.names)

    assert lacking(everything) == []
    assert lacking("chat:write,commands,app_mentions:read, groups:history,usergroups:read") == []
    assert [scope.names for scope in lacking("commands")] == [
        ("chat:write",),
        ("app_mentions:read",),
        ("channels:history", "groups:history"),
        ("usergroups:read",),
    ]
    assert all(scope.lost for scope in lacking(""))
