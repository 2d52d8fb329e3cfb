"""`why`, `ack`, `snooze`, `mute` and `muted`: what people do about alerts. The work is done in `delivery.actions`."""

from meterbot.chat import Answer
from meterbot.commands.context import CommandContext, Request


async def why(context: CommandContext, request: Request) -> Answer:
    return await context.actions.why(request.question, request.words)


async def acknowledge(context: CommandContext, request: Request) -> Answer:
    return await context.actions.acknowledge(request.question, request.words)


async def snooze(context: CommandContext, request: Request) -> Answer:
    return await context.actions.snooze(request.question, request.words)


async def mute(context: CommandContext, request: Request) -> Answer:
    return await context.actions.mute(request.question, request.words)


async def muted(context: CommandContext, request: Request) -> Answer:
    """Also `unmute ID`, which undoes one of them."""
    return await context.actions.muted(request.question, request.words)
