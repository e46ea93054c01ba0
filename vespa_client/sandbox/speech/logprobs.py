"""Made-up log probabilities for the built-in model's tokens, the same ones each time. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

__all__ = ["of_chat", "of_completion"]

_ALTERNATIVES = (
    *".,!?;:",
    "a",
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "it",
    "you",
    "that",
    "for",
    "on",
    "as",
    "with",
    "was",
    "at",
)


def of_chat(tokens: list[str], top: int) -> dict[str, Any]:
    """What a choice of a chat has under ``logprobs``, each token with ``top`` alternatives, itself the likeliest."""
    content = [
        {**_entry(token, _of(token)), "top_logprobs": [_entry(*one) for one in _likeliest(token, top)]} for token in tokens
    ]
    return {"content": content, "refusal": None}


def of_completion(tokens: list[str], top: int, offset: int = 0) -> dict[str, Any]:
    """What a choice of a completion has under ``logprobs``. ``offset`` is how many letters came before the tokens."""
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token)
    return {
        "tokens": tokens,
        "token_logprobs": [_of(token) for token in tokens],
        "top_logprobs": [dict(_likeliest(token, top)) for token in tokens] if top else None,
        "text_offset": offsets,
    }


def _of(token: str) -> float:
    # "surrogatepass": JSON may hold half a surrogate pair.
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
    return -digest[0] / 512


def _likeliest(token: str, top: int) -> list[tuple[str, float]]:
    others = [one for one in _ALTERNATIVES if one != token]
    own = _of(token)
    return [(token, own), *((one, own - 1 - at / 2) for at, one in enumerate(others))][:top]


def _entry(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "surrogatepass"))}
