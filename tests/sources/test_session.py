"""What of an answer's cookies renews a session, and until when."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.sources.responses import SourceError
from meterbot.sources.session import Renewal, cookie_header, renewed_session
from tests.sources.served import KEY, NOW


def renewal(*lines: str, status: int = 200, held: str = "odd", now: datetime = NOW) -> Renewal | None:
    headers = httpx.Headers([(b"set-cookie", line.encode()) for line in lines])
    return renewed_session(status, headers, held, now)


@pytest.mark.parametrize("key", ["", "a b", "a;b", "a\r\nb", "a,b", 'a"b', "a\\b", "kéy", "a\tb"])
def test_a_session_key_that_no_cookie_can_hold_is_refused(key: str) -> None:
    with pytest.raises(SourceError) as refused:
        cookie_header(key)
    assert not key or key not in str(refused.value)


@pytest.mark.parametrize(
    ("lines", "renewed"),
    [
        ([], None),
        (["sessionKey=sk-ant-sid02-new; Path=/; HttpOnly; Max-Age=2592000"], "sk-ant-sid02-new"),
        (["sessionKey=one; Path=/", "sessionKey=two; Path=/"], "two"),
        (["sessionKeyLC=1760000000000; Path=/"], None),
        (["xsessionKey=a", "SESSIONKEY=b", "sessionKeyV3=c"], None),
        (["sessionKey=; Path=/"], None),
        (['sessionKey=""; Path=/'], None),
        (["sessionKey=gone; Max-Age=0"], None),
        (["sessionKey=gone; Max-Age=-1"], None),
        (["sessionKey=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], None),
        (["sessionKey=gone; Expires=Thu, 01 Jan 1970 00:00:00 UTC"], None),
        (["sessionKey=gone; Expires=Sun, 19 Apr 2026 23:59:59 GMT"], None),
        (["sessionKey=kept", "sessionKey=; Max-Age=0"], "kept"),
        (["sessionKey=a b"], None),
        (["sessionKey"], None),
        (["", ";;;", "=", "__cf_bm=a, sessionKey=b"], None),
    ],
)
def test_only_a_renewal_renews_the_session(lines: list[str], renewed: str | None) -> None:
    found = renewal(*lines)
    assert (found and found.key) == renewed
    assert renewal(*lines, status=403) is None


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (KEY.replace("planted", "renewed"), True),
        ("sk-ant-sid02-" + "aZ0_-" * 20, True),
        ("deleted", False),
        ("sk-ant-", False),
        ("sk-ant-sid01-short", False),
        ("sk-ant-sid01-" + "a" * 2000, False),
        ("sk-ant-sid01-planted.0123456789abcdefghij", False),
        ("x" + KEY, False),
    ],
)
def test_a_key_of_the_usual_form_is_renewed_by_another_of_that_form_alone(value: str, taken: bool) -> None:  # noqa: FBT001 - a column of the table
    found = renewal(f"sessionKey={value}; Path=/", held=KEY)
    assert (found is not None) is taken
    assert renewal(f"sessionKey={value}; Path=/") is not None


@pytest.mark.parametrize(
    ("attributes", "ends_at"),
    [
        ("Path=/; HttpOnly", None),
        ("Max-Age=86400", NOW + timedelta(days=1)),
        ("max-age = 60", None),
        ("MAX-AGE=60", NOW + timedelta(minutes=1)),
        ("Expires=Thu, 21 May 2026 07:28:09 GMT", datetime(2026, 5, 21, 7, 28, 9, tzinfo=UTC)),
        ("expires=thu, 21-may-2026 07:28:09 gmt", datetime(2026, 5, 21, 7, 28, 9, tzinfo=UTC)),
        ("Max-Age=60; Expires=Thu, 21 May 2026 07:28:00 GMT", NOW + timedelta(minutes=1)),
        ("Expires=Thu, 21 May 2026 07:28:00 GMT; Max-Age=60", NOW + timedelta(minutes=1)),
        ("Max-Age=soon; Expires=Thu, 21 May 2026 07:28:00 GMT", datetime(2026, 5, 21, 7, 28, tzinfo=UTC)),
        ("Max-Age=1e9", None),
        ("Max-Age=²", None),
        ("Max-Age=99999999999", None),
        ("Expires=Thu, 21 May 2026 07:28:00 +0200", None),
        ("Expires=Thu, 21 May 2026 07:28:00", None),
        ("Expires=21 May 2026 07:28:00 GMT", None),
        ("Expires=Mon, 30 Feb 2027 07:28:00 GMT", None),
        ("Expires=Thu, 21 May 2026 25:28:00 GMT", None),
        ("Expires=Thu, 21 May-2026 07:28:00 GMT", None),
        ("Expires=Thu, 1 May 2026 07:28:00 GMT", None),
        ("Expires=2026-05-21T07:28:00Z", None),
        ("Expires=1790000000", None),
    ],
)
def test_the_end_of_a_session_is_known_only_where_it_is_well_formed(
    attributes: str, ends_at: datetime | None
) -> None:
    assert renewal(f"sessionKey=new; {attributes}") == Renewal("new", ends_at)


@given(st.datetimes(datetime(2026, 4, 21), datetime(2200, 1, 1)))  # noqa: DTZ001 - made aware below
def test_every_date_that_a_server_writes_is_read(naive: datetime) -> None:
    ends_at = naive.replace(microsecond=0, tzinfo=UTC)
    assert renewal(f"sessionKey=new; Expires={ends_at:%a, %d %b %Y %H:%M:%S} GMT") == Renewal("new", ends_at)


@given(st.text())
def test_no_attribute_breaks_the_reader(text: str) -> None:
    found = renewal(f"sessionKey=new; Expires={text}; Max-Age={text}")
    assert found is None or found.key == "new"


def test_a_renewal_does_not_show_its_key() -> None:
    assert KEY not in repr(renewal(f"sessionKey={KEY}"))
