from meterbot.core.inline import plain
from meterbot.core.models import EventKind
from tests.delivery.alerts.events import said, usd


def test_a_cap_that_will_be_reached_says_when_at_which_pace_and_what_the_month_would_come_to() -> None:
    message = said(EventKind.CAP_FORECAST)
    assert plain(message.title) == "ana will reach the $50.00 cap around Thu Apr 30 20:20"
    assert message.text.splitlines()[1:] == [
        "$41.40 of $50.00 (83%) so far, at $1.03/h.",
        "Without the cap the month would end between $54.10 and $72.20.",
    ]


def test_without_a_months_forecast_none_is_made_up() -> None:
    assert "Without the cap" not in said(EventKind.CAP_FORECAST, low=None, likely=None, high=None).text


def test_a_forecast_in_another_currency_than_the_cap_is_not_compared() -> None:
    euros = {"minor": "9900", "currency": "EUR", "exponent": 2}
    assert "Without the cap" not in said(EventKind.CAP_FORECAST, likely=euros).text


def test_a_spike_says_what_is_usual() -> None:
    message = said(EventKind.SPEND_SPIKE)
    assert message.title == "ana is spending 7.0 times faster than usual: $12.60/h"
    assert "Normally under $1.80/h (90th percentile)." in message.text
    assert "Normally" not in said(EventKind.SPEND_SPIKE, usual=None).text
    assert said(EventKind.SPEND_SPIKE, pace=None, times=None).title == "ana is spending far faster than usual"
    assert "$1.00" in said(EventKind.SPEND_SPIKE, used=usd("1")).text
