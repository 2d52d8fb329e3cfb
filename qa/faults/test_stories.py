import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from qa.faults.stories import LEVELS, Fact, tell


@given(st.integers())
def test_no_reading_of_a_story_looks_like_a_level_by_chance(seed: int) -> None:
    for step in tell(random.Random(seed)).steps:
        at = step.standing
        assert at.blocked or round(100 * at.used / at.cap) not in LEVELS


@given(st.integers())
def test_spend_never_falls_in_a_story_and_a_blocked_seat_has_its_cap_raised_next(seed: int) -> None:
    story = tell(random.Random(seed))
    for seat in story.seats:
        steps = [step for step in story.steps if step.seat == seat]
        for before, after in pairwise(steps):
            assert after.standing.used >= before.standing.used
            assert not before.standing.blocked or after.standing.cap > before.standing.cap


def test_the_same_seed_tells_the_same_story() -> None:
    assert tell(random.Random(7)) == tell(random.Random(7))


def test_a_fact_is_reported_by_a_message_that_names_its_seat_and_all_that_marks_it() -> None:
    fact = Fact("ana", (r"(?<![\d.])50%",))
    assert fact.is_in("ana passed 80% of the cap\nIt passed 50% at once.")
    assert not fact.is_in("bo passed 50% of the cap")
    assert not fact.is_in("ana passed 80% of the cap\nSpent: $25.25 of $50.00 (50.5%)")


def test_of_a_message_about_several_seats_the_seat_s_own_line_must_say_it() -> None:
    fact = Fact("ana", (r"(?<![\d.])50%",))
    assert fact.is_in("2 at once\nana passed 50% of the cap\nbo is blocked")
    assert not fact.is_in("2 at once\nbo passed 50% of the cap\nana is blocked")
