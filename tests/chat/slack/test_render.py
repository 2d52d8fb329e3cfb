"""Rendering for Slack: what a message becomes, and that no message becomes anything Slack would refuse or obey."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from meterbot.chat.slack.render import render, render_line, render_text, render_without_natives
from meterbot.core.inline import instant
from meterbot.core.messages import Action, Column, Field, Message, Section, Table
from meterbot.core.models import Severity
from tests.properties import examples
from tests.simulator.slack_judge import verdict

HOSTILE = [
    "<!channel>",
    "<!here|x>",
    "<@U0EVIL>",
    "<!subteam^S1>",
    "<https://evil.example|click>",
    "&lt;!channel&gt;",
    "@everyone @channel",
    "```",
    "`*_~bold~_*`",
    "\u202eesrever\u202c",
    "\u200b\u200b",
    "\u2066x",
    "👩‍👩‍👧‍👦🇩🇪",
    "שלום עולם",
    "\x00\x1b[31m",
    "a\nb",
    '"' * 400,
    "\\" * 400,
    "<" * 1000,
    "&" * 1000,
    "n" * 1000,
    "😀" * 1000,
    "\ud800",
    " ",
    "",
]
names = st.sampled_from(HOSTILE) | st.text(max_size=60)


def nodes(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from nodes(value)


def obeyed(payload: dict[str, Any]) -> list[str]:
    """The control sequences in every text that Slack reads for them: rich text it never does."""
    parsed = [payload["text"]]
    parsed += [
        node["text"] for node in nodes(payload["blocks"]) if node.get("type") in {"mrkdwn", "plain_text"}
    ]
    rich = [
        node
        for node in nodes(payload["blocks"])
        if node.get("type") in {"user", "broadcast", "usergroup", "link"}
    ]
    return [*(found for text in parsed for found in re.findall("<[^>]*>?", text)), *map(str, rich)]


def texts(payload: dict[str, Any]) -> str:
    return json.dumps(payload, ensure_ascii=False)


@st.composite
def teams(draw: st.DrawFn) -> Message:
    """A team's answer: as many seats as a company has, named by its enemies."""
    seats = draw(st.integers(0, 500))
    cast = draw(st.lists(names, min_size=1, max_size=8))
    lines = tuple(f"{cast[seat % len(cast)]:16} $4.20 / $50.00 (8%)" for seat in range(seats))
    fixed = st.builds(Section, st.just(lines), st.none() | names, st.booleans())
    loose = st.builds(Section, st.lists(names, max_size=5).map(tuple), st.none() | names, st.booleans())
    labels = tuple(cast * seats)[: len(lines)]
    several = st.lists(st.tuples(names, names), max_size=5)
    named = st.just((labels, lines)) | several.map(lambda pairs: (*zip(*pairs, strict=True),) or ((), ()))
    labelled = st.builds(
        lambda pair, heading: Section(pair[1], heading, labels=pair[0]), named, st.none() | names
    )
    return draw(
        st.builds(
            Message,
            names,
            names,
            st.sampled_from(Severity),
            names,
            st.lists(st.builds(Field, names, names), max_size=30).map(tuple),
            st.lists(fixed | loose | labelled, max_size=60).map(tuple),
            st.lists(st.builds(Action, names.map(lambda name: f"seat:{name}"[:80]), names), max_size=30).map(
                tuple
            ),
            st.dictionaries(st.just("slack"), names),
            names,
        )
    )


@examples(25)
@given(teams())
def test_no_message_becomes_what_slack_would_refuse(message: Message) -> None:
    for payload in (render(message), render_line(message), {**render_text(message), "blocks": []}):
        assert verdict(payload) is None
        assert payload["text"].strip(), "the notification is blank"
        for block in payload["blocks"]:
            parsed = Block.parse(block)
            assert parsed is not None
            assert parsed.to_dict() == block


@examples(25)
@given(teams())
def test_no_text_is_obeyed(message: Message) -> None:
    assert obeyed(render(message)) == []
    assert obeyed(render_line(message)) == []


@examples(12)
@given(teams())
def test_the_owner_is_the_only_mention(message: Message) -> None:
    mentioning = Message(**{**_fields(message), "owner": {"slack": "U0123"}})

    assert obeyed(render(mentioning)) == ["<@U0123>"]
    assert obeyed(render_line(mentioning)) == []


def _fields(message: Message) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__dataclass_fields__}


def test_the_hostile_names_would_be_found_unescaped() -> None:
    assert obeyed(
        {"text": "<!channel>", "blocks": [{"type": "mrkdwn", "text": "<@U1>"}, {"type": "broadcast"}]}
    )


def test_an_alert_has_its_severity_text_fields_buttons_and_small_print() -> None:
    payload = render(
        Message(
            title="ana is BLOCKED",
            fallback="ana is BLOCKED: cap spent",
            severity=Severity.CRITICAL,
            text="Her next prompt is refused.",
            fields=(Field("Spent", "$50.00 / $50.00"),),
            actions=(Action("snooze:1h", "Snooze 1h"),),
            owner={"slack": "U0123", "discord": "1"},
            footer="as of 10:00",
        )
    )

    assert payload["text"] == "🚨 ana is BLOCKED: cap spent"
    header, text, fields, actions, footer = payload["blocks"]
    assert header["text"]["text"] == "🚨 ana is BLOCKED"
    assert text["text"]["text"] == "<@U0123> Her next prompt is refused."
    assert fields["fields"][0]["text"] == "*Spent*\n$50.00 / $50.00"
    assert actions["elements"][0]["value"] == "snooze:1h"
    assert footer["elements"][0]["text"] == "as of 10:00"


def test_an_alert_without_a_text_mentions_its_owner_in_its_first_line() -> None:
    message = Message("bo is <free>", "bo is free", Severity.GOOD, owner={"slack": "U0123"})
    (block,) = render(message)["blocks"]
    assert block == {
        "type": "section",
        "text": {"type": "mrkdwn", "text": "<@U0123> *✅ bo is &lt;free&gt;*"},
    }


def test_fixed_lines_keep_their_columns() -> None:
    lines = ("ana              $4.20", "bo              $17.20")

    (_, block) = render(Message("Team", "Team", sections=(Section(lines, "Seats", fixed=True),)))["blocks"]

    heading, preformatted = block["elements"]
    assert heading["elements"][0] == {"type": "text", "text": "Seats", "style": {"bold": True}}
    assert preformatted["type"] == "rich_text_preformatted"
    assert preformatted["elements"][0]["text"] == "\n".join(lines)


def test_backticks_cannot_break_out_of_a_fixed_block() -> None:
    (_, block) = render(Message("Team", "Team", sections=(Section(("``` <!channel>",), fixed=True),)))[
        "blocks"
    ]

    assert block["elements"] == [
        {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "``` <!channel>"}]}
    ]


def test_lines_that_do_not_fit_are_counted() -> None:
    lines = tuple(f"seat-{number:03}         $4.20 / $50.00 (8%)" for number in range(500))

    (_, block) = render(Message("Team", "Team", sections=(Section(lines, fixed=True),)))["blocks"]

    shown = block["elements"][0]["elements"][0]["text"].split("\n")
    assert shown[:2] == list(lines[:2])
    assert shown[-1] == f"and {500 - (len(shown) - 1)} more"
    assert len(shown) > 200


def test_sections_that_do_not_fit_are_counted() -> None:
    sections = tuple(Section((f"line {number}",)) for number in range(70))

    blocks = render(Message("Team", "Team", sections=sections))["blocks"]

    assert blocks[-1]["elements"][0]["elements"][0]["text"] == f"and {70 - (len(blocks) - 2)} more sections"


def test_fields_that_do_not_fit_are_counted() -> None:
    fields = tuple(Field(f"name {number}", "value") for number in range(13))

    (_, block) = render(Message("Team", "Team", fields=fields))["blocks"]

    assert block["fields"][-1]["text"] == "*…*\nand 4 more"


@pytest.mark.parametrize(
    "owner", ["", "channel", "u0123", "U0123>", "U0123|x", "S0123", "U0 123", "<!channel>"]
)
def test_what_is_no_user_id_is_not_mentioned(owner: str) -> None:
    assert obeyed(render(Message("Title", "Title", owner={"slack": owner}))) == []


def test_text_that_reorders_what_surrounds_it_loses_its_controls() -> None:
    assert "\u202e" not in texts(render(Message("\u202e00.05$", "x\u202e")))


def test_labels_are_in_bold_in_front_of_their_lines_because_a_phone_breaks_columns() -> None:
    section = Section((" 78.0% used    -> resets", "$4.20 / $50.00 (8%)"), labels=("5-hour", "Extra usage"))
    (_, block) = render(Message("ana", "ana", sections=(section,)))["blocks"]
    (said,) = block["elements"]
    assert [(element["text"], "style" in element) for element in said["elements"]] == [
        ("5-hour", True),
        (" 78.0% used -> resets\n", False),
        ("Extra usage", True),
        (" $4.20 / $50.00 (8%)", False),
    ]


@pytest.mark.parametrize("empty", ["", " ", "\u200b"])
def test_labels_are_shown_although_nothing_is_behind_any_of_them(empty: str) -> None:
    section = Section((empty, empty), "Seats", labels=("ana", "bo"))
    (_, block) = render(Message("Team", "Team", sections=(section,)))["blocks"]
    said = [element["text"] for element in block["elements"][0]["elements"] if "style" in element]
    assert said == ["Seats\n", "ana", "bo"]


def test_the_last_form_has_instants_in_the_readers_zone() -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    text = render_text(Message("ana", "ana", text=f"Until {instant(at, UTC)}."))["text"]
    assert f"Until <!date^{int(at.timestamp())}^" in text


def test_a_table_that_is_not_native_and_too_wide_for_a_phone_is_lines_of_text() -> None:
    columns = (Column("Seat"), Column("Spent", numeric=True), Column("Cap", before="of "), Column("Used"))
    wide = Table("Seats", columns, (("ana", "$95.20", "$100.00", "▰▰▰▰▰▰▰▰▰▱ 95%"),), "and 3 more")
    narrow = Table("", columns[:2], (("ana", "$95.20"),))
    (_, rows, note, block) = render_without_natives(Message("Team", "Team", tables=(wide, narrow)))["blocks"]
    said = [element["text"] for element in rows["elements"][0]["elements"]]
    assert said == ["Seats\n", "ana", " $95.20 of $100.00 · ▰▰▰▰▰▰▰▰▰▱ 95%"]
    assert note["elements"][0]["elements"][0]["text"] == "and 3 more"
    (fixed,) = block["elements"]
    assert (fixed["type"], fixed["elements"][0]["text"]) == (
        "rich_text_preformatted",
        "Seat   Spent\nana   $95.20",
    )
