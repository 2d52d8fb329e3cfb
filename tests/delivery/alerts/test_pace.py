from meterbot.core.models import EventKind
from tests.delivery.alerts.events import said, usd, values


def test_a_cap_that_will_fall_says_when_and_by_how_much() -> None:
    message = said(EventKind.CAP_FORECAST)
    assert message.title == "ana is heading past its cap"
    assert "At today's pace its cap falls at about Thu Apr 30 20:20, 5h before the counter" in message.text
    assert "between $54.10 and $72.20, most likely $11.40 above it" in message.text
    assert values(message)["Pace"] == "$1.03 per hour"
    assert values(message)["Cap reached at this pace"] == "Thu Apr 30 20:20"


def test_without_a_months_forecast_none_is_made_up() -> None:
    assert "Without a cap" not in said(EventKind.CAP_FORECAST, low=None, likely=None, high=None).text


def test_a_forecast_in_another_currency_than_the_cap_is_not_compared() -> None:
    euros = {"minor": "9900", "currency": "EUR", "exponent": 2}
    assert "Without a cap" not in said(EventKind.CAP_FORECAST, likely=euros).text


def test_a_spike_says_what_is_usual() -> None:
    message = said(EventKind.SPEND_SPIKE)
    assert message.title == "ana is spending 7.0 times as fast as usual"
    assert "$12.60 an hour; nine of ten of its busy hours stay within $1.80." in message.text
    assert "$1.80" not in said(EventKind.SPEND_SPIKE, usual=None, pace=usd("3")).text
