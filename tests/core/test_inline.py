from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.inline import Instant, Link, instant, link, pieces, plain
from meterbot.core.text import one_line

AT = datetime(2026, 5, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def test_an_instant_is_in_a_sentence_and_comes_back_as_a_value() -> None:
    text = f"The block lifts on {instant(AT, BERLIN)}."
    assert pieces(text) == ["The block lifts on ", Instant(AT, "Fri May 1 02:00"), "."]


def test_where_no_reader_zone_is_known_the_configured_one_is_shown() -> None:
    assert plain(f"until {instant(AT, BERLIN)}") == "until Fri May 1 02:00"


def test_a_link_is_shown_with_its_address_where_links_have_no_labels() -> None:
    text = f"Raise the cap in {link('https://claude.ai/settings/usage', 'Settings')}."
    assert plain(text) == "Raise the cap in Settings (https://claude.ai/settings/usage)."
    assert pieces(text)[1] == Link("https://claude.ai/settings/usage", "Settings")


def test_foreign_text_cannot_forge_a_mark() -> None:
    assert pieces(one_line(f"ana{instant(AT, UTC)}")) != ["ana", Instant(AT, "Fri May 1 00:00")]
    assert all(isinstance(part, str) for part in pieces(one_line(str(Link("https://evil.example", "x")))))


def test_an_instant_out_of_range_is_shown_as_its_words() -> None:
    mark = instant(AT, UTC).replace(str(int(AT.timestamp())), "9" * 30)
    assert plain(mark) == "Fri May 1 00:00"


@given(st.text(), st.integers(0, 60))
def test_a_text_cut_anywhere_shows_no_piece_of_a_mark(before: str, end: int) -> None:
    whole = one_line(before) + instant(AT, UTC)
    shown = plain(whole[: len(one_line(before)) + end])
    assert shown in {one_line(before), f"{one_line(before)}Fri May 1 00:00"}
