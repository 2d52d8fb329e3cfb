from dataclasses import replace
from decimal import Decimal

import pytest

from meterbot.chat.text_forms import (
    chart_table,
    compact_cells,
    section_lines,
    table_sections,
    with_bars,
    without_natives,
)
from meterbot.core.messages import Chart, ChartKind, Column, Message, Section, Series, Table

SEATS = Table(
    "Seats",
    (
        Column("Seat"),
        Column("Spent", numeric=True),
        Column("Cap", numeric=True, before="of "),
        Column("Used"),
    ),
    (("ana", "$100.00", "$100.00", "▰▰▰▰▰▰▰▰▰▰ 100%"), ("cleo", "$28.80", "", "")),
    note="and 280 more: $1,200.00",
)
DAYS = Chart(
    "Spend by day",
    ChartKind.BAR,
    ("Apr 1", "Apr 2"),
    (Series("ana", (Decimal("1.50"), None)), Series("bo", (Decimal("0.25"), Decimal(3)))),
    unit="USD",
)


def test_a_table_that_fits_has_aligned_columns_and_dashes_for_what_is_empty() -> None:
    block, note = table_sections(SEATS, 60)
    assert block.fixed
    assert block.lines == (
        "Seat    Spent      Cap  Used",
        "ana   $100.00  $100.00  ▰▰▰▰▰▰▰▰▰▰ 100%",
        "cleo   $28.80        –  –",
    )
    assert note == Section(("and 280 more: $1,200.00",))


def test_a_table_without_rows_is_its_note() -> None:
    table = Table("Seats", (Column("Seat"), Column("Spent")), (), "2 seats: $34.40 together")
    assert table_sections(table, 80) == [Section(("2 seats: $34.40 together",), "Seats")]


def test_a_table_that_is_too_wide_is_a_line_for_each_row() -> None:
    rows, note = table_sections(SEATS, 30)
    assert not rows.fixed
    assert [*zip(rows.labels, rows.lines, strict=True)] == [
        ("ana", "$100.00 of $100.00 · ▰▰▰▰▰▰▰▰▰▰ 100%"),
        ("cleo", "$28.80"),
    ]
    assert note == Section(("and 280 more: $1,200.00",))


def test_a_row_is_a_phrase_without_its_dashes() -> None:
    assert compact_cells(("ana", "$1.00", "$2.00", "50%"), SEATS.columns) == "$1.00 of $2.00 · 50%"
    assert compact_cells(("ana", "–", "$2.00", ""), SEATS.columns) == "of $2.00"


def test_a_row_has_names_with_braces_in_it() -> None:
    name = "bo {0} {"
    columns = (Column("Days"), Column(name, before=f"{name} "), Column("Cap", before="of ", after=" }"))
    assert compact_cells(("Wed", "$1.00", "$2.00"), columns) == "bo {0} { $1.00 of $2.00 }"
    named = replace(DAYS, series=(replace(DAYS.series[0], name=name), DAYS.series[1]))
    assert compact_cells(chart_table(named).rows[0], chart_table(named).columns) == "bo {0} { 1.50 · bo 0.25"


def test_labels_are_a_column_as_wide_as_the_longest() -> None:
    assert section_lines(Section(("one", "two"), labels=("a", "history [7d|30d|90d]"))) == (
        "a                    one",
        "history [7d|30d|90d] two",
    )
    with pytest.raises(ValueError, match="labels in its lines"):
        Section(("one",), labels=("a",), fixed=True)


def test_a_chart_has_the_same_numbers_as_a_table() -> None:
    table = chart_table(DAYS)
    assert table.caption == "Spend by day (USD)"
    assert table.rows == (("Apr 1", "1.50", "0.25"), ("Apr 2", "–", "3"))


def test_a_bar_is_as_long_as_its_share_and_an_unknown_part_makes_it_unknown_and_not_shorter() -> None:
    values = (Decimal(3), Decimal("0.01"), Decimal(0), None)
    chart = Chart(
        "C", ChartKind.BAR, ("a", "b", "c", "d"), (Series("s", values), Series("t", (Decimal(0),) * 4))
    )
    (table,) = with_bars(Message("T", "T", charts=(chart,))).tables
    assert [row[-1] for row in table.rows] == ["█" * 24, "▏", "", ""]


def test_without_native_forms_nothing_is_lost() -> None:
    message = Message("T", "T", tables=(SEATS,), charts=(DAYS,), sections=(Section(("last",)),))
    sections = without_natives(message, 60).sections
    assert [section.heading for section in sections] == ["Seats", None, "Spend by day (USD)", None]


def test_a_chart_whose_numbers_a_table_has_adds_no_text() -> None:
    message = Message("T", "T", tables=(SEATS,), charts=(replace(DAYS, in_table=True),))
    assert [section.heading for section in without_natives(message, 60).sections] == ["Seats", None]


def test_a_line_as_text_begins_with_its_first_known_point() -> None:
    points = (None, Decimal(1), None)
    cap = Series("cap", (Decimal(9),) * 3)
    line = Chart("So far", ChartKind.LINE, ("Apr 1", "Apr 2", "Apr 3"), (Series("so far", points), cap))
    table = chart_table(line)
    assert table.rows == (("Apr 2", "1"), ("Apr 3", "–"))
    assert table.caption == "So far (cap 9)"  # which is the same on every day
    unknown = replace(line, series=(line.series[0], Series("cap", (None,) * 3)))
    assert chart_table(unknown).rows == (("Apr 2", "1", "–"), ("Apr 3", "–", "–"))


def test_what_all_lines_share_is_said_once_as_text() -> None:
    low, high = Series("low", (Decimal(1), Decimal(2))), Series("high", (Decimal(1), Decimal(9)))
    chart = Chart("Range", ChartKind.LINE, ("Apr 1", "Apr 2"), (low, high), shared="so far")
    table = chart_table(chart)
    assert [column.name for column in table.columns] == ["", "so far", "low", "high"]
    assert table.rows == (("Apr 1", "1", "–", "–"), ("Apr 2", "–", "2", "9"))
    assert [compact_cells(row, table.columns) for row in table.rows] == ["so far 1", "low 2 · high 9"]


def test_a_row_of_another_length_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="one cell for each column"):
        Table("T", (Column("A"),), (("a", "b"),))
    with pytest.raises(ValueError, match="one value for each label"):
        Chart("C", ChartKind.BAR, ("a", "b"), (Series("s", (Decimal(1),)),))
