"""Permanent refusals of a platform: of one message for its content or its form, or of every edit of one message."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from qa.faults.oracle import words_of
from qa.faults.stories import Fact
from tests.simulator import discord_faults

SLACK_WORDS = "invalid_blocks"
DISCORD_WORDS = "Invalid Form Body"
_RICH = {"slack": "blocks", "discord": "embeds"}


@dataclass
class Refusal:
    """A refusal on one platform. `kind` is the fault's; `facts`: the ones that no message may contain."""

    kind: str
    platform: str
    meet: Callable[[], None]
    """Called for each call that is refused."""
    facts: tuple[Fact, ...] = ()
    _uneditable: str | None = field(default=None)

    async def answer(self, platform: str, group: str, request: web.Request) -> web.StreamResponse | None:
        """The platform's refusal, or None if it accepts the call."""
        if platform != self.platform or group not in {"post", "edit"} or request.method == "DELETE":
            return None
        sent = _sent(await request.read())
        if not self._refuses(group, sent, request.path):
            return None
        self.meet()
        return self._no(group)

    def _refuses(self, group: str, sent: dict[str, Any], path: str) -> bool:
        if self.kind == "refused message":
            said = words_of(sent)
            return any(fact.is_in(said) for fact in self.facts)
        if self.kind == "refused form":
            return bool(sent.get(_RICH[self.platform]))
        if group != "edit":
            return False
        message = str(sent.get("ts") or path.rpartition("/")[2])
        self._uneditable = self._uneditable or message
        return message == self._uneditable

    def _no(self, group: str) -> web.Response:
        forever = self.kind == "refused edits"
        if self.platform == "slack":
            said = {"messages": ["[ERROR] an invalid value [json-pointer:/blocks/0]"]}
            error = "cant_update_message" if forever else SLACK_WORDS
            return web.json_response({"ok": False, "error": error, "response_metadata": said})
        if forever and group == "edit":
            return discord_faults.error(403, 50005, "Cannot edit a message authored by another user")
        return discord_faults.error(400, 50035, DISCORD_WORDS)


def _sent(body: bytes) -> dict[str, Any]:
    try:
        sent = json.loads(body or b"{}")
    except ValueError:
        return {}
    return sent if isinstance(sent, dict) else {}
