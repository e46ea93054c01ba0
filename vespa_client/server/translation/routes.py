"""Which routes are a dialect's."""

from __future__ import annotations

import time

from ...dialects import Dialect
from ...dialects.messages import Messages
from ...dialects.ollama import OllamaChat, OllamaGenerate
from ...dialects.responses import Responses

__all__ = ["dialect_of"]

_MESSAGES = Messages()
_DIALECTS: dict[str, Dialect] = {
    "/v1/responses": Responses(),
    "/v1/messages": _MESSAGES,
    "/api/chat": OllamaChat(time.monotonic_ns),
    "/api/generate": OllamaGenerate(time.monotonic_ns),
}


def dialect_of(path: str) -> Dialect | None:
    """The dialect whose route this path is, without its query; None for any other one."""
    return _DIALECTS.get(path)
