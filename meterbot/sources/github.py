"""GitHub's webhook requests about merged pull requests, and the commits of a pull request."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AliasPath,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from meterbot.rules.pull_requests import LISTED_COMMITS, Commit, Merged
from meterbot.sources import CommitsUnreadError, UnusableHookError
from meterbot.sources.http_client import REPOSITORY, ForbiddenRequestError, HttpClient, HttpResponse
from meterbot.sources.responses import LONGEST_WAIT, SourceError, retry_after

_PER_PAGE, _MOST_PAGES = 100, 3

_YEARS = range(2000, 2101)


def _repository(value: str) -> str:
    # A name that consists of dots would change the path.
    if not re.fullmatch(REPOSITORY, value) or any(not part.strip(".") for part in value.split("/")):
        raise ValueError("must be owner/name")
    return value.lower()


def _instant(value: datetime) -> datetime:
    if value.year not in _YEARS:
        raise ValueError("must be a time of this century")
    return value.astimezone(UTC)


_Repository = Annotated[str, AfterValidator(_repository)]
_Instant = Annotated[AwareDatetime, AfterValidator(_instant)]
_Login = Annotated[str, StringConstraints(max_length=200, to_lower=True)]
_Sha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{7,64}$")]


class _Shape(BaseModel):
    """A part of GitHub's JSON; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)


class _User(_Shape):
    login: _Login


class _Author(_Shape):
    """An empty object if GitHub knows no account for a commit's e-mail address."""

    login: _Login | None = None


class _Signature(_Shape):
    date: AwareDatetime | None = None


class _Action(_Shape):
    action: str


class _Hook(_Shape):
    """A hook about a pull request."""

    repository: _Repository = Field(validation_alias=AliasPath("repository", "full_name"))
    number: int = Field(gt=0, lt=2**31, validation_alias=AliasPath("pull_request", "number"))
    merged: bool | None = Field(None, validation_alias=AliasPath("pull_request", "merged"))
    merge_commit: _Sha | None = Field(None, validation_alias=AliasPath("pull_request", "merge_commit_sha"))
    created_at: _Instant = Field(validation_alias=AliasPath("pull_request", "created_at"))
    merged_at: _Instant | None = Field(None, validation_alias=AliasPath("pull_request", "merged_at"))
    user: _User | None = Field(None, validation_alias=AliasPath("pull_request", "user"))


class _Listed(_Shape):
    commit: dict[str, object]
    authored: _Signature | None = Field(None, validation_alias=AliasPath("commit", "author"))
    committed: _Signature | None = Field(None, validation_alias=AliasPath("commit", "committer"))
    author: _Author | None = None


_PAGE: TypeAdapter[list[_Listed]] = TypeAdapter(list[_Listed], config=ConfigDict(defer_build=True))


def read_hook(event: str, document: bytes) -> Merged | str:
    """A `HookReader`."""
    if event != "pull_request":
        return "meterbot has no use for this event"
    try:
        if _Action.model_validate_json(document).action != "closed":
            return "the pull request was not closed"
        hook = _Hook.model_validate_json(document)
    except ValidationError as error:
        raise UnusableHookError(_sentence(error)) from None
    if not hook.merged:
        return "the pull request was closed without being merged"
    if hook.merged_at is None or hook.merge_commit is None:
        raise UnusableHookError("pull_request is merged, and does not say when or as which commit")
    if hook.user is None:
        return "its author's account does not exist any more"
    return Merged(
        repo=hook.repository,
        number=hook.number,
        merge=hook.merge_commit,
        author=hook.user.login,
        opened_at=hook.created_at,
        merged_at=hook.merged_at,
    )


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "the body is not JSON"
    place, kind = ".".join(map(str, first["loc"])) or "the body", first["type"]
    if kind == "value_error":
        return f"{place}: {first['ctx']['error']}"
    return f"{place}: {next((said for start, said in _WORDS.items() if kind.startswith(start)), _OTHER)}"


_WORDS = {
    "missing": "is missing",
    "timezone": "must be a time with a UTC offset, like 2026-04-09T12:00:00Z",
    "datetime": "must be a time with a UTC offset, like 2026-04-09T12:00:00Z",
    "int": "must be a whole number",
    "greater": "must be a whole number above 0",
    "less": "must be a smaller number",
    "bool": "must be true or false",
    "string_type": "must be a string",
    "string_too_long": "is too long",
    "string_pattern": "must be a commit's hash",
    "model": "must be an object",
    "dict": "must be an object",
    "list": "must be a list",
}
"""How pydantic's type of a mistake begins → what a person reads."""
_OTHER = "does not have the form that GitHub sends"


class GitHub:
    """Lists commits with GET requests. Sends none while GitHub's rate limit lasts."""

    def __init__(self, transport: HttpClient, base_url: str, token: str) -> None:
        self._transport = transport
        self._base_url = base_url
        self._headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "Authorization": f"Bearer {token.strip()}",
        }
        self._rests_until: datetime | None = None

    async def commits(self, merged: Merged, now: datetime) -> Sequence[Commit]:
        """A `CommitReader`."""
        found: list[_Listed] = []
        for number in range(1, _MOST_PAGES + 1):
            page = await self._page(merged, number, now)
            found += page
            if len(page) < _PER_PAGE:
                break
        return [commit for one in found[:LISTED_COMMITS] if (commit := _commit(one)) is not None]

    async def _page(self, merged: Merged, number: int, now: datetime) -> list[_Listed]:
        if (rest := self._rest(now)) is not None:
            raise CommitsUnreadError("GitHub answers no more requests for now", rest)
        path = f"/repos/{merged.repo}/pulls/{merged.number}/commits?per_page={_PER_PAGE}&page={number}"
        try:
            answer = await self._transport.get(self._base_url, path, self._headers)
        except SourceError as trouble:
            raise CommitsUnreadError(f"GitHub: {trouble.sentence}", trouble.retry_after) from None
        except ForbiddenRequestError as problem:
            raise CommitsUnreadError(f"GitHub was not asked: {problem}") from None
        self._note_limit(answer, now)
        if answer.status != 200:
            raise _refused(answer, retry_after(answer.headers.get("retry-after"), now) or self._rest(now))
        try:
            return _PAGE.validate_json(answer.body)
        except ValidationError as error:
            raise CommitsUnreadError(f"GitHub's list of commits has a new form: {_sentence(error)}") from None

    def _rest(self, now: datetime) -> float | None:
        """Seconds until GitHub may be asked again, if its rate limit was reached."""
        if self._rests_until is None or now >= self._rests_until:
            return None
        return (self._rests_until - now).total_seconds()

    def _note_limit(self, answer: HttpResponse, now: datetime) -> None:
        reset = answer.headers.get("x-ratelimit-reset", "")
        if answer.headers.get("x-ratelimit-remaining") == "0" and re.fullmatch(r"[0-9]{9,11}", reset):
            wait = min(max(int(reset) - now.timestamp(), 0.0), LONGEST_WAIT)
            self._rests_until = datetime.fromtimestamp(now.timestamp() + wait, UTC)


def _refused(answer: HttpResponse, wait: float | None) -> CommitsUnreadError:
    """`wait`: the seconds that GitHub asked to wait."""
    if answer.status == 429 or (answer.status == 403 and wait is not None):
        return CommitsUnreadError(f"GitHub answers no more requests for now ({answer.status})", wait)
    sentence = {
        401: "GitHub does not accept the token",
        403: "the token may not read pull requests",
        404: "GitHub shows the token no such pull request: may it read this repository?",
    }.get(answer.status, "GitHub answers that it cannot")
    return CommitsUnreadError(f"{sentence} ({answer.status})", wait)


def _commit(listed: _Listed) -> Commit | None:
    """None without a date. git keeps two dates: if one is missing or absurd, the other is used."""
    author, committer = _dated(listed.authored), _dated(listed.committed)
    authored, committed = author or committer, committer or author
    if authored is None or committed is None:
        return None
    return Commit(None if listed.author is None else listed.author.login, authored, committed)


def _dated(signature: _Signature | None) -> datetime | None:
    date = None if signature is None else signature.date
    return date.astimezone(UTC) if date is not None and date.year in _YEARS else None
