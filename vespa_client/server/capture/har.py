"""Captured exchanges as an HTTP Archive (HAR 1.2), which browsers' developer tools and many others open. Pure."""

from __future__ import annotations

import base64
import datetime
import zlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from ...journal.snapshot import Exchange
from ...version import __version__
from .captured import MOST_BYTES, Captured
from .text import text_of

__all__ = ["as_har", "entry_of"]


def as_har(captured: Sequence[Captured], url: str) -> dict[str, Any]:
    """The archive; ``url`` is the proxy's address."""
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "vespa_client", "version": __version__},
            "entries": [entry_of(one, url) for one in reversed(captured)],
        }
    }


def entry_of(captured: Captured, url: str) -> dict[str, Any]:
    """One exchange. What HAR has no name for begins with an underscore: the exchange as the status has it, and the pieces."""
    exchange = Exchange.of(captured.record)
    moment = datetime.datetime.fromtimestamp(exchange.started, datetime.timezone.utc)
    return {
        "startedDateTime": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "time": _milliseconds(exchange.seconds),
        "request": _request(captured, url),
        "response": _response(captured),
        "cache": {},
        "timings": _timings(exchange),
        "comment": exchange.in_words,
        "_exchange": exchange,
        "_pieces": captured.pieces,
    }


def _request(captured: Captured, url: str) -> dict[str, Any]:
    query = captured.target.partition("?")[2]
    request: dict[str, Any] = {
        "method": captured.method,
        "url": f"{url}{captured.target}",
        "httpVersion": captured.version,
        "cookies": [],
        "headers": _headers(captured.request_fields),
        "queryString": [{"name": name, "value": value} for name, value in parse_qsl(query, keep_blank_values=True)],
        "headersSize": -1,
        "bodySize": captured.request_size,
    }
    if captured.request_body:
        text, encoding = _text(captured.request_body, is_cut=captured.request_size > len(captured.request_body))
        request["postData"] = {"mimeType": _type_of(captured.request_fields), "text": text, "params": []}
        if encoding:
            request["postData"]["_encoding"] = encoding
        if captured.request_size > len(captured.request_body):
            request["postData"]["comment"] = f"the first {len(captured.request_body):,} bytes"
    return request


def _response(captured: Captured) -> dict[str, Any]:
    body, is_decoded = _decoded(captured)
    is_whole = captured.answer_size == captured.answer_kept
    unpacked_in_part = is_decoded and len(body) == MOST_BYTES
    text, encoding = _text(body, is_cut=unpacked_in_part or not (is_whole and captured.record.is_done))
    content: dict[str, Any] = {"size": len(body), "mimeType": _type_of(captured.answer_fields), "text": text}
    if encoding:
        content["encoding"] = encoding
    if not is_whole:
        content["comment"] = f"the first {captured.answer_kept:,} of {captured.answer_size:,} bytes"
    elif unpacked_in_part:
        content["comment"] = f"the first {MOST_BYTES:,} bytes, unpacked"
    if is_decoded:
        content["compression"] = len(body) - captured.answer_size
    return {
        "status": captured.status,
        "statusText": captured.reason,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(captured.answer_fields),
        "content": content,
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": captured.answer_size,
    }


def _timings(exchange: Exchange) -> dict[str, float]:
    phases = exchange.phases
    return {
        "blocked": _milliseconds(phases["routing"] + phases["waiting"] + phases["retrying"]),
        "dns": -1,
        "connect": _milliseconds(phases["connecting"]) if phases["connecting"] else -1,
        "send": _milliseconds(phases["reading"]),
        "wait": _milliseconds(phases["first_byte"]),
        "receive": _milliseconds(phases["streaming"]),
        "ssl": -1,
    }


def _decoded(captured: Captured) -> tuple[bytes, bool]:
    """The answer's body without its content coding, where that is gzip or deflate and all of it was kept."""
    body = captured.answer_body
    coding = next((value.lower() for name, value in captured.answer_fields if name.lower() == "content-encoding"), "")
    if coding not in ("gzip", "deflate") or captured.answer_size > len(body):
        return body, False
    try:
        # No more than is kept of others: a small body can be made to fill all memory.
        unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        return unpacking.decompress(body, MOST_BYTES), True
    except zlib.error:
        return body, False


def _text(body: bytes, *, is_cut: bool) -> tuple[str, str]:
    text = text_of(body, is_cut=is_cut)
    return (base64.b64encode(body).decode("ascii"), "base64") if text is None else (text, "")


def _headers(fields: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in fields]


def _type_of(fields: Sequence[tuple[str, str]]) -> str:
    return next((value for name, value in fields if name.lower() == "content-type"), "")


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
