"""What kind of request a path is for, in one of a few words: what metrics count by must not grow with what clients ask for."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["ROUTE_CLASSES", "makes_text", "route_class"]

_BY_ENDING = {
    "/chat/completions": "chat",
    "/chat/completions/batch": "chat",
    "/completions": "completions",
    "/completion": "completions",
    "/responses": "responses",
    "/messages": "messages",
    "/messages/count_tokens": "tokens",
    "/embeddings": "embeddings",
    "/rerank": "rerank",
    "/score": "rerank",
    "/tokenize": "tokens",
    "/detokenize": "tokens",
    "/models": "models",
    "/health": "health",
    "/healthz": "health",
    "/ping": "health",
    "/api/chat": "ollama",
    "/api/generate": "ollama",
    "/api/embed": "ollama",
    "/api/embeddings": "ollama",
    "/api/tags": "models",
    "/api/show": "models",
    "/api/ps": "models",
    "/generate": "generate",
    "/generate_stream": "generate",
    "/generate/sync": "generate",
}
_BY_PART = (
    ("/audio/", "audio"),
    ("/images/", "images"),
    ("/videos", "videos"),
    ("/models/", "models"),
    ("/session/", "sessions"),
    ("/_vespa/", "own"),
)

ROUTE_CLASSES = tuple(dict.fromkeys([*_BY_ENDING.values(), *(name for _, name in _BY_PART), "other"]))
"""All there are."""

# Of which an event is about a token.
_OF_TEXT = frozenset({"chat", "completions", "responses", "messages", "ollama", "generate"})


@lru_cache(maxsize=64)
def route_class(path: str) -> str:
    """The class of a path, one of :data:`ROUTE_CLASSES`."""
    path = path.rstrip("/")
    # The longest ending first: /chat/completions is no /completions.
    parts = path.split("/")
    for count in range(min(3, len(parts) - 1), 0, -1):
        found = _BY_ENDING.get("/" + "/".join(parts[-count:]))
        if found:
            return found
    return next((name for part, name in _BY_PART if part in f"{path}/"), "other")


def makes_text(name: str) -> bool:
    """Whether the answers of this class are text, so that an event of theirs is about a token."""
    return name in _OF_TEXT
