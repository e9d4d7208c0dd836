"""The set-up of the log: JSON lines on stderr, times in UTC.

At INFO and above a line holds no personal data and no amounts: route templates, statuses, codes,
ids of decisions and requests, and client names only.
"""

import json
import logging
import re
import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from io import StringIO
from typing import Final, Literal, TextIO

import orjson
import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from app.telemetry.lines import LineLogger, Lines

REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""The request that is being answered; every line of the log carries it. None outside of one."""

_DETAIL: Final = re.compile(
    r"^[ |]*DETAIL: .*?"
    r"(?=^[ |]*(?:\[SQL|\(Background|HINT:|CONTEXT:|Traceback |The above |During )|\Z)",
    re.MULTILINE | re.DOTALL,
)


def _without_detail(text: str) -> str:
    """Leave out what PostgreSQL tells of the rows an error is about: ids, names and amounts."""
    return _DETAIL.sub("", text)


def reason_of(trouble: BaseException) -> str:
    """Say in at most 200 characters why something failed, by its cause where it has one."""
    return _without_detail(str(trouble.__cause__ or trouble)).strip()[:200]


def set_up_log(
    level: str, shape: Literal["json", "console"] = "json", stream: TextIO = sys.stderr
) -> None:
    """Send structlog's lines, and the standard library's, to `stream` in one form.

    `level` is `debug`, `info`, `warning` or `error`. Records of other libraries (uvicorn, psycopg)
    pass through the same renderer; uvicorn's own access log is silenced, since
    `app/api/middleware.py` writes that line.
    """
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        _add_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ending: list[Processor] = [
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=_plain)
    ]
    if shape == "json":
        json_lines = structlog.processors.JSONRenderer(serializer=_dump)
        ending = [structlog.processors.format_exc_info, _cut_detail, json_lines]
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=partial(_logger, LineLogger(Lines(stream))),
        # Not cached: module loggers would keep the first set-up for good. It costs 2 µs a line.
        cache_logger_on_first_use=False,
    )
    _adopt_standard_log(least, stream, shared, ending)


def _logger(made: LineLogger, *_: object) -> LineLogger:
    return made


def _add_request_id(_log: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    # A variable of its own costs a tenth of structlog's bound contexts, on every request.
    request_id = REQUEST_ID.get()
    if request_id is not None:
        line["request_id"] = request_id
    return line


def _plain(out: TextIO, trouble: ExcInfo) -> None:
    """Write a traceback; the console's own would print local variables: amounts, passwords."""
    text = StringIO()
    structlog.dev.plain_traceback(text, trouble)
    out.write(_without_detail(text.getvalue()))


def _cut_detail(_log: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    if "exception" in line:
        line["exception"] = _without_detail(line["exception"])
    return line


def _dump(line: object, default: Callable[[object], object]) -> str:
    """Write a line fast; what orjson refuses (half a surrogate pair) the library escapes."""
    try:
        return orjson.dumps(line, default=default).decode("utf-8")
    except TypeError:
        return json.dumps(line, default=default)


def _adopt_standard_log(
    least: int, stream: TextIO, shared: list[Processor], ending: list[Processor]
) -> None:
    """Render records of the standard library as ours; other libraries speak from WARNING up."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(least, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers = []
        library.propagate = name != "uvicorn.access"
