"""Errors in Anthropic's shape, with its names of types and, where programs look for them, its words."""

from __future__ import annotations

import re
from typing import Any

from ..chat_error import CONTEXT_LENGTH
from ..json_text import dump

__all__ = ["error_body"]

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}

# How vLLM, SGLang and llama.cpp say that a request is too long for the model, in the versions of the last years.
_LIMIT = r"(?:maximum context length(?: is| of)?|context size \(|context length \()\s*(?P<limit>\d+)"
# As texts, which are compiled when one is first needed: a request that is too long is rare.
_TOO_LONG = (
    r"(?P<prompt>\d+) input tokens and requested (?P<answer>\d+) output tokens.*?context length is only (?P<limit>\d+)",
    _LIMIT + r".*?\((?P<prompt>\d+) (?:tokens )?in the messages, (?P<answer>\d+) in the completion\)",
    _LIMIT + r".*?(?P<prompt>\d+) tokens from the input messages and (?P<answer>\d+) tokens",
    r"too large: (?P<answer>\d+)\..*?" + _LIMIT + r".*?(?P<prompt>\d+) input tokens",
    _LIMIT + r".*?requested (?P<answer>\d+) output tokens and your prompt contains at least (?P<least>\d+) input tokens",
    _LIMIT + r".*?(?<!upper bound for )\b(?P<prompt>\d+) input tokens",
    _LIMIT + r".*?you requested (?P<prompt>\d+) tokens",
    r"\((?P<prompt>\d+) tokens\).*?" + _LIMIT,
)


def error_body(status: int, code: str, message: str, param: str | None = None) -> bytes:
    """Anthropic's error object: https://platform.claude.com/docs/en/api/errors. ``code`` and ``param`` are the proxy's own."""
    if code == CONTEXT_LENGTH:
        message = _too_long(message)
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    error: dict[str, Any] = {"type": kind, "message": message, "code": code, "param": param}
    if param == "thread":
        # On which the SDK's tool runner sends the whole conversation, where it would have had the server remember it.
        error["details"] = {"error_code": "thread_unsupported_request"}
    return dump({"type": "error", "error": error})


def _too_long(message: str) -> str:
    """A worker's message that the request is too long for the model, behind the words that Anthropic has for it.

    Claude Code looks for them: it asks for a shorter answer, or shortens the conversation, and tries again.
    """
    found = next((match for match in (re.search(pattern, message, re.DOTALL) for pattern in _TOO_LONG) if match), None)
    if not found:
        return f"prompt is too long. ({message})"
    said = found.groupdict()
    limit, prompt, answer, least = (int(said.get(name) or 0) for name in ("limit", "prompt", "answer", "least"))
    if least:
        # vLLM stops counting where there is no room left for the answer. Claude Code takes off what is missing by that count
        # and a little more, time after time, and gives up before it fits: so it is led to ask for half.
        prompt = max(least, limit - answer // 2)
    if answer and prompt < limit:
        return f"input length and `max_tokens` exceed context limit: {prompt} + {answer} > {limit}. ({message})"
    return f"prompt is too long: {prompt} tokens > {limit} maximum. ({message})"
