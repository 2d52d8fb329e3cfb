"""What an answer that is no reading is taken for."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Health
from meterbot.sources.responses import LONGEST_WAIT, Cause, SourceError, reading, retry_after

NOW = datetime(2026, 4, 20, tzinfo=UTC)
JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html; charset=UTF-8"}


def judged(status: int, body: object = b"", headers: dict[str, str] | None = None) -> SourceError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(SourceError) as trouble:
        reading(status, httpx.Headers(headers or JSON), content, NOW)
    return trouble.value


def refusal(message: str = "", code: str | None = None, kind: str = "permission_error") -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": message, "details": {"error_code": code}}}


@pytest.mark.parametrize(
    ("status", "body", "headers", "cause", "health"),
    [
        (401, refusal(kind="authentication_error"), JSON, Cause.UNAUTHORIZED, Health.SESSION_EXPIRED),
        (403, refusal("x", "account_session_invalid"), JSON, Cause.SESSION, Health.SESSION_EXPIRED),
        (403, refusal("Invalid authorization"), JSON, Cause.SESSION, Health.SESSION_EXPIRED),
        (
            403,
            refusal("OAuth token does not meet scope requirement user:profile"),
            JSON,
            Cause.SCOPE,
            Health.REFUSED,
        ),
        (403, refusal("no", "oauth_scope_insufficient"), JSON, Cause.SCOPE, Health.REFUSED),
        (403, refusal("Missing permission user:profile"), JSON, Cause.SCOPE, Health.REFUSED),
        (403, refusal("We are unable to serve your request"), JSON, Cause.REGION, Health.REFUSED),
        (403, refusal("You do not have permission to view billing"), JSON, Cause.DENIED, Health.REFUSED),
        (403, {}, JSON, Cause.DENIED, Health.REFUSED),
        (403, b"", {}, Cause.DENIED, Health.REFUSED),
        (403, b"<html>Forbidden</html>", HTML, Cause.UNREACHABLE, Health.UNREACHABLE),
        (403, refusal("x", "account_session_invalid"), HTML, Cause.SESSION, Health.SESSION_EXPIRED),
        (403, b"", {"cf-mitigated": "challenge"}, Cause.CHALLENGED, Health.CHALLENGED),
        (403, b"<title>Just a moment...</title>", HTML, Cause.CHALLENGED, Health.CHALLENGED),
        (503, b"<title>Just a moment...</title>", HTML, Cause.CHALLENGED, Health.CHALLENGED),
        (200, b"<title>Just a moment...</title>", HTML, Cause.CHALLENGED, Health.CHALLENGED),
        (200, b"<html>Welcome to the hotel</html>", HTML, Cause.UNREADABLE, Health.UNREACHABLE),
        (200, b"<html>mislabelled</html>", JSON, Cause.UNREADABLE, Health.UNREACHABLE),
        (200, b"", JSON, Cause.UNREADABLE, Health.UNREACHABLE),
        (200, b'{"a": 1', JSON, Cause.UNREADABLE, Health.UNREACHABLE),
        (200, b'{"a": 1} {"b": 2}', JSON, Cause.UNREADABLE, Health.UNREACHABLE),
        (200, b'{"a": "\xff"}', JSON, Cause.UNREADABLE, Health.UNREACHABLE),
        (200, b"[" * 100_000, JSON, Cause.DRIFTED, Health.DRIFTED),
        (200, refusal(kind="api_error"), JSON, Cause.FAILING, Health.UNREACHABLE),
        (200, {"error": {"type": "overloaded_error"}}, JSON, Cause.FAILING, Health.UNREACHABLE),
        (200, {"error": "went wrong"}, JSON, Cause.FAILING, Health.UNREACHABLE),
        (200, {"type": "error"}, JSON, Cause.FAILING, Health.UNREACHABLE),
        (200, {"type": "error", "error": [1]}, JSON, Cause.FAILING, Health.UNREACHABLE),
        (
            200,
            refusal(kind="authentication_error"),
            JSON,
            Cause.UNAUTHORIZED,
            Health.SESSION_EXPIRED,
        ),
        (200, refusal("x", "account_session_invalid"), JSON, Cause.SESSION, Health.SESSION_EXPIRED),
        (200, refusal(kind="rate_limit_error"), JSON, Cause.RATE_LIMITED, Health.RATE_LIMITED),
        (204, b"", {}, Cause.UNREADABLE, Health.UNREACHABLE),
        (
            302,
            b"",
            {"location": "https://claude.ai/app-unavailable-in-region"},
            Cause.REGION,
            Health.REFUSED,
        ),
        (302, b"", {"location": "https://claude.ai/login?x"}, Cause.SESSION, Health.SESSION_EXPIRED),
        (307, b"", {"location": "/sign-in"}, Cause.SESSION, Health.SESSION_EXPIRED),
        (302, b"", {"location": "http://portal.hotel/"}, Cause.UNREADABLE, Health.UNREACHABLE),
        (301, b"", {}, Cause.UNREADABLE, Health.UNREACHABLE),
        (400, refusal(kind="invalid_request_error"), JSON, Cause.BAD_ID, Health.REFUSED),
        (404, refusal(kind="not_found_error"), JSON, Cause.ABSENT, Health.REFUSED),
        (407, b"", {}, Cause.UNREACHABLE, Health.UNREACHABLE),
        (408, b"", {}, Cause.FAILING, Health.UNREACHABLE),
        (418, b"", {}, Cause.UNREADABLE, Health.UNREACHABLE),
        (429, b"<html>Too many requests</html>", HTML, Cause.RATE_LIMITED, Health.RATE_LIMITED),
        *[
            (status, b"error code", {}, Cause.FAILING, Health.UNREACHABLE)
            for status in (500, 502, 503, 520, 526, 529)
        ],
    ],
)
def test_each_kind_of_answer_has_one_cause_and_one_word(
    status: int, body: object, headers: dict[str, str], cause: Cause, health: Health
) -> None:
    trouble = judged(status, body, headers)
    assert (trouble.cause, trouble.health) == (cause, health)
    assert str(status) in trouble.sentence or status == 200


@pytest.mark.parametrize(
    ("status", "body", "headers", "seconds"),
    [
        (403, refusal("x", "account_session_invalid"), {}, None),
        (403, refusal("Invalid authorization"), {}, None),
        (403, refusal("no", "oauth_scope_insufficient"), {}, None),
        (200, refusal("Missing permission user:profile"), {}, None),
        (302, b"", {"location": "/login"}, None),
        (302, b"", {"location": "https://claude.ai/app-unavailable-in-region"}, None),
        (302, b"", {"location": "http://portal.hotel/"}, None),
        (401, refusal(kind="authentication_error"), {}, 60),
        (403, refusal("We are unable to serve your request"), {}, 60),
        (403, {}, {}, 60),
        (403, b"<html>Forbidden</html>", HTML, 60),
        (302, b"", {"cf-mitigated": "challenge"}, 60),
        (503, b"", {}, 60),
    ],
)
def test_a_refusal_that_only_a_person_can_end_asks_for_no_wait(
    status: int, body: object, headers: dict[str, str], seconds: int | None
) -> None:
    trouble = judged(status, body, {"retry-after": "60", **headers})
    assert trouble.retry_after == seconds
    assert trouble.retry_at(NOW) == (None if seconds is None else NOW + timedelta(seconds=seconds))


def test_json_under_a_wrong_content_type_is_read() -> None:
    assert reading(200, httpx.Headers({"content-type": "text/plain"}), b'{"a": null}', NOW) == {"a": None}
    assert reading(200, httpx.Headers(HTML), b'\xef\xbb\xbf{"a": null}', NOW) == {"a": None}


@pytest.mark.parametrize("body", [{"error": None}, {"error": ""}, {"error": False, "type": "message"}])
def test_a_field_called_error_is_not_always_one(body: dict[str, object]) -> None:
    assert reading(200, httpx.Headers(JSON), json.dumps(body).encode(), NOW) == body


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("0", 0),
        ("  60 ", 60),
        ("+60", 60),
        ("1.5", 1.5),
        ("-1", 0),
        ("99999999999999999999", LONGEST_WAIT),
        ("9" * 5000, LONGEST_WAIT),
        (format_datetime(NOW + timedelta(minutes=5), usegmt=True), 300),
        (format_datetime(NOW - timedelta(minutes=5), usegmt=True), 0),
        (format_datetime(NOW + timedelta(days=9), usegmt=True), LONGEST_WAIT),
        ("Mon, 20 Apr 2026 00:01:00", 60),
        ("Mon, 99 Foo 2026 00:01:00 GMT", None),
    ],
)
def test_retry_after_in_every_form(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


@given(st.one_of(st.text(), st.integers().map(str), st.floats().map(str), st.datetimes().map(str)))
def test_retry_after_is_nothing_or_within_its_bounds(header: str) -> None:
    seconds = retry_after(header, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT


@given(
    status=st.integers(100, 599),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "location", "content-type"]), st.text(max_size=40)
    ),
    body=st.one_of(
        st.binary(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(st.sampled_from(["error", "type", "message", "details"]), inner)
            ),
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_no_answer_whatever_raises_anything_but_trouble(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    try:
        reading(status, headers, body, NOW)
    except SourceError as trouble:
        assert trouble.health is not Health.OK  # noqa: PT017  # what it does without raising is right, too
        assert trouble.sentence.isprintable()  # noqa: PT017
