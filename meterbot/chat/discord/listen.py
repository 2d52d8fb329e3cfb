"""Questions from people on Discord: commands, buttons and forms, deferred at once and answered by webhook."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import aiohttp
import discord
from discord.http import Route

from meterbot.chat import Answer, Answerer, Form, Forms, Question, no_forms, send_best
from meterbot.chat.discord.failures import judge
from meterbot.chat.discord.pictures import draw, with_file
from meterbot.chat.discord.render import Payload, answer_payload, line_payload, text_payload
from meterbot.core.errors import SendError
from meterbot.core.log import get_logger
from meterbot.core.messages import Chart, Message

LONGEST = 4000
"""Characters that Discord lets a person write into a box."""

_REMEMBERED = 1000
_MODAL = 9
_BOX_LABEL, _TEXT_INPUT, _PARAGRAPH = 18, 4, 2

log = get_logger(__name__)


class DiscordListener:
    """Hands questions to the answerer and its answers back, or opens a form."""

    def __init__(self) -> None:
        self._answer: Answerer | None = None
        self._forms: Forms = no_forms
        self._roles: OrderedDict[int, tuple[str, ...]] = OrderedDict()

    def start(self, answer: Answerer, forms: Forms) -> None:
        self._answer, self._forms = answer, forms

    def keep_roles(self, interaction: int, roles: tuple[str, ...]) -> None:
        """The ids of the roles that Discord sent along with an interaction."""
        self._roles[interaction] = roles
        if len(self._roles) > _REMEMBERED:
            self._roles.popitem(last=False)

    async def asked(
        self, interaction: discord.Interaction, words: tuple[str, ...], text: str | None = None
    ) -> None:
        """A person used the command, pressed one of our buttons, or sent one of our forms with this `text`. Raises
        nothing."""
        question = Question(
            words=words,
            platform="discord",
            user=str(interaction.user.id),
            channel=str(interaction.channel_id or ""),
            text=text,
            name=interaction.user.display_name,
            groups=self._roles.pop(interaction.id, ()),
        )
        form = self._forms(question) if text is None else None
        try:
            # Within 3 s or never. Only the asker sees it: the answer decides what is public.
            if form is not None:
                await _open(interaction, form)
                return
            await interaction.response.defer(ephemeral=True, thinking=True)
            await _respond(interaction, await self._answered(question))
        except (discord.DiscordException, aiohttp.ClientError, OSError, SendError) as error:
            # A repeated or expired interaction ends here, too: Discord refuses its answer.
            log.warning("a question was not answered", chat="discord", error=str(error))
        except Exception:
            log.exception("a question was not answered", chat="discord")

    async def _answered(self, question: Question) -> Answer | None:
        """None when answering failed."""
        try:
            return await self._answer(question) if self._answer else None
        except Exception:
            # A person is waiting: any answer is better than Discord's "did not respond".
            log.exception("a question has no answer", chat="discord")
            return None


def form_payload(form: Form) -> Payload:
    """The body of a first reaction that opens the form. Its id contains the words, so it survives a restart."""
    box = {
        "type": _TEXT_INPUT,
        "custom_id": "text",
        "style": _PARAGRAPH,
        "required": True,
        "max_length": LONGEST,
    }
    labelled = {"type": _BOX_LABEL, "label": form.label, "description": form.hint, "component": box}
    data = {"custom_id": f"mb:{':'.join(form.words)}", "title": form.title, "components": [labelled]}
    return {"type": _MODAL, "data": data}


def written_in(components: Sequence[Any]) -> str:
    """The text in the box of a submitted form."""
    return next(_values(components), "")


def _values(components: Sequence[Any]) -> Iterator[str]:
    for component in components:
        if component.get("type") == _TEXT_INPUT:
            yield str(component.get("value") or "")
        yield from _values([*component.get("components", []), *filter(None, [component.get("component")])])


async def _open(interaction: discord.Interaction, form: Form) -> None:
    path = "/interactions/{interaction_id}/{webhook_token}/callback"
    route = Route("POST", path, interaction_id=interaction.id, webhook_token=interaction.token)
    await interaction.client.http.request(route, json=form_payload(form))


async def _respond(interaction: discord.Interaction, answer: Answer | None) -> None:
    if answer is None:
        failed = line_payload("Something went wrong. The details are in meterbot's log.")
        await _webhook(interaction, "PATCH", "/messages/@original", failed)
        return
    if answer.public:
        await _webhook(interaction, "PATCH", "/messages/@original", line_payload("Shared with the channel."))
        await _send(interaction, "POST", "", answer.message)
    else:
        await _send(interaction, "PATCH", "/messages/@original", answer.message)


async def _send(interaction: discord.Interaction, method: str, path: str, message: Message) -> None:
    """Sends an answer in the best form that Discord accepts: with its charts as a picture, without, as text."""

    async def send(form: tuple[Payload, Sequence[Chart]]) -> None:
        try:
            await _webhook(interaction, method, path, *form)
        except discord.HTTPException as error:
            raise SendError(*judge(error)) from error

    forms: list[Callable[[], tuple[Payload, Sequence[Chart]]]] = [
        lambda: (answer_payload(message), message.charts),
        lambda: (answer_payload(message), ()),
        lambda: (text_payload(message, None), ()),
    ]
    await send_best("discord", forms if message.charts else forms[1:], send)


async def _webhook(
    interaction: discord.Interaction,
    method: str,
    path: str,
    payload: Payload,
    charts: Sequence[Chart] = (),
) -> None:
    application, token = str(interaction.application_id), interaction.token
    route = Route(
        method, "/webhooks/{webhook_id}/{webhook_token}" + path, webhook_id=application, webhook_token=token
    )
    png = await draw(charts)
    if png is None:
        await interaction.client.http.request(route, json=payload)
    else:
        await interaction.client.http.request(route, form=with_file(payload, png, charts))
