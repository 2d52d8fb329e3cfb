from meterbot.core.models import EventKind
from tests.delivery.alerts.events import said, values


def test_a_source_that_is_down_says_since_when_and_what_to_do() -> None:
    message = said(EventKind.SOURCE_DOWN, detail="the cookie is not accepted")
    assert message.title == "ana cannot be read: session expired"
    assert message.text == (
        "Its last known numbers are from Thu Apr 30 11:29.\nThe cookie is not accepted.\nReplace the session key."
    )
    assert values(message) == {"Since": "Thu Apr 30 11:30"}


def test_a_source_that_never_was_up_has_no_last_numbers() -> None:
    assert said(EventKind.SOURCE_DOWN, last_ok_at=None).text.startswith("It has not been read yet.")


def test_a_source_that_is_back() -> None:
    message = said(EventKind.SOURCE_UP)
    assert message.title == "ana is being read again"
    assert message.text == "It could not be read since Thu Apr 30 11:30."


def test_a_session_that_ends_soon_says_when_and_how_it_is_renewed() -> None:
    message = said(EventKind.SESSION_EXPIRING)
    assert message.title == "ana: the claude.ai session ends within 3 days"
    assert "signs in to claude.ai again" in message.text
    assert values(message) == {"Ends": "Sun May 3 11:00"}
    assert message.owner == {"slack": "UANA"}


def test_another_account_is_not_new_spend() -> None:
    message = said(EventKind.IDENTITY_CHANGED)
    assert message.title == "ana now reports another email"
    assert "what stands on it already is not told as new spend" in message.text
