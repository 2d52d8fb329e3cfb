"""The manifest to paste at api.slack.com/apps → Create New App → From a manifest."""

import json

from meterbot.answers import WORDS
from meterbot.chat.slack_listen import COMMAND

_MANIFEST = """\
display_information:
  name: meterbot
  description: What the team's Claude seats really spend
features:
  bot_user:
    display_name: meterbot
    always_online: true
  slash_commands:
    - command: {command}
      description: What the team's Claude seats really spend
      usage_hint: {words}
      should_escape: false
{command_url}oauth_config:
  scopes:
    bot:
      # Post alerts, edit them, and answer in their threads.
      - chat:write
      # Hear {command}.
      - commands
      # After a lost connection, look whether an alert arrived instead of posting it again. Slack has no narrower
      # scope for it: meterbot reads only its own channel, and only then. channels: for a public channel, groups: for
      # a private one; keep the one you need.
      - channels:history
      - groups:history
settings:
  interactivity:
    is_enabled: true
{interactivity_url}  socket_mode_enabled: {socket_mode}
  org_deploy_enabled: false
  token_rotation_enabled: false
"""


def manifest(http_url: str | None = None) -> str:
    """YAML for Socket Mode, or for HTTP mode with requests sent to `http_url` + `/slack/events`."""
    url = None if http_url is None else json.dumps(f"{http_url.rstrip('/')}/slack/events")
    return _MANIFEST.format(
        command=COMMAND,
        words=" | ".join([*(word for word, _ in WORDS if word), "share"]),
        command_url="" if url is None else f"      url: {url}\n",
        interactivity_url="" if url is None else f"    request_url: {url}\n",
        socket_mode="true" if url is None else "false",
    )
