"""What a response repeats of its request."""

from __future__ import annotations

from typing import Any

from ..request_fields import Fields

__all__ = ["echo"]

_AS_SAID = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "prompt_cache_key",
    "safety_identifier",
    "temperature",
    "top_p",
    "user",
)


def echo(request: Fields) -> dict[str, Any]:
    """The members of a response that say how it was asked for, all of them there, as OpenAI has them.

    Raises :class:`Untranslatable` where one has a kind of its own.
    """
    reasoning, text = request.object("reasoning"), request.object("text")
    choice, parallel = request.any("tool_choice"), request.flag("parallel_tool_calls")
    return {
        **{name: request.any(name) for name in _AS_SAID},
        "background": False,
        "metadata": _metadata(request),
        "parallel_tool_calls": True if parallel is None else parallel,
        "previous_response_id": None,
        "reasoning": {
            "effort": reasoning.text("effort") if reasoning else None,
            "summary": reasoning.text("summary") if reasoning else None,
        },
        "store": False,
        "text": {"format": {"type": "text"}, **(text.members if text else {})},
        "tool_choice": "auto" if choice is None else choice,
        "tools": [_whole(tool) for tool in request.objects("tools")],
        "top_logprobs": request.integer("top_logprobs") or 0,
        "truncation": "disabled",
    }


def _metadata(request: Fields) -> dict[str, str]:
    metadata = request.object("metadata")
    if metadata is None:
        return {}
    return {name: metadata.needed_text(name) for name in metadata.members}


def _whole(tool: Fields) -> dict[str, Any]:
    """The tool, with what the SDKs' types insist on."""
    if tool.any("type") == "function":
        return {"parameters": None, "strict": None, **tool.members}
    return tool.members
