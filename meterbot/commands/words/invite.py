"""`invite`: asks people to connect their machines."""

from collections.abc import Sequence

from meterbot.chat import Answer
from meterbot.commands.context import CommandContext, Request, mention, unavailable
from meterbot.commands.invitations import NotInvitedError, seat_for
from meterbot.core.messages import Message, notice
from meterbot.core.models import Seat
from meterbot.core.text import one_line


async def answer(context: CommandContext, request: Request) -> Answer:
    question = request.question
    if context.invitations is None:
        return unavailable(request)
    if question.platform != "console" and not context.is_operator(question):
        return Answer(notice("Not allowed", "Only operators can invite: see [privacy] operators."))
    try:
        seats = _wanted(context, request.arguments, question.platform)
        invited = await context.invitations.invite(seats.values(), context.now())
    except NotInvitedError as error:
        return Answer(notice("Nobody was invited", str(error)))
    lines = [f"{each.sentence} {each.line_step}".rstrip() for each in invited]
    return Answer(Message("Invitations", f"Invitations: {' '.join(lines)}", text="\n".join(lines)))


def _wanted(context: CommandContext, words: Sequence[str], platform: str) -> dict[str, Seat]:
    """Known seats, by name or by a mention of their owner, and new ones: a name with a mention of its owner behind it,
    or a mention in which the chat says the person's name. Raises `NotInvitedError`."""
    found: dict[str, Seat] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        person = mention(word)
        if person is None and rest and (owner := mention(rest[0])) is not None:
            del rest[0]
            found[word] = seat_for(context.seats, word, {platform: owner[0]})
        elif known := context.matching_seats(word, platform, context.seats):
            found |= {name: context.seats[name] for name in known}
        elif person is not None and person[1]:
            found[person[1]] = seat_for(context.seats, person[1], {platform: person[0]})
        else:
            raise NotInvitedError(_not_understood(word, rest))
    if not found:
        raise NotInvitedError(
            "Type “invite NAME” with a seat's name, or “invite NAME @person” for a new one."
        )
    return found


def _not_understood(word: str, rest: Sequence[str]) -> str:
    """Why this word names no seat, and what to type instead."""
    unknown = next((one for one in (word, *rest[:1]) if one.startswith("@")), None)
    if unknown is not None:
        return (
            f"meterbot cannot tell who “{one_line(unknown, 40)}” is. Type @ and pick the person from the list that "
            "appears."
        )
    if mention(word):
        return (
            "Put a seat name before each new person: “invite NAME @person”, or “invite NAME @person NAME @person” for "
            "two."
        )
    return f"“{one_line(word, 40)}” is not a seat yet. To invite somebody new, type “invite NAME @person”."
