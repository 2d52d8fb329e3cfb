import pytest

from meterbot.privacy import Rows, View
from meterbot.report import team_report
from tests.teams import NOW

REPORT = team_report([], {}, [], NOW)


@pytest.mark.parametrize(
    ("rows", "public", "own_named", "other_named", "own_row", "other_row"),
    [
        ("named", False, True, True, True, True),
        ("named", True, True, True, True, True),
        ("anonymous", False, True, False, True, True),
        ("anonymous", True, False, False, True, True),
        ("self", False, True, False, True, False),
        ("self", True, False, False, False, False),
    ],
)
def test_who_sees_whose_numbers(
    *, rows: Rows, public: bool, own_named: bool, other_named: bool, own_row: bool, other_row: bool
) -> None:
    view = View(REPORT, rows=rows, own=frozenset({"ana"}), public=public)
    assert (view.may_see("ana"), view.may_see("bo")) == (own_named, other_named)
    assert (view.sees_rows_of("ana"), view.sees_rows_of("bo")) == (own_row, other_row)
