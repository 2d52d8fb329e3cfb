"""What a person reads about a text that is not TOML, and where."""

import pytest
import tomli

from meterbot.app.config import Config
from meterbot.app.config.problems import known_keys
from meterbot.app.config.toml_mistakes import mistake

QUOTES = 'in quotes ("…"); only numbers, dates, true and false go without'
BREAK = "a line break is missing here: every key and every [table] starts on its own line"
VARIABLE = 'A variable keeps its line breaks with METERBOT_CONFIG_TOML="$(cat config.toml)"'
OPEN = "the closing quote is missing"

KNOWN = {*"abctx", "timezone", "slack", "mute", "enabled", "seats", "poll_interval", "http", "token", "owner"}


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("timezone = Europe/Berlin\n", (1, 12), f"put the value of timezone {QUOTES}"),
        ("owner = { slack = U0ANA }", (1, 19), f"put the value of slack {QUOTES}"),
        ("mute = [\n  spend\n]\n", (2, 3), f"put the value {QUOTES}"),
        ("timezone = \n", (1, 12), "the value of timezone is missing"),
        ("timezone = # later\n", (1, 12), "the value of timezone is missing"),
        ("enabled = True\n", (1, 11), "the value of enabled must be lowercase: true or false"),
        ("timezone = “UTC”\n", (1, 12), 'the value of timezone needs straight quotes: "…"'),
        (
            "x = 1\n[slack]\n  [slack]\n",
            (3, 3),
            "[slack] appears twice, first on line 2: move all its keys under one [slack]",
        ),
        ("[[seats]]\n[seats]\n", (2, 1), "[seats] must be [[seats]], as on line 1"),
        ("[a]\nb.c = 1\n[a.b]\n", (3, 1), "[a.b] is already defined above: put all its keys in one place"),
        ("a = 1\nb = 2\na = 3\n", (3, 1), "a is set twice, first on line 1: delete one of them"),
        (
            "a = 1\n[t]\na = 1\n a = 2\n",
            (4, 2),
            "a is set twice, first on line 3: delete one of them",
        ),
        ("a.b = 1\na.b.c = 2\n", (2, 1), "a.b.c is already set above: delete one of them"),
        ("slack = 1\n[slack]\n", (2, 1), "[slack] is already set above: delete one of them"),
        ("seats = []\n[[seats]]\n", (2, 1), "[[seats]] is already set above: delete one of them"),
        ("a = [\n1]\na = [\n2]\n", (4, 3), "the key is already set above: delete one of them"),
        ("owner = { slack = 1, slack = 2 }", (1, 31), "a key is set twice in this table: delete one of them"),
        ('a = "x\nb = 2\n', (1, 7), OPEN),
        ("a = 'x\nb = 'y'\n", (1, 7), OPEN),
        ("a = 'x", (1, 7), OPEN),
        ('a = """x', (1, 9), OPEN),
        ('timezone = "UTC" [slack] channel = "C01" ', (1, 18), f"{BREAK}. {VARIABLE}"),
        ("a = 1 b = 2\nc = 3\n", (1, 7), BREAK),
        (
            "poll_interval = 60s\n",
            (1, 19),
            'unexpected text after the value of poll_interval: put text values in quotes ("…"), and # before a comment',
        ),
        ("[http] x\n", (1, 8), "unexpected text here: only a comment after # may follow"),
        ("a = [1, 2\n", (2, 1), "the closing ] of a list is missing"),
        ("a = { b = 1", (1, 12), "the closing } of a table is missing"),
        ("[http\n", (1, 6), "the ] after a table's name is missing"),
        ("[[seats\n", (1, 8), "the ]] after a table's name is missing"),
        ("a\n", (1, 2), "the = after a key is missing"),
        ("{}", (1, 1), "expected key = value or [table]"),
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
    assert mistake(raised.value, KNOWN) == (position, said)


def test_no_value_is_repeated() -> None:
    for text in ("token = hunter2", "token = 'hunter2", 'token = 1\ntoken = "hunter2"', "token = 1 hunter2"):
        with pytest.raises(tomli.TOMLDecodeError) as raised:
            tomli.loads(text)
        assert "hunter2" not in mistake(raised.value, KNOWN).sentence


@pytest.mark.parametrize(
    "text",
    [
        "{}=",
        "{}==",
        "a = [\n{}=\n",
        "x = 1\n{}= = 1",
        "{0} = 1\n{0} = 2",
        "{} = 1 x",
        "a = {{ {} = }}",
        "[{0}]\n[{0}]",
        "[[{0}]]\n[{0}]",
        "{0} = 1\n[{0}]",
        '[a."{0}"]\n[a."{0}"]',
        "{0}.b = 1\n[{0}.b]",
    ],
)
def test_no_pasted_secret_is_repeated_for_a_key(text: str) -> None:
    secret = "UdMJyPfrM0wK9-planted_CwA"
    with pytest.raises(tomli.TOMLDecodeError) as raised:
        tomli.loads(text.format(secret))
    assert "planted" not in mistake(raised.value, KNOWN).sentence


def test_a_key_of_the_configuration_is_known_at_any_level() -> None:
    keys = known_keys(Config)
    assert keys >= {"timezone", "seats", "source", "slack", "bot_token", "bot_token_file", "mute", "start"}
    assert "poll" not in keys
