"""A history as a PNG. matplotlib, the extra `charts`, is imported when the first picture is drawn."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

from meterbot.commands.daily import OTHERS, DailySpend
from meterbot.core.money import show
from meterbot.core.text import day_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DAY = timedelta(days=1)
_GREY, _RED = "#8a8f98", "#d1242f"
_LIGHT = {"back": "#ffffff", "ink": "#1f2328", "faint": "#d0d7de"}
_DARK = {"back": "#1e1f22", "ink": "#e6e8eb", "faint": "#44474d"}
_COLOURS = (
    "#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e", "#2f8f9d",
    "#b8860b", "#c2410c", "#0f766e", "#15803d", "#be185d", "#7e22ce", "#1d4ed8", "#78350f", "#64748b", "#84cc16",
)  # fmt: skip
PAINTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="painter")
"""Where a bot draws, one picture at a time: matplotlib keeps fonts and settings for the whole process, and those that
wait for their turn take none of the threads that answers need."""
_KEPT = 8
_drawn: dict[tuple[DailySpend, str, bool], bytes] = {}
"""The last few pictures, by what they show."""


class NoCharts(Exception):  # noqa: N818 - no failure, but a choice of who installed meterbot
    """matplotlib is not installed."""


def draw(days: DailySpend, title: str, *, dark: bool = False) -> bytes:
    """The picture. Takes a tenth of a second and more: in `PAINTER`, and never on the event loop. Raises
    `NoCharts`."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise NoCharts("there are no pictures here: install meterbot with its extra `charts`") from None
    # Many may look at the same: it is drawn once.
    if (png := _drawn.get((days, title, dark))) is None:
        figure = Figure(figsize=(12, 6.4), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        _fill(figure, days, title, _DARK if dark else _LIGHT)
        file = BytesIO()
        figure.savefig(file, format="png", facecolor=figure.get_facecolor())
        png = _drawn[days, title, dark] = file.getvalue()
        if len(_drawn) > _KEPT:
            del _drawn[next(iter(_drawn))]
    return png


def _fill(figure: "Figure", days: DailySpend, title: str, look: dict[str, str]) -> None:
    figure.set_facecolor(look["back"])
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.3))
    _bars(upper, days)
    _so_far(lower, days, look)
    for axes in (upper, lower):
        _style(axes, look)
    _mark(upper, lower, days, look)
    upper.set_title(title, loc="left", color=look["ink"], fontsize=15, pad=12)
    upper.set_ylabel(f"spent a day ({days.currency})", color=look["ink"])
    lower.set_ylabel("month so far", color=look["ink"])
    _dates(lower, days)
    legend = figure.legend(loc="outside right upper", frameon=False, labelcolor=look["ink"], fontsize=10.5)
    legend.set_title(f"{show(days.total, grouped=True)} in {len(days.days)} days")
    legend.get_title().set_color(look["ink"])


def _bars(axes: "Axes", days: DailySpend) -> None:
    places, floor = range(len(days.days)), [0.0] * len(days.days)
    for number, one in enumerate(days.series):
        heights = [float(amount) for amount in one.spent]
        colour = _GREY if one.label == OTHERS else _COLOURS[number % len(_COLOURS)]
        label = f"{one.label}  {show(one.total, grouped=True)}"
        axes.bar(places, heights, 0.82, bottom=floor, color=colour, label=label)
        floor = [low + height for low, height in zip(floor, heights, strict=True)]
    axes.set_ylim(0, max([*floor, 0.01]) * 1.16)


def _so_far(axes: "Axes", days: DailySpend, look: dict[str, str]) -> None:
    points = [(place, float(amount)) for place, amount in enumerate(days.so_far) if amount is not None]
    top = max([amount for _, amount in points], default=0.0)
    axes.step(
        [place for place, _ in points], [amount for _, amount in points], where="mid", color=look["ink"]
    )
    if days.cap is not None:
        cap = float(days.cap.major)
        top = max(top, cap)
        axes.axhline(
            cap, color=_RED, linestyle="--", linewidth=1.3, label=f"cap now  {show(days.cap, grouped=True)}"
        )
    axes.set_ylim(0, max(top, 0.01) * 1.15)


def _mark(upper: "Axes", lower: "Axes", days: DailySpend, look: dict[str, str]) -> None:
    """Blocks as red strips in the lower picture, a lane for each seat; renewals as triangles atop the upper one."""
    lanes = sorted({stretch.label for stretch in days.blocked})
    lane = min(0.16, 0.8 / max(len(lanes), 1))
    for number, stretch in enumerate(days.blocked):
        start, end = _place(days, stretch.start), _place(days, stretch.end)
        foot = 0.03 + lanes.index(stretch.label) * lane
        lower.axvspan(
            start, max(end, start + 0.08), foot, foot + lane * 0.8, color=_RED, alpha=0.75, linewidth=0,
            label="blocked" if number == 0 else None,
        )  # fmt: skip
        if len(lanes) <= 6:
            lower.annotate(
                stretch.label, (start, foot + lane * 0.4), xycoords=("data", "axes fraction"), xytext=(-4, 0),
                textcoords="offset points", ha="right", va="center", fontsize=9, color=look["ink"], zorder=5,
                bbox={"facecolor": look["back"], "edgecolor": "none", "pad": 1},
            )  # fmt: skip
    for number, (_, day) in enumerate(days.renewals):
        place = days.days.index(day)
        upper.plot(
            place, 0.965, marker="v", color=look["ink"], transform=upper.get_xaxis_transform(), linestyle="none",
            markersize=8, label="plan renews" if number == 0 else None,
        )  # fmt: skip


def _place(days: DailySpend, at: datetime) -> float:
    """Where an instant is: days are centred on whole numbers."""
    begin = datetime.combine(days.days[0], time(), days.tz)
    return (at - begin) / _DAY - 0.5


def _style(axes: "Axes", look: dict[str, str]) -> None:
    axes.set_facecolor(look["back"])
    axes.grid(axis="y", color=look["faint"], linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=look["ink"], length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(look["faint"])


def _dates(axes: Any, days: DailySpend) -> None:
    step = max(1, round(len(days.days) / 10))
    places = list(range(len(days.days) - 1, -1, -step))[::-1]
    names = [day_text(days.days[place]) for place in places]
    axes.set_xticks(places, names if len(names) <= 8 else [name[4:] for name in names])
    axes.set_xlim(-0.6, len(days.days) - 0.4)
