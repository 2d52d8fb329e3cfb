"""The rolling windows of a `/usage` body."""

import re
from dataclasses import replace
from functools import lru_cache

from meterbot.core.models import Window
from meterbot.sources.fields import DriftNotes, kind, printable, read
from meterbot.sources.wire import LimitShape, WindowShape

MAIN = ("five_hour", "seven_day")

_NAMED = {"session": "five_hour", "weekly_all": "seven_day"}
_NAME = re.compile(r"seven_day_[a-z0-9_]{1,60}")
_NO_WINDOWS = {"seven_day_breakdown"}
_MOST = 40


def windows_of(usage: dict[str, object], notes: DriftNotes) -> tuple[Window, ...]:
    """Every window the body states, the two main ones first, each name once.

    The classic keys win over `limits`, which fills in what they leave unknown. A null window is absent.
    """
    windows = _classic(usage, notes)
    for window in _limits(usage.get("limits"), notes):
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
    """Whether a main window's utilization was there but could not be read."""
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
            continue  # a new section that merely shares the prefix
        shape = read(WindowShape, value, name, notes)
        if shape is None:
            continue
        if "utilization" not in shape.model_fields_set:
            notes.reject(f"{name}.utilization", "a number", "nothing")
        windows[name] = Window(name, shape.utilization, shape.resets_at)
    return windows


def _limits(value: object, notes: DriftNotes) -> list[Window]:
    if value is None:
        return []
    if not isinstance(value, list):
        notes.reject("limits", "a list", kind(value))
        return []
    windows: dict[str, Window] = {}
    for place, item in enumerate(value[:_MOST]):
        path = f"limits[{place}]"
        shape = read(LimitShape, item, path, notes)
        name = None if shape is None else _limit_name(shape)
        if shape is None or name is None:
            continue
        if name in windows:
            notes.add(f"{path}: a second limit of the same name")
            continue
        windows[name] = Window(name, shape.percent, shape.resets_at)
    return list(windows.values())


def _limit_name(limit: LimitShape) -> str | None:
    """The window's name; None for kinds that are no window (`spend`) or not known."""
    if limit.kind == "weekly_scoped":
        return f"seven_day_{_scope(limit.scope) or 'scoped'}"
    return _NAMED.get(limit.kind or "")


def _scope(scope: object) -> str | None:
    """The model, else the surface, in snake case."""
    if isinstance(scope, str):
        return _snake(scope)
    if not isinstance(scope, dict):
        return None
    model = scope.get("model")
    models = [model.get("display_name"), model.get("id")] if isinstance(model, dict) else [model]
    names = (_snake(name) for name in [*models, scope.get("surface")] if isinstance(name, str))
    return next((name for name in names if name), None)


def _snake(text: str) -> str | None:
    words = re.findall("[a-z0-9]+", (printable(text) or "").lower())
    return "_".join(words)[:60] or None
