"""Checks of the seats: their keys and tokens, without using them, and what the database holds for them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from meterbot.app.config import Config
from meterbot.app.config.seats import AdminApiSeat, ClaudeAiSeat, ClaudeCodeSeat, PushSeat, SeatConfig
from meterbot.core.cipher import Cipher
from meterbot.core.findings import Check, Status
from meterbot.core.hosts import is_loopback
from meterbot.core.seats import SeatDirectory
from meterbot.delivery import seat_settings
from meterbot.rules.memory import seat_settings_name
from meterbot.rules.settings import Threshold
from meterbot.sources.claude_login import Login, read_login
from meterbot.sources.responses import SourceError
from meterbot.store import push_tokens, rule_memories, sessions, tables
from meterbot.store.database import peek, peek_invited


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
    names = [seat_settings_name(name) for name in seats]
    renewed = await peek(url, tables.sessions, sessions.read) or {}
    settings = await peek(url, tables.memories, lambda c: rule_memories.read_memories(c, names)) or {}
    tokens = await peek(url, tables.push_tokens, push_tokens.read) or ()
    return Stored(
        {seat: session.ciphertext for seat, session in renewed.items()},
        settings,
        frozenset(token.seat for token in tokens),
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
    amounts = any(step.amount is not None for step in steps)
    return seat_settings.levels_text(steps) + ("" if amounts else "; without a cap: none")


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


def secret_key(config: Config, stored: Mapping[str, str | None] | None) -> Iterator[Check]:
    """Whether renewed session keys can be stored, and stored ones can be used. `stored`: seat → its session key,
    encrypted; None if the database cannot be read."""
    seats = [seat.name for seat in config.seats if seat.source == "claude_ai"]
    if not seats and not config.secret_key:
        return
    if stored is None:
        sentence = "stored session keys were not checked: the database cannot be used"
        yield Check("secret_key", Status.WARN, sentence, "correct the database first")
        return
    kept = {seat: text for seat, text in stored.items() if text}
    if not config.secret_key:
        yield _no_secret_key(seats, sorted(kept))
        return
    cipher = Cipher(config.secret_keys)
    lost = [seat for seat, text in kept.items() if not cipher.can_decrypt(seat, text)]
    old = [seat for seat, text in kept.items() if seat not in lost and not cipher.is_newest(seat, text)]
    if lost:
        sentence = f"the secret key does not decrypt the stored session keys of {', '.join(sorted(lost))}"
        remedy = (
            'put the key they were stored with after the current one ("new old"); if it is lost, sign in again, '
            "configure the new session keys and run `meterbot secret-key --discard-unreadable`"
        )
        yield Check("secret_key", Status.FAIL, sentence, remedy)
    elif old:
        sentence = f"the stored session keys of {', '.join(sorted(old))} still need an older secret key"
        yield Check("secret_key", Status.OK, sentence)
    else:
        yield Check("secret_key", Status.OK, "renewed session keys are stored encrypted with the secret key")


def _no_secret_key(seats: list[str], kept: list[str]) -> Check:
    if kept:
        sentence = f"the stored session keys of {', '.join(kept)} cannot be decrypted: there is no secret key"
        remedy = (
            "set METERBOT_SECRET_KEY (or secret_key_env, secret_key_file) to the key they were stored with"
        )
        return Check("secret_key", Status.FAIL, sentence, remedy)
    sentence = f"without a secret key renewed session keys are not kept: the sessions of {', '.join(seats)} end early"
    remedy = "set METERBOT_SECRET_KEY to what `meterbot secret-key` prints, and keep that key"
    return Check("secret_key", Status.WARN, sentence, remedy)


def tokens(config: Config) -> Iterator[Check]:
    """Tokens that were swapped, judging by their first letters."""
    for seat in config.seats:
        if isinstance(seat, AdminApiSeat) and not seat.token.get_secret_value().startswith("sk-ant-admin"):
            sentence = f"the token of seat {seat.name} does not start with sk-ant-admin"
            remedy = "ask an admin of the organization to make an admin key in the Console"
            yield Check("tokens", Status.WARN, sentence, remedy)
    if config.slack is None:
        return
    for key, prefix, token in (
        ("bot_token", "xoxb-", config.slack.bot_token),
        ("app_token", "xapp-", config.slack.app_token),
    ):
        if token and not token.get_secret_value().startswith(prefix):
            sentence = f"slack.{key} does not start with {prefix}"
            remedy = "compare it with the app's settings on api.slack.com"
            yield Check("tokens", Status.WARN, sentence, remedy)


def same_secrets(config: Config) -> Iterator[Check]:
    """Seats with the same secret, which are one account. Tokens of Claude Code may be shared, see `sign_ins`."""
    seats_of: dict[tuple[str, str], list[str]] = {}
    for seat in config.seats:
        if (own := _own_secret(seat)) is not None:
            seats_of.setdefault(own, []).append(seat.name)
    for (what, _), names in seats_of.items():
        if len(names) > 1:
            sentence = f"{' and '.join(names)} have the same {what}"
            remedy = "give each seat its own, or keep one of these seats"
            yield Check("same_secret", Status.FAIL, sentence, remedy)


def _own_secret(seat: SeatConfig) -> tuple[str, str] | None:
    """(its name, its value)"""
    match seat:
        case ClaudeAiSeat():
            return "session key", seat.session_key.get_secret_value()
        case AdminApiSeat():
            return "admin key", seat.token.get_secret_value()
        case PushSeat(push_token_sha256=str(digest)):
            return "push token", digest
    return None


def sign_ins(config: Config) -> Iterator[Check]:
    """The findings about the tokens of Claude Code, from their own content."""
    seats_of: dict[str, list[str]] = {}
    for seat in config.seats:
        if not isinstance(seat, ClaudeCodeSeat):
            continue
        try:
            login = _login(seat)
            login.check_kind()
        except SourceError as error:
            sentence, _, remedy = error.sentence.partition(": ")
            remedy = remedy or "put the token of a signed-in Claude Code there"
            yield Check("sign_in", Status.FAIL, f"{seat.name}: {sentence}", remedy)
            continue
        end = "" if login.expires_at is None else f", valid until {login.expires_at:%Y-%m-%d %H:%M} UTC"
        yield Check("sign_in", Status.OK, f"{seat.name}: a token of Claude Code{end}")
        seats_of.setdefault(login.token, []).append(seat.name)
    for names in seats_of.values():
        if len(names) > 1:
            sentence = f"{' and '.join(names)} have the same token, and share its few requests"
            yield Check("same_token", Status.WARN, sentence, "keep one of these seats")


def _login(seat: ClaudeCodeSeat) -> Login:
    if seat.credentials_file is not None:
        return read_login(seat.credentials_file)
    return Login("" if seat.token is None else seat.token.get_secret_value())
