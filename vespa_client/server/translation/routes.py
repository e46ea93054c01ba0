"""Which routes are a dialect's.

A dialect is loaded when its route is first asked for: all of them are a fifth of what a start would load.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...dialects import Dialect

__all__ = ["dialect_of"]


def dialect_of(path: str) -> Dialect | None:
    """The dialect whose route this path is, without its query; None for any other one."""
    dialect = _DIALECTS.get(path)
    return dialect() if dialect else None


@cache
def _responses() -> Dialect:
    from ...dialects.responses import Responses

    return Responses()


@cache
def _messages() -> Dialect:
    from ...dialects.messages import Messages

    return Messages()


@cache
def _ollama_chat() -> Dialect:
    from ...dialects.ollama import OllamaChat

    return OllamaChat(time.monotonic_ns)


@cache
def _ollama_generate() -> Dialect:
    from ...dialects.ollama import OllamaGenerate

    return OllamaGenerate(time.monotonic_ns)


_DIALECTS = {
    "/v1/responses": _responses,
    "/v1/messages": _messages,
    "/api/chat": _ollama_chat,
    "/api/generate": _ollama_generate,
}
