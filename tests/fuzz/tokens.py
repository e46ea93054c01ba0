"""Messages in pieces that know what they are, so that a mutation can put something odd in the place of any of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

__all__ = ["EOL", "Token", "Tokens", "chunk_tokens", "join", "line_tokens", "lines_of"]


class Token(NamedTuple):
    """``kind`` is ``method``, ``sp``, ``target``, ``version``, ``status``, ``reason``, ``name``, ``colon``, ``ows``,
    ``value NAME``, ``eol``, ``size``, ``ext``, ``data``, ``body`` or ``garbage``.
    """

    kind: str
    text: bytes


Tokens = list[Token]
EOL = Token("eol", b"\r\n")


def join(tokens: Iterable[Token]) -> bytes:
    """The bytes."""
    return b"".join(token.text for token in tokens)


def line_tokens(name: bytes, value: bytes) -> Tokens:
    """One header line."""
    kind = f"value {name.decode('latin-1').lower()}"
    return [Token("name", name), Token("colon", b":"), Token("ows", b" "), Token(kind, value), EOL]


def lines_of(tokens: Tokens) -> list[tuple[int, int]]:
    """Where header lines are: the first token of each, and the one behind its last."""
    found = []
    for start, token in enumerate(tokens):
        if token.kind == "name":
            end = next((place for place in range(start, len(tokens)) if tokens[place].kind == "eol"), len(tokens) - 1)
            found.append((start, end + 1))
    return found


def chunk_tokens(body: bytes, source: Random, trailers: Iterable[tuple[bytes, bytes]] = ()) -> Tokens:
    """A chunked body, cut where the source says."""
    tokens: Tokens = []
    pieces: list[bytes] = []
    left = body
    while left:
        size = min(len(left), source.choice((1, 2, 15, 16, 100, 1000, 5000, len(left))))
        pieces.append(left[:size])
        left = left[size:]
    for piece in pieces:
        size_text = b"%x" % len(piece) if source.random() < 0.8 else b"%04X" % len(piece)
        tokens += [Token("size", size_text), Token("ext", _extension(source)), EOL, Token("data", piece), EOL]
    tokens += [Token("size", source.choice((b"0", b"0", b"000"))), Token("ext", b""), EOL]
    for name, value in trailers:
        tokens += line_tokens(name, value)
    return [*tokens, EOL]


def _extension(source: Random) -> bytes:
    return source.choice((b";a", b";a=b", b';a="b c"', b" ; a = b", b";a;b=2")) if source.random() < 0.1 else b""
