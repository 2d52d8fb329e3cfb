"""Stores the changes of one batch, in the caller's transaction."""

from sqlalchemy import Connection

from meterbot.core.models import Event
from meterbot.store import counter_states, deliveries, event_log, history, rule_memories, source_states
from meterbot.store.values import Batch


def write(connection: Connection, batch: Batch) -> list[Event]:
    """Stores everything. An event whose key is stored already is left out with its deliveries. Returns the new
    events."""
    named = {one.counter for one in batch.latest} | {sample.counter for sample in batch.samples}
    named |= batch.states.keys() | {counter for _, counter in batch.gone} | batch.set_back.keys()
    ids = counter_states.make_ids(connection, named)
    counter_states.write_states(connection, ids, batch.states)
    counter_states.write_latest(connection, ids, batch.latest)
    counter_states.delete_latest(connection, ids, batch.gone)
    history.set_back(connection, ids, batch.set_back)
    history.append(connection, ids, batch.samples)
    source_states.write_sources(connection, batch.sources)
    rule_memories.write_memories(connection, batch.memories)
    new = event_log.write_events(connection, batch.events)
    deliveries.queue(connection, batch.deliveries, {event.key: event.at for event in new})
    deliveries.release(connection, batch.release)
    return new
