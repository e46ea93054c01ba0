"""Routes of SDKs that can't work here: what they promise is kept on a server, and a worker keeps nothing."""

from __future__ import annotations

import re
from functools import lru_cache

from ...errors import RouteNotServed

__all__ = ["check_route"]

_CHAT = "Chat completions, completions, responses and messages work, plain and streamed."
_FILES = "Send a file inside the request: as a data URL or base64, or as a form on the routes that take one."
_SYNC = "POST /v1/videos/sync answers with the video itself, where the worker has that route."

_ONE_BY_ONE = "Send the requests one by one; many may be under way at once."
_WHOLE = "Send the whole conversation with each request."

# By the path's beginning: what such a route would have to keep, and what to do instead.
_ROUTES = (
    (r"/v1/files(?:/.*)?", "stored files", _FILES),
    (r"/v1/uploads(?:/.*)?", "stored files", _FILES),
    (r"/v1/vector_stores(?:/.*)?", "stored files", _FILES),
    (r"/v1/(?:messages/)?batches(?:/.*)?", "batches that run later", _ONE_BY_ONE),
    (r"/v1/realtime(?:/.*)?", "a lasting connection to one model", _CHAT),
    (r"/v1/assistants(?:/.*)?", "assistants that are stored", _CHAT),
    (r"/v1/(?:threads|conversations)(?:/.*)?", "conversations that are stored", _CHAT),
    (r"/v1/responses/(?:compact|input_tokens)", "what OpenAI's own servers do", _WHOLE),
    (r"/v1/responses/(?!responses$)[^/]+(?:/[^/]+)?", "responses that are stored", _WHOLE),
    (r"/v1/chat/completions/(?!batch$)[^/]+(?:/messages)?", "completions that are stored", _WHOLE),
    (r"/v1/containers(?:/.*)?", "containers that run code", _CHAT),
    (r"/v1/fine_tuning(?:/.*)?", "training", _CHAT),
    (r"/v1/evals(?:/.*)?", "evaluations that are stored", _CHAT),
    (r"/v1/videos(?!/sync)(?:/.*)?", "videos that are made later", _SYNC),
)
# All at once, since each request is looked at.
_ANY = re.compile("|".join(f"({pattern})" for pattern, _, _ in _ROUTES))


def check_route(path: str) -> None:
    """Raises :class:`RouteNotServed` for a path, without its query, that can't work through a signed JSON envelope."""
    kept = _what_is_kept(path)
    if kept is not None:
        words, instead = kept
        raise RouteNotServed(
            f"{path} can't work through a Vast.ai endpoint: it needs {words}, and each request may go to another worker.",
            hint=f"{instead} If your worker has this route all the same, start the proxy with --pass-route {path}.",
        )


@lru_cache(maxsize=64)
def _what_is_kept(path: str) -> tuple[str, str] | None:
    """What such a route would have to keep, and what to do instead."""
    found = _ANY.fullmatch(path)
    return _ROUTES[found.lastindex - 1][1:] if found and found.lastindex else None
