"""Tables and charts as lines of text: for code blocks, terminals, and platforms that refuse the native form."""

import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import dropwhile

from meterbot.core.inline import plain
from meterbot.core.messages import Chart, ChartKind, Column, Message, Section, Table
from meterbot.core.models import Severity

DASH = "–"
"""Shown for an empty cell and an unknown number."""

EMOJI = {Severity.INFO: "", Severity.GOOD: "✅ ", Severity.WARNING: "⚠️ ", Severity.CRITICAL: "🚨 "}
"""In front of a title."""

_GAP = "  "
_BLOCKS, _BAR = " ▏▎▍▌▋▊▉█", 24
_LABEL_WIDTH = 16
_COLUMN_GAP = re.compile(" {3,}")


def without_natives(message: Message, narrow: int) -> Message:
    """The same message with its tables and charts as sections, as `table_sections` makes them."""
    sections = [part for table in all_tables(message) for part in table_sections(table, narrow)]
    return replace(message, tables=(), charts=(), sections=(*sections, *message.sections))


def table_sections(table: Table, narrow: int) -> list[Section]:
    """A monospaced block if it has at most `narrow` columns, else a line of text for each row, labelled with the row's
    name: it breaks well on a phone. The note is below it."""
    lines, caption = aligned_lines(table), plain(table.caption) or None
    if not table.rows and table.note:
        return [Section((table.note,), caption)]
    if max(map(len, lines)) <= narrow:
        shown = Section(tuple(lines), caption, fixed=True)
    else:
        rows = tuple(compact_cells(row, table.columns) for row in table.rows)
        shown = Section(rows, caption, labels=tuple(cell_text(row[0]) for row in table.rows))
    return [shown, Section((table.note,))] if table.note else [shown]


def with_bars(message: Message) -> Message:
    """The same message with its charts as tables that have a bar of blocks behind each row."""
    charts = tuple(map(_drawn, message.charts))
    return replace(message, tables=(*message.tables, *charts), charts=())


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


def body_lines(message: Message, *, columns: bool = False) -> list[str]:
    """Everything below the title as lines of text, for places without markup; with `columns`, for a fixed font.
    Instants and links are still marks."""
    lines = message.text.splitlines()
    lines += [f"{field.name}: {field.value}" for field in message.fields]
    for section in message.sections:
        lines += [f"{section.heading}:"] if section.heading else []
        labelled = [": ".join(filter(None, pair)) for pair in labelled_lines(section)]
        lines += [f"  {line}" for line in (not columns and labelled) or section_lines(section)]
    return [line for line in [*lines, message.footer] if line.strip()]


def aligned_lines(table: Table) -> list[str]:
    """The header and the rows, as wide as they need to be. A cell is empty only in a column without a name: that of the
    bars."""
    header = [column.name for column in table.columns]
    cells = [header]
    for row in table.rows:
        named = zip(row, header, strict=True)
        cells.append([cell_text(cell) if cell or name else "" for cell, name in named])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        _GAP.join(
            cell.rjust(wide) if column.numeric else cell.ljust(wide)
            for cell, wide, column in zip(row, widths, table.columns, strict=True)
        ).rstrip()
        for row in cells
    ]


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


def _drawn(chart: Chart) -> Table:
    """A bar for each label, behind its numbers, without which a known 0 would look like an unknown number: as long as
    the sum of what is stacked; of lines, as the first one."""
    table, drawn = chart_table(chart), chart.series[: 1 if chart.kind is ChartKind.LINE else None]
    lengths = [
        Decimal(0) if None in each else sum(filter(None, each), Decimal(0))
        for _, *each in zip(chart.labels, *(one.values for one in drawn), strict=True)
    ]
    most, skipped = max(lengths, default=Decimal(0)), len(lengths) - len(table.rows)
    rows = tuple(
        (*row, _bar(length, most)) for row, length in zip(table.rows, lengths[skipped:], strict=True)
    )
    return replace(table, columns=(*table.columns, Column("")), rows=rows)


def _bar(length: Decimal, most: Decimal) -> str:
    """In eighths of a block, and at least one of them."""
    eighths = max(1, int(length / most * _BAR * 8)) if length > 0 else 0
    return "█" * (eighths // 8) + _BLOCKS[eighths % 8].strip()
