"""Charts as a PNG. matplotlib (the extra `charts`) is imported when the first chart is drawn."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from meterbot.core.log import get_logger
from meterbot.core.messages import Chart, ChartKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes

log = get_logger(__name__)

FILE_NAME = "claude-spend.png"
_BACKGROUND, _INK, _FAINT = "#1e1f22", "#e6e8eb", "#44474d"
_COLOURS = (
    "#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e", "#2f8f9d",
)  # fmt: skip
_MOST_TICKS = 10
_MOST_ALT = 1024
_KEPT = 8

# One thread, because matplotlib keeps fonts and settings for the whole process.
_painter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="charts")


async def draw(charts: Sequence[Chart]) -> bytes | None:
    """The charts below each other as one PNG. None without charts, or if matplotlib is not installed or cannot draw
    them: the numbers are also text."""
    if not charts:
        return None
    try:
        return await asyncio.get_running_loop().run_in_executor(_painter, _png, tuple(charts))
    except Exception:
        log.exception("a chart could not be drawn")
        return None


def with_file(payload: Mapping[str, Any], png: bytes, charts: Sequence[Chart]) -> list[dict[str, Any]]:
    """A request's body as a form that carries the picture of the charts as an attachment, and says what it shows."""
    description = " ".join(chart.summary or chart.title for chart in charts)
    attachment = {"id": "0", "filename": FILE_NAME, "description": description[:_MOST_ALT]}
    return [
        {"name": "payload_json", "value": json.dumps({**payload, "attachments": [attachment]})},
        {"name": "files[0]", "value": png, "filename": FILE_NAME, "content_type": "image/png"},
    ]


@lru_cache(maxsize=_KEPT)
def _png(charts: tuple[Chart, ...]) -> bytes | None:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        return None
    figure = Figure(figsize=(10, 4.2 * len(charts)), dpi=100, layout="constrained", facecolor=_BACKGROUND)
    FigureCanvasAgg(figure)
    for chart, axes in zip(charts, figure.subplots(len(charts), 1, squeeze=False)[:, 0], strict=True):
        _draw_chart(axes, chart)
    file = BytesIO()
    figure.savefig(file, format="png", facecolor=_BACKGROUND)
    return file.getvalue()


def _draw_chart(axes: "Axes", chart: Chart) -> None:
    axes.set_facecolor(_BACKGROUND)
    axes.set_title(chart.title, loc="left", color=_INK, fontsize=14, pad=10)
    if chart.kind is ChartKind.BAR:
        _draw_bars(axes, chart)
    else:
        _draw_lines(axes, chart)
    axes.set_ylabel(chart.unit, color=_INK)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=_FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, length=0)
    step = max(1, -(-len(chart.labels) // _MOST_TICKS))
    places = range(0, len(chart.labels), step)
    axes.set_xticks([*places], [chart.labels[place] for place in places])
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(_FAINT)
    if len(chart.series) > 1:
        axes.legend(frameon=False, labelcolor=_INK, fontsize=10, loc="upper left", bbox_to_anchor=(1.01, 1))


def _draw_bars(axes: "Axes", chart: Chart) -> None:
    """Stacked; an unknown part leaves a gap."""
    floor = [0.0] * len(chart.labels)
    for number, one in enumerate(chart.series):
        heights = [float(value or 0) for value in one.values]
        axes.bar([*range(len(heights))], heights, 0.8, bottom=floor, color=_colour(number), label=one.name)
        floor = [low + height for low, height in zip(floor, heights, strict=True)]


def _draw_lines(axes: "Axes", chart: Chart) -> None:
    for number, one in enumerate(chart.series):
        values = [float("nan") if value is None else float(value) for value in one.values]
        places = [*range(len(values))]
        axes.plot(places, values, color=_colour(number), linewidth=2, label=one.name)


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]
