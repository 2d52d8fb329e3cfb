"""`join`, `approve` and `invite`: how a person's own machine gets its token."""

from meterbot.chat import Answer
from meterbot.commands.context import CommandContext, Request, unavailable
from meterbot.core.messages import notice


async def join(context: CommandContext, request: Request) -> Answer:
    if context.joining is None:
        return unavailable(request)
    return await context.joining.join(request.question, request.words)


async def approve(context: CommandContext, request: Request) -> Answer:
    if context.joining is None:
        return unavailable(request)
    return await context.joining.approve(request.question, request.words)


async def invite(context: CommandContext, request: Request) -> Answer:
    question = request.question
    operators = context.redaction.operators
    if context.joining is None:
        return unavailable(request)
    if question.platform != "console" and not operators.include(
        question.platform, question.user, question.groups
    ):
        return Answer(notice("Not allowed", "Only operators can invite: see [privacy] operators."))
    named = [name for text in request.arguments for name in context.named(text, question.platform)]
    if not named:
        return Answer(notice("Which seat?", "Ask “invite NAME” with a seat's name, or mention its owner."))
    return Answer(await context.joining.invite([context.seats[name] for name in dict.fromkeys(named)]))
