"""Logs: one JSON object a line on standard error, and nothing in them that a client chose.

A request's line has its method, the route's template, status and time: no address with an id in
it, no query, no body. An exception is told by its type and the lines of code it went through; its
message, which may quote what it failed on, is left out.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog

__all__ = ["configure", "logger", "trace"]

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def logger() -> Any:
    """The service's logger; events have a fixed name and plain values."""
    return structlog.get_logger("alliance.http")


def configure(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Send the logs of the service and its server to a stream.

    Args:
        stream: where to; None is standard error.
        level: from which level on.
    """
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_message,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    # It quotes bytes of forms that it cannot read.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    # The server tells of every socket with its address, query and all, in which a key may stand.
    server = logging.getLogger("uvicorn.error")
    server.filters = [_tells_no_address]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    for name in ("alliance.http", "uvicorn", "uvicorn.error"):
        log = logging.getLogger(name)
        log.handlers = [handler] if name != "uvicorn.error" else []
        log.propagate = name == "uvicorn.error"
        log.setLevel(level)


def trace(error: BaseException) -> dict[str, Any]:
    """An exception without its message: its type, and where it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "exception": type(error).__name__,
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-12:]],
    }


def _tells_no_address(record: logging.LogRecord) -> bool:
    return "WebSocket %s" not in str(record.msg)


def _without_message(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        event.update(trace(info))
    elif isinstance(info, tuple) and info[1] is not None:
        event.update(trace(info[1]))
    return event
