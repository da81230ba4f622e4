"""Sets up the log: events with fields, as JSON for programs or as lines for people, never with a secret."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import Processor

from config.scrub import SecretScrubber

# Libraries that report every request or timer at INFO.
_CHATTY = ("aiohttp.access", "apscheduler")


class _OurHandler(logging.StreamHandler[TextIO]):
    """Told apart from handlers that others installed, which stay."""


def configure_logging(
    level: str = "info",
    format: str = "auto",
    stream: TextIO | None = None,
    scrubber: SecretScrubber | None = None,
) -> None:
    """Send every event, ours and the libraries', to the stream (standard error) in one format.

    `format` is "json", "human", or "auto": human when the stream is a terminal. May be called again.
    """
    assert format in ("auto", "json", "human"), format
    stream = sys.stderr if stream is None else stream
    threshold = logging.getLevelNamesMapping()[level.upper()]
    enriching: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    scrub = SecretScrubber() if scrubber is None else scrubber
    writing: list[Processor] = [scrub, _renderer(format, stream)]
    structlog.configure(
        processors=[*enriching, *writing],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )
    _route_libraries(threshold, stream, enriching, writing)


def _renderer(format: str, stream: TextIO) -> Processor:
    if format == "json" or (format == "auto" and not stream.isatty()):
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    # The plain formatter, since the richer ones print the local variables of every frame.
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _route_libraries(
    threshold: int, stream: TextIO, enriching: list[Processor], writing: list[Processor]
) -> None:
    """Standard logging goes through the same chain; the record itself is dropped before scrubbing."""
    handler = _OurHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                *enriching,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *writing],
        )
    )
    root = logging.getLogger()
    for installed in [known for known in root.handlers if isinstance(known, _OurHandler)]:
        root.removeHandler(installed)
    root.addHandler(handler)
    root.setLevel(threshold)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
