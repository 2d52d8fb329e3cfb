"""A person's own page in Slack: their seats and settings on one tab, the team on the other."""

from dataclasses import replace

from meterbot.chat import Answer, HomePage
from meterbot.commands.context import CommandContext, Request
from meterbot.commands.readings import off_loop
from meterbot.commands.words import history, seat, settings
from meterbot.commands.words.team import team

_MINE, _TEAM = "mine", "team"


async def answer(context: CommandContext, request: Request) -> Answer:
    """`home mine` or `home team`; without a tab, the one that has more for this person."""
    view = await context.view(request)
    tabs = (_MINE, _TEAM) if view.sees_others else (_MINE,)
    default = _MINE if view.own else _TEAM
    tab = request.arguments[0] if request.arguments else default
    if tab not in tabs:
        tab = _MINE
    if tab == _TEAM:
        messages = [await off_loop(len(context.seats), team, view)]
    else:
        alone = replace(request, arguments=())
        messages = [
            await seat.own_seats(context, alone, view),
            (await settings.answer(context, alone)).message,
            (await context.actions.muted(alone.question, alone.words)).message,
        ]
    if view.own or tab == _TEAM:
        own = sorted(view.own) if tab == _MINE else []
        messages.insert(1, await history.days(context, view, own, 30))
    return Answer(messages[0], page=HomePage(tuple(messages), tab, tabs))
