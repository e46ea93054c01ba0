"""What a request to ``/v1/chat/completions`` asks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..reply import BadRequest, read_whole
from .prompt import Message, Prompt, Tool, count_value, describe_image, read_switch

__all__ = ["content_text", "read_chat"]

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_JSON_OBJECT = {"type": "object", "properties": {"answer": {"type": "string"}}}
_THINKING = ("thinking", "enable_thinking")


def read_chat(body: dict[str, Any]) -> Prompt:
    """The prompt in an OpenAI request. Raises :class:`BadRequest` for what a model server would refuse too."""
    given = body.get("messages")
    if not isinstance(given, list) or not given or not all(isinstance(message, dict) for message in given):
        raise BadRequest("'messages' must be a list of at least one message.", "messages")
    messages: list[Message] = []
    known: set[str] = set()
    for index, message in enumerate(given):
        read = _message(message, f"messages[{index}]", known)
        known.update(read.call_ids)
        messages.append(read)
    tools = _tools(body)
    return Prompt(
        messages,
        str(body.get("model", "")),
        tools,
        _choice(body, tools),
        read_switch(body, "parallel_tool_calls", True),
        _schema(body),
        _thinks(body),
        read_whole(body, "seed", None, low=-(2**63), high=2**63),
        tools_tokens=count_value(body.get("tools")),
    )


def content_text(content: Any, param: str) -> str:
    """A message's content as text: a string, or a list of parts, of which those that are no text give a word about them."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise BadRequest(f"'{param}' must be a string or a list of parts.", param)
    return "\n".join(_part_text(part, param) for part in content)


def _part_text(part: dict[str, Any], param: str) -> str:
    kind = part.get("type")
    if kind == "image_url":
        image = part.get("image_url")
        return describe_image(image.get("url") if isinstance(image, dict) else image, f"{param}.image_url.url")
    field = {"text": "text", "input_text": "text", "refusal": "refusal"}.get(str(kind))
    text = part.get(field) if field else f"[{kind}]"
    if not isinstance(text, str):
        raise BadRequest(f"'{param}' has a text part without text.", param)
    return text


def _message(message: dict[str, Any], param: str, known: set[str]) -> Message:
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise BadRequest(f"'{param}.role' must be one of {', '.join(_ROLES)}.", f"{param}.role")
    text = content_text(message.get("content"), f"{param}.content")
    if role == "tool":
        call_id = message.get("tool_call_id")
        if not isinstance(call_id, str) or call_id not in known:
            raise BadRequest(f"'{param}.tool_call_id' must be the id of an earlier tool call.", f"{param}.tool_call_id")
        return Message("tool", text, (call_id,))
    ids, more = _made_calls(message, param) if role == "assistant" else ([], "")
    return Message(_ROLES[role], text, tuple(ids), more)  # type: ignore[arg-type]


def _made_calls(message: dict[str, Any], param: str) -> tuple[list[str], str]:
    """The ids of an assistant's calls, and what of it counts as tokens."""
    more = [text for name in ("reasoning_content", "reasoning") if isinstance(text := message.get(name), str)][:1]
    ids = []
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise BadRequest(f"'{param}.tool_calls' must be a list.", f"{param}.tool_calls")
    for index, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else None
        if (
            not isinstance(function, dict)
            or not isinstance(call.get("id"), str)
            or not isinstance(function.get("name"), str)
            or not isinstance(function.get("arguments"), str)
        ):
            what = f"{param}.tool_calls[{index}]"
            raise BadRequest(f"'{what}' must have an id, and a function with a name and arguments as text.", what)
        ids.append(call["id"])
        more += [function["name"], function["arguments"]]
    return ids, " ".join(more)


def _tools(body: Mapping[str, Any]) -> list[Tool]:
    tools = body.get("tools")
    if tools is None:
        return []
    if not isinstance(tools, list):
        raise BadRequest("'tools' must be a list.", "tools")
    return [_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools)]


def _tool(tool: Any, param: str) -> Tool:
    function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise BadRequest(f"'{param}' must be of the type function, with a name.", param)
    schema = function.get("parameters")
    if not isinstance(schema, (dict, type(None))):
        raise BadRequest(f"'{param}.function.parameters' must be a JSON schema.", f"{param}.function.parameters")
    return Tool(function["name"], schema or {})


def _choice(body: Mapping[str, Any], tools: list[Tool]) -> str:
    choice = body.get("tool_choice")
    if choice is None:
        return "auto"
    name = choice
    if isinstance(choice, dict):
        function = choice.get("function")
        name = function.get("name") if choice.get("type") == "function" and isinstance(function, dict) else None
        if name not in [tool.name for tool in tools]:
            raise BadRequest("'tool_choice' must name a function that is one of the tools.", "tool_choice")
    elif choice not in ("auto", "none", "required"):
        raise BadRequest("'tool_choice' must be auto, none, required, or name a function.", "tool_choice")
    if not tools and name == "required":
        raise BadRequest("'tool_choice' needs tools.", "tool_choice")
    return str(name)


def _schema(body: Mapping[str, Any]) -> Any:
    wanted = body.get("response_format")
    if wanted is None:
        return None
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return _JSON_OBJECT
    described = wanted.get("json_schema") if kind == "json_schema" else None
    schema = described.get("schema") if isinstance(described, dict) and isinstance(described.get("name"), str) else None
    if not isinstance(schema, dict):
        message = "'response_format' must be of the type text, json_object, or json_schema with a name and a schema."
        raise BadRequest(message, "response_format")
    return schema


def _thinks(body: Mapping[str, Any]) -> bool:
    effort = body.get("reasoning_effort")
    if not isinstance(effort, (str, type(None))):
        raise BadRequest("'reasoning_effort' must be a string.", "reasoning_effort")
    keywords = body.get("chat_template_kwargs")
    if not isinstance(keywords, (dict, type(None))):
        raise BadRequest("'chat_template_kwargs' must be an object.", "chat_template_kwargs")
    said = [keywords[name] for name in _THINKING if name in keywords] if keywords else []
    return bool(said[0]) if said else effort not in (None, "none")
