"""What a request is worth, estimated from its body (``--cost auto``; protocol.md, "What a worker counts").

The formulas are those of the official OpenAI worker, whose unit is a token of a completion: any other request counts as
some part or multiple of its benchmark's 500 tokens. Where that worker counts nothing, or has no formula, it is 100, which
is what Vast.ai's SDK counts for a request that says nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from .media import FileBrief, audio_seconds

__all__ = ["estimate_cost", "estimate_cost_of_body"]

_UNKNOWN = 100.0
_BENCHMARK = 500.0
_LEAST, _MOST = 0.1, 8.0
# The autoscaler adds costs up; above this, nothing else would be seen beside it.
_CEILING = 1e9

_EMBEDDING_CHARACTERS = 600
_CHARACTERS_A_TOKEN = 4
_DOCUMENT_CHARACTERS = 250
_RERANKED_CHARACTERS = 16 * (60 + _DOCUMENT_CHARACTERS)
_SPOKEN_CHARACTERS = 500
_AUDIO_SECONDS = 30
_IMAGE_SIDE = 1024
_VIDEO_WIDTH, _VIDEO_HEIGHT, _VIDEO_FRAMES, _VIDEO_FRAMES_A_SECOND = 832, 480, 33, 24

_TOKEN_FIELDS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
# Above the one size, a body with more values than the other takes long to parse, and much memory.
_LARGE, _MANY = 1 << 20, 100_000
# A quote inside a string has a backslash before it: what matches is a field of that name, if maybe an inner object's.
_TOKENS_IN_BODY = [re.compile(rb'"%s"[ \t\r\n]*:[ \t\r\n]*([0-9.]{1,20})' % name.encode()) for name in _TOKEN_FIELDS]

_Values = Mapping[str, Any]


def estimate_cost(path: str, values: _Values) -> str:
    """The cost of a request to ``path``, without its query, as the text of a JSON number.

    ``values`` is the body's object; a file in it is base64 or a :class:`FileBrief`.
    """
    inner = values.get("input")
    formula = _FORMULAS.get(path)
    return _text(formula(inner if isinstance(inner, dict) else values) if formula else _UNKNOWN)


def estimate_cost_of_body(path: str, body: bytes | bytearray) -> str:
    """The same of a body, which has to be JSON. Of one with very many values, it is estimated without parsing it."""
    if len(body) > _LARGE and sum(map(body.count, b",[{")) > _MANY:
        return _text(_estimate_unparsed(path, body))
    parsed = json.loads(body, parse_int=float)
    return estimate_cost(path, parsed if isinstance(parsed, dict) else {})


def _estimate_unparsed(path: str, body: bytes | bytearray) -> float:
    formula = _FORMULAS.get(path)
    if formula is not _tokens:
        return _MOST * _BENCHMARK if formula else _UNKNOWN
    found = (pattern.search(body) for pattern in _TOKENS_IN_BODY)
    return next((_number(match[1], _UNKNOWN) for match in found if match), _UNKNOWN)


def _text(workload: float) -> str:
    # Without an exponent, and with a dot: some workers read it in no other way.
    return f"{min(max(workload, 1), _CEILING) if workload > 0 else _UNKNOWN:.1f}"


def _in_benchmarks(size: float, reference: float) -> float:
    return _BENCHMARK * min(max(size / reference, _LEAST), _MOST)


def _number(value: Any, default: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return default
    return number if math.isfinite(number) else default


def _tokens(values: _Values) -> float:
    """That worker looks at ``max_tokens`` alone, and counts 0 without it."""
    return next((number for field in _TOKEN_FIELDS if (number := _number(values.get(field), 0)) > 0), 0)


def _generated(values: _Values) -> float:
    parameters = values.get("parameters")
    return _number(parameters.get("max_new_tokens"), 0) if isinstance(parameters, dict) else 0


def _chat_batch(values: _Values) -> float:
    return _in_benchmarks((_tokens(values) or _BENCHMARK) * len(_list(values.get("messages"))), _BENCHMARK)


def _embeddings(values: _Values) -> float:
    return _in_benchmarks(sum(map(_embedded, _listed(values.get("input")))), _EMBEDDING_CHARACTERS)


def _embedded(item: Any) -> int:
    """In characters; a number is a token."""
    if isinstance(item, str):
        return len(item)
    return _CHARACTERS_A_TOKEN * (len(item) if isinstance(item, list) else isinstance(item, (int, float)))


def _rerank(values: _Values) -> float:
    return _pairs([values.get("query")], values.get("documents"))


def _score(values: _Values) -> float:
    queries = _first(values, "queries", "text_1", "data_1")
    return _pairs(_listed(queries), _first(values, "documents", "items", "text_2", "data_2"))


def _pairs(queries: list[Any], documents: Any) -> float:
    """A model reads one query with each document, or as many queries as documents, one with one."""
    others = _listed(documents)
    pairs = zip(queries * len(others) if len(queries) == 1 else queries, others, strict=False)
    return _in_benchmarks(sum(_read(query) + _read(document) for query, document in pairs), _RERANKED_CHARACTERS)


def _read(text: Any) -> int:
    return len(text) if isinstance(text, str) else _DOCUMENT_CHARACTERS


def _speech(values: _Values) -> float:
    voices = [*_listed(values.get("ref_audio")), values.get("ref_audio_2")]
    voices += [item.get("audio_path") if isinstance(item, dict) else item for item in _listed(values.get("references"))]
    return _in_benchmarks(_spoken(values, sum(isinstance(voice, str) for voice in voices)), _SPOKEN_CHARACTERS)


def _speech_batch(values: _Values) -> float:
    items = [item for item in _list(values.get("items")) if isinstance(item, dict)]
    size = sum(_spoken(item, bool(item.get("ref_audio") or values.get("ref_audio"))) for item in items)
    return _in_benchmarks(size, _SPOKEN_CHARACTERS)


def _spoken(values: _Values, voices: int) -> int:
    text = values.get("input")
    return (len(text) if isinstance(text, str) else 0) + _SPOKEN_CHARACTERS * voices


def _transcription(values: _Values) -> float:
    file, filename = values.get("file"), values.get("filename")
    if isinstance(file, str):
        file = FileBrief.from_base64(file)
    seconds = audio_seconds(file, filename if isinstance(filename, str) else "audio.wav") if isinstance(file, FileBrief) else 0
    return _in_benchmarks(seconds, _AUDIO_SECONDS)


def _images(values: _Values) -> float:
    width, height = _size(values) or (None, None)
    pixels = _number(width, _IMAGE_SIDE) * _number(height, _IMAGE_SIDE)
    return _in_benchmarks(_number(values.get("n"), 1) * pixels, _IMAGE_SIDE**2)


def _video(values: _Values) -> float:
    width, height = _size(values) or (values.get("width"), values.get("height"))
    if not width or not height:
        width = height = None
    pixels = _number(width, _VIDEO_WIDTH) * _number(height, _VIDEO_HEIGHT)
    outputs = _number(values.get("num_outputs_per_prompt"), 1)
    reference = _VIDEO_WIDTH * _VIDEO_HEIGHT * _VIDEO_FRAMES
    return _in_benchmarks(pixels * _frames(values) * outputs, reference)


def _frames(values: _Values) -> float:
    if values.get("num_frames"):
        return _number(values["num_frames"], _VIDEO_FRAMES)
    if values.get("seconds"):
        return _number(values["seconds"], 1) * _number(values.get("fps"), _VIDEO_FRAMES_A_SECOND)
    return _VIDEO_FRAMES


def _size(values: _Values) -> tuple[str, str] | None:
    """``size``, where it is of the form ``1024x1024``, and not ``auto``."""
    size = values.get("size")
    width, by, height = size.lower().partition("x") if isinstance(size, str) else ("", "", "")
    return (width, height) if by else None


def _audio(values: _Values) -> float:
    return _BENCHMARK


def _first(values: _Values, *names: str) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_FORMULAS: Mapping[str, Callable[[_Values], float]] = {
    "/v1/completions": _tokens,
    "/v1/chat/completions": _tokens,
    "/v1/responses": _tokens,
    "/v1/messages": _tokens,
    "/generate": _generated,
    "/generate_stream": _generated,
    "/v1/chat/completions/batch": _chat_batch,
    "/v1/embeddings": _embeddings,
    "/v1/rerank": _rerank,
    "/v1/score": _score,
    "/v1/audio/speech": _speech,
    "/v1/audio/speech/batch": _speech_batch,
    "/v1/audio/generate": _audio,
    "/v1/audio/transcriptions": _transcription,
    "/v1/audio/translations": _transcription,
    "/v1/images/generations": _images,
    "/v1/images/edits": _images,
    "/v1/images/variations": _images,
    "/v1/videos/sync": _video,
}
