"""Which headers cross the proxy (RFC 9110, 7.6.1; design.md, "Credentials stay home"). Pure.

Everything end to end goes on, in its order and with its repeats. What stays behind is what belongs to one connection, and
what could be somebody's secret: the worker is a machine of a stranger.
"""

from __future__ import annotations

from collections.abc import Collection

from .fields import Fields, field_value, list_items, values_of

__all__ = [
    "COST_HEADER",
    "ERROR_HEADER",
    "LOCAL_HEADER",
    "REQUEST_ID_HEADER",
    "TRANSLATED_HEADER",
    "answer_fields",
    "held_back",
    "worker_fields",
]

COST_HEADER = "x-serverless-cost"
ERROR_HEADER = "X-Vespa-Error"
"""Marks the proxy's own errors from a worker's."""
LOCAL_HEADER = "X-Vespa-Local"
"""Says that the proxy gave the answer, and by which part of its table."""
REQUEST_ID_HEADER = "X-Vespa-Request-Id"
"""Says which request it is the answer to."""
TRANSLATED_HEADER = "X-Vespa-Translated"
"""Names the dialect that an answer was translated into."""

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_SECRETS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"})
# Which pages may read an answer is between them and the proxy.
_CORS_PREFIX = "access-control-"
_OURS = frozenset({"host", "content-length", "expect", COST_HEADER})
_MARKS = {name.lower() for name in (ERROR_HEADER, LOCAL_HEADER, REQUEST_ID_HEADER, TRANSLATED_HEADER)}
_NOT_THE_CLIENTS = _HOP_BY_HOP | _MARKS | {"content-length"}


def held_back(forwarded: Collection[str] = ()) -> frozenset[str]:
    """The names of the headers that no worker gets. ``forwarded`` are, in any case, the possible secrets to let through."""
    return (_HOP_BY_HOP | _SECRETS | _OURS) - (_SECRETS & {name.lower() for name in forwarded})


def worker_fields(fields: Fields, held_back: frozenset[str], *, envelope: bool) -> Fields:
    """The headers for the worker, without those of ``held_back`` and those that belong to the client's connection.

    With ``envelope`` the body is JSON, whatever the client called its own.
    """
    dropped = held_back | _named_by_connection(fields)
    if envelope and not _is_json(field_value(fields, "content-type")):
        kept = [(name, value) for name, value in fields if name.lower() not in dropped and name.lower() != "content-type"]
        kept.append(("Content-Type", "application/json"))
        return kept
    return [(name, value) for name, value in fields if name.lower() not in dropped]


def answer_fields(fields: Fields) -> Fields:
    """The headers for the client, without those that say how the body is framed: the relay adds its own."""
    dropped = _NOT_THE_CLIENTS | _named_by_connection(fields)
    return [
        (name, value) for name, value in fields if (lower := name.lower()) not in dropped and not lower.startswith(_CORS_PREFIX)
    ]


def _named_by_connection(fields: Fields) -> frozenset[str]:
    if not values_of(fields, "connection"):
        return frozenset()
    # Content-Type and the like can't be taken out by being named: they are not about the connection.
    return frozenset(item.lower() for item in list_items(fields, "connection")) - {"content-type", "content-encoding"}


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip(" \t").lower()
    return kind == "application/json" or kind.endswith("+json")
