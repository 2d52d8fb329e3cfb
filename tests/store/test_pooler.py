"""Through a real PgBouncer in transaction mode nothing fails: no prepared statement, no setting of a session is
used."""

import asyncio
import os
import pwd
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from meterbot.store import Batch, counter_states, event_log, source_states, workers
from meterbot.store.database import glance, open_store
from meterbot.store.url import parse_url
from tests import postgres
from tests.e2e.process import line
from tests.missing import judged_by
from tests.store.examples import ANA, NOW, delivery, event, later, sample, write

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
pytestmark = judged_by("pgbouncer", PROGRAM)

_CONFIGURATION = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
ignore_startup_parameters = extra_float_digits
"""


def _configure(url: str, folder: Path, port: int) -> tuple[Path, list[str]]:
    """Its configuration, and as whom it runs."""
    direct = parse_url(url)
    host = str(direct.host or direct.query["host"])
    text = _CONFIGURATION.format(host=host, port=direct.port or 5432, user=direct.username, listen=port)
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(text, "utf-8")
    folder.chmod(0o755)
    if os.geteuid() != 0:
        return configuration, []
    owner = pwd.getpwuid(Path(host).stat().st_uid).pw_name if host.startswith("/") else "nobody"
    return configuration, ["-u", owner]  # it refuses to be root


@asynccontextmanager
async def pooler(url: str, folder: Path, port: int) -> AsyncIterator[str]:
    """The same database's URL through a pooler that lends one of its three connections to each transaction."""
    assert PROGRAM is not None
    direct, (configuration, user) = parse_url(url), _configure(url, folder, port)
    process = await asyncio.create_subprocess_exec(
        PROGRAM, *user, str(configuration), stderr=asyncio.subprocess.PIPE
    )
    try:
        await line(process.stderr, lambda text: "process up" in text)
        yield f"postgresql://{direct.username}@127.0.0.1:{port}/{direct.database}"
    finally:
        process.terminate()
        await process.communicate()


async def test_a_bot_works_through_a_pooler_in_transaction_mode(
    postgres_server: str, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with (
        postgres.fresh_database(postgres_server) as url,
        pooler(url, tmp_path, unused_tcp_port) as pooled,
    ):
        stores = [await open_store(pooled) for _ in range(3)]  # more connections than the pooler has
        end = later(seconds=6)
        for number, store in enumerate(stores):
            name = f"w{number}"
            await store.run(lambda c: workers.beat(c, name, NOW, end, ["gateway"]))
        for minute in range(8):
            made = Batch(samples=[sample(minute, str(minute))], events=[event(f"e{minute}")], deliveries=[delivery(f"d{minute}", f"e{minute}")])  # fmt: skip
            await asyncio.gather(
                *(write(store, made) for store in stores),
                *(store.read(source_states.read_team) for store in stores),
            )
        assert (await stores[0].run(lambda c: workers.claim_seats(c, "w0", {"ana": None}, NOW))).taken == {
            "ana"
        }
        assert len(await stores[1].read(lambda c: event_log.read_events(c, NOW))) == 8
        assert await stores[2].read(lambda c: counter_states.read_states(c, [ANA])) == {}
        for store in stores:
            await store.close()
        seen = await glance(pooled)
        assert (seen.pooled, seen.found) == (True, seen.newest)
        assert not (await glance(url)).pooled
