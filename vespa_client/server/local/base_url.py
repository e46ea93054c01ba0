"""Base URLs that lack ``/v1``, or have it twice: the commonest slip where an SDK is pointed at another address."""

from __future__ import annotations

import re

__all__ = ["mended"]

_KNOWN = (
    "audio/(?:speech|transcriptions|translations)",
    "chat/completions",
    "completions",
    "embeddings",
    "images/(?:edits|generations|variations)",
    "messages",
    "messages/count_tokens",
    "models",
    "models/.+",
    "responses",
)
# With no /v1 in front, or with more than one.
_SLIP = re.compile(rf"(?:(?:/v1){{2,}})?(/(?:{'|'.join(_KNOWN)}))")


def mended(path: str) -> str | None:
    """The path that the SDK meant, for the known routes of SDKs alone; None where there is nothing to mend.

    ``/chat/completions`` becomes ``/v1/chat/completions``, and so does ``/v1/v1/chat/completions``.
    """
    slip = _SLIP.fullmatch(path)
    return f"/v1{slip[1]}" if slip else None
