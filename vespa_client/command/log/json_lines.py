"""``--log-format json``: one object a line. The README has the names of its fields."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable

from ...journal.record import Record
from ...journal.snapshot import Exchange

__all__ = ["JsonLines"]

_OF_A_REQUEST = re.compile(r"#(p?[0-9]+) ")


class JsonLines(logging.Formatter):
    """Time, level and message, and with the line that ends a request all that is known of it."""

    def __init__(self, id_of: Callable[[str], str]) -> None:
        """``id_of`` tells a request's id by the number that the log has of it."""
        super().__init__()
        self._id_of = id_of

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, object] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": message,
        }
        exchange = getattr(record, "exchange", None)
        if isinstance(exchange, Record):
            fields["request_id"] = exchange.request_id
            fields["exchange"] = Exchange.of(exchange)
        elif match := _OF_A_REQUEST.match(message):
            fields["request_id"] = self._id_of(match[1])
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            fields["traceback"] = record.exc_text
        return json.dumps(fields, default=vars, ensure_ascii=True, separators=(",", ":"))
