"""How many tokens an answer took, as its text says it: found in its first and last bytes, without parsing it whole. Pure.

``usage`` is that of OpenAI's and Anthropic's APIs, ``timings`` llama.cpp's, ``metrics`` some servers' own; Ollama's numbers and
those of text-generation-inference count as ``metrics`` too. In JSON a quotation mark inside text is escaped, so that none of
these names is ever found in what a model wrote.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["HEAD_BYTES", "TAIL_BYTES", "Tokens", "tokens_in_answer"]

HEAD_BYTES = 4 * 1024
"""How much of an answer's beginning is looked at: Anthropic's event streams have the prompt's tokens in their first event."""
TAIL_BYTES = 16 * 1024
"""How much of its end."""

# Of what follows the name of an object with numbers in it.
_LONGEST_OBJECT = 2000
_NUMBER = re.compile(rb'"([a-z_]+)"\s*:\s*([0-9]{1,12})(?![0-9.eE])')
_BRACKET = re.compile(rb"[{}]")
_IN = (b"prompt_tokens", b"input_tokens", b"prompt_n", b"prompt_eval_count", b"num_prompt_tokens")
_OUT = (b"completion_tokens", b"output_tokens", b"predicted_n", b"eval_count", b"generated_tokens", b"num_generated_tokens")
# Tokens of a prompt that Anthropic's API counts beside input_tokens.
_CACHED = (b"cache_creation_input_tokens", b"cache_read_input_tokens")
_NAMES = ((b'"usage"', "usage"), (b'"timings"', "timings"), (b'"metrics"', "metrics"))
# Without an object of their own around them.
_BARE = (b'"eval_count"', b'"generated_tokens"')


class Tokens(NamedTuple):
    """How many went in and out, None where that isn't said, and where it was found."""

    tokens_in: int | None
    tokens_out: int | None
    source: str


def tokens_in_answer(beginning: bytes, end: bytes) -> Tokens | None:
    """What an answer's beginning and end say of its tokens; None where they don't. Both may be the same bytes."""
    for name, source in _NAMES:
        found = _numbers_behind(name, end)
        tokens_in, tokens_out = _count(found)
        if tokens_in is None and tokens_out is not None:
            tokens_in = _count(_numbers_behind(name, beginning))[0]
        if tokens_in is not None or tokens_out is not None:
            return Tokens(tokens_in, tokens_out, source)
    for bare in _BARE:
        position = end.rfind(bare)
        if position >= 0:
            # In one object with others, in any order.
            around = end[max(position - _LONGEST_OBJECT, 0) : position + _LONGEST_OBJECT]
            return Tokens(*_count(dict(_NUMBER.findall(around))), "metrics")
    return None


def _numbers_behind(name: bytes, text: bytes) -> dict[bytes, bytes]:
    """The numbers of the last object of that name: ``"usage": null`` stands in all events but the last."""
    position = len(text)
    while (position := text.rfind(name, 0, position)) >= 0:
        behind = text[position + len(name) : position + len(name) + _LONGEST_OBJECT]
        if (start := behind.find(b"{")) >= 0 and not behind[:start].strip(b" \t\r\n:"):
            numbers: dict[bytes, bytes] = {}
            for key, number in _NUMBER.findall(_object(behind, start)):
                numbers.setdefault(key, number)
            return numbers
    return {}


def _object(text: bytes, start: int) -> bytes:
    """From the bracket at ``start`` to the one that closes it, by count: these objects hold numbers and no text to speak of."""
    depth = 0
    for match in _BRACKET.finditer(text, start):
        depth += 1 if match[0] == b"{" else -1
        if not depth:
            return text[start : match.end()]
    return text[start:]


def _count(numbers: dict[bytes, bytes]) -> tuple[int | None, int | None]:
    tokens_in = next((int(numbers[name]) for name in _IN if name in numbers), None)
    if tokens_in is not None and b"prompt_tokens" not in numbers:
        tokens_in += sum(int(numbers.get(name, b"0")) for name in _CACHED)
    return tokens_in, next((int(numbers[name]) for name in _OUT if name in numbers), None)
