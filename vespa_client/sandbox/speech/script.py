"""Scripts: what the built-in model says, turn by turn, so that an agent can be made to read a file, edit it, run a command.

A script is JSON: a list of turns, or ``{"prompt": PATTERN, "turns": […]}``, or a list of those under ``conversations``.
A turn is a text, or an object of these, in this order::

    {"reasoning": "…", "text": "…", "calls": [{"name": "shell", "arguments": {"command": ["cat", "a.txt"]}}]}

or, where more is to be said about its order and its time, ``{"steps": […]}`` with one of these a step::

    {"reasoning": "…"}  {"text": "…"}  {"call": {"name": …, "arguments": …}}
    {"hold": "NAME"}    silent until the test releases NAME, or the client leaves
    {"pause": 1.5}      seconds of silence
    {"break": true}     the connection ends here; "reset" does it by RST
    {"error": 500}      behind other steps of a stream: an event that says so, and the stream's end, as vLLM does it

or an error in the answer's place: ``{"error": 429}`` or ``{"error": {"status": 400, "message": "…"}}``. ``arguments`` that
are a text go out as they are, JSON or not; without any, they are a sample of the tool's schema. In texts ``{{user}}`` is
the user's latest message, ``{{result}}`` what the latest tool said, ``{{result.0}}`` what the first one did.

**Which turn it is, the conversation says**, and not a counter: the answers of the model that are in it already, where
several messages in a row are one. The ids of a script's calls carry the number of their turn, so that it is found even
where an agent has summed up or cut off what came before. So repeated requests get the same turn again, and conversations
side by side don't disturb one another. A script is for the conversations in which all tools that it calls are offered
and, with ``prompt``, that regular expression is found in a message of the user: what an agent asks on the side (for a
title, for its quota) has no tools, and gets the improvised answer, as does every request after the last turn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..reply import BadRequest, Call, Cue, Part, Say
from .prompt import Prompt
from .schema_sample import SchemaUnsatisfied, sample_schema

__all__ = ["Script", "ScriptError"]

_CALL_ID = re.compile(r"script_(\d+)_\d+$")
_PLACEHOLDER = re.compile(r"\{\{(user|result)(?:\.(\d+))?\}\}")


class ScriptError(ValueError):
    """The script is none. The text says where, and what is wanted."""


@dataclass(frozen=True)
class _Step:
    kind: str
    value: Any


@dataclass(frozen=True)
class _Conversation:
    prompt: re.Pattern[str] | None
    turns: Sequence[Sequence[_Step]]
    tools: frozenset[str]

    def is_for(self, prompt: Prompt) -> bool:
        offered = {tool.name for tool in prompt.tools} if prompt.choice != "none" else set()
        said = [message.text for message in prompt.messages if message.role == "user"]
        return self.tools <= offered and (self.prompt is None or any(map(self.prompt.search, said)))


class Script:
    """A script, read from what JSON makes of it. Raises :class:`ScriptError`."""

    def __init__(self, value: Any) -> None:
        given = value.get("conversations", value) if isinstance(value, dict) else value
        several = given if isinstance(value, dict) and "conversations" in value else [given]
        if not isinstance(several, list):
            raise ScriptError("conversations: a list is wanted")
        self._conversations = [_read_conversation(one, f"conversations[{at}]") for at, one in enumerate(several)]

    def parts(self, prompt: Prompt) -> list[Part] | None:
        """What the script says to this prompt, or None where it says nothing. Raises :class:`BadRequest` for an error."""
        conversation = next((one for one in self._conversations if one.is_for(prompt)), None)
        if conversation is None:
            return None
        turn = _turn_of(prompt)
        if turn >= len(conversation.turns):
            return None
        parts = [_part(step, f"script_{turn}_{at}", prompt) for at, step in enumerate(conversation.turns[turn])]
        if parts and isinstance(parts[0], Cue) and parts[0].kind == "fail":
            raise BadRequest(parts[0].name, None, parts[0].status)
        return parts


def _turn_of(prompt: Prompt) -> int:
    """How many answers of the model the conversation has: the number of the next turn, from 0."""
    turn, talking = 0, False
    for message in prompt.messages:
        if message.role == "assistant":
            marks = [int(match[1]) for call_id in message.call_ids if (match := _CALL_ID.search(call_id))]
            turn = max(marks) + 1 if marks else turn + (not talking)
        talking = message.role == "assistant"
    return turn


def _read_conversation(value: Any, where: str) -> _Conversation:
    given = {"turns": value} if isinstance(value, list) else value
    if not isinstance(given, dict) or not isinstance(given.get("turns"), list) or set(given) - {"prompt", "turns"}:
        raise ScriptError(f"{where}: a list of turns is wanted, or an object with turns and perhaps a prompt")
    turns = [_read_turn(turn, f"{where}.turns[{at}]") for at, turn in enumerate(given["turns"])]
    prompt = given.get("prompt")
    try:
        pattern = None if prompt is None else re.compile(prompt)
    except (re.error, TypeError):
        raise ScriptError(f"{where}.prompt: a regular expression is wanted") from None
    tools = frozenset(step.value["name"] for turn in turns for step in turn if step.kind == "call")
    return _Conversation(pattern, turns, tools)


def _read_turn(value: Any, where: str) -> list[_Step]:
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, dict) or not value:
        raise ScriptError(f"{where}: a text or an object is wanted")
    if set(value) == {"steps"} and isinstance(value["steps"], list):
        return [_read_step(step, f"{where}.steps[{at}]") for at, step in enumerate(value["steps"])]
    if set(value) == {"error"}:
        return [_read_step(value, where)]
    calls = value.get("calls", [])
    if set(value) - {"reasoning", "text", "calls"} or not isinstance(calls, list):
        raise ScriptError(f"{where}: reasoning, text and a list of calls are understood, or steps, or an error")
    steps = [{kind: value[kind]} for kind in ("reasoning", "text") if kind in value]
    return [_read_step(step, where) for step in [*steps, *({"call": call} for call in calls)]]


def _read_step(value: Any, where: str) -> _Step:
    if not isinstance(value, dict) or len(value) != 1:
        raise ScriptError(f"{where}: an object with one member is wanted")
    ((kind, what),) = value.items()
    check = _CHECKS.get(kind)
    if check is None:
        raise ScriptError(f"{where}: {kind!r} is none of {', '.join(_CHECKS)}")
    if not check(what):
        raise ScriptError(f"{where}.{kind}: {what!r} is not what is wanted there")
    return _Step(kind, what)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_call(value: Any) -> bool:
    known = isinstance(value, dict) and not set(value) - {"name", "arguments"} and _is_text(value.get("name"))
    return known and isinstance(value.get("arguments", {}), (dict, str))


def _is_seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")


def _is_error(value: Any) -> bool:
    status = value.get("status") if isinstance(value, dict) else value
    message = value.get("message", "") if isinstance(value, dict) else ""
    return isinstance(status, int) and 400 <= status <= 599 and isinstance(message, str)


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "reasoning": _is_text,
    "text": _is_text,
    "call": _is_call,
    "hold": _is_text,
    "pause": _is_seconds,
    "break": lambda value: value is True or value == "reset",
    "error": _is_error,
}


def _part(step: _Step, place: str, prompt: Prompt) -> Part:
    value = step.value
    if step.kind == "call":
        return Call(value["name"], _arguments(value, prompt), place)
    if step.kind == "hold":
        return Cue("hold", value)
    if step.kind == "pause":
        return Cue("pause", seconds=float(value))
    if step.kind == "break":
        return Cue("break", "reset" if value == "reset" else "")
    if step.kind == "error":
        status, message = (value["status"], value.get("message")) if isinstance(value, dict) else (value, None)
        return Cue("fail", message or f"The sandbox's script has an error {status} here.", status=status)
    return Say(_filled(value, prompt), "reasoning" if step.kind == "reasoning" else "text")


def _arguments(call: Mapping[str, Any], prompt: Prompt) -> str:
    given = call.get("arguments")
    if isinstance(given, str):
        return str(_filled(given, prompt))
    if given is None:
        tool = next(tool for tool in prompt.tools if tool.name == call["name"])
        try:
            given = sample_schema(dict(tool.schema) or {"type": "object"}, prompt.seed)
        except SchemaUnsatisfied as problem:
            raise BadRequest(f"The script's call of {tool.name} needs arguments: {problem}.", "tools") from None
    return json.dumps(_filled(given, prompt), ensure_ascii=False)


def _filled(value: Any, prompt: Prompt) -> Any:
    """The value with what the placeholders in its texts stand for."""
    if isinstance(value, dict):
        return {key: _filled(member, prompt) for key, member in value.items()}
    if isinstance(value, list):
        return [_filled(member, prompt) for member in value]
    return _PLACEHOLDER.sub(lambda match: _standing_for(match, prompt), value) if isinstance(value, str) else value


def _standing_for(match: re.Match[str], prompt: Prompt) -> str:
    if match[1] == "user":
        return prompt.asked
    results = prompt.results
    index = int(match[2]) if match[2] else len(results) - 1
    return results[index] if 0 <= index < len(results) else ""
