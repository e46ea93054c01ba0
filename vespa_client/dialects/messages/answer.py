"""A plain chat completion as a message of Anthropic's, and what plain and streamed messages say alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..chat_answer import CallArguments, CallStart, ChatAnswer, Piece, Reasoning, Refusal, Text, Usage
from ..json_text import load

__all__ = ["SIGNATURE", "blocks_of", "ending", "message_of", "usage_of"]

SIGNATURE = "bm90IHNpZ25lZA=="
"""What thinking is signed with. Nobody checks it, and SDKs drop thinking that has none when they send it back."""

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def message_of(
    token: str, model: str, content: list[dict[str, Any]], end: dict[str, Any], usage: Usage | None
) -> dict[str, Any]:
    """Anthropic's message: https://platform.claude.com/docs/en/api/messages.

    ``model`` is the one that was asked for, whatever the backend calls it: Claude Code keeps what its model thought for the
    next turn, and forgets what another's did.
    """
    return {
        "id": f"msg_{token}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        **end,
        "usage": usage_of(usage),
    }


def blocks_of(pieces: Iterable[Piece], *, shows_thinking: bool) -> list[dict[str, Any]]:
    """The content blocks of a whole answer, in the order in which they began."""
    blocks: list[dict[str, Any]] = []
    arguments: dict[int, list[str]] = {}
    calls: dict[int, dict[str, Any]] = {}
    for piece in pieces:
        if isinstance(piece, Text | Refusal):
            _append(blocks, "text", piece.text)
        elif isinstance(piece, Reasoning):
            if shows_thinking:
                _append(blocks, "thinking", piece.text)
        elif isinstance(piece, CallStart):
            calls[piece.position] = {"type": "tool_use", "id": piece.id, "name": piece.name, "input": {}}
            blocks.append(calls[piece.position])
        elif isinstance(piece, CallArguments):
            arguments.setdefault(piece.position, []).append(piece.arguments)
    for position, parts in arguments.items():
        calls[position]["input"] = _tool_input("".join(parts))
    return blocks


def ending(answer: ChatAnswer, stops: list[str], refusal: str) -> dict[str, Any]:
    """Why the message ends: ``stop_reason``, ``stop_sequence``, and for a refusal ``stop_details``.

    ``stops`` are the stop sequences that were asked for, ``refusal`` the model's own word on why it doesn't answer.
    """
    reason = _STOP_REASONS[answer.finish_reason or "stop"]
    if refusal or reason == "refusal":
        details = {"type": "refusal", "category": None, "explanation": refusal or None}
        return {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}
    if reason == "end_turn" and answer.stopped_by in stops:
        return {"stop_reason": "stop_sequence", "stop_sequence": answer.stopped_by}
    return {"stop_reason": reason, "stop_sequence": None}


def usage_of(usage: Usage | None) -> dict[str, Any]:
    """What was counted, 0 where nothing was. With Anthropic the input's count is without what was read from a cache."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    cached = min(usage.cached or 0, usage.input)
    counted: dict[str, Any] = {
        "input_tokens": usage.input - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.output,
    }
    if usage.reasoning is not None:
        counted["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return counted


def _append(blocks: list[dict[str, Any]], kind: str, text: str) -> None:
    if not text:
        return
    if not blocks or blocks[-1]["type"] != kind:
        blocks.append({"type": kind, kind: ""} | ({"signature": SIGNATURE} if kind == "thinking" else {}))
    blocks[-1][kind] += text


def _tool_input(arguments: str) -> dict[str, Any]:
    """A call's input from its JSON text, none being an empty one.

    What is no object stands under ``INVALID_JSON``, as Anthropic advises for such text: the tool's own check tells the model.
    """
    try:
        value = load(arguments) if arguments.strip() else {}
    except ValueError:
        value = arguments
    if value is None:
        return {}
    return value if isinstance(value, dict) else {"INVALID_JSON": arguments}
