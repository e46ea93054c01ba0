"""Which headers cross the proxy (RFC 9110, 7.6.1; design.md, "Credentials stay home"). Pure.

Everything end to end goes on, in its order and with its repeats. What stays behind is what belongs to one connection, and
what could be somebody's secret: the worker is a machine of a stranger.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .fields import Fields, ReceivedFields, list_items
from .key_headers import is_secret

__all__ = [
    "COST_HEADER",
    "ERROR_HEADER",
    "LOCAL_HEADER",
    "REQUEST_ID_HEADER",
    "TRANSLATED_HEADER",
    "answer_fields",
    "describes_body",
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
# Which pages may read an answer is between them and the proxy.
_CORS_PREFIX = "access-control-"
# A log-in for a proxy is a secret: whoever names it with --forward-header means a proxy further on.
_NOT_FOR_WORKERS = (_HOP_BY_HOP - {"proxy-authorization"}) | {"host", "content-length", "expect", COST_HEADER}
_MARKS = {name.lower() for name in (ERROR_HEADER, LOCAL_HEADER, REQUEST_ID_HEADER, TRANSLATED_HEADER)}
_NOT_THE_CLIENTS = _HOP_BY_HOP | _MARKS | {"content-length"}
# RFC 9530 and its forerunner; what the SDKs of AWS and Google Cloud send; RFC 9110, 8.8.
_ABOUT_THE_BODY = frozenset(
    {
        "digest",
        "repr-digest",
        "unencoded-digest",
        "x-amz-decoded-content-length",
        "x-amz-sdk-checksum-algorithm",
        "x-goog-hash",
        "mime-version",
        "etag",
        "last-modified",
    }
)
_CHECKSUM_PREFIX = "x-amz-checksum-"
# Each cloud signs it under a prefix of its own: x-amz-, x-ms-, x-goog-, and Oracle's under none.
_CHECKSUM = re.compile(r"x-(?:.*-)?content-(?:md5|sha-?[0-9]+|crc32c?|digest)")


def held_back(fields: Fields, forwarded: frozenset[str]) -> list[str]:
    """The names, each once and as it was sent, of the headers that no worker gets since each could be somebody's key.

    ``forwarded`` are the names, in lower case, of those to let through.
    """
    ends_here = _NOT_FOR_WORKERS | _named_by_connection(fields)
    names = {name.lower(): name for name, _ in fields if is_secret(name)}
    return [name for lower, name in names.items() if lower not in forwarded and lower not in ends_here]


def worker_fields(fields: Fields, forwarded: frozenset[str], *, envelope: bool) -> Fields:
    """The headers for the worker, without possible secrets and those that belong to the client's connection.

    ``forwarded`` are the names, in lower case, of possible secrets to let through. With ``envelope`` the body is another one
    than the client's: JSON, which has no charset (RFC 8259, 11), and of which nothing is so that was said of the client's.
    """
    kept = [
        (name, value)
        for name, value in _beyond_connection(fields)
        if not _stays_behind(name, envelope) and (not is_secret(name) or name.lower() in forwarded)
    ]
    if envelope:
        kept.append(("Content-Type", "application/json"))
    return kept


@lru_cache(maxsize=256)
def _stays_behind(name: str, envelope: bool) -> bool:
    return name.lower() in _NOT_FOR_WORKERS or (envelope and describes_body(name))


def answer_fields(fields: Fields) -> Fields:
    """The headers for the client, without those that say how the body is framed: the relay adds its own."""
    return [(name, value) for name, value in _beyond_connection(fields) if not _ends_here(name)]


@lru_cache(maxsize=256)
def _ends_here(name: str) -> bool:
    lower = name.lower()
    return lower in _NOT_THE_CLIENTS or lower.startswith(_CORS_PREFIX)


@lru_cache(maxsize=256)
def describes_body(name: str) -> bool:
    """Whether a header of this name is about its message's body, so that it doesn't hold for another one (RFC 9110, 8)."""
    # Programs behind CGI and WSGI can't tell the two signs apart.
    lower = name.lower().replace("_", "-")
    if lower.startswith("content-"):
        return not lower.startswith("content-security-policy")
    return lower in _ABOUT_THE_BODY or lower.startswith(_CHECKSUM_PREFIX) or bool(_CHECKSUM.fullmatch(lower))


def _beyond_connection(fields: Fields) -> Fields:
    """The headers without those that ``Connection`` names."""
    named = _named_by_connection(fields)
    return [(name, value) for name, value in fields if name.lower() not in named] if named else fields


def _named_by_connection(fields: Fields) -> frozenset[str]:
    if isinstance(fields, ReceivedFields) and "connection" not in fields.by_name:
        return frozenset()
    # Content-Type and the like can't be taken out by being named: they are not about the connection.
    return frozenset(item.lower() for item in list_items(fields, "connection")) - {"content-type", "content-encoding"}
