"""The rolling windows of a `/usage` body."""

import re
from dataclasses import replace
from functools import lru_cache

from meterbot.core.models import Window
from meterbot.sources.fields import DriftNotes, elements, note_missing, printable, read
from meterbot.sources.wire import LimitShape, ModelWindowShape, WindowShape

MAIN = ("five_hour", "seven_day")

_NAMED = {"session": "five_hour", "weekly_all": "seven_day"}
_NAME = re.compile(r"seven_day_[a-z0-9_]{1,60}")
_NO_WINDOWS = {"seven_day_breakdown"}
_MOST = 40


def windows_of(usage: dict[str, object], notes: DriftNotes) -> tuple[Window, ...]:
    """Every window of the body, the two main ones first, each name once.

    The classic keys win over `limits` and `model_scoped`, which fill in what is unknown. A null window is absent.
    """
    windows = _classic(usage, notes)
    newer = [*_limits(usage.get("limits"), notes), *_model_scoped(usage.get("model_scoped"), notes)]
    for window in newer:
        held = windows.get(window.name)
        if held is None:
            windows[window.name] = window
        elif held.utilization is None and window.utilization is not None:
            windows[window.name] = replace(held, utilization=window.utilization)
    return tuple(list(windows.values())[:_MOST])


@lru_cache(maxsize=256)
def is_window(key: str) -> bool:
    """Whether a key of the body names a window."""
    return key in MAIN or (_NAME.fullmatch(key) is not None and key not in _NO_WINDOWS)


def windows_lost(windows: tuple[Window, ...], notes: DriftNotes) -> bool:
    """Whether a main window's utilization was there but could not be parsed."""
    known = {window.name for window in windows if window.utilization is not None}
    return any(
        path in {name, f"{name}.utilization"} or path.startswith("limits")
        for name in MAIN
        if name not in known
        for path in notes.rejected
    )


def _classic(usage: dict[str, object], notes: DriftNotes) -> dict[str, Window]:
    scoped = [key for key in usage if is_window(key) and key not in MAIN]
    windows = {}
    for name in [*MAIN, *scoped[:_MOST]]:
        value = usage.get(name)
        if name not in MAIN and isinstance(value, dict) and "utilization" not in value:
            continue  # A new section that only has the same prefix.
        shape = read(WindowShape, value, name, notes)
        if shape is None:
            continue
        if "utilization" not in shape.model_fields_set:
            note_missing(shape, "utilization", name, "a number", notes)
        windows[name] = Window(name, shape.utilization, shape.resets_at)
    return windows


def _limits(value: object, notes: DriftNotes) -> list[Window]:
    windows: dict[str, Window] = {}
    for path, item in elements(value, "limits", notes)[:_MOST]:
        shape = read(LimitShape, item, path, notes)
        names = [] if shape is None else _limit_names(shape)
        name = next((name for name in names if name not in windows), None)
        if shape is not None and name is not None:
            windows[name] = Window(name, shape.percent, shape.resets_at)
        elif names:
            notes.add(f"{path}: a second limit of the same name")
    return list(windows.values())


def _model_scoped(value: object, notes: DriftNotes) -> list[Window]:
    """Some answers have this instead of `limits`: the windows of single models."""
    windows = []
    for path, item in elements(value, "model_scoped", notes)[:_MOST]:
        shape = read(ModelWindowShape, item, path, notes)
        name = None if shape is None else _snake(shape.display_name)
        if shape is not None and name is not None:
            windows.append(Window(f"seven_day_{name}", shape.utilization, shape.resets_at))
    return windows


def _limit_names(limit: LimitShape) -> list[str]:
    """The window's name, and the one to use if that is taken. Empty for kinds that are no window (`spend`)."""
    if limit.kind == "weekly_scoped":
        return [f"seven_day_{scope}" for scope in _scopes(limit.scope) or ["scoped"]]
    name = _NAMED.get(limit.kind or "")
    return [] if name is None else [name]


def _scopes(scope: object) -> list[str]:
    """In snake case: the model, else the surface; then both, to distinguish two surfaces of one model."""
    if not isinstance(scope, dict):
        name = _label(scope)
        return [] if name is None else [name]
    model, surface = _label(scope.get("model")), _label(scope.get("surface"))
    both = f"{model}_{surface}"[:60] if model and surface else None
    return [name for name in (model or surface, both) if name]


def _label(value: object) -> str | None:
    """A model or a surface: a text, or an object with its name."""
    if isinstance(value, dict):
        return _snake(value.get("display_name")) or _snake(value.get("id"))
    return _snake(value)


def _snake(text: object) -> str | None:
    if not isinstance(text, str):
        return None
    words = re.findall("[a-z0-9]+", (printable(text) or "").lower())
    return "_".join(words)[:60] or None
