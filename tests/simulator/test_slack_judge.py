"""Each of Slack's limits, one step beyond it and exactly at it."""

from typing import Any

import pytest

from tests.simulator.slack_judge import verdict

Blocks = list[dict[str, Any]]

RICH = {"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def _section(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text), **more}


def _fields(count: int, text: str = "x") -> Blocks:
    return [{"type": "section", "fields": [_mrkdwn(text)] * count}]


def _header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": _plain(text)}


def _button(number: int = 1, **more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": f"a{number}", "text": _plain("x"), "value": "v", **more}


def _actions(*buttons: dict[str, Any]) -> Blocks:
    return [{"type": "actions", "elements": [*buttons]}]


def _context(count: int, text: str = "x") -> Blocks:
    return [{"type": "context", "elements": [_mrkdwn(text)] * count}]


def _rich(count: int) -> Blocks:
    return [{"type": "rich_text", "elements": [RICH] * count}]


@pytest.mark.parametrize(
    ("blocks", "found"),
    [
        ([_section("x")] * 51, "51 blocks"),
        ([_section("x" * 3001)], "text attribute cannot exceed 3000 characters"),
        ([_section(" ")], "an empty mrkdwn"),
        ([{"type": "section"}], "text or fields attribute must be specified"),
        ([_header("x" * 151)], "text attribute cannot exceed 150 characters"),
        (_fields(11), "fields attribute cannot exceed 10 items"),
        (_fields(1, "x" * 2001), "a field of more than 2000 characters"),
        (_actions(*map(_button, range(26))), "elements attribute cannot exceed 25 elements"),
        (_actions(), "an empty actions"),
        (_actions(_button(), _button()), "action_id repeats"),
        (_actions(_button(value="x" * 2001)), "value attribute cannot exceed 2000 characters"),
        (_actions(_button(text=_plain("x" * 76))), "text attribute cannot exceed 75 characters"),
        (_actions(_button(action_id="x" * 256)), "action_id attribute cannot exceed 255 characters"),
        (_context(11), "elements attribute cannot exceed 10 elements"),
        (_context(1, "x" * 3001), "a context of more than 3000 characters"),
        (_rich(0), "an empty rich_text"),
        (_rich(51), "a rich text of more than 50 elements"),
        ([_section("x", block_id="b"), _section("y", block_id="b")], "block_id repeats"),
        ([{"type": "nonsense"}], "unknown type"),
        ([_section("x" * 2900)] * 5, "msg_blocks_too_long"),
    ],
)
def test_blocks_beyond_a_limit_are_refused_with_what_is_wrong(blocks: Blocks, found: str) -> None:
    assert found in (verdict({"text": "text", "blocks": blocks}) or "")


@pytest.mark.parametrize(
    "blocks",
    [
        [_section("x")] * 50,
        [_section("x" * 3000)],
        [_header("x" * 150)],
        _fields(10),
        _fields(1, "x" * 2000),
        _actions(*map(_button, range(25))),
        _actions(_button(value="x" * 2000)),
        _actions(_button(text=_plain("x" * 75))),
        _actions(_button(action_id="x" * 255)),
        _context(10),
        _context(1, "x" * 3000),
        _rich(50),
        [_section("x" * 2900)] * 4,
    ],
)
def test_blocks_at_a_limit_are_taken(blocks: Blocks) -> None:
    assert verdict({"text": "text", "blocks": blocks}) is None


@pytest.mark.parametrize(
    ("text", "blocks", "found"),
    [
        ("", [], "no_text"),
        (" ", [_section("x")], "no_text"),
        ("x" * 40_001, [], "msg_too_long"),
        ("x" * 40_000, [], None),
    ],
)
def test_the_text_that_notifications_show_has_limits_too(
    text: str, blocks: Blocks, found: str | None
) -> None:
    assert verdict({"text": text, "blocks": blocks}) == found
