"""What a person reads about a text that is not TOML, and where."""

import pytest
import tomli

from meterbot.app.config.toml_mistakes import mistake

QUOTES = 'needs quotes, unless it is a number, a date, true or false: "…"'
BREAK = "a line break is missing here: every key and every [table] has a line of its own"
VARIABLE = 'A variable keeps them with quotes: "$(cat config.toml)"'
OPEN = "a text is not closed: its second quote is missing"


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("timezone = Europe/Berlin\n", (1, 12), f"the value of timezone {QUOTES}"),
        ("owner = { slack = U0ANA }", (1, 19), f"the value of slack {QUOTES}"),
        ("mute = [\n  spend\n]\n", (2, 3), f"the value {QUOTES}"),
        ("timezone = \n", (1, 12), "the value of timezone is missing"),
        ("timezone = # later\n", (1, 12), "the value of timezone is missing"),
        ("enabled = True\n", (1, 11), "the value of enabled must be in small letters: true or false"),
        ("timezone = “UTC”\n", (1, 12), 'the value of timezone needs straight quotes: "…"'),
        (
            "x = 1\n[slack]\n  [slack]\n",
            (3, 3),
            "[slack] is there twice, first on line 2: put its keys together under one",
        ),
        ("[[seats]]\n[seats]\n", (2, 1), "[seats] must be [[seats]], as on line 1"),
        ("[a]\nb.c = 1\n[a.b]\n", (3, 1), "[a.b] is there already: put its keys together"),
        ("a = 1\nb = 2\na = 3\n", (3, 1), "a is written twice, first on line 1: keep one of the two"),
        (
            "a = 1\n[t]\na = 1\n a = 2\n",
            (4, 2),
            "a is written twice, first on line 3: keep one of the two",
        ),
        ("a.b = 1\na.b.c = 2\n", (2, 1), "a.b.c is written already: keep one of the two"),
        ("slack = 1\n[slack]\n", (2, 1), "[slack] is written already: keep one of the two"),
        ("seats = []\n[[seats]]\n", (2, 1), "[[seats]] is written already: keep one of the two"),
        ("a = [\n1]\na = [\n2]\n", (4, 3), "the key is written already: keep one of the two"),
        ("owner = { slack = 1, slack = 2 }", (1, 31), "a key is twice in one table: keep one of the two"),
        ('a = "x\nb = 2\n', (1, 7), OPEN),
        ("a = 'x\nb = 'y'\n", (1, 7), OPEN),
        ("a = 'x", (1, 7), OPEN),
        ('a = """x', (1, 9), OPEN),
        ('timezone = "UTC" [slack] channel = "C01" ', (1, 18), f"{BREAK}. {VARIABLE}"),
        ("a = 1 b = 2\nc = 3\n", (1, 7), BREAK),
        (
            "poll_interval = 60s\n",
            (1, 19),
            'the value of poll_interval goes on here: put a text in quotes, "…", and # before a comment',
        ),
        ("[http] x\n", (1, 8), "nothing may follow here, except a comment after #"),
        ("a = [1, 2\n", (2, 1), "a list is not closed: its ] is missing"),
        ("[http\n", (1, 6), "the ] after a table's name is missing"),
        ("[[seats\n", (1, 8), "the ]] after a table's name is missing"),
        ("a\n", (1, 2), "the = after a key is missing"),
        ("{}", (1, 1), "a line must be a key with its value, or a table's name in brackets"),
        (
            r'a = "C:\data"',
            (1, 10),
            r"write \\ for \ in double quotes, or use single quotes",
        ),
        ('a = "\x01"', (1, 6), r"Illegal character '\x01'"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(text: str, position: tuple[int, int], said: str) -> None:
    with pytest.raises(tomli.TOMLDecodeError) as raised:
        tomli.loads(text)
    assert mistake(raised.value) == (position, said)


def test_no_value_is_repeated() -> None:
    for text in ("token = hunter2", "token = 'hunter2", 'token = 1\ntoken = "hunter2"', "token = 1 hunter2"):
        with pytest.raises(tomli.TOMLDecodeError) as raised:
            tomli.loads(text)
        assert "hunter2" not in mistake(raised.value).sentence
