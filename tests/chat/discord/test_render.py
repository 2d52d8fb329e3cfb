"""Discord accepts every message, and only its owner is mentioned."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.chat.discord.render import (
    CONTENT,
    Payload,
    answer_payload,
    carries,
    cut,
    line_payload,
    post_payload,
    reply_payload,
    text_payload,
    units,
    words_of,
)
from meterbot.core.inline import instant, link
from meterbot.core.messages import Action, Column, Field, Message, Section, Table
from meterbot.core.models import Severity
from tests.chat.discord.rig import DELIVERY, alert
from tests.simulator.discord_judge import problems

NASTY = [
    "@everyone",
    "@here",
    "<@123>",
    "<@!123>",
    "<@&123>",
    "<#123>",
    "</claude-spend:123>",
    "<t:1:R>",
    "https://evil.example/x",
    "discord.gg/free",
    "[free](https://evil.example)",
    "```\nout",
    "`" * 50,
    "**bold** __under__ ~~gone~~ ||spoiler|| _it_",
    "# heading",
    "> quote",
    "-# small",
    "1. list",
    ":tada:",
    "\\" * 40,
    "\u202eright to left",
    "\u200b\u200d\ufeff",
    "\ud800",
    "\x00\r\n\t",
    "👨‍👩‍👧‍👦" * 100,
    "مرحبا",
    "x" * 1000,
    "",
    " ",
]
texts = st.one_of(
    st.sampled_from(NASTY), st.text(), st.lists(st.sampled_from(NASTY), max_size=4).map("".join)
)
names = st.from_regex(r"[a-z]{1,8}:[a-z0-9._-]{0,71}", fullmatch=True)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Up to 500 lines of hostile seats; a few are drawn and repeated, or no example would end."""

    def some(limit: int) -> tuple[str, ...]:
        kinds = draw(st.lists(texts, max_size=6))
        return tuple((kinds * limit)[: draw(st.integers(0, limit))])

    sections = draw(
        st.lists(
            st.builds(Section, st.builds(lambda: some(500)), st.none() | texts, st.booleans())
            | st.builds(lambda: Section(lines := some(500), labels=lines[::-1])),
            max_size=4,
        )
    )
    return Message(
        title=draw(texts),
        fallback=draw(texts),
        severity=draw(st.sampled_from(Severity)),
        text=draw(texts),
        fields=tuple(Field(line, line) for line in some(40)),
        sections=tuple(sections),
        actions=tuple(Action(draw(names), label) for label in some(30)),
        owner={"discord": draw(st.sampled_from(["", "42", "0", "@everyone", "9" * 19, "9" * 30]))},
        footer=draw(texts),
    )


@given(messages())
def test_any_message_becomes_a_payload_discord_takes_and_pings_only_its_owner(message: Message) -> None:
    posted = post_payload(message, DELIVERY)
    assert problems(posted) == []
    owner = message.owner["discord"]
    assert posted["allowed_mentions"] == {
        "parse": [],
        "users": ["42"] if owner == "42" else [],
        "replied_user": False,
    }
    for quiet in (answer_payload(message), reply_payload(message, DELIVERY, "1")):
        assert problems(quiet) == []
        assert quiet["allowed_mentions"]["users"] == []


@given(messages())
def test_every_post_and_every_reply_carries_its_delivery(message: Message) -> None:
    for payload in (post_payload(message, DELIVERY), reply_payload(message, DELIVERY, "1")):
        seen: Payload = {"content": "", "embeds": [], "components": [], **payload}
        assert carries(seen, DELIVERY)
        assert not carries(seen, "f" * 16)


@given(messages())
def test_nothing_links_and_no_line_leaves_its_code_block(message: Message) -> None:
    payload = answer_payload(message)
    description = payload["embeds"][0].get("description", "")
    said = repr(payload["embeds"]) + payload["content"]
    assert "://" not in said
    assert "discord.gg" not in said
    fences = [line for line in description.split("\n") if "```" in line]
    assert set(fences) <= {"```"}
    assert len(fences) % 2 == 0


@given(texts, st.integers(1, 300))
def test_a_cut_fits_and_halves_no_escape(text: str, limit: int) -> None:
    def escape(part: str) -> str:
        return part.replace("*", "\\*")

    shown = cut(text, limit, escape)
    assert units(shown) <= limit
    assert shown in {escape(text), *(escape(text[:end]) + "…" for end in range(len(text)))}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a_b*c", r"a\_b\*c"),
        ("`x`", r"\`x\`"),
        ("# big", r"\# big"),
        ("> said", r"\> said"),
        ("12. twelve", r"12\. twelve"),
        ("$4.20 -> more", "$4.20 -> more"),
        (":tada:", r"\:tada:"),
        ("@here", "@\u200bhere"),
        ("<@1>", "<\u200b@\u200b1>"),
        ("https://x.example", "https:\u200b//x.example"),
        ("Discord.gg/x", "Discord\u200b.gg/x"),
        ("a\nb", "a b"),
        ("\u202eabc", " abc"),
    ],
)
def test_a_name_is_shown_and_never_obeyed(name: str, shown: str) -> None:
    assert line_payload(name)["content"] == shown


def test_a_fixed_line_keeps_its_columns_and_cannot_leave_its_block() -> None:
    lines = ("ana              $4.20 / $50.00 (8%)", "```**b**              $1.00")
    description = _embed(alert(text="", sections=(Section(lines, fixed=True),)))["description"]
    assert description == (
        "```\nana              $4.20 / $50.00 (8%)\n`\u200b`\u200b`\u200b**b**              $1.00\n```"
    )


def test_what_does_not_fit_is_counted() -> None:
    seats = tuple(f"seat-{number:03}         $4.20 / $50.00 (8%)" for number in range(500))
    description = _embed(alert(sections=(Section(seats, fixed=True), Section(("a", "b"), "Missing"))))[
        "description"
    ]
    shown = description.count("seat-")
    assert 80 < shown < 500
    assert f"… and {500 - shown} more\n```" in description
    assert description.endswith("**Missing**\na\nb")  # there is room for what comes later


def test_sections_that_do_not_fit_are_counted() -> None:
    sections = tuple(Section((f"line {number} {'x' * 200}",), "More") for number in range(60))
    description = _embed(alert(sections=sections))["description"]
    shown = description.count("line ")
    assert 10 < shown < 60
    assert shown + sum(map(int, re.findall(r"… and (\d+) more", description))) == 60


@pytest.mark.parametrize("state", ["", "x" * 170])
def test_a_cut_table_keeps_its_note_and_counts_rows_alone(state: str) -> None:
    """As a code block and as lines of text."""
    columns = (Column("Seat"), Column("Spent", numeric=True), Column("State"))
    rows = tuple((f"seat-{number:03}", "$1.00", state) for number in range(300))
    table = Table("Seats", columns, rows, "and 270 more: $36,652.50 together")
    description = _embed(Message("Team", "Team", tables=(table,)))["description"]
    shown = description.count("seat-")
    assert 10 < shown < 300
    assert f"… and {300 - shown} more\n" in description
    assert "$36,652.50 together" in description.replace("\n", " ")


def test_fields_beyond_25_are_counted() -> None:
    fields = _embed(alert(fields=tuple(Field(f"f{number}", "x") for number in range(30))))["fields"]
    assert len(fields) == 25
    assert fields[-1] == {"name": "…", "value": "and 6 more", "inline": False}


def test_the_delivery_is_in_a_button_or_invisible_in_the_text() -> None:
    with_button = post_payload(alert(), DELIVERY)
    without = post_payload(alert(actions=()), DELIVERY)
    assert with_button["components"][0]["components"][0]["custom_id"] == f"mb:ack:7:ref:{DELIVERY}"
    assert without["embeds"][0]["footer"] == {"text": "read 10:00 UTC"}
    assert "ref:" not in repr(without)
    seen = without["content"].replace("\u200b", "").replace("\u200c", "")
    assert seen == "<@42> 🚨 ana is BLOCKED"


def test_an_instant_is_shown_in_the_readers_own_zone() -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    text = f"It ends on {instant(at, UTC)}: {link('https://claude.ai/x', 'Usage')}."
    description = _embed(alert(text=text, sections=()))["description"]
    assert description == "It ends on <t:1777593600:f>: [Usage](https://claude.ai/x)."


def test_the_line_that_a_phone_notifies_of_has_instants_in_the_readers_own_zone_and_no_link() -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    title = f"It ends on {instant(at, UTC)}: {link('https://claude.ai/x', 'Usage')}"
    said = "It ends on <t:1777593600:f>: Usage (https:\u200b//claude.ai/x)"
    message = Message(title, title, actions=(Action("ack:7", "Got it"),))
    assert post_payload(message, DELIVERY)["content"] == said
    assert reply_payload(message, DELIVERY, "1")["content"].startswith(said)


@pytest.mark.parametrize("mention", [{}, {"discord": "42"}])
@pytest.mark.parametrize("length", [300, 1900, 5000])
def test_a_long_title_is_cut_only_where_a_message_ends(length: int, mention: dict[str, str]) -> None:
    for actions in (), (Action("ack:7", "Got it"),):
        title = "x" * length
        message = Message(title, title, Severity.CRITICAL, owner=mention, actions=actions)
        payload = post_payload(message, DELIVERY)
        assert problems(payload) == []
        assert title in payload["content"] or units(payload["content"]) == CONTENT


def test_the_last_form_shows_the_severity_and_the_title_first() -> None:
    assert text_payload(alert(), DELIVERY)["content"].startswith("<@42> 🚨 ana is BLOCKED\n")
    assert text_payload(alert(), None)["content"].startswith("🚨 ana is BLOCKED\n")


def test_the_last_form_has_instants_in_the_readers_zone_and_rows_with_their_names() -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    until = instant(at, UTC)
    table = Table("Seats", (Column("Seat"), Column("Until")), (("ana", until),), "and 3 more")
    lines = Section((f"78.0% used    -> resets {until}",), labels=("5-hour",))
    message = Message("ana", "ana", text=f"Until {until}.", tables=(table,), sections=(lines,))
    shown = f"<t:{int(at.timestamp())}:f>"
    assert text_payload(message, None)["content"].replace("\\", "").split("\n") == [
        "ana",
        f"Until {shown}.",
        "Seats:",
        f"  ana: {shown}",
        "  and 3 more",
        f"  5-hour: 78.0% used -> resets {shown}",
    ]


def test_labels_are_in_front_of_their_lines_because_a_phone_breaks_columns() -> None:
    section = Section((" 78.0% used    -> resets", "$4.20 / $50.00 (8%)"), labels=("5-hour", "Extra usage"))
    facts = Section(("Plan: Max 20x.",))
    description = _embed(Message("ana", "ana", sections=(section, facts)))["description"]
    assert description.split("\n") == [
        "**5-hour** 78.0% used -> resets",
        "**Extra usage** $4.20 / $50.00 (8%)",
        "",
        "Plan: Max 20x.",
    ]


def test_a_long_label_leaves_room_for_its_line_and_an_empty_line_is_a_dash() -> None:
    section = Section(("$4.20", ""), labels=("*" * 400, "bo"))
    long, short = _embed(Message("ana", "ana", sections=(section,)))["description"].split("\n")
    assert long.endswith("…** $4.20")
    assert short == "**bo** –"


@given(messages())
def test_the_last_form_fits_too(message: Message) -> None:
    payload = text_payload(message, DELIVERY)
    assert problems(payload) == []
    assert carries({"components": [], **payload}, DELIVERY)


def test_a_post_begins_with_the_line_that_a_phone_notifies_of_and_says_it_once() -> None:
    payload = post_payload(alert(), DELIVERY)
    assert payload["content"] == "<@42> 🚨 ana is BLOCKED"
    assert "ana is BLOCKED" not in repr(payload["embeds"])


def test_a_post_of_one_line_has_no_empty_embed() -> None:
    bare = Message("Slack accepts messages again", "Slack accepts messages again.", Severity.GOOD)
    assert post_payload(bare, DELIVERY)["embeds"] == []


def test_a_table_is_lines_of_text_because_a_phone_breaks_a_code_block() -> None:
    columns = (Column("Seat"), Column("Spent", numeric=True), Column("Cap", before="of "), Column("Used"))
    rows = (("ana", "$95.20", "$100.00", "▰▰▰▰▰▰▰▰▰▱ 95%"), ("b_o", "$0.20", "", ""))
    table = Table("Seats", columns, rows, "and 3 more")
    assert _embed(Message("Team", "Team", tables=(table,)))["description"].split("\n") == [
        "**Seats**",
        "**ana** $95.20 of $100.00 · ▰▰▰▰▰▰▰▰▰▱ 95%",
        r"**b\_o** $0.20",
        "",
        "and 3 more",
    ]


@pytest.mark.parametrize(
    ("custom_id", "words"),
    [
        (f"mb:ack:7:ref:{DELIVERY}", ("ack", "7")),
        ("mb:snooze:7:24h", ("snooze", "7", "24h")),
        ("somebody else's", None),
    ],
)
def test_a_button_says_what_was_pressed(custom_id: str, words: tuple[str, ...] | None) -> None:
    assert words_of(custom_id) == words


def test_one_action_twice_is_one_button() -> None:
    rows = answer_payload(alert(actions=(Action("ack:1", "A"), Action("ack:1", "B"))))["components"]
    assert [button["label"] for button in rows[0]["components"]] == ["B"]


def test_severities_differ_in_colour() -> None:
    assert len({_embed(alert(severity=severity))["color"] for severity in Severity}) == len(Severity)


BUTTON = {"type": 2, "style": 2, "label": "x", "custom_id": "x"}


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"content": "x" * 2001}, "message: content longer than 2000"),
        ({"nonce": "x" * 26}, "message: nonce longer than 25"),
        ({"content": " "}, "message: empty"),
        ({"embeds": [{"title": "x"}] * 11}, "more than 10 embeds"),
        ({"embeds": [{"title": "x" * 257}]}, "embed: title longer than 256"),
        ({"embeds": [{"title": " "}]}, "embed: title missing or blank"),
        ({"embeds": [{"color": 1}]}, "embed: empty"),
        ({"embeds": [{"title": "x", "description": "x" * 4097}]}, "embed: description longer than 4096"),
        ({"embeds": [{"title": "x", "footer": {"text": "x" * 2049}}]}, "footer: text longer than 2048"),
        ({"embeds": [{"title": "x", "fields": [{"name": "x", "value": "x"}] * 26}]}, "more than 25 fields"),
        ({"embeds": [{"title": "x", "fields": [{"name": "x" * 257, "value": "x"}]}]}, "field: name longer"),
        ({"embeds": [{"title": "x", "fields": [{"name": "x", "value": "😀" * 513}]}]}, "field: value longer"),
        ({"embeds": [{"title": "x", "fields": [{"name": "x", "value": ""}]}]}, "field: value missing"),
        ({"embeds": [{"title": "x", "description": "x" * 4000}] * 2}, "embeds: more than 6000"),
        ({"components": [{"components": [BUTTON]}] * 2}, "buttons: the same custom_id twice"),
        ({"components": [{"components": [BUTTON]}] * 6}, "more than 5 rows of buttons"),
        ({"components": [{"components": [BUTTON] * 6}]}, "more than 5 buttons in a row"),
        ({"components": [{"components": []}]}, "row: components missing or blank"),
        ({"components": [{"components": [BUTTON | {"label": "x" * 81}]}]}, "button: label longer than 80"),
        ({"components": [{"components": [BUTTON | {"custom_id": "x" * 101}]}]}, "button: custom_id longer"),
        ({"allowed_mentions": None}, "allowed_mentions: must name each person"),
        ({"allowed_mentions": {"parse": ["everyone"]}}, "allowed_mentions: must name each person"),
        ({"content": "<@1>"}, "message: mentions somebody it should not"),
        ({"embeds": [{"title": "@everyone"}]}, "message: mentions somebody it should not"),
    ],
)
def test_what_discord_refuses_is_found(part: dict[str, Any], said: str) -> None:
    payload = {"content": "x", "allowed_mentions": {"parse": []}}
    assert problems(payload) == []
    assert any(problem.startswith(said) for problem in problems(payload | part))


def _embed(message: Message) -> Payload:
    embed: Payload = answer_payload(message)["embeds"][0]
    return embed
