"""What the Slack app may do and why, and the manifest that asks for it: to paste at api.slack.com/apps → Create New
App → From a manifest, or as a link that creates the app in one click."""

import json
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from meterbot.chat.command_words import HELP_WORDS
from meterbot.chat.slack.listen import COMMAND


@dataclass(frozen=True, slots=True)
class Scope:
    """One permission of the bot. `names`: any of them is enough. `lost`: what does not work without it. `vital`:
    without it nothing works."""

    names: tuple[str, ...]
    purpose: str
    lost: str
    vital: bool = False
    optional: bool = False
    """Needed for direct messages only: invitations, routes and digests."""

    def granted(self, scopes: Iterable[str]) -> bool:
        return not {*self.names}.isdisjoint(scopes)


SCOPES = (
    Scope(
        ("chat:write",), "Post alerts, edit them, and answer in their threads.", "nothing can be posted", True
    ),
    Scope(("commands",), f"Hear {COMMAND}.", f"{COMMAND} does not work"),
    Scope(
        ("app_mentions:read",),
        "Read messages that mention `@meterbot`, which also works in threads; no other message is read.",
        "@meterbot does not work",
    ),
    Scope(
        ("channels:history", "groups:history"),
        "After a lost connection, check whether an alert arrived instead of posting it again. Slack has no narrower"
        " scope for it: meterbot reads only its own channel, and only then. channels: for a public channel, groups: for"
        " a private one; keep the one you need.",
        "a post whose answer was lost cannot be looked up, and is posted again",
    ),
    Scope(
        ("im:write",),
        "Send direct messages to a seat's owner: invitations, and alerts and digests where the configuration says so. Leave"
        " it out if you use neither.",
        "nobody can get a direct message",
        optional=True,
    ),
    Scope(
        ("im:history",),
        "Check there, too, whether a message arrived.",
        "a direct message whose answer was lost is sent again",
        optional=True,
    ),
    Scope(
        ("usergroups:read",),
        "See who is in the user groups that the configuration names as operators; no other group is read.",
        "operators cannot be named by user group",
    ),
)
"""Everything the manifest asks for. What checks the app's scopes reads this."""

_MANIFEST = """\
display_information:
  name: meterbot
  description: What the team's Claude seats really spend
features:
  app_home:
    home_tab_enabled: true
    messages_tab_enabled: true
    messages_tab_read_only_enabled: true
  bot_user:
    display_name: meterbot
    always_online: true
  slash_commands:
    - command: {command}
      description: What the team's Claude seats really spend
      usage_hint: {words}
      should_escape: true
{command_url}  shortcuts:
    - name: Claude spend
      type: message
      callback_id: claude_spend
      description: What the team's Claude seats really spend
oauth_config:
  scopes:
    bot:
{scopes}
settings:
  event_subscriptions:
{events_url}    bot_events:
      - app_mention
      - app_home_opened
  interactivity:
    is_enabled: true
{interactivity_url}  socket_mode_enabled: {socket_mode}
  org_deploy_enabled: false
  token_rotation_enabled: false
"""


def manifest(http_url: str | None = None, *, direct_messages: bool = False) -> str:
    """YAML for Socket Mode, or for HTTP mode with requests sent to `http_url` + `/slack/events`. `direct_messages`
    adds the scopes for alerts to people."""
    url = None if http_url is None else json.dumps(f"{http_url.rstrip('/')}/slack/events")
    return _MANIFEST.format(
        command=COMMAND,
        words=" | ".join([*(word.usage for word in HELP_WORDS), "share"]),
        scopes="\n".join(line for scope in needed(direct_messages=direct_messages) for line in _lines(scope)),
        command_url="" if url is None else f"      url: {url}\n",
        events_url="" if url is None else f"    request_url: {url}\n",
        interactivity_url="" if url is None else f"    request_url: {url}\n",
        socket_mode="true" if url is None else "false",
    )


def creation_link(http_url: str | None = None, *, direct_messages: bool = False) -> str:
    """A link that creates the app from the same manifest, without its comments."""
    lines = manifest(http_url, direct_messages=direct_messages).splitlines(keepends=True)
    bare = "".join(line for line in lines if not line.lstrip().startswith("#"))
    return "https://api.slack.com/apps?" + urlencode({"new_app": "1", "manifest_yaml": bare}, quote_via=quote)


def needed(*, direct_messages: bool = False) -> tuple[Scope, ...]:
    """The scopes that this use of the bot needs."""
    return tuple(scope for scope in SCOPES if direct_messages or not scope.optional)


def lacking(granted: str, *, direct_messages: bool = False) -> list[Scope]:
    """The needed scopes that are not granted; `granted` is the value of Slack's header `x-oauth-scopes`."""
    held = {scope.strip() for scope in granted.split(",")}
    return [scope for scope in needed(direct_messages=direct_messages) if not scope.granted(held)]


def _lines(scope: Scope) -> list[str]:
    comment = textwrap.wrap(scope.purpose, 110, initial_indent="      # ", subsequent_indent="      # ")
    return comment + [f"      - {name}" for name in scope.names]
