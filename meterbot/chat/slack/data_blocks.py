"""Slack's native tables and charts: `table`, `data_table` and `data_visualization` blocks.

https://docs.slack.dev/reference/block-kit/blocks/data-visualization-block and its neighbours. Some limits are not
documented: one table and two charts in a message, 20 labels in a chart.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from meterbot.chat.slack.text import Block, clipped, one_line, rich_elements
from meterbot.chat.text_forms import DASH, cell_text
from meterbot.core.inline import plain
from meterbot.core.messages import Chart, Column, Series, Table

_MAX_TABLES, _MAX_CHARTS = 1, 2
_MAX_ROWS, _MAX_COLUMNS = 100, 20
_MAX_LABELS, _MAX_SERIES = 20, 6
_CHART_TITLE, _CHART_LABEL, _AXIS_LABEL = 50, 20, 50

_SHORT_TABLE = 12
"""A longer table is paged and sortable (`data_table`)."""
_PAGE_ROWS = 15
_CELL = 120
_OUR_CELL_CHARACTERS = 8000
_AMOUNT = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


@dataclass(slots=True)
class NativeBudget:
    """How many native blocks may still be added to a message or view."""

    tables: int = _MAX_TABLES
    charts: int = _MAX_CHARTS


def table_block(table: Table, budget: NativeBudget) -> Block | None:
    """The native table, or None if it must be shown as text."""
    rows = [
        tuple(clipped(one_line(cell), _CELL) if cell_text(cell) != DASH else DASH for cell in row)
        for row in table.rows
    ]
    if budget.tables < 1 or not 1 <= len(rows) <= _MAX_ROWS or not 1 <= len(table.columns) <= _MAX_COLUMNS:
        return None
    if sum(len(plain(cell)) for row in rows for cell in row) > _OUR_CELL_CHARACTERS:
        return None
    budget.tables -= 1
    return _short_table(table.columns, rows) if len(rows) <= _SHORT_TABLE else _data_table(table, rows)


def chart_block(chart: Chart, budget: NativeBudget) -> Block | None:
    """The native chart, or None if it must be shown as text."""
    drawn = _axes(chart)
    if budget.charts < 1 or drawn is None:
        return None
    budget.charts -= 1
    title = clipped(one_line(plain(chart.title)), _CHART_TITLE).strip() or DASH
    return {"type": "data_visualization", "title": title, "chart": drawn}


def _short_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Block:
    settings = [{"align": "right" if column.numeric else "left"} for column in columns]
    header = [_bold(column.name) for column in columns]
    return {
        "type": "table",
        "column_settings": settings,
        "rows": [header, *([_cell(cell) for cell in row] for row in rows)],
    }


def _data_table(table: Table, rows: Sequence[Sequence[str]]) -> Block:
    header = [_raw(column.name) for column in table.columns]
    return {
        "type": "data_table",
        "caption": cell_text(table.caption),
        "rows": [
            header,
            *(
                [_sortable(cell, column) for cell, column in zip(row, table.columns, strict=True)]
                for row in rows
            ),
        ],
        "page_size": _PAGE_ROWS,
    }


def _sortable(cell: str, column: Column) -> Block:
    """An amount as a number, so that readers can sort by it."""
    amount = _AMOUNT.search(cell) if column.numeric else None
    if amount is None:
        return _cell(cell)
    return {"type": "raw_number", "value": float(amount[0].replace(",", "")), "text": _raw(cell)["text"]}


def _cell(cell: str) -> Block:
    if plain(cell) == cell:
        return _raw(cell)
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": rich_elements(cell)}],
    }


def _raw(text: str) -> Block:
    return {"type": "raw_text", "text": clipped(one_line(cell_text(text)), _CELL)}


def _bold(text: str) -> Block:
    bold = {"type": "text", "text": clipped(one_line(cell_text(text)), _CELL), "style": {"bold": True}}
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [bold]}]}


def _axes(chart: Chart) -> Block | None:
    """Slack wants a value for every label of every series: a label with an unknown value is left out."""
    known = [
        place
        for place in range(len(chart.labels))
        if all(one.values[place] is not None for one in chart.series)
    ]
    labels = _labels([chart.labels[place] for place in known])
    names = _labels([one.name for one in chart.series])
    if not 1 <= len(labels) <= _MAX_LABELS or not 1 <= len(names) <= _MAX_SERIES:
        return None
    if not _distinct(labels) or not _distinct(names):
        return None
    axis: Block = {"categories": labels}
    if chart.unit:
        axis["y_label"] = clipped(one_line(chart.unit), _AXIS_LABEL)
    series = [
        {"name": name, "data": [*_points(one, known, labels)]}
        for name, one in zip(names, chart.series, strict=True)
    ]
    return {"type": chart.kind.value, "series": series, "axis_config": axis}


def _points(series: Series, known: Sequence[int], labels: Sequence[str]) -> Iterator[Block]:
    for place, label in zip(known, labels, strict=True):
        yield {"label": label, "value": float(series.values[place] or Decimal(0))}


def _labels(labels: Sequence[str]) -> list[str]:
    return [clipped(one_line(cell_text(label)), _CHART_LABEL) for label in labels]


def _distinct(labels: Sequence[str]) -> bool:
    return len(set(labels)) == len(labels) and all(label.strip() for label in labels)
