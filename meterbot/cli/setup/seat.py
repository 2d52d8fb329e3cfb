"""The step for one seat: its name, plan, owner and source, and what the source needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, TypeAdapter

from meterbot.agent.network import base_address
from meterbot.agent.storage import Problem
from meterbot.app.config.types import Listen, SeatName, SlackUser, Snowflake, Url
from meterbot.cli.setup.context import SetupContext
from meterbot.cli.setup.files import DraftTable, Value
from meterbot.cli.setup.prompts import Flags, RefusedError
from meterbot.cli.setup.secrets import KeptSecret, SecretSpec, failures_of, problem_of
from meterbot.core import cipher
from meterbot.core.findings import Check
from meterbot.core.plans import LIST_PRICES
from meterbot.ingest import pushes

ReadSeat = Callable[[Mapping[str, Value], Sequence[KeptSecret]], list[Check]]
"""Reads a seat with these values once, with these secrets."""

SOURCES = ("push", "claude_code", "claude_ai", "admin_api")
SECRET_KEY = SecretSpec("secret_key", "The secret key", "", "METERBOT_SECRET_KEY", "secret-key")
_SIGN_IN = "~/.claude/.credentials.json"
_OWNER: Mapping[str, tuple[str, TypeAdapter[Any]]] = {
    "slack": (
        "Its owner's Slack member id (profile, Copy member ID; empty for none)",
        TypeAdapter(SlackUser),
    ),
    "discord": (
        "Its owner's Discord id (Developer Mode, Copy User ID; empty for none)",
        TypeAdapter(Snowflake),
    ),
}


@dataclass(frozen=True, slots=True)
class Existing:
    """What the configuration already has. `chats`: those that alerts go to, as far as owners have ids there."""

    seats: Sequence[str]
    chats: Sequence[str]
    public_url: str | None
    has_listener: bool
    has_secret_key: bool


@dataclass(frozen=True, slots=True)
class NewSeat:
    """`url`: where the machine of a push seat reaches the bot. `tables`: what is added to the configuration."""

    name: str
    source: str
    url: str | None
    tables: tuple[DraftTable, ...]
    secret_key: KeptSecret | None = None


def ask_name(context: SetupContext, flags: Flags, taken: Sequence[str]) -> str:
    """Empty when a person adds no further seat."""
    kind: TypeAdapter[Any] = TypeAdapter(Annotated[SeatName, AfterValidator(_other_than(taken))])
    question = "The next seat's name (empty: that is all)" if taken else "The first seat's name (such as ana)"
    return context.ask_for(question, "--seat", flags.seat, kind, default="" if taken else None)


def ask_seat(context: SetupContext, flags: Flags, name: str, there: Existing, read: ReadSeat) -> NewSeat:
    """Everything about the seat `name`; it has been read once where that is possible."""
    source = flags.source or context.prompter.choose(
        "How its numbers arrive: push (its own machine sends them), claude_code (with the sign-in on this machine),"
        " claude_ai (with a session key) or admin_api (what an organization spends on the API)",
        "--source",
        SOURCES,
        "push",
    )
    values: dict[str, Value] = {"name": name, "source": source}
    secret_key = None
    if source == "claude_ai" and not there.has_secret_key:
        secret_key = context.secrets.make(SECRET_KEY, cipher.new_key())
    given = flags.credential
    if source == "claude_code" and given.env is None and given.file is None:
        values["credentials_file"] = _SIGN_IN
        _check_sign_in(context, lambda: read(values, ()))
    elif source != "push":
        others = [] if secret_key is None else [secret_key]
        kept = context.secrets.get(
            _credential(name, source), given, lambda one: read(values, [one, *others]), may_be_kept=True
        )
        values[kept.key] = kept.name
    if source != "admin_api" and (plan := _ask_plan(context, flags)):
        values["plan"] = plan
    if owner := _ask_owner(context, flags, there.chats):
        values["owner"] = owner
    tables = [DraftTable("[[seats]]", values)]
    if source != "push":
        return NewSeat(name, source, None, tuple(tables), secret_key)
    url = there.public_url or _ask_url(context, flags)
    if not there.has_listener:
        bind = context.ask_for("[http] bind", "--bind", flags.bind or "127.0.0.1:8080", TypeAdapter(Listen))
        tables.insert(0, DraftTable("[http]", {"bind": bind, "public_url": url}))
    return NewSeat(name, source, url, tuple(tables))


def _check_sign_in(context: SetupContext, read: Callable[[], list[Check]]) -> None:
    offline = context.flags.offline  # the bot, with its sign-in, may be on another machine
    while not Path(_SIGN_IN).expanduser().exists():
        (context.say if offline else context.prompter.reject)(
            "Claude Code is not signed in here: run `claude` and type /login"
        )
        if not context.prompter.confirm("Look again, once you are signed in?"):
            if offline:
                return
            raise RefusedError("nothing was written")
    if failures := failures_of(read()):
        context.prompter.reject(problem_of(failures))
        if not context.prompter.confirm("Keep it anyway?"):
            raise RefusedError("nothing was written (--offline contacts no service)")


def _other_than(taken: Sequence[str]) -> Callable[[str], str]:
    def check(name: str) -> str:
        if name in taken:
            raise ValueError("is already the name of a seat")
        return name

    return check


def new_push_token() -> tuple[str, str]:
    """A push token and its digest, for a bot whose database is elsewhere."""
    token = pushes.new_token()
    return token, pushes.digest(token)


def _for_agents(url: str) -> str:
    """What the agent takes: it sends its token over http only to its own machine."""
    try:
        base_address(url, "")
    except Problem as problem:
        raise ValueError(str(problem).strip()) from None
    return url


def _ask_url(context: SetupContext, flags: Flags) -> str:
    return context.ask_for(
        "The address at which the seats' machines reach this bot (https, or the default for this machine only)",
        "--url",
        flags.url,
        TypeAdapter(Annotated[Url, AfterValidator(_for_agents)]),
        default=f"http://{flags.bind or '127.0.0.1:8080'}",
    )


def _ask_plan(context: SetupContext, flags: Flags) -> str:
    if flags.plan is not None:
        return flags.plan
    chosen = context.prompter.choose("Its plan", "--plan", (*LIST_PRICES, "other"), "other")
    return "" if chosen == "other" else chosen


def _ask_owner(context: SetupContext, flags: Flags, chats: Sequence[str]) -> dict[str, str]:
    """Chat → id of the owner, whom alerts mention and who may ask for their own numbers."""
    found = {}
    for number, chat in enumerate(each for each in chats if each in _OWNER):
        question, kind = _OWNER[chat]
        given = flags.owner if number == 0 else None
        if answer := context.ask_for(question, "--owner", given, kind, default=""):
            found[chat] = answer
    return found


def _credential(name: str, source: str) -> SecretSpec:
    variable = "".join(letter if letter.isalnum() else "_" for letter in name.upper())
    if not variable[:1].isalpha():
        variable = f"SEAT_{variable}"
    if source == "claude_ai":
        title = "Its session key (the cookie sessionKey at claude.ai; it gives access to the whole account)"
        return SecretSpec(
            "session_key", title, "--credential", f"{variable}_SESSION_KEY", f"{name}-session-key"
        )
    title = "The organization's admin key" if source == "admin_api" else "Its OAuth token"
    return SecretSpec("token", title, "--credential", f"{variable}_TOKEN", f"{name}-token")
