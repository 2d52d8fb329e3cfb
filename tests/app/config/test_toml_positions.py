import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from meterbot.app.config.toml_positions import Path, Position, positions


def at(document: str, position: Position) -> str:
    return document.split("\n")[position.line - 1][position.column - 1 :]


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(inner, (*path, key))


def assert_found_where_it_stands(document: str) -> None:
    parsed = tomli.loads(document, parse_float=Decimal)
    found = positions(document)
    assert set(found) == set(paths(parsed))
    for path, position in found.items():
        name = path[-1]
        if isinstance(name, str):
            there = at(document, position)
            written = there.startswith((name, *(f"{quote}{name}{quote}" for quote in "\"'")))
            # A key with escapes in it is read back by the parser itself.
            assert written or next(iter(tomli.loads(f"{quoted(there)} = 0"))) == name, (path, there)


def quoted(text: str) -> str:
    end = 1
    while text[end] != '"':
        end += 2 if text[end] == "\\" else 1
    return text[: end + 1]


def test_a_key_of_a_table_of_an_array_has_its_line_and_column() -> None:
    document = '[[seats]]\nname = "ana"\n\n[[seats]]\n  plan_price = "abc"\n'
    assert positions(document)["seats", 1, "plan_price"] == (5, 3)
    assert positions(document)["seats", 1] == (4, 3)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "# only a comment",
        "a = 1",
        "a=1\r\nb = 2\r\n",
        'a.b . "c d" = 1\na.e = 2',
        "'literal \\ key' = 1",
        '"esc\\u0041ped \\"key\\"" = 1',
        "[a]\nx = 1\n[a.b]\ny = 2",
        "[a.b.c]\nx = 1\n[a]\ny = 2",
        "[ a . b ] # spaced\nx = 1",
        "[[a]]\n[a.b]\nx = 1\n[[a]]\n[a.b]\nx = 1",
        "[[a.b]]\nx = 1\n[[a.b]]\nx = 2\n[[a.b.c]]\ny = 1",
        "a = [1, 2, # three ]\n 3,\n]",
        "a = [[1], [], [{b = 1}, {c = [2]}]]",
        "a = { b = 1, c.d = 'x,y}', \"e\" = { f = [] } }",
        'a = """\nb = 1\n[c]\n"""\nd = 1',
        'a = """quotes "" inside and at the end"""""\nd = 1',
        "a = '''it's ''two'' '''''\nd = 1",
        'a = """escaped \\""" quotes"""\nd = 1',
        "a = \"\"\nb = ''\nc = \"\"\"\"\"\"\nd = ''''''\ne = 1",
        "a = 1979-05-27 07:32:00\nb = 1979-05-27T07:32:00.5-07:00 # c\nc = 07:32:00",
        "a = +inf\nb = 0xDEAD_BEEF\nc = 1e-3\nd = true",
        'a = "# no comment = [x]"\nb = 1',
        "\ta = 1",
        '"ключ" = 1\nb = "ä" \nc = { "ö" = 1 }',
    ],
)
def test_every_key_is_found_where_it_is(document: str) -> None:
    assert_found_where_it_stands(document)


keys = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True).map(lambda key: f"'{key}'"),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=6).map(
        lambda key: json.dumps(key, ensure_ascii=False)
    ),
)
spaces = st.sampled_from(["", " ", "\t", "  "])
gaps = st.sampled_from(["", " ", "\n", " # c ]}\n", "\n\n\t"])
strings = st.one_of(
    st.sampled_from(['"""a\n[b]\n"c" = 1"""', "'''\nx = ''1'' '''", '"""""a"""""', "'#'", '"\\"]}"', '""']),
    st.text(st.characters(codec="ascii", min_codepoint=32, exclude_characters="\x7f"), max_size=8).map(
        json.dumps
    ),
)
scalars = st.one_of(
    strings, st.sampled_from(["1", "-0.5", "true", "inf", "1979-05-27 07:32:00Z", "1979-05-27", "0x1F"])
)


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    items = st.lists(st.tuples(gaps, values, gaps).map("".join), max_size=3)
    return st.tuples(items, gaps).map(lambda both: f"[{','.join(both[0])}{both[1]}]")


dotted = st.lists(keys, min_size=1, max_size=3).flatmap(
    lambda parts: st.tuples(spaces, spaces).map(lambda pad: f"{pad[0]}.{pad[1]}".join(parts))
)


def inline_tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(spaces, dotted, spaces, values, spaces).map(
        lambda p: f"{p[0]}{p[1]}{p[2]}={p[3]}{p[4]}"
    )
    return st.lists(pairs, max_size=3).map(lambda pairs: "{" + ",".join(pairs) + "}")


values = st.recursive(scalars, lambda inner: st.one_of(arrays(inner), inline_tables(inner)), max_leaves=6)
pairs = st.tuples(spaces, dotted, spaces, spaces, values, st.sampled_from(["", " # end"])).map(
    lambda p: f"{p[0]}{p[1]}{p[2]}={p[3]}{p[4]}{p[5]}"
)
headers = st.tuples(st.sampled_from([("[", "]"), ("[[", "]]")]), spaces, dotted, spaces).map(
    lambda h: f"{h[0][0]}{h[1]}{h[2]}{h[3]}{h[0][1]}"
)
documents = st.tuples(
    st.lists(
        st.one_of(pairs, headers, st.sampled_from(["", "# note", "[[seats]]", "[seats.sub]"])), max_size=10
    ),
    st.sampled_from(["\n", "\r\n"]),
).map(lambda both: both[1].join(both[0]))


def accepted(document: str) -> bool:
    try:
        tomli.loads(document)
    except tomli.TOMLDecodeError:
        return False
    return True


@given(documents.filter(accepted))
def test_every_key_of_any_document_is_found_where_it_is(document: str) -> None:
    assert_found_where_it_stands(document)
