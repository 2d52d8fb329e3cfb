"""Every spelling of a database's URL that hosts hand out is read; one that cannot be read is never repeated."""

import traceback
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meterbot.core.errors import StartError
from meterbot.store.database import open_store
from meterbot.store.url import UnusableUrlError, parse_url, place_of, read_url

SECRET = "Secret9"


@pytest.mark.parametrize(
    ("text", "backend"),
    [
        ("sqlite:///x.db", "sqlite"),
        ("sqlite+aiosqlite:////var/x.db", "sqlite"),
        ("postgres://u:p@h:5432/d", "postgresql"),
        ("postgresql://u:p@h/d", "postgresql"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql"),
        ("postgresql+psycopg2://u:p@h/d", "postgresql"),
    ],
)
def test_every_spelling_of_a_url_names_one_of_two_databases(text: str, backend: str) -> None:
    assert parse_url(text).drivername == backend


@pytest.mark.parametrize(
    ("query", "libpq"),
    [
        ("sslmode=require", {"sslmode": "require"}),
        ("ssl=require", {"sslmode": "require"}),
        ("sslmode=require&channel_binding=require", {"sslmode": "require", "channel_binding": "require"}),
        ("connect_timeout=5&application_name=x", {"connect_timeout": "5", "application_name": "x"}),
        ("pgbouncer=true&connection_limit=1", {}),
        ("options=endpoint%3Dname", {"options": "endpoint=name"}),
    ],
)
def test_the_parameters_of_hosts_reach_libpq(query: str, libpq: dict[str, str]) -> None:
    assert dict(parse_url(f"postgres://u:p@h/d?{query}").query) == libpq


@pytest.mark.parametrize(
    ("text", "host", "port", "place"),
    [
        ("postgres://u:p@[::1]:5433/d", "::1", 5433, "postgresql://::1/d"),
        ("postgresql:///d?host=/var/run/postgresql", "/var/run/postgresql", None, "postgresql:///var/run/postgresql/d"),
        ("postgresql://%2Fvar%2Frun/d", "/var/run", None, "postgresql:///var/run/d"),
        ("postgresql://h.example/d?user=a@b", "h.example", None, "postgresql://h.example/d"),
        ("postgresql://u:p@h.example:1/d?application_name=a@b", "h.example", 1, "postgresql://h.example/d"),
    ],
)  # fmt: skip
def test_sockets_and_addresses_are_read(text: str, host: str, port: int | None, place: str) -> None:
    url = parse_url(text)
    assert (url.host or url.query["host"], url.port, place_of(url)) == (host, port, place)


def test_several_hosts_are_left_to_libpq() -> None:
    url = parse_url("postgresql://u:p@h1:1,h2:2/d?target_session_attrs=read-write")
    assert dict(url.query) == {"host": "h1,h2", "port": "1,2", "target_session_attrs": "read-write"}


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_any_password_arrives_when_it_is_percent_encoded(password: str) -> None:
    assert parse_url(f"postgresql://u:{quote(password, safe='')}@h/d").password == password


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"mysql://u:{SECRET}@h/d", "must be like"),
        (f"{SECRET}", "must be like"),
        (f"postgres://u:{SECRET}@h:port/d", "must be like"),
        (f"postgres://u:{SECRET}@h/d?sslmod=x", "has no parameter sslmod"),
        (f"postgres://u:Sup@{SECRET}@127.0.0.1:5999/d", '"@" .* must be written as %40'),
        (f"postgres://u:Sup/{SECRET}@h/d", '"/" .* must be written as %2F'),
        (f"postgres://u:9/{SECRET}@h/d", '"/" .* must be written as %2F'),
        (f"postgres://u:Sup?{SECRET}@h/d", '"\\?" .* must be written as %3F'),
        (f"postgres://u:Sup#{SECRET}@h/d", '"#" .* must be written as %23'),
        (f"postgres://u:Sup%{SECRET}@h/d", '"%" .* must be written as %25'),
        (f"postgres://u:Sup {SECRET}@h/d", '" " .* must be written as %20'),
        (f"postgresql://u:Sup@{SECRET}/x@127.0.0.1/d", '"@" .* must be written as %40'),
        (f"postgresql://u:Sup@{SECRET}?x@127.0.0.1/d", '"@" .* must be written as %40'),
        (f"postgresql://u:Sup@{SECRET}/x@h:port", '"@" .* must be written as %40'),
        (f"postgresql://u:9/{SECRET}?x@h/d", '"/" .* must be written as %2F'),
        (f"postgres://u:Sup@{SECRET}@h/d?sslmode=require", "must be written as %40$"),
        (f"postgresql://u:{SECRET}@h/d?foo=a@b", '"@" .* must be written as %40, or an unknown parameter$'),
        ("postgresql://h/d?foo=a@b", '"/" .* must be written as %2F, or an unknown parameter$'),
        ("postgresql://u:9?secretive=x@h/d", '"\\?" .* must be written as %3F'),
        ("postgresql://h/d?password=a&secretive=x", "does not know one of its parameters$"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
    ],
)
async def test_a_url_that_cannot_be_read_says_why_and_repeats_nothing(text: str, why: str) -> None:
    with pytest.raises(StartError, match=why) as refused:
        await open_store(text)
    said = "".join(traceback.format_exception(refused.value))
    assert SECRET not in said
    assert "secretive" not in said


HARD_PASSWORDS = st.lists(
    st.sampled_from([*"@/?#:[]%,&=. ", "QZ8XJ", "QZ", "99", "Z@", "/Q", "%4Q"]), min_size=4, max_size=10
).map("".join)
"""Passwords with characters that mean something in a URL; no word of meterbot has their letters."""


@example("QZ8XJ@QZ99/QZ8XJZ99Q", "127.0.0.1", "/bot")
@example("99?QZ8XJ=", "h", "/d")
@given(
    HARD_PASSWORDS,
    st.sampled_from(["h", "h:1", "127.0.0.1:5432", "[::1]", "h1,h2", "h:port", ""]),
    st.sampled_from(["", "/d", "/d?sslmode=require", "/d?sslmod=x", "?user=a@b"]),
)
def test_no_four_characters_of_a_password_that_is_not_encoded_are_ever_shown(
    password: str, host: str, path: str
) -> None:
    text = f"postgresql://u:{password}@{host}{path}"
    shown = []
    try:
        url = read_url(text)
    except UnusableUrlError as refused:
        shown += [str(refused), repr(refused)]
    else:
        shown += [
            place_of(url),
            repr(url),
            str(url),
            str(url.host),
            str(url.database),
            str(url.port),
            *map(str, url.query.values()),
        ]
    pieces = {password[start : start + 4] for start in range(len(password) - 3)}
    assert [each for each in shown if any(piece in each for piece in pieces)] == []


@given(st.text(st.sampled_from("ab1:/@?#%[], ")))
def test_no_piece_of_an_unusable_url_is_repeated(rest: str) -> None:
    said = ""
    try:
        read_url(f"postgresql://u:{SECRET}{rest}")
    except UnusableUrlError as refused:
        said = str(refused)
    assert SECRET not in said
