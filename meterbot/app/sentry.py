"""Reports our own errors to Sentry, if configured: no secrets, no variables, no names or e-mail addresses."""

import sys
from contextlib import suppress
from typing import Any

import meterbot
from meterbot.app.log_setup import cleared
from meterbot.core.errors import StartError
from meterbot.core.log import EventDict, Processor, error_of

_FLUSH_SECONDS = 2.0
_OUR_OWN = {"event", "level", "logger", "timestamp", "exc_info", "stack_info"}


def reporter(dsn: str) -> Processor:
    """A step for `log_setup.set_up` that reports what is logged as an error. Raises `StartError`."""
    try:
        import sentry_sdk  # noqa: PLC0415 - an extra, and slow to import
        from sentry_sdk.utils import BadDsn  # noqa: PLC0415 - as above
    except ImportError:
        raise StartError(
            "SENTRY_DSN is set, and sentry-sdk is not installed: install meterbot with the extra `sentry`, or unset it"
        ) from None

    def report(_logger: object, _method: str, event: EventDict) -> EventDict:
        if event.get("level") in {"error", "critical"}:
            _capture(sentry_sdk, event)
        return event

    with suppress(BadDsn):
        sentry_sdk.init(
            dsn,
            release=meterbot.__version__,
            server_name="meterbot",  # not the machine's own
            default_integrations=False,  # they use arguments, threads and other libraries' logs
            auto_enabling_integrations=False,
            include_local_variables=False,
            include_source_context=False,
            max_breadcrumbs=0,
            auto_session_tracking=False,
            send_client_reports=False,
            before_send=_clear,
        )
        return report
    # Here, so that no chained exception contains the address.
    raise StartError("SENTRY_DSN is not the address of a project, like https://key@sentry.example/1")


def _clear(event: Any, _hint: Any) -> Any:
    for value in event.get("exception", {}).get("values", ()):
        for frame in (value.get("stacktrace") or {}).get("frames", ()):
            frame.pop("abs_path", None)  # a folder is often named after a person
    return cleared(event)


def flush() -> None:
    """Waits a moment until reported errors have arrived; not at all if nothing is reported."""
    if (sentry_sdk := sys.modules.get("sentry_sdk")) is not None:
        sentry_sdk.flush(timeout=_FLUSH_SECONDS)


def _capture(sentry_sdk: Any, event: EventDict) -> None:
    fields = {
        name: value for name, value in event.items() if name not in _OUR_OWN and not name.startswith("_")
    }
    with sentry_sdk.new_scope() as scope:
        scope.set_tag("logger", event.get("logger"))
        scope.set_context("log", {"event": str(event["event"]), **fields})
        error = error_of(event.get("exc_info"))
        if error is None:
            sentry_sdk.capture_message(str(event["event"]), level=event["level"])
        else:
            sentry_sdk.capture_exception(error)
