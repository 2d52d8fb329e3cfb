"""Sends the queued deliveries: claim, send, record; when in doubt, look.

A delivery leaves the queue when its message is in the channel, when there is nothing left to say, or when the message
itself is at fault. A message that may have arrived is looked for before it is sent again. `delivery/grouping`
decides what is sent next and together, and what is no longer worth sending.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import timedelta
from functools import partial

from meterbot.chat import LOOK_BACK, Chat
from meterbot.core.clock import Clock
from meterbot.core.counters import ProcessCounters
from meterbot.core.deliveries import (
    MAY_REPEAT,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Destination,
    DestinationTrouble,
    PossibleDuplicate,
    Purpose,
)
from meterbot.core.errors import LOOKUP_EXHAUSTED, Outcome, SendError
from meterbot.core.log import LoggedState, get_logger
from meterbot.core.messages import Message, Posted
from meterbot.delivery.after_outage import while_out
from meterbot.delivery.grouping import grouping, needless
from meterbot.store import Store, deliveries, delivery_claims, delivery_outcomes
from meterbot.store.delivery_claims import Claim
from meterbot.store.failed_deliveries import UNREADABLE

CLAIM_SECONDS = 60.0
"""How long a worker may take over one delivery before another looks after it."""
SEND_SECONDS = 40.0
"""How long a platform may take to answer. Shorter than the claim."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0
_REFUSED_PAUSE = 600.0
_LONGEST_ASKED = 3600.0
"""A longer wait is cut to this: the platform may have been mistaken."""
_STOP_SECONDS = 2.0

MOST_TRIES = 3
"""After this many attempts, a message that is itself at fault is given up."""
_OWN_PAUSE = 60.0
_NO_DIRECT = (
    "The recipient does not accept direct messages from meterbot. They can allow them: on Slack in the app's "
    "Messages tab, on Discord under Privacy Settings of this server."
)
_UNRENDERED = Message(
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
"""Renders a delivery that has no message of its own, from what holds now."""

log = get_logger(__name__)


@dataclass(eq=False, repr=False)
class DeliveryWorker:
    """Serves each chat by itself, so that one that hangs delays no other. `group_threshold` waiting posts become
    one."""

    store: Store
    chats: Mapping[str, Chat]
    clock: Clock
    _: KW_ONLY
    worker: str
    render: Render
    group_threshold: int = 4
    rng: random.Random | None = None
    counters: ProcessCounters = field(default_factory=ProcessCounters)

    def __post_init__(self) -> None:
        self._choose = {name: grouping(self.group_threshold, name) for name in self.chats}
        self._rng = self.rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._wakers = {name: asyncio.Event() for name in self.chats}
        self._stopping = False
        self._trouble: dict[tuple[str, str], str] = {}
        self._unchecked: set[str] = set()
        """Deliveries in doubt that are sent although the bot cannot look whether they arrived."""

    def wake(self) -> None:
        for waker in self._wakers.values():
            waker.set()

    async def run(self) -> None:
        """Works until `stop`."""
        async with asyncio.TaskGroup() as group:
            for name in self.chats:
                group.create_task(self._work(name))

    def stop(self) -> None:
        """Finishes the message that is being sent, then ends `run`."""
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
        """Sends everything that may be sent now."""
        await asyncio.gather(*(self._drain(name) for name in self.chats))

    async def _drain(self, name: str) -> None:
        while await self.deliver_next(name):
            pass

    async def deliver_next(self, name: str) -> bool:
        """Sends the next message of one of the chat's channels. False when nothing was due."""
        now = self.clock.now()
        if await self.store.read(lambda c: delivery_claims.ready_queue(c, name, now)) is None:
            return False
        claim, choose = Claim(self.worker, now, CLAIM_SECONDS), self._choose[name]
        claimed = await self.store.run(
            lambda tx: delivery_claims.claim(tx, name, claim, choose), durable=True
        )
        for unreadable in claimed.unreadable:
            self._gave_up(name, unreadable, UNREADABLE)
        if (delivery := claimed.delivery) is None:
            return bool(claimed.unreadable)  # others may wait behind them
        if (why := needless(delivery)) is not None:
            await self._supersede(delivery, why)
            return True
        try:
            where, sent = await self._send(self.chats[name], delivery)
        except SendError as error:
            await self._failed(delivery, error)
        except asyncio.CancelledError:
            await self._stopped_while_sending(delivery)
            raise
        except Exception:
            # A chat reports every failure of the platform by a SendError: this one is our own bug.
            log.exception("a chat failed", chat=name, delivery=delivery.id)
            await self._failed_by_bug(delivery)
        else:
            await self._record(delivery, where, sent=sent)
        return True

    async def _failed_by_bug(self, delivery: Delivery) -> None:
        """The message may have been sent: it waits in doubt. It would fail again and again, so its attempts are
        counted."""
        reason = "meterbot itself failed to send it"
        if delivery.own_failures + 1 >= MOST_TRIES:
            await self._failed_itself(delivery, reason)
            return
        await self._put_back(delivery, SendError(Outcome.IN_DOUBT, reason), own_failure=True)

    async def _failed_itself(self, delivery: Delivery, reason: str, *, hopeless: bool = False) -> None:
        """Only this message cannot be sent: after a few attempts, or at once if it is `hopeless`, it is set aside."""
        now, last = self.clock.now(), hopeless or delivery.own_failures + 1 >= MOST_TRIES
        again = None if last else now + timedelta(seconds=_OWN_PAUSE * 2**delivery.own_failures)
        if await self.store.run(
            lambda tx: delivery_outcomes.mark_own_failure(tx, delivery, reason, now, again)
        ):
            self._gave_up(delivery.chat, delivery.id, reason)
            return
        self.counters.delivery(delivery.chat, Outcome.INVALID.value)
        log.warning(
            "a message was refused, the others continue",
            chat=delivery.chat,
            delivery=delivery.id,
            reason=reason,
        )

    def _gave_up(self, chat: str, delivery: str, reason: str) -> None:
        self.counters.delivery(chat, "failed")
        self.counters.failed("message")
        log.error("gave up on a message", chat=chat, delivery=delivery, reason=reason)

    async def _move_to_channel(self, delivery: Delivery, error: SendError) -> None:
        """A person accepts no direct messages: the channel gets the alert, as far as it may see it."""
        now, channel = self.clock.now(), self.chats[delivery.chat].destination
        log.warning(
            "a direct message was refused, so its alert goes to the channel",
            chat=delivery.chat,
            reason=error.reason,
        )
        await self.store.run(lambda tx: delivery_outcomes.move(tx, delivery, channel, _NO_DIRECT, now))

    async def _failed(self, delivery: Delivery, error: SendError) -> None:
        if error.outcome is Outcome.INVALID:
            await self._failed_itself(delivery, error.reason)
            return
        if error.outcome is Outcome.NO_DIRECT:
            # A message written in advance is for its person alone, names and amounts included.
            if delivery.message is None and delivery.kind is not DeliveryKind.EDIT:
                await self._move_to_channel(delivery, error)
            else:
                await self._try_next_chat(delivery, error.reason)
            return
        if error.outcome is not Outcome.GONE:
            await self._put_back(delivery, error)
            return
        # The post or thread is gone. That must not hold up the alerts behind it.
        now = self.clock.now()
        is_alert = delivery.purpose is Purpose.ALERT and not delivery.event.only_ends
        if delivery.kind is DeliveryKind.REPLY and is_alert:
            log.info(
                "a thread no longer exists, so its alert is posted again",
                chat=delivery.chat,
                reason=error.reason,
            )
            await self.store.run(lambda tx: delivery_outcomes.repost(tx, delivery, now))
            return
        log.info("nothing is left to send", chat=delivery.chat, reason=error.reason)
        await self._supersede(delivery, error.reason)

    async def _try_next_chat(self, delivery: Delivery, reason: str) -> None:
        """Sends a refused message on the next chat where its person is known; without one it is set aside."""
        owner = {} if delivery.message is None else delivery.message.owner
        chats = [chat for chat in self.chats if chat in owner or chat == delivery.chat]
        later = chats[chats.index(delivery.chat) + 1 :]
        if not later:
            await self._failed_itself(delivery, reason, hopeless=True)
            return
        now, to = self.clock.now(), Destination(later[0], f"@{owner[later[0]]}")
        log.info("a direct message was refused, so it goes to another chat", chat=delivery.chat, to=to.chat)
        note = MAY_REPEAT if delivery.in_doubt else delivery.note
        await self.store.run(lambda tx: delivery_outcomes.move_to_chat(tx, delivery, to, note, now))
        self.wake()

    async def _supersede(self, delivery: Delivery, reason: str) -> None:
        now = self.clock.now()
        await self.store.run(lambda tx: delivery_outcomes.mark_superseded(tx, delivery, reason, now))
        self.counters.delivery(delivery.chat, "superseded")

    async def _stopped_while_sending(self, delivery: Delivery) -> None:
        """Records the doubt, so that the next start looks at once and not when the claim has run out."""
        doubt = SendError(Outcome.IN_DOUBT, "meterbot was stopped while sending")
        try:
            await asyncio.wait_for(asyncio.shield(self._put_back(delivery, doubt)), _STOP_SECONDS)
        except Exception:
            log.exception("could not record that a message may have arrived", delivery=delivery.id)

    async def _send(self, chat: Chat, delivery: Delivery) -> tuple[Posted, bool]:
        """Returns where the message is, and whether this attempt put it there."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await self._send_once(chat, delivery)
        except TimeoutError:
            raise SendError(Outcome.IN_DOUBT, f"{chat.name} did not answer in time") from None

    async def _send_once(self, chat: Chat, delivery: Delivery) -> tuple[Posted, bool]:
        message, root = self._message(delivery), delivery.root
        if delivery.kind is DeliveryKind.EDIT:
            assert root is not None  # noqa: S101 - without one the edit is needless
            # An edit can be repeated without harm: no need to look.
            await chat.edit(delivery.content.ref, root, message)
            return root, True
        if (found := await self._find_earlier(chat, delivery)) is not None:
            return found, False
        if delivery.id in self._unchecked:
            message = _with_note(message, MAY_REPEAT)
        if root is None:
            return await chat.post(delivery.id, delivery.channel, message), True
        return await chat.reply(delivery.id, root, message), True

    def _message(self, delivery: Delivery) -> Message:
        """The message as rendered now. A message that cannot be rendered (a bug) must not hold up others."""
        try:
            message = delivery.message or self.render(delivery)
        except Exception:
            log.exception("an alert cannot be rendered", delivery=delivery.id, kind=delivery.event.kind.value)
            several = len(delivery.content.events) > 1 and not delivery.own_failures
            if delivery.kind is DeliveryKind.EDIT or (several and delivery.kind is DeliveryKind.POST):
                # The posted message is better than an edit without content, and the other events can be rendered.
                raise SendError(Outcome.INVALID, "meterbot could not format the message") from None
            message = _UNRENDERED
        if delivery.channel.startswith("@"):
            message = replace(message, owner={})  # a direct message notifies its reader, and mentions nobody
        return message if delivery.note is None else _with_note(message, delivery.note)

    async def _find_earlier(self, chat: Chat, delivery: Delivery) -> Posted | None:
        if not delivery.in_doubt:
            return None
        since = (delivery.first_tried_at or delivery.created_at) - LOOK_BACK
        try:
            found = await chat.find(delivery.id, delivery.channel, since, delivery.root)
        except SendError as error:
            if error.outcome is not Outcome.REFUSED and error.code != LOOKUP_EXHAUSTED:
                raise
            # The bot may not look, or cannot any more: a second post is better than a lost alert.
            log.warning("cannot check whether a message arrived, so it is sent", reason=error.reason)
            self._unchecked.add(delivery.id)
            return None
        log.info("found out whether a message arrived", delivery=delivery.id, arrived=bool(found))
        await self._delete_copies(chat, delivery.id, found[1:])
        return found[0] if found else None

    async def _delete_copies(self, chat: Chat, delivery: str, copies: Sequence[Posted]) -> None:
        for copy in copies:
            log.info("a message was posted twice, the second copy is deleted", delivery=delivery)
            await chat.delete(copy)

    async def _record(self, delivery: Delivery, where: Posted, *, sent: bool) -> None:
        unchecked = delivery.id in self._unchecked
        pause, now, trouble = self.chats[delivery.chat].pause, self.clock.now(), delivery.trouble
        held = None if trouble is None else while_out(delivery.chat, trouble, now)
        # Discord answers a repeated nonce with the existing message, whose content is not known here.
        known = sent and not unchecked
        record = partial(
            delivery_outcomes.mark_delivered, sent=known, possible_duplicate=unchecked, held=held
        )
        await self.store.run(lambda tx: record(tx, delivery, where, now, pause))
        self.counters.delivery(delivery.chat, "delivered")
        self._unchecked.discard(delivery.id)
        if self._trouble.pop(_queue(delivery), None):
            log.info("messages arrive again", chat=delivery.chat, channel=delivery.channel)

    async def _put_back(self, delivery: Delivery, error: SendError, *, own_failure: bool = False) -> None:
        self.counters.delivery(delivery.chat, error.outcome.value)
        now, pause = self.clock.now(), self._pause(delivery, error)
        # An earlier attempt may still have arrived, whatever stopped this one.
        state = DeliveryState.IN_DOUBT if delivery.in_doubt else _STATE[error.outcome]
        trouble = DestinationTrouble(error.reason, now, refused=error.outcome is Outcome.REFUSED)
        again = now + timedelta(seconds=pause)
        put_back = partial(delivery_outcomes.mark_waiting, own_failure=own_failure)
        await self.store.run(lambda tx: put_back(tx, delivery, state, again, trouble))
        if self._trouble.get(_queue(delivery)) != error.reason:
            self._trouble[_queue(delivery)] = error.reason
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

    async def delete_duplicates(self) -> None:
        """Looks again for messages that may have been posted twice, and deletes the second copies."""
        for name, chat in self.chats.items():
            for possible in await self.store.read(partial(deliveries.possible_duplicates, chat=name)):
                try:
                    await self._delete_duplicates_of(chat, possible)
                except SendError as error:
                    log.info(
                        "cannot check whether a message was posted twice", chat=name, reason=error.reason
                    )
                    break

    async def _delete_duplicates_of(self, chat: Chat, posted: PossibleDuplicate) -> None:
        found = await chat.find(posted.id, posted.channel, posted.since - LOOK_BACK, posted.about)
        await self._delete_copies(chat, posted.id, [each for each in found if each != posted.where])
        await self.store.run(lambda tx: deliveries.clear_possible_duplicate(tx, posted.id))


def _with_note(message: Message, note: str) -> Message:
    # A reply shows the fallback alone.
    fallback = f"{message.fallback or message.title} {note}"
    return replace(message, text="\n".join(filter(None, [message.text, note])), fallback=fallback)


def _queue(delivery: Delivery) -> tuple[str, str]:
    return delivery.chat, delivery.channel
