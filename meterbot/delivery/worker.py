"""Sends the queued deliveries: claim, send, record; when in doubt, look.

A delivery leaves the queue only when its message is in the channel, when nothing is left to say, or when it failed by
its own fault. Whatever may have arrived is looked for before it is sent again. What is sent first after an outage, and
what is only summarised, is decided in `delivery/grouping`.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from meterbot.chat import LOOK_BACK, Chat
from meterbot.core.clock import Clock
from meterbot.core.counters import ProcessCounters
from meterbot.core.deliveries import (
    ActionKind,
    Delivery,
    DeliveryKind,
    DeliveryState,
    DestinationTrouble,
    PossibleDuplicate,
    Purpose,
)
from meterbot.core.errors import LOOKUP_EXHAUSTED, Outcome, SendError
from meterbot.core.log import LoggedState, get_logger
from meterbot.core.messages import Message, Posted
from meterbot.delivery.grouping import grouping, while_out
from meterbot.store import Store, deliveries, delivery_queue
from meterbot.store.delivery_queue import Claim

CLAIM_SECONDS = 60.0
"""How long a worker may take over one delivery before another looks after it."""
SEND_SECONDS = 40.0
"""When a platform that does not answer is given up for now; well inside the claim."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0
_REFUSED_PAUSE = 600.0
_LONGEST_ASKED = 3600.0
"""Who is asked to wait longer looks again after this time: it may have been a mistake."""
_GOODBYE_SECONDS = 2.0

MOST_TRIES = 3
"""A message that fails by its own fault so often is given up."""
_OWN_PAUSE = 60.0
DOUBT_LIMIT = timedelta(minutes=30)
"""A message in doubt that cannot be looked up for so long is sent again."""
MAY_REPEAT = "This may be a repeat: meterbot could not check whether it was posted before."
_NO_DIRECT = (
    "The recipient does not accept direct messages from meterbot. They can allow them: on Slack in the app's "
    "Messages tab, on Discord under Privacy Settings of this server."
)
_UNSHOWN = Message(
    "meterbot could not format an alert",
    "meterbot could not format an alert. The operator finds the cause in the log.",
    text="The operator finds the cause in the log.",
)

_STATE = {
    Outcome.NOT_SENT: DeliveryState.QUEUED,
    Outcome.IN_DOUBT: DeliveryState.IN_DOUBT,
    Outcome.REFUSED: DeliveryState.REFUSED,
}

Render = Callable[[Delivery], Message]
"""The message of a delivery that brings none, by what holds now."""

log = get_logger(__name__)


class DeliveryWorker:
    """Works for each chat on its own, so that a hanging platform delays nobody else. `group_threshold`: from how many posts
    on that wait together they become one."""

    def __init__(
        self,
        store: Store,
        chats: Mapping[str, Chat],
        clock: Clock,
        *,
        worker: str,
        render: Render,
        group_threshold: int = 4,
        rng: random.Random | None = None,
        tally: ProcessCounters | None = None,
    ) -> None:
        self._store = store
        self._chats = chats
        self._render = render
        self._choose = {name: grouping(group_threshold, name) for name in chats}
        self._clock = clock
        self._worker = worker
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._tally = tally or ProcessCounters()
        self._wakers = {name: asyncio.Event() for name in chats}
        self._stopping = False
        self._trouble: dict[tuple[str, str], str] = {}
        self._unsure: set[str] = set()
        """Deliveries that are sent although nobody may look whether they have arrived."""

    def wake(self) -> None:
        """Something was queued, or time has passed: look now."""
        for waker in self._wakers.values():
            waker.set()

    async def run(self) -> None:
        """Works until `stop`; each chat on its own."""
        async with asyncio.TaskGroup() as group:
            for name in self._chats:
                group.create_task(self._work(name))

    def stop(self) -> None:
        """Lets the message being sent arrive, then ends `run`."""
        self._stopping = True
        self.wake()

    async def _work(self, name: str) -> None:
        waker = self._wakers[name]
        halted = LoggedState(log, "deliveries stopped for now", "deliveries go on", chat=name)
        while not self._stopping:
            waker.clear()
            try:
                moved = await self.deliver_next(name)
            except Exception as error:  # noqa: BLE001 - logged
                # The database is away, or we have a bug: the rows are safe, the next wake tries again.
                halted.begins(error)
                moved = False
            else:
                halted.ends()
            if not moved:
                await waker.wait()

    async def drain(self) -> None:
        """Sends everything that is due now; returns when no line moves any more."""
        await asyncio.gather(*(self._drain(name) for name in self._chats))

    async def _drain(self, name: str) -> None:
        while await self.deliver_next(name):
            pass

    async def deliver_next(self, name: str) -> bool:
        """Sends the next message of one of the chat's channels. False when nothing was due."""
        now = self._clock.now()
        if await self._store.read(lambda c: delivery_queue.first_free(c, name, now)) is None:
            return False
        claim, choose = Claim(self._worker, now, CLAIM_SECONDS), self._choose[name]
        delivery = await self._store.run(
            lambda tx: delivery_queue.claim(tx, name, claim, choose), durable=True
        )
        if delivery is None:
            return False
        if (needless := _needless(delivery)) is not None:
            await self._supersede(delivery, needless)
            return True
        try:
            where, sent = await self._send(self._chats[name], delivery)
        except SendError as error:
            await self._failed(delivery, error)
        except asyncio.CancelledError:
            await self._say_goodbye(delivery)
            raise
        except Exception:
            # A chat reports every failure of the platform by a SendError: this one is our own bug.
            log.exception("a chat failed", chat=name, delivery=delivery.id)
            await self._bug(delivery)
        else:
            await self._record(delivery, where, sent=sent)
        return True

    async def _bug(self, delivery: Delivery) -> None:
        """It may have been sent, and would fail again and again: it waits in doubt, a bounded number of times."""
        reason = "meterbot itself failed to send it"
        if delivery.own_failures + 1 >= MOST_TRIES:
            await self._own_fault(delivery, reason)
            return
        await self._put_back(delivery, SendError(Outcome.IN_DOUBT, reason))
        await self._store.run(lambda tx: delivery_queue.count_own_failure(tx, delivery))

    async def _own_fault(self, delivery: Delivery, reason: str) -> None:
        """Only this message cannot be sent: it is tried a few times, then set aside."""
        now, last = self._clock.now(), delivery.own_failures + 1 >= MOST_TRIES
        again = None if last else now + timedelta(seconds=_OWN_PAUSE * 2**delivery.own_failures)
        await self._store.run(lambda tx: delivery_queue.mark_own_failure(tx, delivery, reason, now, again))
        self._tally.delivery(delivery.chat, "failed" if last else Outcome.INVALID.value)
        if last:
            self._tally.failed("message")
            log.error("gave up on a message", chat=delivery.chat, delivery=delivery.id, reason=reason)
        else:
            log.warning(
                "a message was refused, the others continue",
                chat=delivery.chat,
                delivery=delivery.id,
                reason=reason,
            )

    async def _move_to_channel(self, delivery: Delivery, error: SendError) -> None:
        """A person takes no direct messages: the channel is told, as far as it may know."""
        now, channel = self._clock.now(), self._chats[delivery.chat].destination
        log.warning(
            "a direct message was refused, so its alert goes to the channel",
            chat=delivery.chat,
            reason=error.reason,
        )
        await self._store.run(lambda tx: delivery_queue.move(tx, delivery, channel, _NO_DIRECT, now))

    async def _failed(self, delivery: Delivery, error: SendError) -> None:
        if error.outcome is Outcome.INVALID:
            await self._own_fault(delivery, error.reason)
            return
        if error.outcome is Outcome.NO_DIRECT:
            if delivery.kind is DeliveryKind.POST:
                await self._move_to_channel(delivery, error)
            else:
                await self._supersede(delivery, error.reason)
            return
        if error.outcome is not Outcome.GONE:
            await self._put_back(delivery, error)
            return
        # It must not hold up the alerts behind it for ever.
        now = self._clock.now()
        news = delivery.purpose is Purpose.TELL and delivery.event.resolves is None
        if delivery.kind is DeliveryKind.REPLY and news:
            log.info(
                "a thread no longer exists, so its alert is posted again",
                chat=delivery.chat,
                reason=error.reason,
            )
            await self._store.run(lambda tx: delivery_queue.repost(tx, delivery, now))
            return
        log.info("nothing is left to send", chat=delivery.chat, reason=error.reason)
        await self._supersede(delivery, error.reason)

    async def _supersede(self, delivery: Delivery, reason: str) -> None:
        now = self._clock.now()
        await self._store.run(lambda tx: delivery_queue.mark_superseded(tx, delivery, reason, now))
        self._tally.delivery(delivery.chat, "superseded")

    async def _say_goodbye(self, delivery: Delivery) -> None:
        """Notes the doubt, so that the next start settles it at once and not when the claim has run out."""
        doubt = SendError(Outcome.IN_DOUBT, "meterbot was stopped while sending")
        try:
            await asyncio.wait_for(asyncio.shield(self._put_back(delivery, doubt)), _GOODBYE_SECONDS)
        except Exception:
            log.exception("could not record that a message may have arrived", delivery=delivery.id)

    async def _send(self, chat: Chat, delivery: Delivery) -> tuple[Posted, bool]:
        """Where the message stands, and whether it was put there now."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await self._send_once(chat, delivery)
        except TimeoutError:
            raise SendError(Outcome.IN_DOUBT, f"{chat.name} did not answer in time") from None

    async def _send_once(self, chat: Chat, delivery: Delivery) -> tuple[Posted, bool]:
        message, root = self._message(delivery), delivery.root
        if delivery.kind is DeliveryKind.EDIT:
            assert root is not None  # noqa: S101 - without one the edit is needless
            # Editing twice shows the same message: no need to look.
            await chat.edit(delivery.card.ref, root, message)
            return root, True
        if (found := await self._look(chat, delivery)) is not None:
            return found, False
        if delivery.id in self._unsure:
            message = _with_note(message, MAY_REPEAT)
        if root is None:
            return await chat.post(delivery.id, delivery.channel, message), True
        return await chat.reply(delivery.id, root, message), True

    def _message(self, delivery: Delivery) -> Message:
        """The message as rendered now. One that cannot be rendered is a bug, and holds nobody up."""
        try:
            message = delivery.message or self._render(delivery)
        except Exception:
            log.exception("an alert cannot be rendered", delivery=delivery.id, kind=delivery.event.kind.value)
            message = _UNSHOWN
        return message if delivery.note is None else _with_note(message, delivery.note)

    async def _look(self, chat: Chat, delivery: Delivery) -> Posted | None:
        if not delivery.settle:
            return None
        since = (delivery.first_tried_at or delivery.created_at) - LOOK_BACK
        try:
            found = await chat.find(delivery.id, delivery.channel, since, delivery.root)
        except SendError as error:
            waited = self._clock.now() - (delivery.first_tried_at or delivery.created_at)
            exhausted = error.code == LOOKUP_EXHAUSTED and waited >= DOUBT_LIMIT
            if error.outcome is not Outcome.REFUSED and not exhausted:
                raise
            # Nobody may look, or can any more: a second post is better than a lost alert.
            log.warning("cannot check whether a message arrived, so it is sent", reason=error.reason)
            self._unsure.add(delivery.id)
            return None
        log.info("found out whether a message arrived", delivery=delivery.id, arrived=bool(found))
        return await self._only_one(chat, delivery.id, found)

    async def _only_one(self, chat: Chat, delivery: str, found: Sequence[Posted]) -> Posted | None:
        """Takes all but the first away: nothing is to stand twice."""
        for extra in found[1:]:
            log.info("a message was posted twice, the second copy is deleted", delivery=delivery)
            await chat.delete(extra)
        return found[0] if found else None

    async def _record(self, delivery: Delivery, where: Posted, *, sent: bool) -> None:
        unsure = delivery.id in self._unsure
        pause, now, trouble = self._chats[delivery.chat].pause, self._clock.now(), delivery.trouble
        held = None if trouble is None else while_out(delivery.chat, trouble, now)
        record = partial(delivery_queue.mark_delivered, sent=sent, unsure=unsure, held=held)
        await self._store.run(lambda tx: record(tx, delivery, where, now, pause))
        self._tally.delivery(delivery.chat, "delivered")
        self._unsure.discard(delivery.id)
        if self._trouble.pop(_line(delivery), None):
            log.info("messages arrive again", chat=delivery.chat, channel=delivery.channel)

    async def _put_back(self, delivery: Delivery, error: SendError) -> None:
        self._tally.delivery(delivery.chat, error.outcome.value)
        now, pause = self._clock.now(), self._pause(delivery, error)
        # A doubt stays one, whatever stopped this attempt: looking once more is harmless.
        state = DeliveryState.IN_DOUBT if delivery.settle else _STATE[error.outcome]
        trouble = DestinationTrouble(error.reason, now, refused=error.outcome is Outcome.REFUSED)
        again = now + timedelta(seconds=pause)
        await self._store.run(lambda tx: delivery_queue.mark_waiting(tx, delivery, state, again, trouble))
        if self._trouble.get(_line(delivery)) != error.reason:
            self._trouble[_line(delivery)] = error.reason
            log.warning(
                "a message has to wait",
                chat=delivery.chat,
                channel=delivery.channel,
                reason=error.reason,
                seconds=round(pause),
            )

    def _pause(self, delivery: Delivery, error: SendError) -> float:
        if error.outcome is Outcome.REFUSED:
            pause = _REFUSED_PAUSE
        else:
            pause = min(_FIRST_PAUSE * 2 ** min(delivery.failures, 20), _LONGEST_PAUSE)
        pause *= self._rng.uniform(0.8, 1.2)
        return max(pause, min(error.retry_after or 0.0, _LONGEST_ASKED))

    async def tidy(self) -> None:
        """Looks after the messages that may stand twice, where that is allowed by now."""
        for name, chat in self._chats.items():
            for unsure in await self._store.read(partial(deliveries.unsure, chat=name)):
                try:
                    await self._tidy_one(chat, unsure)
                except SendError as error:
                    log.info(
                        "cannot check whether a message was posted twice", chat=name, reason=error.reason
                    )
                    break

    async def _tidy_one(self, chat: Chat, unsure: PossibleDuplicate) -> None:
        found = await chat.find(unsure.id, unsure.channel, unsure.since - LOOK_BACK, unsure.about)
        for extra in found:
            if extra != unsure.where:
                log.info("a message was posted twice, the second copy is deleted", delivery=unsure.id)
                await chat.delete(extra)
        await self._store.run(lambda tx: deliveries.settle(tx, unsure.id))


def _with_note(message: Message, note: str) -> Message:
    return replace(message, text="\n".join(filter(None, [message.text, note])))


def _needless(delivery: Delivery) -> str | None:
    """Why nothing is to be sent; None when something is."""
    if delivery.kind is DeliveryKind.POST:
        return None
    if delivery.root is None:
        return "the message it refers to was never posted"
    if delivery.kind is DeliveryKind.EDIT:
        shows = delivery.message is None and delivery.shown == delivery.card.mark
        return "the message shows it already" if shows else None
    if delivery.purpose is Purpose.TELL:
        return (
            "the message already said so when it was posted" if delivery.event.key in delivery.told else None
        )
    return _why_silent(delivery) if delivery.purpose is Purpose.REMIND else None


def _why_silent(reminder: Delivery) -> str | None:
    if reminder.event.key in reminder.card.endings:
        return "it is over"
    acts = (act for act in reminder.card.acts if act.alert == reminder.event.key and act.undone_at is None)
    return "somebody is taking care of it" if any(act.deed is ActionKind.ACK for act in acts) else None


def _line(delivery: Delivery) -> tuple[str, str]:
    return delivery.chat, delivery.channel
