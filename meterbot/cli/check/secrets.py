"""Checks keys and tokens without using them."""

from collections.abc import Iterator, Mapping

from meterbot.app.config import Config
from meterbot.app.config.seats import AdminApiSeat, ClaudeAiSeat, ClaudeCodeSeat, PushSeat, SeatConfig
from meterbot.core.cipher import Cipher
from meterbot.core.findings import Check, Status
from meterbot.sources.claude_login import Login, read_login
from meterbot.sources.responses import SourceError


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
