"""The workload that a client says its request is (protocol.md, "Words"). Pure."""

from __future__ import annotations

import re

from ..errors import BadRequest
from ..http1.fields import ReceivedFields
from ..http1.forwarding import COST_HEADER

__all__ = ["AUTO", "DEFAULT_COST", "read_cost"]

DEFAULT_COST = "1.0"
AUTO = "auto"
"""The default that is estimated from the body."""

# RFC 8259, 6, without the minus sign.
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def read_cost(fields: ReceivedFields, default: str = DEFAULT_COST) -> str:
    """The workload of ``X-Serverless-Cost``, in the text it came in, or ``default``. Raises :class:`BadRequest`."""
    values = fields.by_name.get(COST_HEADER)
    if not values:
        return default
    value = values[0]
    if len(values) > 1 or not _NUMBER.fullmatch(value) or len(value) > 100 or float(value) == float("inf"):
        raise BadRequest(
            "X-Serverless-Cost takes one number, 0 or more.",
            hint="Send the workload in the units of your endpoint, such as X-Serverless-Cost: 500, or leave it out for 1.",
        )
    return value
