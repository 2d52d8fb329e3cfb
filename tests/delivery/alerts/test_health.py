import pytest

from meterbot.core.inline import plain
from meterbot.core.models import EventKind, Health
from meterbot.delivery.alerts import text_of
from tests.delivery.alerts.events import BERLIN, changed, said, usd
from tests.teams import seat


def test_a_source_that_is_down_says_why_what_to_do_and_how_old_the_numbers_are() -> None:
    message = said(EventKind.SOURCE_DOWN, detail="the cookie is not accepted")
    assert message.title == "ana cannot be read: the sign-in has expired"
    assert plain(message.text) == "Replace the session key.\nThe last good reading is from Thu Apr 30 11:29."
    down = changed(EventKind.SOURCE_DOWN, detail="the cookie is not accepted")
    evidence = text_of(down, seat("ana"), BERLIN).evidence
    assert [plain(line) for line in evidence] == [
        "The cookie is not accepted.",
        "It has been unreadable since Thu Apr 30 11:30.",
    ]


def test_a_drifted_source_names_the_field_and_the_last_good_amount() -> None:
    message = said(
        EventKind.SOURCE_DOWN,
        health="drifted",
        detail="an answer has changed its form (usage.limits: expected a list, got a string)",
        last_used=usd("17.20"),
        last_used_at="2026-04-30T09:29:00Z",
    )
    assert plain(message.text).splitlines()[1:] == [
        "An answer has changed its form (usage.limits: expected a list, got a string).",
        "The last good reading is from Thu Apr 30 11:29.",
        "The last known extra usage is $17.20, read Thu Apr 30 11:29.",
    ]


def test_a_source_that_was_never_up_has_no_last_reading() -> None:
    assert said(EventKind.SOURCE_DOWN, last_ok_at=None).text.endswith("There is no reading yet.")


def test_every_health_has_plain_words() -> None:
    for health in set(Health) - {Health.OK, Health.NEVER_SEEN}:
        title = said(EventKind.SOURCE_DOWN, health=health.value).title
        assert title.startswith("ana cannot be read: ")
        assert "drifted" not in title
        assert "_" not in title


def test_a_source_that_is_back() -> None:
    assert said(EventKind.SOURCE_UP).title == "ana can be read again"


def test_a_session_that_ends_soon_says_when_and_how_it_is_renewed() -> None:
    message = said(EventKind.SESSION_EXPIRING)
    assert plain(message.title) == "ana: the claude.ai session ends on Sun May 3 11:00"
    assert message.text.startswith("Sign in to claude.ai again")
    assert message.owner == {"slack": "UANA"}


@pytest.mark.parametrize(
    ("level", "title"),
    [
        ("7d", "ana: the claude.ai session probably ends on Sun May 3 11:00"),
        ("1d", "ana: the claude.ai session probably ends on Sun May 3 11:00"),
        ("0d", "ana: the claude.ai session will probably end soon"),
    ],
)
def test_an_end_that_no_cookie_states_is_only_probable(level: str, title: str) -> None:
    message = said(EventKind.SESSION_EXPIRING, estimated=True, level=level)
    assert plain(message.title) == title
    assert "Its cookie does not say when it ends." in message.text
    assert "cookie" not in said(EventKind.SESSION_EXPIRING).text


def test_another_account_is_not_new_spend() -> None:
    message = said(EventKind.IDENTITY_CHANGED)
    assert message.title == "ana now reports another email"
    assert "amounts already on the new account are not reported as new" in message.text
