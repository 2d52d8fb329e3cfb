"""The objects of the simulated Slack: conversations, files, messages, windows, and what people and the bot did."""

import asyncio
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Channel:
    """A conversation and what the bot may do there."""

    id: str
    member: bool = True
    archived: bool = False
    messages: list["SlackMessage"] = field(default_factory=list)


@dataclass(slots=True)
class SlackMessage:
    """A message as it is now. `edits` are its former payloads, `by` who wrote it."""

    channel: str
    ts: str
    payload: dict[str, Any]
    by: Mapping[str, str]
    thread_ts: str | None = None
    edits: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return str(self.payload.get("text", ""))

    @property
    def blocks(self) -> list[dict[str, Any]]:
        return list(self.payload.get("blocks") or [])

    @property
    def delivery(self) -> str | None:
        """The delivery id in its metadata."""
        metadata = self.payload.get("metadata") or {}
        return (metadata.get("event_payload") or {}).get("delivery")

    def buttons(self) -> list[dict[str, Any]]:
        return [
            element for block in self.blocks if block["type"] == "actions" for element in block["elements"]
        ]

    def listed(self, *, metadata: bool) -> dict[str, Any]:
        """As `conversations.history` lists it."""
        shown = {"type": "message", "ts": self.ts, **self.by, "text": self.text, "blocks": self.blocks}
        if self.thread_ts:
            shown["thread_ts"] = self.thread_ts
        if metadata and "metadata" in self.payload:
            shown["metadata"] = self.payload["metadata"]
        return shown


@dataclass(slots=True)
class Interaction:
    """Something a person did. `status` is the bot's HTTP answer in HTTP mode."""

    kind: str
    payload: dict[str, Any]
    acknowledged: asyncio.Event
    answers: list[SlackMessage] = field(default_factory=list)
    status: int | None = None
    reply: dict[str, Any] = field(default_factory=dict)
    """The body of the acknowledgement."""
    modal: "Modal | None" = None
    at: float = field(default_factory=time.monotonic)
    trigger: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Names it in envelopes, and in the addresses and triggers that it carries."""


@dataclass(slots=True)
class Modal:
    """A modal in front of a person. `errors` stand below its boxes."""

    id: str
    user: str
    view: dict[str, Any]
    errors: dict[str, str] = field(default_factory=dict)
    open: bool = True

    def box(self) -> dict[str, Any]:
        """The block to write into."""
        return next(block for block in self.view["blocks"] if block["type"] == "input")


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the Web API."""

    method: str
    arguments: dict[str, Any]
