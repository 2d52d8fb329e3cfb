"""Judges what the channels contain at the end: nothing is missing, nothing is there twice, and the order is right.

It reads only what people see and the marks that messages carry, never what the bot has stored.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from meterbot.core.text import moment
from qa.faults.stories import LEVELS, UNBLOCKED, Fact, Story
from tests.simulator.discord_objects import Json
from tests.simulator.slack_objects import SlackMessage

_HOUR = re.compile(r"\w{3} \w{3} \d+ \d\d:\d\d: ")
_INVISIBLE = re.compile("[\u200b\u200c]{64}")
"""The mark of a message without buttons."""
_MARK = re.compile(r"\bref:([a-z0-9]{16,24})\b")


@dataclass(frozen=True, slots=True)
class Sighting:
    """A message in a channel. `at` orders them; `root` is the message whose thread it is in; `texts` is its text
    after each edit, the oldest first; `mark` is the delivery that it carries; `second` is when it was posted, in
    seconds since 1970."""

    at: int
    root: str | None
    mark: str | None
    texts: tuple[str, ...]
    second: float = 0.0

    def __str__(self) -> str:
        place = "" if self.root is None else f" in the thread of {self.root}"
        versions = (text.replace("\n", "\n      ") for text in self.texts)
        return "\n    edited:\n      ".join(
            (f"  {self.at}{place}, delivery {self.mark}\n      {next(versions)}", *versions)
        )


@dataclass
class Verdict:
    """The problems on one platform, in words."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    """The facts that came too late."""

    def add(self, other: "Verdict") -> None:
        self.lost += other.lost
        self.doubled += other.doubled
        self.disordered += other.disordered
        self.held += other.held


def judge(story: Story, sightings: Iterable[Sighting]) -> Verdict:
    """Compares one channel with the story."""
    seen = sorted(sightings, key=lambda each: each.at)
    return Verdict([*_lost(story, seen)], [*_doubled(seen)], [*_disordered(story, seen)])


def _lost(story: Story, seen: list[Sighting]) -> Iterator[str]:
    for fact, times in Counter(story.facts).items():
        count = sum(max(_times(fact, text) for text in each.texts) for each in seen)
        if count < times:
            yield f"{fact} (posted {count} of {times} times)"


def _times(fact: Fact, text: str) -> int:
    """How often a message contains a fact. A message with several facts has a line with the hour for each."""
    lines = sum(fact.is_in(line) for line in text.splitlines() if _HOUR.match(line))
    return max(lines, int(fact.is_in(text)))


def _doubled(seen: list[Sighting]) -> Iterator[str]:
    marks = Counter(each.mark for each in seen if each.mark is not None)
    yield from (f"delivery {mark} stands {times} times" for mark, times in marks.items() if times > 1)
    words = Counter((each.root, each.texts[0]) for each in seen)
    again = {(each.root, each.texts[0]) for each in seen if each.mark is not None and marks[each.mark] > 1}
    for key, times in words.items():
        if times > 1 and key not in again:
            yield f"{key[1].splitlines()[0][:80]!r} is said {times} times"


def _disordered(story: Story, seen: list[Sighting]) -> Iterator[str]:
    """Finds levels of a seat out of order, and the end of a block before its beginning."""
    for seat in story.seats:
        chain = [fact for fact in story.facts if fact.seat == seat]
        for first, second in pairwise([fact for fact in chain if _is_level(fact)]):
            if LEVELS.index(_level(first)) < LEVELS.index(_level(second)):
                yield from _swapped(first, second, seen)
        began = [fact for fact in chain if "is BLOCKED" in fact.marks]
        ended = [fact for fact in chain if UNBLOCKED in fact.marks]
        if began and ended:
            yield from _swapped(began[0], ended[0], seen)


def _swapped(first: Fact, second: Fact, seen: list[Sighting]) -> Iterator[str]:
    one, other = _first_posted(first, seen), _first_posted(second, seen)
    if one is not None and other is not None and one > other:
        yield f"{second} stands before {first}"


def _first_posted(fact: Fact, seen: list[Sighting]) -> int | None:
    return next((each.at for each in seen if fact.is_in(each.texts[0])), None)


def _is_level(fact: Fact) -> bool:
    return fact.marks[0].endswith("%")


def _level(fact: Fact) -> int:
    return int(re.findall(r"\d+", fact.marks[0])[-1])


def held_up(facts: Iterable[Fact], since: float, seconds: float, seen: Sequence[Sighting]) -> list[str]:
    """The facts that were posted, but later than this many seconds after they happened."""
    late = []
    for fact in facts:
        seconds_posted = [each.second for each in seen if any(fact.is_in(text) for text in each.texts)]
        first = min((second for second in seconds_posted if second >= since), default=since)
        if first > since + seconds:
            late.append(f"{fact} was posted after {first - since:.0f} s")
    return late


def on_slack(messages: Iterable[SlackMessage], bot: str) -> list[Sighting]:
    return [
        Sighting(
            at=int(message.ts.replace(".", "")),
            root=message.thread_ts,
            mark=message.delivery,
            texts=tuple(words_of(payload) for payload in (*message.edits, message.payload)),
            second=float(message.ts),
        )
        for message in messages
        if message.by.get("user") == bot
    ]


def on_discord(messages: Iterable[Json], edits: dict[str, list[Json]], bot: str) -> list[Sighting]:
    sightings = []
    for message in messages:
        if message["author"]["id"] != bot:
            continue
        marks = _MARK.findall(json.dumps(message)) or _INVISIBLE.findall(message["content"])
        versions = [*edits.get(message["id"], []), message]
        shown = [{key: version[key] for key in ("content", "embeds")} for version in versions]
        sightings.append(
            Sighting(
                at=int(message["id"]),
                root=(message.get("message_reference") or {}).get("message_id"),
                mark=marks[0] if marks else None,
                texts=tuple(_INVISIBLE.sub("", _MARK.sub("", words_of(version))) for version in shown),
                second=datetime.fromisoformat(message["timestamp"]).timestamp(),
            )
        )
    return sightings


def words_of(payload: Any) -> str:
    """What a payload says, as people read it."""
    return "\n".join(_strings(payload))


_WORDS = {"text", "content", "title", "description", "name", "value"}


def _strings(node: Any, key: str = "") -> Iterator[str]:
    """The words of a payload, as people read them."""
    if isinstance(node, dict) and node.get("type") in {"rich_text_section", "rich_text_preformatted"}:
        whole = "".join(str(each.get("fallback") or each.get("text", "")) for each in node["elements"])
        yield from _strings(whole, "text")
    elif isinstance(node, dict):
        for name, value in node.items():
            if name not in {"metadata", "accessory", "actions", "components"}:
                yield from _strings(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from _strings(value, key)
    elif isinstance(node, str) and key in _WORDS:
        yield from (re.sub(r"[*_`\\~]", "", _instants(line)) for line in node.splitlines())


def _instants(line: str) -> str:
    """The text with each instant as a person reads it."""
    line = re.sub(r"<!date\^[^|>]*\|([^>]*)>", r"\1", line)
    return re.sub(r"<t:(\d+):\w>", lambda mark: moment(datetime.fromtimestamp(int(mark[1]), UTC), UTC), line)
