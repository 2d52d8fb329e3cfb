"""Builds the configured chats, and connects them."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TextIO

from pydantic import SecretStr

from meterbot.app.config import Config
from meterbot.chat import Chat
from meterbot.commands.commands import Commands
from meterbot.core.clock import Clock
from meterbot.core.errors import StartError, UnavailableError
from meterbot.core.lease import Lease
from meterbot.store import Store, notes


def build_chats(
    config: Config,
    clock: Clock,
    store: Store | None,
    *,
    terminal: tuple[TextIO | None, TextIO],
    on_quit: Callable[[], None] | None = None,
    gateway: Lease | None = None,
) -> dict[str, Chat]:
    """The configured chats, not started. A platform's library is imported only if it is used. `store` keeps small
    facts, such as which commands Discord knows."""

    async def note(name: str) -> str | None:
        return None if store is None else await store.read(lambda c: notes.read(c, name))

    async def set_note(name: str, value: str) -> None:
        if store is not None:
            await store.run(lambda tx: notes.write(tx, name, value))

    chats: list[Chat] = []
    if config.slack is not None:
        from meterbot.chat.slack.chat import SlackChat  # noqa: PLC0415

        chats.append(
            SlackChat(
                bot_token=config.slack.bot_token.get_secret_value(),
                app_token=secret_value(config.slack.app_token),
                signing_secret=secret_value(config.slack.signing_secret),
                channel=config.slack.channel,
                mode=config.slack.mode,
                api_url=config.endpoints.slack_api,
                groups=config.privacy.operators.slack_groups,
                allow_teams=config.slack.allow_teams,
            )
        )
    if config.discord is not None:
        from meterbot.chat.discord.chat import DiscordChat  # noqa: PLC0415

        chats.append(
            DiscordChat(
                token=config.discord.bot_token.get_secret_value(),
                channel_id=config.discord.channel_id,
                guild_id=config.discord.guild_id,
                clock=clock,
                note=note,
                set_note=set_note,
                gateway=gateway,
                api_url=config.endpoints.discord_api,
            )
        )
    if config.console_enabled:
        from meterbot.chat.console import Console  # noqa: PLC0415

        chats.append(Console(*terminal, on_quit=on_quit, now=clock.now, tz=config.timezone))
    return {chat.name: chat for chat in chats}


async def start_chats(chats: Iterable[Chat], commands: Commands) -> None:
    """Connects all of them in parallel. Raises one `StartError` that names each chat that cannot connect."""
    outcomes = await asyncio.gather(
        *(chat.start(commands.answer, commands.form) for chat in chats), return_exceptions=True
    )
    failures = [outcome for outcome in outcomes if outcome is not None]
    for failure in failures:
        if not isinstance(failure, StartError):
            raise failure
    if failures:
        hopeless = any(not isinstance(failure, UnavailableError) for failure in failures)
        raise (StartError if hopeless else UnavailableError)("\n".join(map(str, failures)))


def secret_value(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()
