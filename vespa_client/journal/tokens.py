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
# As texts, which are compiled when one is first needed: most answers have what is usual, below.
_OBJECT = rb"\s*:\s*\{"
_NUMBER = rb'"\s*:\s*([0-9]{1,12})(?![0-9.eE])'
_IN = rb'"(?:prompt_tokens|input_tokens|prompt_n|prompt_eval_count|num_prompt_tokens)' + _NUMBER
_OUT = rb'"(?:completion_tokens|output_tokens|predicted_n|eval_count|generated_tokens|num_generated_tokens)' + _NUMBER
# Tokens of a prompt that Anthropic's API counts beside input_tokens.
_CACHED = rb'"(?:cache_creation_input_tokens|cache_read_input_tokens)' + _NUMBER
_NAMES = ((b'"usage"', "usage"), (b'"timings"', "timings"), (b'"metrics"', "metrics"))
# What most servers of OpenAI's API end with, found in one step: the two numbers, with others at most between them.
_USUAL = re.compile(
    rb'"usage":\s?\{"prompt_tokens":\s?([0-9]{1,12}),\s?(?:"total_tokens":\s?[0-9]{1,12},\s?)?"completion_tokens":\s?([0-9]{1,12})[,}]'
)
# Without an object of their own around them.
_BARE = (b'"eval_count"', b'"generated_tokens"')


class Tokens(NamedTuple):
    """How many went in and out, None where that isn't said, and where it was found."""

    tokens_in: int | None
    tokens_out: int | None
    source: str


def tokens_in_answer(beginning: bytes, end: bytes) -> Tokens | None:
    """What an answer's beginning and end say of its tokens; None where they don't. Both may be the same bytes."""
    last = end.rfind(b'"usage"')
    if last >= 0 and (usual := _USUAL.match(end, last)):
        return Tokens(int(usual[1]), int(usual[2]), "usage")
    for name, source in _NAMES:
        if name not in end or (start := _object_behind(name, end)) < 0:
            continue
        stop = start + _LONGEST_OBJECT
        tokens_in, tokens_out = _prompt(end, start, stop), _number(_OUT, end, start, stop)
        if tokens_in is None and tokens_out is not None:
            first = _object_behind(name, beginning)
            tokens_in = _prompt(beginning, first, first + _LONGEST_OBJECT) if first >= 0 else None
        if tokens_in is not None or tokens_out is not None:
            return Tokens(tokens_in, tokens_out, source)
    for bare in _BARE:
        position = end.rfind(bare)
        if position >= 0:
            # In one object with others, in any order.
            start, stop = max(position - _LONGEST_OBJECT, 0), position + _LONGEST_OBJECT
            return Tokens(_prompt(end, start, stop), _number(_OUT, end, position, stop), "metrics")
    return None


def _object_behind(name: bytes, text: bytes) -> int:
    """Where the last object of that name begins, or -1: ``"usage": null`` stands in all events but the last."""
    position = len(text)
    while (position := text.rfind(name, 0, position)) >= 0:
        if found := re.compile(_OBJECT).match(text, position + len(name)):
            return found.end()
    return -1


def _prompt(text: bytes, start: int, stop: int) -> int | None:
    found = re.compile(_IN).search(text, start, stop)
    if found is None:
        return None
    tokens = int(found[1])
    # Servers of OpenAI's API that have these names too, such as LiteLLM's, count them among the prompt's.
    if not found[0].startswith(b'"input_') or text.find(b'"cache_', start, stop) < 0:
        return tokens
    return tokens + sum(int(cached) for cached in re.compile(_CACHED).findall(text, start, stop))


def _number(pattern: bytes, text: bytes, start: int, stop: int) -> int | None:
    found = re.compile(pattern).search(text, start, stop)
    return int(found[1]) if found else None
