from dataclasses import replace

import pytest

from qa.faults.days import START, Account, Days, grown, play


@pytest.fixture(scope="module")
def months() -> tuple[Days, Days]:
    return play(4, 60, seed=3), play(4, 60, seed=3)


@pytest.mark.timeout(240)
def test_the_same_months_are_reported_in_the_same_words(months: tuple[Days, Days]) -> None:
    one, other = months
    assert one.messages > 90
    assert one.trace == other.trace


def test_what_the_bot_needs_of_the_machine_levels_off(months: tuple[Days, Days]) -> None:
    looks = months[1].looks
    assert grown(looks) == []
    more = replace(looks[-1], memory=2 * looks[-1].memory, files=2 * looks[-1].files, database=10**9)
    assert grown([*looks, more]) == ["memory", "open files", "database"]


def test_an_account_spends_up_to_its_cap_and_begins_again_each_month() -> None:
    account = Account(1, 400)
    used = [
        account.used(START.replace(month=month, day=day, hour=20)) for month, day in ((1, 1), (1, 30), (2, 1))
    ]
    assert used == [400, 50_00, 0]
