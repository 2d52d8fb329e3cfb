"""`join` and `approve`: how a person's own machine gets its token."""

from meterbot.chat import Answer
from meterbot.commands.context import CommandContext, Request, unavailable


async def join(context: CommandContext, request: Request) -> Answer:
    if context.joining is None:
        return unavailable(request)
    return await context.joining.join(request.question, request.words)


async def approve(context: CommandContext, request: Request) -> Answer:
    if context.joining is None:
        return unavailable(request)
    return await context.joining.approve(request.question, request.words)
