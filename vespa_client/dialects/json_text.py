"""JSON as UTF-8 bytes, in and out, and nothing that Python knows beside it (RFC 8259)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isfinite
from typing import Any, NoReturn

__all__ = ["dump", "is_deeper", "load"]


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


_decode = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant).decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_encode_ascii = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def load(data: bytes | bytearray | str) -> Any:
    """What the text says. Raises ValueError, whose message is a clause that says why it isn't JSON."""
    try:
        return _decode(data if isinstance(data, str) else str(data, "utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError as wrong:
        raise ValueError(f"its byte {wrong.start} is no UTF-8") from None


def dump(value: object) -> bytes:
    """The value on one line. Raises ValueError where it is nested too deeply."""
    try:
        text = _encode(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: JSON can say it by an escape alone
        return _encode_ascii(value).encode()


def is_deeper(value: object, depth: int) -> bool:
    """Whether a JSON value has lists and objects in more than ``depth`` levels."""
    level = [value]
    for _ in range(depth):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return any(isinstance(one, dict | list) for one in level)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
