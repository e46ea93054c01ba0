"""The routes of SDKs, and base URLs that lack ``/v1`` or have it twice: the commonest slip where one is given an address."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["is_sdk_route", "mended"]

_POSTED = (
    "audio/(?:speech|transcriptions|translations)",
    "chat/completions",
    "completions",
    "embeddings",
    "images/(?:edits|generations|variations)",
    "messages",
    "messages/count_tokens",
    "responses",
)
_ROUTES = rf"(?:{'|'.join(_POSTED)}|models(?:/.+)?)"
_SDK_ROUTE = rf"/v1/(?:{'|'.join(_POSTED)})|/api/(?:chat|generate|show)"
# /v1 is missing, or there more than once. A slash too many comes of a base URL that ends in one.
_MEANT = re.compile(rf"(?:/+v1)*/+({_ROUTES})")


@lru_cache(maxsize=64)
def mended(path: str) -> str | None:
    """The path that the SDK meant, for the known routes of SDKs alone; None where there is nothing to mend.

    ``/chat/completions`` becomes ``/v1/chat/completions``, and so do ``/v1/v1/chat/completions`` and ``/v1//chat/completions``.
    """
    found = _MEANT.fullmatch(path)
    meant = f"/v1/{found[1]}" if found else None
    return None if meant == path else meant


def is_sdk_route(path: str) -> bool:
    """Whether SDKs post to that path."""
    return bool(re.fullmatch(_SDK_ROUTE, path))
