"""Statements are compiled once for all engines of a kind: compiling them takes longer than most tests."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


def sharing() -> Callable[..., AsyncEngine]:
    """What makes engines in the place of `create_async_engine`."""
    first: dict[str, Engine] = {}

    def create(*arguments: Any, **options: Any) -> AsyncEngine:
        made = create_async_engine(*arguments, **options, query_cache_size=5_000)
        ours = made.sync_engine
        if (known := first.get(ours.dialect.driver)) is not None:
            ours.dialect = ours.pool._dialect = known.dialect
            ours._compiled_cache = known._compiled_cache
        else:  # a dialect knows its server only once it was connected
            event.listen(
                ours, "engine_connect", lambda _: first.setdefault(ours.dialect.driver, ours), once=True
            )
        return made

    return create
