"""discord.py's client, set up our way: no intents, no cache, one command with its menu entries."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from meterbot.chat.command_words import COMPLETIONS
from meterbot.chat.discord.listen import DiscordListener, written_in
from meterbot.chat.discord.render import words_of
from meterbot.core.hosts import proxy_for
from meterbot.core.log import get_logger

COMMAND = "claude-spend"
MENU = "Claude spend"
"""The entry in the menus of people and messages, under Apps."""

Note = Callable[[str], Awaitable[str | None]]
SetNote = Callable[[str, str], Awaitable[None]]

PERMISSIONS = {
    "view_channel": ("View Channels", "the bot cannot see the channel, and posts nothing"),
    "send_messages": ("Send Messages", "nothing can be posted"),
    "embed_links": ("Embed Links", "alerts arrive without their content"),
    "read_message_history": (
        "Read Message History",
        "a post whose answer was lost cannot be looked up, and is posted again",
    ),
}
"""Everything that the invitation asks for: discord.py's name → Discord's, and what is lost without it."""

_NOTE = "discord.commands"
_BY_CUSTOM_ID = {discord.InteractionType.component, discord.InteractionType.modal_submit}
_SHORT_SECONDS, _MOST_SHORT_LIVED = 15.0, 3
_KEPT_SESSIONS = 20
_EXAMPLES = (*COMPLETIONS, "share", "me share")
_DESCRIPTION = ", ".join(_EXAMPLES[:-1])[:100]  # more is refused

log = get_logger(__name__)


class SessionLimitError(Exception):
    """Discord's daily number of gateway sessions is nearly used up; the rest is kept for a restart by a person."""


class BotClient(discord.Client):
    """One login, and at most one gateway connection: its end is final.

    `moved` is called with True when the connection comes up and with False when it goes down. `identify_pause`: seconds
    before a second identify on the same connection.
    """

    def __init__(
        self,
        listener: DiscordListener,
        guild_id: int | None,
        *,
        moved: Callable[[bool], None],
        identify_pause: float,
        trace: aiohttp.TraceConfig,
    ) -> None:
        # discord.py accepts 30 s as the shortest maximum wait for a rate limit.
        super().__init__(
            intents=discord.Intents.none(),
            max_messages=None,
            enable_debug_events=True,  # for `on_socket_raw_receive`
            max_ratelimit_timeout=30.0,
            http_trace=trace,
            proxy=proxy_for(Route.BASE),
        )
        self.guild_id = guild_id
        self.tree = _Tree(self)
        self.tree.add_command(_command(listener), guild=_guild(guild_id))
        for menu in _menus(listener):
            self.tree.add_command(menu, guild=_guild(guild_id))
        self._listener = listener
        self._moved = moved
        self._identify_pause = identify_pause
        self._last_change = 0.0
        self._short_lived = 0

    async def listen(self, token: str) -> None:
        """Connects and passes on events until the connection is lost for good, and raises why.

        Not discord.py's own reconnecting, which dies of an AttributeError if the very first connection fails
        (Rapptz/discord.py#10520). A session that Discord asks to resume is still resumed.
        """
        await self.login(token)
        await _point_at_gateway(self)
        self._last_change = asyncio.get_running_loop().time()
        await self.connect(reconnect=False)

    async def before_identify_hook(
        self,
        shard_id: int | None,  # noqa: ARG002 - discord.py's signature
        *,
        initial: bool = False,
    ) -> None:
        if not initial:
            await asyncio.sleep(self._identify_pause)

    async def on_connect(self) -> None:
        self._moved(True)

    async def on_resumed(self) -> None:
        self._moved(True)

    async def on_socket_raw_receive(self, message: str) -> None:
        """Remembers the roles of people who ask. discord.py shows only roles that it has in its cache, which is empty
        without an intent."""
        event = json.loads(message)
        if event.get("t") == "INTERACTION_CREATE" and (member := event["d"].get("member")) is not None:
            self._listener.keep_roles(int(event["d"]["id"]), tuple(member["roles"]))

    async def on_disconnect(self) -> None:
        """discord.py resumes or identifies again without a growing pause: after a few short connections this client
        ends, and its owner waits before the next one."""
        self._moved(False)
        now = asyncio.get_running_loop().time()
        self._short_lived = self._short_lived + 1 if now - self._last_change < _SHORT_SECONDS else 0
        self._last_change = now
        if self._short_lived >= _MOST_SHORT_LIVED:
            await self.close()

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        # Buttons and forms are recognized by their custom_id alone, so those from before a restart still work.
        if interaction.type not in _BY_CUSTOM_ID:
            return
        data: Any = interaction.data
        words = words_of(data["custom_id"])
        if words is not None:
            form = interaction.type is discord.InteractionType.modal_submit
            await self._listener.asked(interaction, words, written_in(data["components"]) if form else None)

    async def register_commands(self, note: Note, set_note: SetNote) -> bool:
        """Registers our commands with Discord if they, their scope or the application changed since the last time
        (Discord counts registrations). False if nothing changed. Needs a login."""
        guild = _guild(self.guild_id)
        commands = [command.to_dict(self.tree) for command in self.tree.get_commands(guild=guild)]
        digest = hashlib.sha256(json.dumps(commands, sort_keys=True).encode()).hexdigest()
        application, scope = str(self.application_id), str(self.guild_id or "global")
        wanted = f"{application} {scope} {digest}"
        held = await note(_NOTE) or ""
        if held == wanted:
            return False
        await self.tree.sync(guild=guild)
        await self._clear_scope(held, application, scope)
        await set_note(_NOTE, wanted)
        return True

    async def _clear_scope(self, held: str, application: str, scope: str) -> None:
        """Removes the commands where they were registered before: in two scopes they would show twice."""
        old_application, _, rest = held.partition(" ")
        old_scope = rest.partition(" ")[0]
        if old_application != application or old_scope in {scope, ""}:
            return
        try:
            await self.tree.sync(guild=None if old_scope == "global" else discord.Object(int(old_scope)))
        except (discord.Forbidden, discord.NotFound):
            log.info("the former Discord server is out of reach, its commands went with us", guild=old_scope)


class _Tree(app_commands.CommandTree[BotClient]):
    async def on_error(
        self, interaction: discord.Interaction[BotClient], error: app_commands.AppCommandError
    ) -> None:
        """Handles commands that are not ours any more, such as one of an earlier version."""
        log.warning("a Discord command failed", error=str(error))
        if not interaction.response.is_done():
            await interaction.response.send_message(
                f"That did not work. Try /{COMMAND} help.", ephemeral=True
            )


def _command(listener: DiscordListener) -> app_commands.Command[Any, ..., None]:
    @app_commands.command(name=COMMAND, description="What the team's Claude seats have really spent")
    @app_commands.describe(query=_DESCRIPTION)
    async def claude_spend(interaction: discord.Interaction, query: str = "") -> None:
        await listener.asked(interaction, tuple(query.split()))

    @claude_spend.autocomplete("query")
    async def complete(asked: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        matching = [example for example in _EXAMPLES if example.startswith(typed.lower().lstrip())]
        choices = [app_commands.Choice(name=example, value=example) for example in matching]
        # Answered here, because the library logs a traceback for each keystroke whose interaction has expired.
        try:
            await asked.response.autocomplete(choices)
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            log.warning("completions were not shown", chat="discord", error=str(error))
        return choices

    return claude_spend


def _menus(listener: DiscordListener) -> tuple[app_commands.ContextMenu, ...]:
    """The entries in the menu of a person, which is about their seats, and of a message, which is about the team."""

    async def of_person(interaction: discord.Interaction, who: discord.Member | discord.User) -> None:
        await listener.asked(interaction, ("seat", f"<@{who.id}>"))

    async def of_message(interaction: discord.Interaction, _: discord.Message) -> None:
        await listener.asked(interaction, ())

    return (
        app_commands.ContextMenu(name=MENU, callback=of_person),
        app_commands.ContextMenu(name=MENU, callback=of_message),
    )


def _guild(guild_id: int | None) -> discord.Object | None:
    return discord.Object(guild_id) if guild_id else None


def set_up_library(api_url: str) -> None:
    """Sets what discord.py has once per process: the address of its REST API (an attribute of a class), no warnings
    about intents and voice that we do not use, and no bodies in its log."""
    Route.BASE = api_url.rstrip("/")
    logging.getLogger("discord.state").setLevel(logging.ERROR)
    logging.getLogger("discord.http").setLevel(logging.INFO)
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False


async def _point_at_gateway(client: BotClient) -> None:
    """Asks Discord for the address of the gateway, and how many sessions may still be started today."""
    about = await client.http.request(Route("GET", "/gateway/bot"))
    limit = about["session_start_limit"]
    if limit["remaining"] < _KEPT_SESSIONS:
        minutes = round(limit["reset_after"] / 60_000)
        raise SessionLimitError(
            f"only {limit['remaining']} of today's {limit['total']} gateway sessions are left: waiting {minutes} minutes"
        )
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(about["url"])


def invite_url(application_id: int, guild_id: int | None = None) -> str:
    """The link that adds the bot to a server with exactly the permissions it needs."""
    permissions = discord.Permissions(**dict.fromkeys(PERMISSIONS, True))
    guild: Any = _guild(guild_id) or discord.utils.MISSING
    return discord.utils.oauth_url(
        application_id, permissions=permissions, guild=guild, scopes=("bot", "applications.commands")
    )
