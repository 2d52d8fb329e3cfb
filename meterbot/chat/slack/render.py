"""Renders a `Message` as Slack's Block Kit. Seats can have any name, so every text is escaped (`slack.text`), and
`Message.owner` is the only mention."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from meterbot.chat.slack.data_blocks import NativeBudget, chart_block, table_block
from meterbot.chat.slack.text import (
    Block,
    clipped,
    escaped,
    largest,
    mrkdwn,
    one_line,
    plain_text,
    rich_elements,
    visible,
)
from meterbot.chat.text_forms import (
    DASH,
    EMOJI,
    body_lines,
    chart_table,
    labelled_lines,
    table_sections,
    without_natives,
)
from meterbot.core.inline import plain
from meterbot.core.messages import Action, Field, Message, Section

Payload = dict[str, Any]
"""`text` and `blocks` of a message, as Slack's methods take them."""

# What a message of ours may fill. Everything but the sections fits into 12,000 even when every character is a
# quotation mark, which JSON writes as two; the sections get what is left.
_OUR_BLOCKS = 12_000
_OUR_TEXT = 3000
_OUR_SECTION = 1500
_OUR_FIELDS, _OUR_NAME, _OUR_VALUE = 10, 40, 150
_OUR_SECTIONS = 20
_OUR_ACTIONS = 6
_OUR_LINE = 300
_BLOCK_WIDTH = 34
"""A monospaced block of so many columns is not broken on a phone."""

_HEADER, _BUTTON = 150, 75

_USER_ID = re.compile(r"[UW][A-Z0-9]{2,20}")


def render(message: Message, budget: NativeBudget | None = None) -> Payload:
    """The message with native tables and charts, as far as `budget` (by default that of one message) allows."""
    data, text_sections = _data(message, NativeBudget() if budget is None else budget)
    top, bottom = list(_top(message)), list(_bottom(message))
    room = _OUR_BLOCKS - _size(top) - _size(bottom)
    sections = _sections([*text_sections, *message.sections], room)
    return {"text": _fallback(message), "blocks": [*top, *data, *sections, *bottom]}


def forms_of(message: Message) -> tuple[Callable[[], Payload], ...]:
    """How a message can be sent, the richest form first."""
    natives = (render_without_natives,) if message.tables or message.charts else ()
    forms = (render, *natives, render_text)
    return tuple(partial(form, message) for form in forms)


def render_without_natives(message: Message) -> Payload:
    """The message with its tables and charts as text."""
    return render(without_natives(message, _BLOCK_WIDTH))


def render_text(message: Message) -> Payload:
    """The whole message as text, without any block: the last form that is tried."""
    lines = [message.title, *body_lines(without_natives(message, _BLOCK_WIDTH))]
    text = EMOJI[message.severity] + "\n".join(lines)
    return {"text": _mention(message) + mrkdwn(text, _OUR_TEXT)["text"]}


def render_line(message: Message) -> Payload:
    """One line for a thread, without mentions."""
    text = _fallback(message)
    return {"text": text, "blocks": [{"type": "section", "text": {"type": "plain_text", "text": text}}]}


def _fallback(message: Message) -> str:
    return escaped(EMOJI[message.severity] + (message.fallback or message.title), _OUR_TEXT)


def _top(message: Message) -> Iterator[Block]:
    title, mention = EMOJI[message.severity] + one_line(plain(message.title)), _mention(message)
    if mention and not visible(message.text):  # a mention alone under the title would look like a mistake
        yield {"type": "section", "text": {"type": "mrkdwn", "text": f"{mention}*{escaped(title, _HEADER)}*"}}
    else:
        yield {"type": "header", "text": plain_text(title, _HEADER)}
    if visible(message.text):
        text = mrkdwn(message.text, _OUR_SECTION)
        yield {"type": "section", "text": {**text, "text": mention + text["text"]}}
    if message.fields:
        yield {"type": "section", "fields": _fields(message.fields)}


def _mention(message: Message) -> str:
    owner = message.owner.get("slack", "")
    return f"<@{owner}> " if _USER_ID.fullmatch(owner) else ""


def _data(message: Message, budget: NativeBudget) -> tuple[list[Block], list[Section]]:
    """The native blocks, and the other tables and charts as sections."""
    blocks: list[Block] = []
    sections: list[Section] = []
    for table in message.tables:
        block = table_block(table, budget)
        if block is None:
            sections += table_sections(table, _BLOCK_WIDTH)
            continue
        if block["type"] == "table" and visible(table.caption):
            blocks.append(_section(one_line(plain(table.caption)), [], fixed=False))
        blocks.append(block)
        if table.note:
            blocks.append({"type": "context", "elements": [plain_text(table.note, _OUR_LINE)]})
    for chart in message.charts:
        block = chart_block(chart, budget)
        if block is not None:
            blocks.append(block)
        elif not chart.in_table:
            sections += table_sections(chart_table(chart), _BLOCK_WIDTH)
    return blocks, sections


def _fields(fields: Sequence[Field]) -> list[Block]:
    shown = [*fields] if len(fields) <= _OUR_FIELDS else [*fields[: _OUR_FIELDS - 1], _more_fields(fields)]
    return [
        {
            "type": "mrkdwn",
            "text": f"*{escaped(one_line(field.name), _OUR_NAME)}*\n{mrkdwn(field.value, _OUR_VALUE)['text']}",
            "verbatim": True,
        }
        for field in shown
    ]


def _more_fields(fields: Sequence[Field]) -> Field:
    return Field("…", _and_more(len(fields) - _OUR_FIELDS + 1))


def _bottom(message: Message) -> Iterator[Block]:
    if message.actions:
        yield {"type": "actions", "elements": _buttons(message.actions)}
    if visible(message.footer):
        yield {"type": "context", "elements": [plain_text(message.footer, _OUR_LINE)]}


def _buttons(actions: Sequence[Action]) -> list[Block]:
    return [
        {
            "type": "button",
            "action_id": f"action-{number}",
            "text": plain_text(action.label, _BUTTON),
            "value": action.id,
        }
        for number, action in enumerate(actions[:_OUR_ACTIONS])
    ]


def _sections(sections: Sequence[Section], room: int) -> list[Block]:
    """As many sections and lines as fit, and how many were left out."""
    blocks: list[Block] = []
    note = _size([_section(None, [_and_more(10**9)], fixed=False)])
    for index, section in enumerate(sections):
        rest = len(sections) - index
        block = _fitted(section, room - note)
        if block is None or len(blocks) == _OUR_SECTIONS:
            blocks.append(
                _section(None, [f"{_and_more(rest)} section{'s' if rest > 1 else ''}"], fixed=False)
            )
            break
        blocks.append(block)
        room -= _size([block])
    return blocks


def _fitted(section: Section, room: int) -> Block | None:
    """The section with as many of its first lines as `room` characters hold; None if not even one fits."""
    heading = section.heading if section.heading and visible(section.heading) else None
    said = [line for _, line in labelled_lines(section)] or section.lines
    lines = [one_line(line) if section.verbatim else clipped(one_line(line), _OUR_LINE) for line in said]

    def block(kept: int) -> Block:
        left_out = [_and_more(len(lines) - kept)] if kept < len(lines) else []
        shown = [*lines[:kept], *left_out]
        return _section(heading, shown, fixed=section.fixed, labels=section.labels[:kept])

    kept = largest(len(lines), lambda count: _size([block(count)]) <= room)
    return None if kept is None or (kept == 0 and lines) else block(kept)


def _section(heading: str | None, lines: Sequence[str], *, fixed: bool, labels: Sequence[str] = ()) -> Block:
    said: list[Block] = []
    blocks: list[Block] = []
    text = "\n".join(lines)
    filled = bool(labels) or visible(text)
    if heading is not None:
        bold = clipped(one_line(plain(heading)), _OUR_LINE) + "\n" * (filled and not fixed)
        said.append({"type": "text", "text": bold, "style": {"bold": True}})
    if filled and fixed:
        shown = {"type": "text", "text": plain(text)}
        blocks.append({"type": "rich_text_preformatted", "elements": [shown]})
    elif filled:
        said += rich_elements(text) if not labels else _labelled(labels, lines)
    elif heading is None:
        said.append({"type": "text", "text": DASH})
    above = [{"type": "rich_text_section", "elements": said}] if said else []
    return {"type": "rich_text", "elements": [*above, *blocks]}


def _labelled(labels: Sequence[str], lines: Sequence[str]) -> Iterator[Block]:
    """Each label in bold and its line behind it; what is behind the last label has none."""
    for number, line in enumerate(lines, 1):
        end = "\n" * (number < len(lines))
        if number > len(labels):
            yield from rich_elements(f"{line}{end}")
            continue
        label = clipped(one_line(plain(labels[number - 1])), _OUR_LINE)
        shown = label if visible(label) else DASH
        yield {"type": "text", "text": shown, "style": {"bold": True}}
        yield from rich_elements(f" {line if visible(line) else DASH}{end}")


def _and_more(count: int) -> str:
    return f"and {count} more"


def _size(blocks: Sequence[Block]) -> int:
    return len(json.dumps(blocks, ensure_ascii=False))
