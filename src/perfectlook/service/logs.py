"""Logs as lines of JSON on standard error. They never hold photos, keys, addresses of photos or queries."""

import json
import logging
import sys
import time
from typing import TextIO

LOGGER = logging.getLogger("perfectlook.service")
_ALWAYS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """Time, level, event and whatever `extra` holds; of an exception its type, text and traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        said: dict[str, object] = {
            "time": f"{clock}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        said |= {name: value for name, value in vars(record).items() if name not in _ALWAYS}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, default=str)


def log_as_json(stream: TextIO | None = None) -> None:
    """Send the logs of the service and of its HTTP server to a stream as JSON."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("perfectlook.service", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
    logging.getLogger("uvicorn.access").disabled = True  # the service says more, and not what was asked
