"""The text of config.toml: what is added can be read back, and what was there stays."""

import tomli
from hypothesis import given
from hypothesis import strategies as st

from meterbot.cli.setup.files import DraftTable, Value, drafted

SCHEMA = "file:///nowhere/meterbot.schema.json"
values = st.dictionaries(
    st.from_regex("[a-z_]{1,8}", fullmatch=True),
    st.booleans() | st.integers(0, 2**63 - 1) | st.text(st.characters(codec="utf-8"), max_size=20),
    max_size=3,
)
THERE = """# mine
timezone = "UTC" # stays

[[seats]]
name = "ana"
source = "push\""""


@given(values, values)
def test_what_is_written_is_read_back_as_it_was(top: dict[str, Value], seat: dict[str, Value]) -> None:
    text = drafted(None, SCHEMA, top, [DraftTable("[[seats]]", seat)])
    assert text.startswith(f"#:schema {SCHEMA}\n")
    assert tomli.loads(text) == {**top, "seats": [seat]}


@given(values)
def test_what_was_there_stays_to_the_letter_and_what_is_new_comes_behind(seat: dict[str, Value]) -> None:
    text = drafted(THERE, SCHEMA, {"secret_key_file": "secrets/secret-key"}, [DraftTable("[[seats]]", seat)])
    assert THERE in text
    read = tomli.loads(text)
    assert read["seats"] == [{"name": "ana", "source": "push"}, seat]
    assert (read["timezone"], read["secret_key_file"]) == ("UTC", "secrets/secret-key")


def test_a_first_line_that_is_there_is_kept() -> None:
    text = drafted(f"#:schema ./mine.json\n{THERE}\n", SCHEMA, {}, [])
    assert text == f"#:schema ./mine.json\n{THERE}\n"
