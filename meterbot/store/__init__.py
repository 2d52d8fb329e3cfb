"""The database: `Store` runs functions in transactions; the other modules hold those functions, grouped by noun."""

from sqlalchemy import Connection as Connection

from meterbot.store.store import Store as Store
from meterbot.store.values import ALIVE_SECONDS as ALIVE_SECONDS
from meterbot.store.values import BEAT_SECONDS as BEAT_SECONDS
from meterbot.store.values import CONNECTIONS as CONNECTIONS
from meterbot.store.values import FOR_EVER as FOR_EVER
from meterbot.store.values import LAST_TICK as LAST_TICK
from meterbot.store.values import Batch as Batch
from meterbot.store.values import CounterReader as CounterReader
from meterbot.store.values import CounterState as CounterState
from meterbot.store.values import Forgotten as Forgotten
from meterbot.store.values import Glance as Glance
from meterbot.store.values import Latest as Latest
from meterbot.store.values import PullRecord as PullRecord
from meterbot.store.values import PushToken as PushToken
from meterbot.store.values import StoredSession as StoredSession
from meterbot.store.values import Worker as Worker
