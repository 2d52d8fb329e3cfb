"""`report`: a person without a shell pastes claude-meter's JSON into a form. It is handled like a push."""

import math
from dataclasses import replace

from meterbot.chat import Answer, Form
from meterbot.commands.context import CommandContext, Request, unavailable
from meterbot.commands.words.join import pushed_seat
from meterbot.commands.words.seat import seat_detail
from meterbot.core.messages import Message, button, notice
from meterbot.core.models import Seat, Severity
from meterbot.core.text import count, one_line, sentence
from meterbot.ingest.pushes import PushReceiver
from meterbot.sources import UnusablePushError


def form(context: CommandContext, request: Request) -> Form | None:
    """What to paste into. None where it is not certain for which seat."""
    seat = pushed_seat(context, request, request.arguments)
    if context.receiver is None or isinstance(seat, Message):
        return None
    return Form(
        words=(request.word, seat.name),
        title=one_line(f"Numbers of {seat.name}", 24),
        label="Paste claude-meter's JSON",
        hint="As `claude-meter --json` prints it: one object, or a list.",
    )


async def answer(context: CommandContext, request: Request) -> Answer:
    """Stores what was pasted. If it is refused, nothing is stored, and the answer says why."""
    if context.receiver is None:
        return unavailable(request)
    seat = pushed_seat(context, request, request.arguments)
    if isinstance(seat, Message):
        return Answer(seat)
    if request.question.text is None:
        command = "meterbot push --from FILE"
        return Answer(
            notice("Nothing to paste into", f"This chat has no forms. Send a file with `{command}` instead.")
        )
    stored, said = await _store(context, context.receiver, seat, request.question.text)
    if not stored:
        again = button("Try again", request.word, seat.name)
        return Answer(replace(notice("Not stored", said, Severity.WARNING), actions=again), invalid=True)
    view = await context.view(replace(request, public=False))
    detail = seat_detail(view, [seat.name], ("seat", seat.name))
    return Answer(replace(detail, text=said, fallback=f"{said} {detail.fallback}"))


async def _store(
    context: CommandContext, receiver: PushReceiver, seat: Seat, pasted: str
) -> tuple[bool, str]:
    """Whether it is stored now, and what to say."""
    text, now = pasted.strip(), context.now()
    if not text:
        return False, "Nothing was pasted."
    if seconds := math.ceil(context.pastes.wait(seat.name, now)):
        return False, f"Too many reports at once: wait {seconds} seconds."
    try:
        # Half of a surrogate pair is not UTF-8, and refused as such.
        receipt = await receiver.receive(seat.name, text.encode("utf-8", "surrogatepass"), now)
    except UnusablePushError as bad:
        return False, f"Nothing was stored. {bad.sentence}"
    if receipt.refused is not None:
        remedy = f"If {seat.name} belongs to another account from now on, ask the operator."
        return False, f"{sentence(receipt.refused)} {remedy}"
    if receipt.new:
        return True, f"Stored {count(receipt.new, 'reading')}. Thank you."
    return True, "Nothing new: this reading is stored already, or it is older than the stored one."
