"""Checks of what the database holds for the seats: their owners' settings and their push tokens."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from meterbot.app.config import Config
from meterbot.app.config.seats import PushSeat
from meterbot.core.findings import Check, Status
from meterbot.core.hosts import is_loopback
from meterbot.core.money import show
from meterbot.core.seats import SeatDirectory
from meterbot.delivery import seat_settings
from meterbot.delivery.seat_settings import levels_said
from meterbot.rules.memory import seat_settings_name
from meterbot.rules.settings import UNCAPPED_STEP, Threshold
from meterbot.store.database import peek_invited, peek_memories, peek_push_tokens, peek_sessions


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database has of the seats: session keys, encrypted; what the owners have set; who has a push token."""

    session_keys: Mapping[str, str | None] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    pushing: frozenset[str] = frozenset()


async def read_stored(config: Config) -> Stored:
    """Does not change the database. Raises `StartError`."""
    url = config.database_url.get_secret_value()
    seats = SeatDirectory(config.seat_list(), await peek_invited(url))
    return Stored(
        {seat: session.ciphertext for seat, session in (await peek_sessions(url)).items()},
        await peek_memories(url, [seat_settings_name(name) for name in seats]),
        frozenset(token.seat for token in await peek_push_tokens(url)),
    )


def levels(config: Config, memories: Mapping[str, str]) -> Iterator[Check]:
    """The configured levels, and those of each seat whose owner has set others. `memories`: as they are stored."""
    names = dict.fromkeys([*(seat.name for seat in config.seats), *seat_settings.seats_of(memories)])
    own = {name: seat_settings.of(name, memories).thresholds for name in names}
    set_by_owner = {name: steps for name, steps in own.items() if steps is not None}
    whom = "every seat" if not set_by_owner else "every other seat"
    if not own or len(set_by_owner) < len(own):
        yield Check("levels", Status.OK, f"{whom}: {levels_text(config.alerts.thresholds)}")
    for name, steps in set_by_owner.items():
        yield Check("levels", Status.OK, f"{name}, set by its owner: {levels_text(steps)}")


def levels_text(steps: Sequence[Threshold]) -> str:
    """`80%, 95%; without a cap: $25.00, $50.00, $100.00 and every further $100.00`"""
    always = [step for step in steps if not step.default]
    uncapped = [step for step in steps if step.default]
    if uncapped:
        further = f"{levels_said(uncapped)} and every further {show(UNCAPPED_STEP)}"
        return f"{levels_said(always)}; without a cap: {further}"
    amounts = any(step.amount is not None for step in always)
    return levels_said(always) + ("" if amounts else "; without a cap: none")


def pushes(config: Config, environ: Mapping[str, str], stored: Stored | None) -> Iterator[Check]:
    """Whether seats can push: there is a listener, pushes travel encrypted, and each seat has a token."""
    seats = [seat for seat in config.seats if isinstance(seat, PushSeat)]
    if not seats:
        return
    yield _push_listener(config, environ)
    if stored is None:
        return
    missing = [seat.name for seat in seats if not seat.push_token_sha256 and seat.name not in stored.pushing]
    for name in sorted(missing):
        yield Check("push_tokens", Status.FAIL, f"{name} has no push token", f"meterbot seat add {name}")
    if not missing:
        yield Check("push_tokens", Status.OK, "every seat that pushes has a token")


def _push_listener(config: Config, environ: Mapping[str, str]) -> Check:
    if config.http is None:
        remedy = 'add [http] with bind = "127.0.0.1:8080", or set PORT'
        return Check("push_listener", Status.FAIL, "nothing listens, so no seat can push", remedy)
    if "PORT" in environ:
        sentence = f"pushes arrive at port {config.http.port}, through the host"
        return Check("push_listener", Status.OK, sentence)
    addresses = config.http.addresses
    if open_one := next((each for each in addresses if not is_loopback(each.host)), None):
        sentence = f"pushes from other machines arrive at {open_one} unencrypted, tokens included"
        remedy = "bind 127.0.0.1 and put a proxy with TLS in front"
        return Check("push_listener", Status.WARN, sentence, remedy)
    sentence = f"pushes arrive at {' and '.join(map(str, addresses))}, from this machine or a proxy on it"
    return Check("push_listener", Status.OK, sentence)
