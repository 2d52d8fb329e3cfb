"""Checks whether seats can push."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from meterbot.app.config import Config, PushSeat
from meterbot.cli.check.surroundings import is_sqlite
from meterbot.core.findings import Check, Status
from meterbot.core.hosts import is_loopback
from meterbot.store.url import parse_url


def pushes(config: Config, environ: Mapping[str, str], cwd: Path, database: Status) -> Iterator[Check]:
    """Whether seats can push: there is a listener, pushes travel encrypted, and each seat has a token."""
    seats = [seat for seat in config.seats if isinstance(seat, PushSeat)]
    if not seats:
        return
    if config.http is None:
        sentence = "nothing listens, so no seat can push"
        yield Check(
            "push_listener", Status.FAIL, sentence, 'add [http] with bind = "127.0.0.1:8080", or set PORT'
        )
    elif "PORT" in environ:
        yield Check("push_listener", Status.OK, f"pushes arrive at port {config.http.port}, through the host")
    elif all(is_loopback(address.host) for address in config.http.addresses):
        addresses = " and ".join(map(str, config.http.addresses))
        sentence = f"pushes arrive at {addresses}, from this machine or a proxy on it"
        yield Check("push_listener", Status.OK, sentence)
    else:
        address = next(each for each in config.http.addresses if not is_loopback(each.host))
        sentence = f"pushes from other machines arrive at {address} unencrypted, tokens included"
        remedy = "bind 127.0.0.1 and put a proxy with TLS in front"
        yield Check("push_listener", Status.WARN, sentence, remedy)
    if database is not Status.FAIL:
        yield from _push_tokens([seat.name for seat in seats if not seat.push_token_sha256], config, cwd)


def _push_tokens(without: list[str], config: Config, cwd: Path) -> Iterator[Check]:
    """`without`: the seats for which the configuration has no token."""
    url = parse_url(config.database_url.get_secret_value())
    if without and not is_sqlite(config):
        sentence = f"tokens of {', '.join(without)}: not checked here, they are in PostgreSQL (see `meterbot seat list`)"
        yield Check("push_tokens", Status.OK, sentence)
        return
    missing = sorted({*without} - _seats_with_token(cwd / str(url.database))) if without else []
    for name in missing:
        yield Check("push_tokens", Status.FAIL, f"{name} has no push token", f"meterbot seat add {name}")
    if not missing:
        yield Check("push_tokens", Status.OK, "every seat that pushes has a token")


def _seats_with_token(path: Path) -> set[str]:
    """Reads SQLite's file without changing it; none if there is no such file or table yet."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return {name for (name,) in connection.execute("SELECT seat FROM push_tokens")}
    except sqlite3.Error:
        return set()
