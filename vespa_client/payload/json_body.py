"""A client's body, seen to be JSON. Pure."""

from __future__ import annotations

import codecs
import json
import re
from typing import Any, NamedTuple

from ..errors import BadRequest, UnsupportedBody

__all__ = ["Payload", "check_body"]

_BYTE_ORDER_MARK = codecs.BOM_UTF8
_UTF8_STEP = 1 << 20
# A body of more than this, with more values in it than that, would hold all other threads up by its decoding.
_LARGE, _MANY = 1 << 20, 100_000
_BYTES = re.compile("[\x80-\xff]+")
_BINARY_TYPES = ("multipart/", "image/", "audio/", "video/", "application/octet-stream", "application/zip", "application/pdf")


class Payload(NamedTuple):
    """A body that is JSON, whether it says ``"stream": true``, and which ``model`` it names, ``""`` where that isn't known."""

    json: bytes | bytearray
    streams: bool
    model: str = ""


def check_body(body: bytes | bytearray, content_type: str, content_encoding: str = "") -> Payload:
    """The client's body as a payload: itself if it is JSON, ``{}`` if it is empty.

    Raises :class:`BadRequest` with the place where it stops being JSON (RFC 8259), :class:`UnsupportedBody` where it
    wasn't meant to be. What the ``Content-Type`` says counts only then: ``curl -d`` calls its JSON a form.
    """
    if content_encoding.strip(" \t").lower() not in ("", "identity"):
        raise UnsupportedBody(
            f"A body with Content-Encoding {content_encoding!r} can't be put into a worker's envelope.",
            hint="Send the JSON uncompressed.",
        )
    if not body:
        return Payload(b"{}", streams=False)
    if body.startswith(_BYTE_ORDER_MARK):
        body = body[len(_BYTE_ORDER_MARK) :]
    try:
        streams, model = _check_json(body)
    except BadRequest as problem:
        kind = content_type.partition(";")[0].strip(" \t").lower()
        if kind.startswith(_BINARY_TYPES):
            raise UnsupportedBody(
                f"A worker takes JSON, and this body is {kind}.",
                hint="Send files inside the JSON, as base64 text or as a URL, in the form your model server expects; or start "
                "the proxy with --multipart json, which makes such JSON of a form with files.",
            ) from problem
        raise
    return Payload(body, streams, model)


def _check_json(body: bytes | bytearray) -> tuple[bool, str]:
    """Whether the body, which has to be JSON, says ``"stream": true``, and its ``model``. Raises :class:`BadRequest`."""
    try:
        text = _as_characters(body)
        if len(body) > _LARGE and any(_has_many(text, sign) for sign in ",[{"):
            from .json_walk import walk

            return walk(text), ""
        parsed = _DECODER.decode(text)
        if not isinstance(parsed, dict):
            return False, ""
        model = parsed.get("model")
        return parsed.get("stream") is True, _as_text(model, body) if isinstance(model, str) else ""
    except json.JSONDecodeError as problem:
        from .json_hints import hint_for

        raise BadRequest(
            f"The body is not JSON: {problem.msg} at byte {problem.pos} (line {problem.lineno}, column {problem.colno}).",
            hint=f"Workers take JSON alone. {hint_for(text, problem.pos)}",
        ) from None
    except RecursionError:
        raise BadRequest("The body's JSON is nested too deeply.") from None


def _as_text(characters: str, body: bytes | bytearray) -> str:
    """A string of the body as what it means: letters beyond ASCII are there as bytes, and some as escapes."""
    if characters.isascii() or body.isascii():
        return characters
    return _BYTES.sub(lambda found: _meant(found[0]), characters)


def _meant(characters: str) -> str:
    try:
        return characters.encode("latin-1").decode()
    except UnicodeDecodeError:  # a letter that an escape has told of
        return characters


def _has_many(text: str, sign: str) -> bool:
    # Each look is fast where there are few: in text, and in files as base64.
    position = -1
    for _ in range(_MANY):
        position = text.find(sign, position + 1)
        if position < 0:
            return False
    return True


def _as_characters(body: bytes | bytearray) -> str:
    """The body, each byte a character: JSON's grammar is ASCII.

    As what it means, text with a single emoji in it would take four bytes for each of its characters.
    """
    try:
        return body.decode("ascii")
    except UnicodeDecodeError:
        _check_utf8(body)
        return body.decode("latin-1")


def _check_utf8(body: bytes | bytearray) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(body)
    start = 0
    try:
        for start in range(0, len(body), _UTF8_STEP):
            decoder.decode(view[start : start + _UTF8_STEP], final=start + _UTF8_STEP >= len(body))
    except UnicodeDecodeError as problem:
        raise BadRequest(
            f"The body is not UTF-8 near byte {start + problem.start}.", hint="JSON is sent as UTF-8 (RFC 8259, 8.1)."
        ) from None


def _refuse_constant(name: str) -> Any:
    raise BadRequest(f"The body is not JSON: {name} is no JSON number.", hint="Send null, or leave the field out.")


# float() for whole numbers, since int() refuses more than 4,300 digits.
_DECODER = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)
