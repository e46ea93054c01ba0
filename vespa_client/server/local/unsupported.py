"""Routes of SDKs that can't work here: what they promise is kept on a server, and a worker keeps nothing."""

from __future__ import annotations

import re

from ...errors import RouteNotServed

__all__ = ["check_route"]

_CHAT = "Chat completions, completions, responses and messages work, plain and streamed."
_FILES = "Send a file inside the request: as a data URL or base64, or as a form on the routes that take one."
_SYNC = "POST /v1/videos/sync answers with the video itself, where the worker has that route."

# What comes with a path: the methods that can't be served, the words for what they would have to keep, and what to do.
_ROUTES: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern), words, instead)
    for pattern, words, instead in (
        (r"/v1/files(?:/.*)?", "stored files", _FILES),
        (r"/v1/uploads(?:/.*)?", "stored files", _FILES),
        (
            r"/v1/(?:messages/)?batches(?:/.*)?",
            "batches that run later",
            "Send the requests one by one; many may be under way at once.",
        ),
        (r"/v1/realtime(?:/.*)?", "a lasting connection to one model", _CHAT),
        (r"/v1/assistants(?:/.*)?", "assistants that are stored", _CHAT),
        (r"/v1/threads(?:/.*)?", "conversations that are stored", _CHAT),
        (r"/v1/conversations(?:/.*)?", "conversations that are stored", _CHAT),
        (r"/v1/responses/.+", "responses that are stored", "Send the whole conversation with each request."),
        (r"/v1/chat/completions/.+", "completions that are stored", "Send the whole conversation with each request."),
        (r"/v1/vector_stores(?:/.*)?", "stored files", _FILES),
        (r"/v1/containers(?:/.*)?", "containers that run code", _CHAT),
        (r"/v1/fine_tuning(?:/.*)?", "training", _CHAT),
        (r"/v1/evals(?:/.*)?", "evaluations that are stored", _CHAT),
        (r"/v1/videos(?!/sync)(?:/.*)?", "videos that are made later", _SYNC),
    )
)


def check_route(path: str) -> None:
    """Raises :class:`RouteNotServed` for a path, without its query, that can't work through a signed JSON envelope."""
    for pattern, words, instead in _ROUTES:
        if pattern.fullmatch(path):
            raise RouteNotServed(
                f"{path} can't work through a Vast.ai endpoint: it needs {words}, and each request may go to another worker.",
                hint=f"{instead} If your worker has this route all the same, start the proxy with --pass-route {path}.",
            )
