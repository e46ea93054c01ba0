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

_BELOW = "(?:/.*)?"

# The path's beginning, and what its rest matches; what such a route would have to keep, and what to do instead. Apart, since
# most requests match no beginning, and then nothing has to be compiled: all of it took a millisecond of each start.
_ROUTES = (
    ("/v1/files", _BELOW, "stored files", _FILES),
    ("/v1/uploads", _BELOW, "stored files", _FILES),
    ("/v1/vector_stores", _BELOW, "stored files", _FILES),
    ("/v1/batches", _BELOW, "batches that run later", _ONE_BY_ONE),
    ("/v1/messages/batches", _BELOW, "batches that run later", _ONE_BY_ONE),
    ("/v1/realtime", _BELOW, "a lasting connection to one model", _CHAT),
    ("/v1/assistants", _BELOW, "assistants that are stored", _CHAT),
    ("/v1/threads", _BELOW, "conversations that are stored", _CHAT),
    ("/v1/conversations", _BELOW, "conversations that are stored", _CHAT),
    ("/v1/responses/", "compact|input_tokens", "what OpenAI's own servers do", _WHOLE),
    ("/v1/responses/", "(?!responses$)[^/]+(?:/[^/]+)?", "responses that are stored", _WHOLE),
    ("/v1/chat/completions/", "(?!batch$)[^/]+(?:/messages)?", "completions that are stored", _WHOLE),
    ("/v1/containers", _BELOW, "containers that run code", _CHAT),
    ("/v1/fine_tuning", _BELOW, "training", _CHAT),
    ("/v1/evals", _BELOW, "evaluations that are stored", _CHAT),
    ("/v1/videos", f"(?!/sync){_BELOW}", "videos that are made later", _SYNC),
)


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
    for beginning, rest, words, instead in _ROUTES:
        if path.startswith(beginning) and re.fullmatch(rest, path[len(beginning) :]):
            return words, instead
    return None
