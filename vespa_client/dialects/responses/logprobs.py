"""Log probabilities of tokens, as a response has them."""

from __future__ import annotations

from typing import Any

__all__ = ["read_logprobs", "without_bytes"]

Logprob = dict[str, Any]


def read_logprobs(said: list[dict[str, Any]] | None) -> list[Logprob]:
    """Those of a chat completion, without what isn't one: the types of OpenAI's SDKs want all members there."""
    read = []
    for one in said or ():
        logprob = _read(one)
        if logprob:
            top = one.get("top_logprobs")
            found = [_read(other) for other in top if isinstance(other, dict)] if isinstance(top, list) else []
            read.append({**logprob, "top_logprobs": [other for other in found if other]})
    return read


def without_bytes(logprobs: list[Logprob]) -> list[Logprob]:
    """As events have them, which leave out the tokens' bytes."""
    return [{**_bare(one), "top_logprobs": [_bare(top) for top in one["top_logprobs"]]} for one in logprobs]


def _read(said: dict[str, Any]) -> Logprob | None:
    token, logprob, spelled = said.get("token"), said.get("logprob"), said.get("bytes")
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    if not isinstance(spelled, list) or not all(isinstance(byte, int) for byte in spelled):
        spelled = list(token.encode("utf-8", "replace"))
    return {"token": token, "bytes": spelled, "logprob": logprob}


def _bare(logprob: Logprob) -> Logprob:
    return {"token": logprob["token"], "logprob": logprob["logprob"]}
