"""What the built-in model says of its own: it quotes, calls tools, samples schemas, thinks, and fails, as it is asked to. Pure.

A message that is one of these and nothing else is an order, so that a person sees each outcome by typing it:

===================  ============================================================================================
``error 429``        the answer is an error of that status (400 to 599); a *model* called ``error-429`` does it too
``break``            the connection ends in the middle of the answer
``hold``             the model falls silent in the middle of the answer, for as long as the client stays
``think``            the answer has reasoning, as with ``reasoning_effort``
``long 500``         an answer of that many tokens, 100,000 at most
``empty``            an answer of no token
===================  ============================================================================================

A tool is called where its name is in the user's latest message, as often as it is there, and where ``tool_choice`` asks
for it: with ``required`` and no name, the last of the tools, since that is where libraries put the one that takes the
result. Once tools have answered, the model says what they said, unless it has to call one.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

from ..reply import BadRequest, Call, Cue, Part, Say, tokenize
from .prompt import Prompt, Tool
from .schema_sample import SchemaUnsatisfied, sample_schema

__all__ = ["improvise"]

_LONGEST_QUOTE = 2000
_LONGEST = 100_000
_INTRODUCTION = "I am the sandbox's stand-in, not a real model. "
_SO_ON = [" And", " so", " on", "."]
_ORDER = re.compile(r"(error|long) +(\d{1,6})|(break|hold|think|empty)", re.IGNORECASE)
_ERROR_MODEL = re.compile(r"error-([45]\d\d)")
_REASONING = "The user wants an answer. I am a stand-in, so I can only repeat what I was told. "


def improvise(prompt: Prompt) -> list[Part]:
    """The parts of the answer. Raises :class:`BadRequest`: for an error that was asked for, a schema without a sample."""
    if match := _ERROR_MODEL.fullmatch(prompt.model):
        raise _error(int(match[1]))
    order, number = _read_order(prompt.asked)
    if order == "error":
        raise _error(number)
    thoughts: list[Part] = [Say(_REASONING + f"It is about: {_quote(prompt.asked)}", "reasoning")]
    before = thoughts if prompt.thinks or order == "think" else []
    calls = _calls(prompt)
    if calls:
        return [*before, *calls]
    if prompt.schema is not None:
        return [*before, Say(json.dumps(_sample(prompt.schema, "response_format", prompt), ensure_ascii=False))]
    text = _text(prompt, order, number)
    if order in ("break", "hold"):
        half = len(text) // 2
        return [*before, Say(text[:half]), Cue("break" if order == "break" else "hold", "order"), Say(text[half:])]
    return [*before, Say(text)]


def _read_order(asked: str) -> tuple[str, int]:
    match = _ORDER.fullmatch(asked.strip())
    if not match:
        return "", 0
    order, number = (match[1] or match[3]).lower(), int(match[2] or 0)
    if order == "error" and not 400 <= number <= 599:
        return "", 0
    return order, min(number, _LONGEST)


def _error(status: int) -> BadRequest:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "an error"
    return BadRequest(f"The sandbox's model was asked for an error {status}: {phrase}.", None, status)


def _text(prompt: Prompt, order: str, number: int) -> str:
    if order == "empty":
        return ""
    if order == "long":
        return "".join((tokenize(_INTRODUCTION.rstrip()) + _SO_ON * (number // len(_SO_ON) + 1))[:number])
    if prompt.latest_results:
        return _INTRODUCTION + "The tools said: " + "; ".join(map(_quote, prompt.latest_results))
    quote = _quote(prompt.asked)
    return _INTRODUCTION + (f"You said: {quote}" if quote else "You said nothing.")


def _quote(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"


def _calls(prompt: Prompt) -> list[Call]:
    tools = {tool.name: tool for tool in prompt.tools}
    if not tools or prompt.choice == "none":
        return []
    if prompt.choice in tools:
        wanted = [tools[prompt.choice]]
    elif prompt.latest_results and prompt.choice == "auto":
        wanted = []
    else:
        wanted = [] if prompt.latest_results else _named(prompt)
        if not wanted and prompt.choice == "required":
            wanted = [prompt.tools[-1]]
    if not prompt.parallel:
        wanted = wanted[:1]
    turn = sum(message.role == "assistant" for message in prompt.messages)
    return [_call(tool, f"{turn}_{prompt.index}_{number}", prompt) for number, tool in enumerate(wanted)]


def _named(prompt: Prompt) -> list[Tool]:
    """The tools whose names the user says, as often as they are said."""
    tools = {tool.name: tool for tool in prompt.tools}
    names = "|".join(map(re.escape, sorted(tools, key=len, reverse=True)))
    return [tools[name] for name in re.findall(rf"(?<![\w-])(?:{names})(?![\w-])", prompt.asked)]


def _call(tool: Tool, place: str, prompt: Prompt) -> Call:
    arguments = _sample(tool.schema or {"type": "object"}, f"tools.{tool.name}", prompt)
    return Call(tool.name, json.dumps(arguments, ensure_ascii=False), place)


def _sample(schema: Any, param: str, prompt: Prompt) -> Any:
    seed = None if prompt.seed is None else prompt.seed + prompt.index
    try:
        return sample_schema(schema, seed)
    except SchemaUnsatisfied as problem:
        raise BadRequest(f"The sandbox's model finds no sample of the schema: {problem}.", param) from None
