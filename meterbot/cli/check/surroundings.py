"""Checks of the machine that meterbot runs on, as far as the configuration uses it."""

import asyncio
import errno
import os
import shutil
import sqlite3
import stat
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from meterbot.app.config import Config
from meterbot.app.listening import try_to_listen, why_not
from meterbot.core.errors import StartError
from meterbot.core.findings import Check, Status
from meterbot.core.hosts import is_loopback, proxy_for, without_password
from meterbot.core.text import listed
from meterbot.store.errors import URL_NAMES
from meterbot.store.url import parse_url

_LEAST_FREE = 100_000
"""Bytes: a few pages of the database, and of the journal beside it."""
_PATIENCE_SECONDS = 2.0
"""A running bot writes for a moment; a longer lock belongs to something else."""


def python() -> Check:
    return Check("python", Status.OK, f"Python {sys.version_info.major}.{sys.version_info.minor}")


def config_file(config: Config, path: Path | None, environ: Mapping[str, str]) -> Iterator[Check]:
    if path is None:
        return
    mode = path.stat().st_mode
    own = "DATABASE_URL" not in environ
    password = own and parse_url(config.database_url.get_secret_value()).password
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield Check("config_mode", Status.WARN, f"{path} can be changed by others", f"chmod go-w {path}")
    elif password and mode & (stat.S_IRGRP | stat.S_IROTH):
        sentence = f"{path} can be read by others, and the database's password may be in it"
        yield Check("config_mode", Status.WARN, sentence, f"chmod 600 {path}, or use DATABASE_URL")
    else:
        yield Check("config_mode", Status.OK, f"{path} can be changed by its owner only")


def open_files(paths: Sequence[Path]) -> Iterator[Check]:
    """Files with secrets that other users may read or write."""
    open_ones = [path for path in paths if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    for path in open_ones:
        yield Check("secret_files", Status.WARN, f"{path} is open to other users", f"chmod 600 {path}")
    if paths and not open_ones:
        yield Check("secret_files", Status.OK, f"{len(paths)} read, closed to other users")


def timezone(config: Config) -> Check:
    return Check("timezone", Status.OK, str(config.timezone))


def database_trouble(config: Config, environ: Mapping[str, str], cwd: Path) -> Check | None:
    """Why the database cannot be used, as far as that is known before it is read. PostgreSQL has yet to answer."""
    path = _sqlite_file(config, cwd)
    if path is None:
        return None
    if "DYNO" in environ:
        sentence = "SQLite on a Heroku dyno is lost whenever the dyno restarts, at least daily"
        return Check("database", Status.FAIL, sentence, "run `heroku addons:create heroku-postgresql`")
    if not path.parent.is_dir():
        return Check("database", Status.FAIL, f"{path.parent} is not a directory", f"mkdir -p {path.parent}")
    # SQLite writes its journal beside the database, so both must be writable.
    closed = [place for place in (path.parent, path) if place.exists() and not os.access(place, os.W_OK)]
    if closed:
        remedy = "let the user that runs meterbot write to it"
        return Check("database", Status.FAIL, f"{closed[0]} cannot be written to", remedy)
    trouble = (sqlite_trouble(path) if path.exists() else None) or _disk_trouble(path)
    return None if trouble is None else Check("database", Status.FAIL, *trouble)


def _disk_trouble(path: Path) -> tuple[str, str] | None:
    disk = shutil.disk_usage(path.parent)
    full = disk.total and disk.free < _LEAST_FREE  # some file systems know no sizes
    return (f"the disk that holds {path} is full", "free some space on it") if full else None


def database_unread(check: str, error: StartError, environ: Mapping[str, str]) -> Check:
    """The check of this name where the database could not be read. The remedy names the setting that is in use."""
    named = "DATABASE_URL" if environ.get("DATABASE_URL") else "database_url"
    remedy = error.remedy.replace(URL_NAMES, named) or f"correct {named}, or start the database"
    return Check(check, Status.FAIL, error.sentence, remedy[0].lower() + remedy[1:])


def database_read(config: Config, cwd: Path) -> Check:
    """What is said once the database was read."""
    path = _sqlite_file(config, cwd)
    if path is None:
        host = parse_url(config.database_url.get_secret_value()).host
        return Check("database", Status.OK, f"PostgreSQL at {host or 'the local socket'} answers")
    return Check("database", Status.OK, f"SQLite in {path}" + ("" if path.exists() else ", not created yet"))


def _sqlite_file(config: Config, cwd: Path) -> Path | None:
    url = parse_url(config.database_url.get_secret_value())
    return cwd / str(url.database) if url.get_backend_name() == "sqlite" else None


def chats(config: Config) -> Check:
    names = {"slack": "Slack", "discord": "Discord", "console": "the console"}
    chats = [names[place.chat] for place in config.destinations()]
    if not chats:
        remedy = "add [slack] or [discord], or enable [console]"
        return Check("chats", Status.FAIL, "alerts would go nowhere", remedy)
    return Check("chats", Status.OK, f"alerts go to {' and '.join(chats)}")


def endpoints(config: Config) -> Iterator[Check]:
    for name, url in config.endpoints:
        parts = urlsplit(url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            sentence = f"endpoints.{name} sends secrets unencrypted to {parts.hostname}"
            yield Check("endpoints", Status.WARN, sentence, "use https://")


def listener(config: Config) -> Iterator[Check]:
    for address in config.http.addresses if config.http else ():
        try:
            asyncio.run(try_to_listen(*address))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                sentence = f"another program already listens at {address}"
                remedy = (
                    "ignore this if it is the running bot; otherwise stop it, or change [http] bind or PORT"
                )
                yield Check("listener", Status.WARN, sentence, remedy)
            else:
                sentence = f"meterbot cannot listen at {address}: {why_not(error)}"
                yield Check("listener", Status.FAIL, sentence, "change [http] bind or PORT")
        else:
            yield Check("listener", Status.OK, f"{address} is free")


def sqlite_trouble(path: Path) -> tuple[str, str] | None:
    """What is wrong with an existing SQLite file, and what to do; None if it can be read and written."""
    if path.is_dir():
        return f"{path} is a directory", "name a file in it: sqlite:///…/meterbot.db"
    try:
        with closing(
            sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_PATIENCE_SECONDS)
        ) as opened:
            opened.isolation_level = None
            opened.execute("SELECT count(*) FROM sqlite_master")
            opened.execute("BEGIN IMMEDIATE")  # asks for the lock, and writes nothing
            opened.execute("ROLLBACK")
    except sqlite3.Error as error:
        return f"{path} cannot be used: {error}", _SQLITE_REMEDIES.get(_code(error), _OTHER_SQLITE_REMEDY)
    return None


def _code(error: sqlite3.Error) -> int:
    """The first byte of an extended code is the plain one."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


_OTHER_SQLITE_REMEDY = "name another file in database_url, or put a backup there"
_SQLITE_REMEDIES = {
    sqlite3.SQLITE_BUSY: "end the program that holds the file",
    sqlite3.SQLITE_READONLY: "let the user that runs meterbot write to it",
    sqlite3.SQLITE_CANTOPEN: "let the user that runs meterbot read and write it",
}


_PROXY_REMEDY = "set HTTPS_PROXY to an http:// or https:// address: meterbot speaks no other kind of proxy"
_SLACK_SOCKET = "wss://wss-primary.slack.com"


def proxies(config: Config) -> Iterator[Check]:
    """One line for each proxy, and one for what is contacted directly. None if there is no proxy."""
    ways: defaultdict[str | None, list[str]] = defaultdict(list)
    for name, url in _addresses(config):
        ways[proxy_for(url)].append(name)
    direct = ways.pop(None, [])
    for proxy, names in ways.items():
        sentence = f"{listed(names)} through {without_password(proxy or '')}"
        usable = (proxy or "").startswith(("http://", "https://"))
        yield (
            Check("proxies", Status.OK, sentence)
            if usable
            else Check("proxies", Status.FAIL, sentence, _PROXY_REMEDY)
        )
    if direct and ways:
        yield Check("proxies", Status.OK, f"{listed(direct)} directly")


def _addresses(config: Config) -> Iterator[tuple[str, str]]:
    """The addresses that this machine contacts, by name. The dead man's switch's address is a secret, used only for the
    look-up."""
    sources = {seat.source for seat in config.seats}
    if "claude_ai" in sources:
        yield "claude.ai", config.endpoints.claude_ai
    if sources & {"claude_code", "admin_api"}:
        yield "Anthropic's API", config.endpoints.anthropic_api
    if config.slack is not None:
        yield "Slack", config.endpoints.slack_api
        if config.slack.mode == "socket":
            yield "Slack's WebSocket", _SLACK_SOCKET
    if config.discord is not None:
        yield "Discord", config.endpoints.discord_api
    if config.github is not None:
        yield "GitHub", config.endpoints.github_api
    if config.watch.ping_url is not None:
        yield "the dead man's switch", config.watch.ping_url.get_secret_value()
