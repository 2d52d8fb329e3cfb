"""Our Block Kit against Slack's own types: a JSON schema made from @slack/types."""

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped] # its stubs are a package of their own
import pytest
from hypothesis import given

from meterbot.chat.slack.render import render, render_line
from meterbot.core.messages import Message
from tests.chat.slack.rig import alert
from tests.chat.slack.test_render import teams
from tests.peers.conftest import Peer
from tests.peers.node import node
from tests.properties import examples

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def known_block(peer: Peer) -> jsonschema.Draft7Validator:
    generator = peer("ts-json-schema-generator") / "bin" / "ts-json-schema-generator.js"
    types = peer("@slack/types") / "dist" / "index.d.ts"
    schema = json.loads(node(generator, "--path", str(types), "--type", "KnownBlock", "--no-type-check"))
    return jsonschema.Draft7Validator(schema)


@examples(10)
@given(teams())
def test_every_block_is_one_of_slacks(known_block: jsonschema.Draft7Validator, message: Message) -> None:
    for payload in (render(message), render_line(message)):
        for block in payload["blocks"]:
            known_block.validate(block)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "nonsense"},
        {"type": "section", "text": {"type": "html", "text": "x"}},
        {"type": "header", "text": {"type": "mrkdwn", "text": "x"}},
        {
            "type": "rich_text",
            "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text"}]}],
        },
        {"type": "context", "elements": [], "colour": "red"},
    ],
)
def test_the_schema_turns_away_what_is_none(
    known_block: jsonschema.Draft7Validator, wrong: dict[str, Any]
) -> None:
    assert not known_block.is_valid(wrong)


def test_an_alert_is_made_of_slacks_blocks(known_block: jsonschema.Draft7Validator) -> None:
    blocks = render(alert())["blocks"]
    assert {block["type"] for block in blocks} >= {"header", "section", "actions"}
    assert [block for block in blocks if not known_block.is_valid(block)] == []
