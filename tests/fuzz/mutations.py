"""What is made odd about a message: one of its tokens, its lines, its bytes. Pure.

All of it works on tokens that know what they are (:mod:`.tokens`), for requests and answers alike.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from .odd_headers import ODD_LINES, odd_value
from .oddities import ODD_TOKENS
from .tokens import EOL, Token, Tokens, lines_of

__all__ = ["mutate", "mutate_bytes"]

_Mutation = Callable[[Tokens, Random], Tokens]
_BLANKS = (b" ", b"\t", b"  ", b"\r\n ", b"\x0b", b"\x0c", b"\x00", b"\xa0", b"\r", b"\n", b"\x1f", b"\x7f")
_FRAMING = ("value content-length", "value transfer-encoding")


def mutate(tokens: Tokens, source: Random) -> tuple[str, Tokens]:
    """One mutation, and what it is called."""
    while True:
        name = source.choices(list(_MUTATIONS), [weight for weight, _ in _MUTATIONS.values()])[0]
        changed = _MUTATIONS[name][1](list(tokens), source)
        if changed != tokens:
            return name, changed


def mutate_bytes(data: bytes, source: Random) -> tuple[str, bytes]:
    """One mutation of what is no longer in tokens."""
    place = source.randrange(len(data) + 1)
    kind = source.random()
    if kind < 0.6:
        return "cut short", data[:place]
    if kind < 0.75:
        odd = bytes([source.choice((0, 9, 10, 13, 32, 44, 58, 127, 128, 255, source.randrange(256)))])
        return "odd byte", data[:place] + odd + data[place + source.randrange(2) :]
    if kind < 0.85:
        return "bytes lost", data[:place] + data[place + source.randrange(1, 40) :]
    if kind < 0.95:
        return "bytes twice", data[:place] + data[max(place - source.randrange(1, 400), 0) :]
    return "garbage behind", data + source.choice(_GARBAGE)


def _odd_token(kinds: tuple[str, ...]) -> _Mutation:
    def change(tokens: Tokens, source: Random) -> Tokens:
        places = [place for place, token in enumerate(tokens) if token.kind in kinds]
        if places:
            place = source.choice(places)
            tokens[place] = Token(tokens[place].kind, source.choice(ODD_TOKENS[tokens[place].kind])(tokens[place].text, source))
        return tokens

    return change


def _odd_header(tokens: Tokens, source: Random) -> Tokens:
    places = [place for place, token in enumerate(tokens) if token.kind.startswith("value ")]
    if places:
        place = source.choice(places)
        tokens[place] = Token(tokens[place].kind, odd_value(tokens[place].kind[6:], tokens[place].text, source))
    return tokens


def _odd_framing(tokens: Tokens, source: Random) -> Tokens:
    places = [place for place, token in enumerate(tokens) if token.kind in _FRAMING]
    if places:
        place = source.choice(places)
        tokens[place] = Token(tokens[place].kind, odd_value(tokens[place].kind[6:], tokens[place].text, source))
    return tokens


def _new_line(tokens: Tokens, source: Random) -> Tokens:
    return _insert_line(tokens, [Token("name", source.choice(ODD_LINES)), EOL], source)


def _line_twice(tokens: Tokens, source: Random) -> Tokens:
    lines = lines_of(tokens)
    if not lines:
        return tokens
    start, end = source.choice(lines)
    copy = tokens[start:end]
    if source.random() < 0.5:
        copy = [
            Token(token.kind, odd_value(token.kind[6:], token.text, source)) if token.kind.startswith("value ") else token
            for token in copy
        ]
    return _insert_line(tokens, copy, source)


def _line_lost(tokens: Tokens, source: Random) -> Tokens:
    lines = lines_of(tokens)
    if lines:
        start, end = source.choice(lines)
        del tokens[start:end]
    return tokens


def _many_lines(tokens: Tokens, source: Random) -> Tokens:
    count = source.choice((85, 95, 97, 98, 99, 100, 101, 150, 2000))
    return _insert_line(tokens, [Token("garbage", b"X: y\r\n" * count)], source)


def _long_head(tokens: Tokens, source: Random) -> Tokens:
    size = source.choice((60_000, 65_000, 65_536, 66_000, 100_000, 300_000))
    return _insert_line(tokens, [Token("garbage", b"X-Long: " + b"y" * size + b"\r\n")], source)


def _insert_line(tokens: Tokens, line: Tokens, source: Random) -> Tokens:
    lines = lines_of(tokens)
    place = source.choice(lines)[source.randrange(2)] if lines else len(tokens)
    return tokens[:place] + line + tokens[place:]


def _blank(tokens: Tokens, source: Random) -> Tokens:
    place = source.randrange(len(tokens) + 1)
    return [*tokens[:place], Token("garbage", source.choice(_BLANKS)), *tokens[place:]]


def _token_lost(tokens: Tokens, source: Random) -> Tokens:
    del tokens[source.randrange(len(tokens))]
    return tokens


def _token_twice(tokens: Tokens, source: Random) -> Tokens:
    place = source.randrange(len(tokens))
    return [*tokens[:place], tokens[place], *tokens[place:]]


def _tokens_swapped(tokens: Tokens, source: Random) -> Tokens:
    one, other = source.randrange(len(tokens)), source.randrange(len(tokens))
    tokens[one], tokens[other] = tokens[other], tokens[one]
    return tokens


def _garbage(tokens: Tokens, source: Random) -> Tokens:
    place = source.choice((0, len(tokens), source.randrange(len(tokens) + 1)))
    return [*tokens[:place], Token("garbage", source.choice(_GARBAGE)), *tokens[place:]]


_GARBAGE = (
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\x00",
    b" ",
    b"0\r\n\r\n",
    b"\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\n",
    b"X: y\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x05\x01\x00",
    b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\nX-Smuggled: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned",
    bytes(range(256)),
)

_MUTATIONS: dict[str, tuple[int, _Mutation]] = {
    "odd start line": (14, _odd_token(("method", "sp", "target", "version", "status", "reason"))),
    "odd target or status": (10, _odd_token(("target", "status"))),
    "odd line end": (10, _odd_token(("eol",))),
    "odd header name": (8, _odd_token(("name", "colon", "ows"))),
    "odd header value": (14, _odd_header),
    "odd framing": (14, _odd_framing),
    "odd chunk": (14, _odd_token(("size", "ext", "data"))),
    "odd body": (3, _odd_token(("body",))),
    "odd line": (14, _new_line),
    "line twice": (10, _line_twice),
    "line lost": (5, _line_lost),
    "many lines": (2, _many_lines),
    "long head": (2, _long_head),
    "blank": (8, _blank),
    "token lost": (5, _token_lost),
    "token twice": (5, _token_twice),
    "tokens swapped": (3, _tokens_swapped),
    "garbage": (6, _garbage),
}
