"""The built-in model's embeddings: vectors out of hashes, near each other where texts share words. Pure."""

from __future__ import annotations

import array
import base64
import hashlib
import math
import re
import struct
import sys
from typing import Any

from .openai_api import MODEL, read_inputs
from .reply import BadRequest, read_whole

__all__ = ["embed", "embeddings"]

_DIMENSIONS = 256
_MOST_DIMENSIONS = 4096
_PLACES = 8


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """``POST /v1/embeddings``: ``encoding_format`` is ``float`` (default) or ``base64`` (float32, little-endian)."""
    texts, count = read_inputs(body, "input")
    dimensions = read_whole(body, "dimensions", _DIMENSIONS, high=_MOST_DIMENSIONS) or _DIMENSIONS
    encoding = body.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        raise BadRequest('\'encoding_format\' must be "float" or "base64".', "encoding_format")
    data = []
    for index, text in enumerate(texts):
        vector = embed(text, dimensions)
        # As float32 both ways, so that the two encodings give the same numbers.
        packed = array.array("f", vector)
        if sys.byteorder == "big" and encoding == "base64":
            packed.byteswap()
        value = base64.b64encode(packed).decode() if encoding == "base64" else packed.tolist()
        data.append({"object": "embedding", "index": index, "embedding": value})
    usage = {"prompt_tokens": count, "total_tokens": count}
    return {"object": "list", "data": data, "model": body.get("model", MODEL), "usage": usage}


def embed(text: str, dimensions: int) -> list[float]:
    """The text's unit vector: each word adds to a few places that its hash picks; the text as a whole, a little."""
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        _add(vector, word, 1.0)
    _add(vector, "\0" + text, 0.1)
    length = math.sqrt(sum(value * value for value in vector))
    if not length:
        vector[0] = length = 1.0
    return [value / length for value in vector]


def _add(vector: list[float], text: str, weight: float) -> None:
    # "surrogatepass": JSON may hold half a surrogate pair.
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    for place, sign in struct.iter_unpack("<HH", digest[: 4 * _PLACES]):
        vector[place % len(vector)] += weight if sign & 1 else -weight
