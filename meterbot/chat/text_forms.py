"""Tables and charts as lines of text: for code blocks, terminals, and platforms that refuse the native form."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import dropwhile
from textwrap import wrap

from meterbot.core.inline import plain
from meterbot.core.messages import Chart, ChartKind, Column, Message, Section, Table
from meterbot.core.models import Severity

DASH = "–"
"""Shown for an empty cell and an unknown number."""

EMOJI = {Severity.INFO: "", Severity.GOOD: "✅ ", Severity.WARNING: "⚠️ ", Severity.CRITICAL: "🚨 "}
"""In front of a title."""

_GAP = "  "
_BLOCKS = " ▏▎▍▌▋▊▉█"
_COMPACT_INDENT = "  "
_LABEL_WIDTH = 16
_COLUMN_GAP = re.compile(" {3,}")


def without_natives(message: Message, width: int) -> Message:
    """The same message with its tables and charts as monospaced sections of at most `width` columns."""
    sections = [table_section(table, width) for table in all_tables(message)]
    return replace(message, tables=(), charts=(), sections=(*sections, *message.sections))


def all_tables(message: Message) -> list[Table]:
    """The message's tables, and the numbers of its charts that are in none of them."""
    return [*message.tables, *(chart_table(chart) for chart in message.charts if not chart.in_table)]


def section_lines(section: Section) -> tuple[str, ...]:
    """The lines with their labels in a column, for a fixed font."""
    if not section.labels:
        return section.lines
    width = max(_LABEL_WIDTH, *map(len, section.labels))
    return tuple(
        f"{label:<{width}} {line}" for label, line in zip(section.labels, section.lines, strict=True)
    )


def labelled_lines(section: Section) -> list[tuple[str, str]]:
    """Each label and its line, without the spaces that align columns and never empty; nothing where there are no
    labels."""
    if not section.labels:
        return []
    lines = (_COLUMN_GAP.sub(" ", line).strip() or DASH for line in section.lines)
    return [*zip(section.labels, lines, strict=True)]


def message_lines(message: Message) -> list[str]:
    """The whole message as lines of text, for places without markup. Instants and links are still marks."""
    lines = [message.title, *message.text.splitlines()]
    lines += [f"{field.name}: {field.value}" for field in message.fields]
    for section in message.sections:
        lines += [f"{section.heading}:"] if section.heading else []
        labelled = [": ".join(filter(None, pair)) for pair in labelled_lines(section)]
        lines += [f"  {line}" for line in labelled or section.lines]
    lines += [line for line in (message.command, message.footer) if line]
    return [line for line in lines if line.strip()]


def row_section(table: Table) -> Section:
    """A table as a line of text for each row, labelled with the row's name: it breaks well on a phone."""
    return Section(
        tuple(compact_cells(row, table.columns) for row in table.rows),
        plain(table.caption) or None,
        labels=tuple(cell_text(row[0]) for row in table.rows),
    )


def table_section(table: Table, width: int) -> Section:
    """A table as a monospaced section of at most `width` columns."""
    return Section(tuple(table_lines(table, width)), plain(table.caption) or None, fixed=True)


def table_lines(table: Table, width: int) -> list[str]:
    """Aligned columns where they fit into `width`; else each row's name with the rest of the row below it."""
    lines = aligned_lines(table)
    if max(map(len, lines)) > width:
        lines = [line for row in table.rows for line in _stacked(row, table.columns, width)]
    return [*lines, *wrap(plain(table.note), width, break_on_hyphens=False)]


def aligned_lines(table: Table) -> list[str]:
    """The header and the rows, as wide as they need to be."""
    header = [column.name for column in table.columns]
    return _aligned([header, *([cell_text(cell) for cell in row] for row in table.rows)], table.columns)


def cell_text(cell: str) -> str:
    """A cell as plain text on one line, never empty."""
    return " ".join(plain(cell).split()) or DASH


def compact_cells(row: Sequence[str], columns: Sequence[Column]) -> str:
    """A row's cells behind the first one, as a phrase: `$23.85 of $80.00 · ▰▰▰▱▱▱▱▱▱▱ 30%`. Dashes are left out, and a
    cell that `of` is put before continues the cell before it. Instants and links are still marks."""
    phrase = ""
    for cell, column in zip(row[1:], columns[1:], strict=True):
        if cell_text(cell) == DASH:
            continue
        said = f"{column.before}{' '.join(cell.split())}{column.after}"
        joint = " " if column.before == "of " else " · "
        phrase = f"{phrase}{joint}{said}" if phrase else said
    return phrase


def chart_table(chart: Chart) -> Table:
    """A chart's numbers: a row for each label, a column for each series; of lines, from the first known point on. A
    line that stays at one value, such as a cap, is in the caption."""
    later = chart.series[1:] if chart.kind is ChartKind.LINE else ()
    flat = [one for one in later if None not in one.values and len({*one.values}) == 1]
    series = [one for one in chart.series if one not in flat]
    names = [chart.shared] * bool(chart.shared) + [one.name for one in series]
    # Where there is one column, the caption says what it is.
    columns = [Column(name, numeric=True, before=f"{name} " if names[1:] else "") for name in names]
    points = [*zip(chart.labels, *(one.values for one in series), strict=True)]
    if chart.kind is ChartKind.LINE:
        points = [*dropwhile(lambda point: point[1] is None, points)]
    rows = [(label, *map(number_text, _shared_once(values, chart))) for label, *values in points]
    asides = [chart.unit] * bool(chart.unit) + [f"{one.name} {number_text(one.values[0])}" for one in flat]
    aside = f" ({', '.join(asides)})" if asides else ""
    return Table(f"{chart.title}{aside}", (Column(""), *columns), tuple(rows))


def _shared_once(values: Sequence[Decimal | None], chart: Chart) -> Sequence[Decimal | None]:
    """With a column in front for the value that all lines share, if the chart names it."""
    if not chart.shared:
        return values
    return [values[0], *(None for _ in values)] if len({*values}) == 1 else [None, *values]


def number_text(value: Decimal | None) -> str:
    """`1,234.50`"""
    return DASH if value is None else f"{value:,f}"


def bar_lengths(chart: Chart) -> list[Decimal | None]:
    """How long each label's bar is: the sum of what is stacked; of lines, the first one."""
    if chart.kind is ChartKind.LINE:
        return [*chart.series[0].values] if chart.series else []
    return [
        None if None in each else sum((value for value in each if value is not None), Decimal(0))
        for each in zip(*(one.values for one in chart.series), strict=True)
    ]


def bar(value: Decimal | None, most: Decimal, width: int) -> str:
    """A bar of blocks, at most `width` long, in eighths of a block."""
    if value is None or value <= 0 or most <= 0:
        return ""
    eighths = max(1, int(value / most * width * 8))
    return "█" * (eighths // 8) + _BLOCKS[eighths % 8].strip()


def _aligned(rows: Sequence[Sequence[str]], columns: Sequence[Column]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(columns))]
    return [
        _GAP.join(
            cell.rjust(wide) if column.numeric else cell.ljust(wide)
            for cell, wide, column in zip(row, widths, columns, strict=True)
        ).rstrip()
        for row in rows
    ]


def _stacked(row: Sequence[str], columns: Sequence[Column], width: int) -> Iterator[str]:
    yield cell_text(row[0])[:width]
    phrase = plain(compact_cells(row, columns))
    yield from wrap(
        phrase,
        width,
        initial_indent=_COMPACT_INDENT,
        subsequent_indent=_COMPACT_INDENT,
        break_on_hyphens=False,
    )
