"""A seat: whose, how its numbers arrive, and what that needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, TypeAdapter

from meterbot.app.config.types import Listen, SeatName, Url
from meterbot.cli.setup.asking import RefusedError
from meterbot.cli.setup.desk import Desk
from meterbot.cli.setup.draft import DraftTable, Value
from meterbot.cli.setup.secrets import Kept, Wanted, failures_of, problem_of
from meterbot.core import cipher
from meterbot.core.findings import Check
from meterbot.core.plans import LIST_PRICES
from meterbot.ingest import pushes

Read = Callable[[Mapping[str, Value], Sequence[Kept]], list[Check]]
"""Reads a seat of these values once, with these secrets."""

SOURCES = ("push", "claude_code", "claude_ai", "admin_api")
SECRET_KEY = Wanted("secret_key", "The secret key", "", "METERBOT_SECRET_KEY", "secret-key")
_SIGN_IN = "~/.claude/.credentials.json"


@dataclass(frozen=True, slots=True)
class NewSeat:
    """`url`: where its machine reaches the bot, for one that pushes. `tables`: what the configuration needs for it."""

    name: str
    source: str
    url: str | None
    tables: tuple[DraftTable, ...]
    secret_key: Kept | None = None


def seat(desk: Desk, taken: Sequence[str], read: Read, *, listener: bool, has_key: bool) -> NewSeat:
    """`taken`: the names of the seats that are there; `listener` and `has_key`: whether the configuration has one, and a
    key to encrypt with, already."""
    wishes = desk.wishes
    desk.say("\nA seat is one person's Claude account.")
    kind: TypeAdapter[Any] = TypeAdapter(Annotated[SeatName, AfterValidator(_other_than(taken))])
    name = desk.answered("The seat's name (such as ana)", "--seat", wishes.seat, kind)
    source = wishes.source or desk.person.choose(
        "How its numbers arrive: push (its own machine sends them), claude_code (read with the sign-in here),"
        " claude_ai (with a session key) or admin_api (what an organization spends on the API)",
        "--source",
        SOURCES,
        "push",
    )
    values: dict[str, Value] = {"name": name, "source": source}
    secret_key = None
    if source == "claude_ai" and not has_key:
        secret_key = desk.keeper.made(SECRET_KEY, cipher.new_key())
    given = wishes.credential
    if source == "claude_code" and given.env is None and given.file is None:
        values["credentials_file"] = _SIGN_IN
        _signed_in(desk, lambda: read(values, ()))
    elif source != "push":
        others = [] if secret_key is None else [secret_key]
        kept = desk.keeper.get(
            _credential(name, source), given, lambda one: read(values, [one, *others]), may_be_kept=True
        )
        values[kept.key] = kept.name
    if source != "admin_api" and (plan := _plan(desk)):
        values["plan"] = plan
    if source != "push":
        return NewSeat(name, source, None, (DraftTable("[[seats]]", values),), secret_key)
    url = _url(desk)
    bind = desk.answered("[http] bind", "--bind", wishes.bind or "127.0.0.1:8080", TypeAdapter(Listen))
    http = () if listener else (DraftTable("[http]", {"bind": bind, "public_url": url}),)
    return NewSeat(name, source, url, (*http, DraftTable("[[seats]]", values)))


def _signed_in(desk: Desk, read: Callable[[], list[Check]]) -> None:
    """Whether the sign-in here can be read with, or shall be kept all the same."""
    if failures := failures_of(read()):
        desk.person.hears(problem_of(failures))
        if not desk.person.agrees("Keep it all the same?"):
            raise RefusedError("nothing was written (--offline tries nothing)")


def _other_than(taken: Sequence[str]) -> Callable[[str], str]:
    def check(name: str) -> str:
        if name in taken:
            raise ValueError("is the name of a seat that is there")
        return name

    return check


def push_token() -> tuple[str, str]:
    """A token to push with, and its digest, for a bot whose database is elsewhere."""
    token = pushes.new_token()
    return token, pushes.digest(token)


def _url(desk: Desk) -> str:
    here = f"http://{desk.wishes.bind or '127.0.0.1:8080'}"
    return desk.answered(
        "Where the seats' machines reach this bot (an https address, or on this machine alone as it stands)",
        "--url",
        desk.wishes.url,
        TypeAdapter(Url),
        default=here,
    )


def _plan(desk: Desk) -> str:
    if desk.wishes.plan is not None:
        return desk.wishes.plan
    return desk.person.choose("Its plan, for the fee", "--plan", (*LIST_PRICES, "other"), "other").replace(
        "other", ""
    )


def _credential(name: str, source: str) -> Wanted:
    variable = "".join(letter if letter.isalnum() else "_" for letter in name.upper())
    if not variable[:1].isalpha():
        variable = f"SEAT_{variable}"
    if source == "claude_ai":
        title = "Its session key (the cookie sessionKey at claude.ai; it opens the whole account)"
        return Wanted("session_key", title, "--credential", f"{variable}_SESSION_KEY", f"{name}-session-key")
    title = "The organization's admin key" if source == "admin_api" else "Its OAuth token"
    return Wanted("token", title, "--credential", f"{variable}_TOKEN", f"{name}-token")
