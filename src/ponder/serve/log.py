"""Logs as lines of JSON on stderr: times, ids, counts. Of an error they show where it happened, and not its message."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import msgspec

log = logging.getLogger("ponder.serve")


class Lines(logging.Formatter):
    """One object a line. What a message is formatted with is data, and left out unless it is ours (`extra={"line": …}`)."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"), "level": record.levelname.lower()}
        line |= {"event": record.msg if isinstance(record.msg, str) else type(record.msg).__name__}
        line |= getattr(record, "line", {})
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)
            line |= {"error": type(error).__name__, "where": [f"{one.filename}:{one.lineno} {one.name}" for one in frames[-12:]]}
        return msgspec.json.encode(line).decode()


def to_stderr(level: str = "info") -> None:
    """Send this process's logs there. What no line says, where in the code it was written and by which thread, is not looked up."""
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("uvicorn.access", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
