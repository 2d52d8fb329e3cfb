"""What the stand-in of the Admin API does where the real one's habits have caught readers out."""

from datetime import date, timedelta

import aiohttp
import pytest

from tests.simulator.admin_api import AdminApi

HEADERS = {"x-api-key": "sk-ant-admin01-simulated", "anthropic-version": "2023-06-01"}
REPORT = "/v1/organizations/cost_report?starting_at=2026-10-01T00:00:00Z"
FIRST = date(2026, 10, 1)


async def body(server: AdminApi, path: str) -> dict[str, object]:
    async with aiohttp.ClientSession(headers=HEADERS) as session, session.get(server.url + path) as response:
        assert response.status == 200
        answer: dict[str, object] = await response.json()
        return answer


async def test_a_reader_that_neither_pages_nor_asks_for_more_gets_a_week() -> None:
    async with AdminApi() as server:
        for day in range(10):
            server.charge(FIRST + timedelta(days=day), "100.00")
        week = await body(server, REPORT)
        assert isinstance(week["data"], list)
        assert (len(week["data"]), week["has_more"]) == (7, True)
        month = await body(server, f"{REPORT}&limit=31")
        assert isinstance(month["data"], list)
        assert (len(month["data"]), month["has_more"], month["next_page"]) == (10, False, None)


async def test_limits_have_a_cursor_and_do_not_say_whether_there_is_more() -> None:
    async with AdminApi(page_size=1) as server:
        for number in range(2):
            server.limit("dev@example.com", None, "5", user=f"user_{number}")
        page = await body(server, "/v1/organizations/spend_limits/effective")
    assert page.keys() == {"data", "next_page"}
    assert page["next_page"]


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", REPORT, HEADERS),
        ("DELETE", "/v1/organizations/users/user_1", HEADERS),
        ("GET", "/v1/organizations/users", HEADERS),
        ("GET", REPORT, {"x-api-key": HEADERS["x-api-key"]}),
        ("GET", REPORT, {**HEADERS, "Authorization": "Bearer x"}),
    ],
)
async def test_what_a_reader_must_not_send_is_noticed(
    method: str, path: str, headers: dict[str, str]
) -> None:
    async with AdminApi() as server, aiohttp.ClientSession(headers=headers) as session:
        async with session.request(method, server.url + path) as response:
            assert response.status == 404
        with pytest.raises(AssertionError, match="unexpected requests"):
            server.assert_expected_only()
