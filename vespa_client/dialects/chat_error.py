"""What a chat completions backend says when it fails, whatever shape it says it in."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .json_text import dump, load

__all__ = ["CONTEXT_LENGTH", "Failure", "is_error", "read_error", "read_error_body"]

_MOST_SAID = 4000
_STATUS_OF_TYPE = {
    "authentication_error": 401,
    "badrequesterror": 400,
    "exceed_context_size_error": 400,
    "invalid_request_error": 400,
    "not_found_error": 404,
    "notfounderror": 404,
    "overloaded_error": 503,
    "permission_error": 403,
    "rate_limit_error": 429,
    "unavailable_error": 503,
    "validation": 422,
}
CONTEXT_LENGTH = "context_length_exceeded"
"""The code of a failure whose request was too long for the model: clients shorten the conversation on seeing it."""

_TOO_LONG = re.compile(
    r"context (?:length|size|window)|exceed_context_size|longer than the maximum model length|maximum (?:input|prompt) length",
    re.IGNORECASE,
)
_MARKS = ("error", "detail", "errors")


class Failure(NamedTuple):
    """Why there is no answer, or none that is whole. ``code`` is a word for programs, and ``""`` where nobody said one."""

    status: int
    code: str
    message: str
    param: str | None = None


def is_error(value: dict[str, Any]) -> bool:
    """Whether a JSON object, where a chat completion was expected, is an error.

    ``{"error": …}`` is said by vLLM, SGLang, llama.cpp and TGI, ``{"object": "error", …}`` by older vLLM, ``{"detail": …}``
    by FastAPI.
    """
    return any(value.get(mark) for mark in _MARKS) or "error" in (value.get("object"), value.get("type"))


def read_error(value: object, status: int) -> Failure:
    """The failure that a JSON value speaks of. ``status`` is that of the answer, or what stands where none is said."""
    inner: Any = value
    while isinstance(inner, dict):
        found = next((inner[mark] for mark in _MARKS if inner.get(mark)), None)
        if found is None:
            break
        inner = found
    if not isinstance(inner, dict):
        return Failure(status, "", _said(inner))
    code, kind, param = inner.get("code"), inner.get("type"), inner.get("param")
    for candidate in (code, inner.get("status"), _STATUS_OF_TYPE.get(str(kind).lower())):
        if status >= 500 and isinstance(candidate, int) and 400 <= candidate <= 599:
            status = candidate
            break
    message = _said(inner.get("message") or inner.get("msg") or inner)
    code = code if isinstance(code, str) else ""
    if status in (400, 413, 422) and _TOO_LONG.search(f"{message} {kind}"):
        code = CONTEXT_LENGTH
    return Failure(status, code, message, param if isinstance(param, str) else None)


def read_error_body(status: int, body: bytes) -> Failure:
    """The failure that the body of an answer with an error's status speaks of: JSON, or any text, or nothing."""
    try:
        value: object = load(body)
    except ValueError:
        value = body.decode("utf-8", "replace").strip()
    return read_error(value, status)


def _said(value: object) -> str:
    if isinstance(value, list) and value and all(isinstance(one, dict) and isinstance(one.get("msg"), str) for one in value):
        # FastAPI's list of what it found wrong, with the place of each.
        value = "; ".join(f"{'.'.join(map(str, _place(one)))}: {one['msg']}".lstrip(": ") for one in value)
    if not isinstance(value, str):
        value = dump(value).decode("utf-8", "replace") if value else ""
    return value[:_MOST_SAID] or "The worker says no more."


def _place(one: dict[str, Any]) -> list[object]:
    place = one.get("loc")
    return place if isinstance(place, list) else []
