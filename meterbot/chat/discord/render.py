"""Renders a `Message` as Discord's JSON: escaped, and cut to Discord's limits with "and N more". Lengths are in UTF-16
code units, the strictest way in which Discord may count."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from meterbot.chat.text_forms import EMOJI, body_lines, labelled_lines, without_natives
from meterbot.core.inline import Instant, Link, pieces, plain
from meterbot.core.messages import Action, Field, Message, Section
from meterbot.core.models import Severity

Payload = dict[str, Any]
"""The body of a request of Discord's API."""

CONTENT = 2000
_TITLE, _DESCRIPTION, _FIELDS, _NAME, _VALUE, _EMBED_TOTAL = 256, 4096, 25, 256, 1024, 6000
_ROWS, _BUTTONS_PER_ROW, _LABEL, _CUSTOM_ID = 5, 5, 80, 100
# The part of the 6000 characters for each; the description gets the rest.
_FOOTER_ROOM, _FIELDS_ROOM, _LINE_ROOM, _LABEL_ROOM = 300, 1600, 300, 150
_MORE_ROOM = len("… and 99999 more\n")
_BLOCK_WIDTH = 0
"""No monospaced blocks: a phone breaks them from about 20 columns on."""

_COLOURS = {
    Severity.INFO: 0x5865F2,
    Severity.GOOD: 0x2ECC71,
    Severity.WARNING: 0xF1C40F,
    Severity.CRITICAL: 0xE74C3C,
}

_BREAK = "\u200b"  # zero-width: invisible, and ends what would become a mention, a link or a code block

# Control characters, line separators, half surrogates, and marks that turn the direction of all that follows.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# What Discord interprets without markdown: mentions, custom emoji and timestamps, addresses, invitations.
_LIVE = re.compile(r"@|<|:(?=//)|discord(?:app)?(?=\.)", re.IGNORECASE)
_MARKDOWN = re.compile(r"[\\*_~|`\[\]]|:(?=\w+:)")
_LINK_END = re.compile(r"[\s()<>]")
_AT_LINE_START = re.compile(r"^(\s*\d*)([#>+\-.)])")

_BUTTON = re.compile(r"mb:(.*?)(?::ref:[a-z0-9]+)?", re.DOTALL)


def post_payload(message: Message, delivery: str) -> Payload:
    """The body that posts or replaces a message; it carries `delivery`, which `carries` finds."""
    mark = f"ref:{delivery}"
    buttons = _buttons(message.actions, mark)
    marked = any(button["custom_id"].endswith(mark) for button in buttons)
    hidden = "" if marked else hidden_mark(delivery)
    owner = _owner(message)
    begin = _begin(message, owner)
    # A phone's notification shows the content alone, and nothing of an embed.
    title = _shown(cut(_without_links(message.title), CONTENT - units(begin) - len(hidden), _escaped))
    embed = _embed(message)
    embeds = [embed] if embed.keys() & {"description", "fields", "footer"} else []
    return _body(f"{begin}{title}{hidden}", embeds, buttons, owner)


def answer_payload(message: Message) -> Payload:
    """The body that answers a question: without mentions and without a mark."""
    return _body("", [_embed(message, titled=True)], _buttons(message.actions, None))


def line_payload(text: str) -> Payload:
    """The body of an answer of one line."""
    return _body(cut(text, CONTENT, _escaped))


def reply_payload(message: Message, delivery: str, root: str) -> Payload:
    """One line under the message `root`, without mentions. If somebody deleted the root, the line is posted alone."""
    hidden = hidden_mark(delivery)
    line = cut(_without_links(message.fallback), CONTENT - len(hidden), _escaped) + hidden
    return _body(line) | {"message_reference": {"message_id": root, "fail_if_not_exists": False}}


def text_payload(message: Message, delivery: str | None) -> Payload:
    """The whole message without an embed or buttons: the last form that is tried. An answer, which has no `delivery`,
    mentions nobody."""
    hidden, owner = ("", None) if delivery is None else (hidden_mark(delivery), _owner(message))
    begin = _begin(message, owner)
    lines = [message.title, *body_lines(without_natives(message, _BLOCK_WIDTH))]
    shown, room = [], CONTENT - units(begin) - len(hidden) - _MORE_ROOM
    for line in lines:
        text = cut(line, _LINE_ROOM, _escaped)
        room -= units(text) + 1
        if room < 0:
            shown.append("…")
            break
        shown.append(text)
    return _body(begin + "\n".join(shown) + hidden, owner=owner)


def _begin(message: Message, owner: str | None) -> str:
    return f"{f'<@{owner}> ' if owner else ''}{EMOJI[message.severity]}"


def _body(
    content: str, embeds: Sequence[Payload] = (), buttons: Sequence[Payload] = (), owner: str | None = None
) -> Payload:
    """Discord notifies users, roles and everyone unless a message forbids it, so every message does."""
    starts = range(0, len(buttons), _BUTTONS_PER_ROW)
    rows = [{"type": 1, "components": buttons[start : start + _BUTTONS_PER_ROW]} for start in starts]
    mentions = {"parse": [], "users": [owner] if owner else [], "replied_user": False}
    return {"content": content, "embeds": [*embeds], "components": rows, "allowed_mentions": mentions}


def hidden_mark(delivery: str) -> str:
    """64 zero-width characters that identify a delivery: invisible to readers, but in the channel's history."""
    digest = int.from_bytes(sha256(delivery.encode()).digest()[:8])
    return f"{digest:064b}".translate({ord("0"): "\u200b", ord("1"): "\u200c"})


def carries(posted: Mapping[str, Any], delivery: str) -> bool:
    """Whether a message from the channel's history was made for this delivery."""
    if posted["content"].endswith(hidden_mark(delivery)):
        return True
    buttons = [button for row in posted["components"] for button in row.get("components", [])]
    return any(button.get("custom_id", "").endswith(f"ref:{delivery}") for button in buttons)


def words_of(custom_id: str) -> tuple[str, ...] | None:
    """The words of a pressed button; None if the button is not ours."""
    found = _BUTTON.fullmatch(custom_id)
    return tuple(found[1].split(":")) if found else None


def units(text: str) -> int:
    """The length in UTF-16 code units."""
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, limit: int, escape: Callable[[str], str]) -> str:
    """The escaped text if it fits, else as much of it as fits, escaped whole, and "…"."""
    whole = escape(text)
    if units(whole) <= limit:
        return whole
    fits = bisect_right(range(len(text) + 1), limit - 1, key=lambda end: units(escape(text[:end])))
    return escape(text[: fits - 1]) + "…"


def _calm(text: str) -> str:
    """One line without mentions, links or marks that change the direction."""
    return _LIVE.sub(lambda found: found[0] + _BREAK, _CONTROL.sub(" ", plain(text)))


def _escaped(text: str) -> str:
    """Markdown that shows the text, with instants in the reader's own zone."""
    found = pieces(text)
    if len(found) == 1 and isinstance(found[0], str):
        return _AT_LINE_START.sub(r"\1\\\2", _words(found[0]))
    first, *rest = [_live(piece) for piece in found] or [""]
    return _AT_LINE_START.sub(r"\1\\\2", first) + "".join(rest)


def _inline(text: str) -> str:
    """Markdown behind the beginning of a line, where fewer characters have a meaning."""
    return "".join(map(_live, pieces(text)))


def _without_links(text: str) -> str:
    """The text with links as plain text: Discord shows a preview of a page that the content links to."""
    return "".join(str(piece) if isinstance(piece, Instant) else plain(str(piece)) for piece in pieces(text))


def _words(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", _calm(text))


def _live(piece: str | Instant | Link) -> str:
    if isinstance(piece, str):
        return _words(piece)
    if isinstance(piece, Link):
        return f"[{_words(piece.label)}]({_LINK_END.sub('', piece.url)})"
    return f"<t:{piece.epoch}:f>"


def _fixed(text: str) -> str:
    """For inside a code block: no two backticks touch, so the block does not end."""
    return _calm(text).replace("`", "`" + _BREAK)


def _verbatim(text: str) -> str:
    """A line for copying: unchanged, unless it would end its code block."""
    return _CONTROL.sub(" ", text).replace("```", f"``{_BREAK}`")


def _shown(text: str) -> str:
    """At least one character, for fields that Discord does not accept empty."""
    return text if text.strip() else _BREAK


def _embed(message: Message, *, titled: bool = False) -> Payload:
    message = without_natives(message, _BLOCK_WIDTH)
    embed: Payload = {"color": _COLOURS[message.severity]}
    room = _EMBED_TOTAL
    if titled:
        embed["title"] = _shown(cut(plain(message.title), _TITLE, _escaped))
        room -= units(embed["title"])
    if fields := list(_fields(message.fields)):
        embed["fields"] = fields
        room -= sum(units(field["name"] + field["value"]) for field in fields)
    if message.footer.strip():
        embed["footer"] = {"text": cut(plain(message.footer), _FOOTER_ROOM, _calm)}
        room -= units(embed["footer"]["text"])
    description = _description(message, min(_DESCRIPTION, room))
    if description:
        embed["description"] = description
    return embed


def _labelled(label: str, line: str) -> str:
    """`**ana** $23.85 of $80.00`"""
    if not label.strip():
        return cut(line, _LINE_ROOM, _escaped)
    name = f"**{cut(label.strip(), _LABEL_ROOM, _inline)}** "
    return name + cut(line, _LINE_ROOM - units(name), _inline)


def _fields(fields: Sequence[Field]) -> Iterator[Payload]:
    room = _FIELDS_ROOM
    for number, field in enumerate(fields):
        name, value = cut(field.name, _NAME, _escaped), cut(field.value, _VALUE // 2, _escaped)
        room -= units(name + value) + 2  # two: a blank name or value becomes one character
        last = number == len(fields) - 1
        if room < (0 if last else _MORE_ROOM) or (number == _FIELDS - 1 and not last):
            yield {"name": "…", "value": f"and {len(fields) - number} more", "inline": False}
            return
        yield {"name": _shown(name), "value": _shown(value), "inline": True}


def _description(message: Message, room: int) -> str:
    blocks = []
    if message.text:
        lines = message.text.split("\n")
        body = "\n".join(_fitting((cut(line, _VALUE, _escaped) for line in lines), len(lines), room // 2))
        blocks.append(body)
        room -= units(body)
    wanted = [units(_section(section, _DESCRIPTION) or "") + 1 for section in message.sections]
    for number, section in enumerate(message.sections):
        later = min(sum(wanted[number + 1 :]), room // 3)
        block = _section(section, room - _MORE_ROOM - 2 - later)
        # A heading tells a section apart from the one before; without one, an empty line does.
        gap = "\n" if blocks and block and not (section.heading or section.fixed) else ""
        if block is None:
            left_out = sum(len(section.lines) for section in message.sections[number:])
            blocks.append(_more(left_out))
            break
        blocks.append(gap + block)
        room -= units(gap + block) + 1
    return "\n".join(blocks)


def _section(section: Section, room: int) -> str | None:
    """None if there is no room for it."""
    before = f"**{cut(section.heading, _TITLE, _escaped)}**\n" if section.heading else ""
    after = ""
    if section.fixed:
        before, after = f"{before}```\n", "\n```"
    room -= units(before) + units(after)
    if room < _MORE_ROOM:
        return None
    lines = _fitting(_section_lines(section), len(section.lines), room)
    return before + ("\n".join(lines) or _BREAK) + after


def _section_lines(section: Section) -> Iterator[str]:
    if section.labels:
        return (_labelled(label, line) for label, line in labelled_lines(section))
    if section.verbatim:
        return map(_verbatim, section.lines)
    escape = _fixed if section.fixed else _escaped
    return (cut(line, _LINE_ROOM, escape) for line in section.lines)


def _fitting(lines: Iterator[str], total: int, room: int) -> list[str]:
    """As many of the `total` lines as fit, and how many do not."""
    shown: list[str] = []
    for number, line in enumerate(lines):
        room -= units(line) + 1
        if room < (0 if number == total - 1 else _MORE_ROOM):
            return [*shown, _more(total - number)]
        shown.append(line)
    return shown


def _more(count: int) -> str:
    return f"… and {count} more"


def _buttons(actions: Sequence[Action], mark: str | None) -> list[Payload]:
    """One per action id; the first one with room for it carries the mark."""
    buttons = []
    for action in {action.id: action for action in actions}.values():
        custom_id = f"mb:{action.id}"
        if mark and units(f"{custom_id}:{mark}") <= _CUSTOM_ID:
            custom_id, mark = f"{custom_id}:{mark}", None
        label = _shown(cut(action.label, _LABEL, _calm))
        buttons.append({"type": 2, "style": 2, "label": label, "custom_id": custom_id})
    return buttons[: _ROWS * _BUTTONS_PER_ROW]


def _owner(message: Message) -> str | None:
    """The owner's id, if it can be one of Discord's (a positive number of 63 bits)."""
    owner = message.owner.get("discord", "")
    return owner if re.fullmatch(r"[1-9][0-9]{0,18}", owner) and int(owner) < 2**63 else None
