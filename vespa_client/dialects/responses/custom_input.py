"""The input of a custom tool, read while it comes out of the one text that its function is called with."""

from __future__ import annotations

import re
from typing import Any

from ..json_text import load

__all__ = ["CustomInput"]

_OPENING = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_LONGEST_OPENING = 256
_PLAIN = re.compile(r'[^"\\]+')
_ESCAPE = re.compile(r'\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|["\\/bfnrt])')
_HALF = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}")
_LONGEST_ESCAPE = len(r"\ud800\udc00")


class CustomInput:
    """Takes the arguments' JSON text, ``{"input": "…"}``, in pieces, and gives the text inside of it as it comes.

    Where a model says something else, the input is known at the end only: the one text of the arguments, or all of them.
    """

    def __init__(self) -> None:
        self._all: list[str] = []
        self._size = 0
        self._held = ""
        self._is_inside = False
        self._has_ended = False

    def feed(self, arguments: str) -> str:
        """More of the arguments. Returns what it adds to the input."""
        if self._has_ended:
            return ""
        if self._is_inside:
            return self._unescape(self._held + arguments)
        self._all.append(arguments)
        self._size += len(arguments)
        if self._size > _LONGEST_OPENING + len(arguments):
            return ""
        so_far = "".join(self._all)
        opening = _OPENING.match(so_far)
        if not opening:
            return ""
        self._is_inside = True
        return self._unescape(so_far[opening.end() :])

    def end(self) -> tuple[str, bool]:
        """What the end adds to the input, and whether the arguments were whole."""
        if self._is_inside:
            return self._unescape(self._held, is_end=True), self._has_ended
        arguments = "".join(self._all)
        try:
            value = load(arguments)
        except ValueError:
            return arguments, False
        return _one_text(value, arguments), True

    def _unescape(self, text: str, *, is_end: bool = False) -> str:
        self._held = ""
        pieces, position = [], 0
        while position < len(text):
            plain = _PLAIN.match(text, position)
            if plain:
                pieces.append(plain[0])
                position = plain.end()
                continue
            if text[position] == '"':
                self._has_ended = True
                break
            escape = _ESCAPE.match(text, position)
            may_go_on = escape is None or _HALF.fullmatch(escape[0])
            if may_go_on and not is_end and len(text) - position < _LONGEST_ESCAPE:
                self._held = text[position:]
                break
            pieces.append(load(f'"{escape[0]}"') if escape else text[position])
            position += len(escape[0]) if escape else 1
        return "".join(pieces)


def _one_text(value: Any, otherwise: str) -> str:
    if isinstance(value, dict):
        said = value.get("input", next(iter(value.values()), None) if len(value) == 1 else None)
        return said if isinstance(said, str) else otherwise
    return value if isinstance(value, str) else otherwise
