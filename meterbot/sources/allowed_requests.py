"""The paths that meterbot may request. The same addresses also accept writes, so all other requests are refused
here."""

import re
from collections.abc import Mapping

_ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MIDNIGHT = f"{_DAY}T00:00:00Z"
_PAGE = "(&page=([0-9A-Za-z_.~-]|%[0-9A-F]{2}){1,600})?"
REPOSITORY = "[0-9A-Za-z_.-]{1,100}/[0-9A-Za-z_.-]{1,100}"
"""GitHub's `owner/name`."""

_ALLOWED_PATH = re.compile(
    "/api/account"
    f"|/api/organizations/{_ID}/(usage|overage_spend_limit(\\?account_uuid={_ID})?|subscription_details"
    "|prepaid/credits)"
    "|/api/oauth/(usage|profile)"
    f"|/v1/organizations/(me|cost_report\\?starting_at={_MIDNIGHT}&ending_at={_MIDNIGHT}&bucket_width=1d&limit=31{_PAGE}"
    f"|usage_report/claude_code\\?starting_at={_DAY}&limit=1000{_PAGE}"
    f"|spend_limits/effective\\?limit=100{_PAGE})"
    f"|/repos/{REPOSITORY}/pulls/[1-9][0-9]{{0,9}}/commits\\?per_page=100&page=[1-3]"
)
_HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")


class ForbiddenRequestError(ValueError):
    """A request that meterbot must not send."""


def check_request(path: str, headers: Mapping[str, str]) -> None:
    """Raises `ForbiddenRequestError` for a path that is not on the list, or a header that could contain another
    header."""
    if not _ALLOWED_PATH.fullmatch(path):
        raise ForbiddenRequestError("meterbot does not read this path")
    if not all(_HEADER_VALUE.fullmatch(value) for value in headers.values()):
        raise ForbiddenRequestError("a header contains characters that no header has")
