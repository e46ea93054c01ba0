"""Anthropic's tools as the functions of a chat completion, and what the model may choose among them."""

from __future__ import annotations

from typing import Any

from ..chat_request import ChatRequest
from ..request_fields import Fields

__all__ = ["add_tools"]

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def add_tools(chat: ChatRequest, request: Fields, *, drop_hosted_tools: bool) -> None:
    """Say in ``chat`` which tools there are.

    A tool with a type of Anthropic's own has no schema: what it takes is known to Anthropic's models and servers alone. It
    raises :class:`Untranslatable`, or is left out with ``drop_hosted_tools``, where functions remain.
    """
    functions = [_function(tool) for tool in request.objects("tools") if not _is_hosted(tool)]
    if not (drop_hosted_tools and functions):
        _refuse_hosted(request)
    choice = request.object("tool_choice")
    chosen = _chosen(choice, [one["function"]["name"] for one in functions]) if choice else None
    if not functions:
        return
    chat.put("tools", functions)
    chat.put("tool_choice", chosen)
    if choice and choice.flag("disable_parallel_tool_use"):
        chat.put("parallel_tool_calls", False)


def _is_hosted(tool: Fields) -> bool:
    return tool.text("type") not in (None, "custom")


def _refuse_hosted(request: Fields) -> None:
    for tool in filter(_is_hosted, request.objects("tools")):
        raise tool.refused(
            "type",
            f"is {tool.text('type')!r}, a tool that none but Anthropic's own models and servers know.",
            hint="Give a tool with a name and an input_schema instead, or start the proxy with --drop-hosted-tools, "
            "and it leaves such tools out where there are others.",
        )
    if request.array("mcp_servers"):
        why = "would be asked by Anthropic's servers, and there are none here."
        raise request.refused("mcp_servers", why, hint="Let your program ask them, and give it their tools.")


def _function(tool: Fields) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.needed_text("name")}
    if tool.text("description") is not None:
        function["description"] = tool.text("description")
    function["parameters"] = tool.needed_object("input_schema").members
    if tool.flag("strict"):
        function["strict"] = True
    return {"type": "function", "function": function}


def _chosen(choice: Fields, names: list[str]) -> str | dict[str, Any]:
    kind = choice.needed_text("type")
    if kind == "tool":
        name = choice.needed_text("name")
        if name not in names:
            raise choice.refused("name", f"is {name!r}, and no function among the tools has that name.")
        return {"type": "function", "function": {"name": name}}
    if kind not in _CHOICES:
        raise choice.refused("type", f"is {kind!r}: it has to be one of auto, any, tool, none.")
    if kind == "any" and not names:
        raise choice.refused("type", "is 'any', and there is no tool to choose.")
    return _CHOICES[kind]
