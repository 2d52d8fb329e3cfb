"""Alerts and answers as chat-neutral messages, without any platform's markup.

Every text in a `Message` is plain: the chats escape it, so a seat named `<!channel>` is shown and notifies nobody.
Instants and links are marks of `core.inline` inside a text.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from meterbot.core.models import Severity
from meterbot.core.text import stopped


@dataclass(frozen=True, slots=True)
class Action:
    """A button. `id` is `verb:argument` (at most 80 characters) and comes back when it is pressed.

    `typed` is the command that does the same, where there is no button; empty where a person can type none.
    """

    id: str
    label: str
    typed: str = ""


def button(label: str, *words: str, typed: str | None = None) -> tuple[Action, ...]:
    """A button that comes back as `words`; none if the id would be too long, because a cut one could name another
    seat. `typed`: the command that does the same, if it is not these words."""
    id_ = ":".join(words)
    return (Action(id_, label, " ".join(words) if typed is None else typed),) if len(id_) <= 80 else ()


def buttons(*words: str) -> tuple[Action, ...]:
    """The buttons of an answer that one person sees: refresh, and share it in the channel."""
    return button("Refresh", "refresh", *words, typed="") + button("Share", "share", *words, typed="")


@dataclass(frozen=True, slots=True)
class Field:
    """A name and a value; shown beside others if the platform can do that."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under an optional heading. `fixed` keeps columns (a monospaced block); `verbatim`, inside such a block,
    adds nothing to a line and does not cut it, so it can be copied. `labels`, one for each line of a section that is
    not `fixed`, are a column of their own on a terminal, and in front of their line elsewhere, because a phone breaks
    columns."""

    lines: tuple[str, ...]
    heading: str | None = None
    fixed: bool = False
    verbatim: bool = False
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.labels and len(self.labels) != len(self.lines):
            raise ValueError("a section with labels needs one for each line")
        if self.labels and self.fixed:
            raise ValueError("a fixed section has its labels in its lines")


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column. `numeric` aligns it to the right. `before` and `after` are put around a cell if its row is a
    line of text: `of ` makes `of $80.00`."""

    name: str
    numeric: bool = False
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; the first column names the row. Every row has as many cells as there are columns, and
    an empty cell is shown as a dash. `caption` is shown above it; `note` (such as "and 280 more: $12.00") below it."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("a table's rows need one cell for each column")


class ChartKind(StrEnum):
    """Bars of several series are stacked if the platform can do that, else grouped."""

    BAR = "bar"
    LINE = "line"


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or one colour of bars: a value for each of the chart's labels, None if unknown."""

    name: str
    values: tuple[Decimal | None, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. `labels` are on the x axis. `unit` is what the values count, such as `USD`. `summary` says in a
    sentence or two what the chart shows. `in_table`: a table of the message has the same numbers, so that text does
    not repeat them. At some labels all lines may have the same value: text says it once, under the name `shared`.
    Slack draws at most 20 labels of 20 characters, 6 series and a title of 50 characters, so charts stay within
    that."""

    title: str
    kind: ChartKind
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    unit: str = ""
    summary: str = ""
    in_table: bool = False
    shared: str = ""

    def __post_init__(self) -> None:
        if any(len(one.values) != len(self.labels) for one in self.series):
            raise ValueError("a chart's series need one value for each label")


@dataclass(frozen=True, slots=True)
class Message:
    """One post or answer, shown from top to bottom: title, owner and text, fields, tables, charts, sections, buttons,
    footer.

    `fallback` is the whole message in one line, for notifications and screen readers. `owner` is who is mentioned:
    platform → id there. `footer` is small print.
    """

    title: str
    fallback: str
    severity: Severity = Severity.INFO
    text: str = ""
    fields: tuple[Field, ...] = ()
    sections: tuple[Section, ...] = ()
    actions: tuple[Action, ...] = ()
    owner: dict[str, str] = field(default_factory=dict)
    footer: str = ""
    loud: bool = False
    """For a line in a thread: also broadcast it to the channel, because some platforms hide threads."""
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True, slots=True)
class Posted:
    """Where a message was posted. `channel` is the platform's answer, which may differ from what was requested."""

    channel: str
    message: str


def notice(title: str, text: str, severity: Severity = Severity.INFO) -> Message:
    """A short answer without fields or tables."""
    return Message(title=title, fallback=f"{stopped(title)} {text}", severity=severity, text=text)
