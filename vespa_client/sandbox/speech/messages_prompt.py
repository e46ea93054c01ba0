"""What a request to ``/v1/messages`` (Anthropic) asks. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..reply import BadRequest
from .prompt import Message, Prompt, Tool, count_value, describe_image

__all__ = ["read_messages"]

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def read_messages(body: dict[str, Any]) -> Prompt:
    """The prompt in an Anthropic request. Raises :class:`BadRequest` for what a model server would refuse too."""
    messages = [Message("system", text) for text in [_text(body.get("system"), "system")] if text]
    given = body.get("messages")
    if not isinstance(given, list) or not given:
        raise BadRequest("'messages' must be a list of at least one message.", "messages")
    known: set[str] = set()
    for index, message in enumerate(given):
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
            raise BadRequest(f"'messages[{index}]' must have a role: user or assistant.", f"messages.{index}.role")
        for read in _split(message, f"messages.{index}.content", known):
            known.update(read.call_ids)
            messages.append(read)
    tools = _tools(body.get("tools"))
    choice = body.get("tool_choice") or {}
    if not isinstance(choice, dict):
        raise BadRequest("'tool_choice' must be an object.", "tool_choice")
    return Prompt(
        messages,
        str(body.get("model", "")),
        tools,
        _choice(choice, tools),
        not choice.get("disable_parallel_tool_use"),
        _schema(body),
        _thinks(body),
        tools_tokens=count_value(body.get("tools")),
    )


def _blocks(content: Any, param: str) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise BadRequest(f"'{param}' must be a string or a list of blocks.", param)
    return content


def _text(content: Any, param: str) -> str:
    return "\n".join(_block_text(block, param) for block in _blocks(content, param)) if content is not None else ""


def _block_text(block: dict[str, Any], param: str) -> str:
    kind = block.get("type")
    if kind == "image":
        source = block.get("source")
        if not isinstance(source, dict):
            raise BadRequest(f"'{param}' has an image without a source.", param)
        data = f"data:{source.get('media_type')};base64,{source.get('data')}"
        return describe_image(data if source.get("type") == "base64" else source.get("url"), f"{param}.source")
    text = block.get("text") if kind == "text" else f"[{kind}]"
    if not isinstance(text, str):
        raise BadRequest(f"'{param}' has a text block without text.", param)
    return text


def _split(message: dict[str, Any], param: str, known: set[str]) -> Iterator[Message]:
    """The message, and before it the tools' results that it brings."""
    said, ids, more = [], [], []
    blocks = _blocks(message.get("content"), param)
    for index, block in enumerate(blocks):
        kind, place = block.get("type"), f"{param}.{index}"
        if kind == "tool_result":
            if not isinstance(block.get("tool_use_id"), str) or block["tool_use_id"] not in known:
                raise BadRequest(f"'{place}.tool_use_id' must be the id of an earlier tool_use.", f"{place}.tool_use_id")
            yield Message("tool", _text(block.get("content"), f"{place}.content"), (str(block["tool_use_id"]),))
        elif kind == "tool_use":
            if not isinstance(block.get("id"), str) or not isinstance(block.get("input"), dict):
                raise BadRequest(f"'{place}' must have an id and an input.", place)
            ids.append(block["id"])
            more += [str(block.get("name")), json.dumps(block["input"])]
        elif kind in ("thinking", "redacted_thinking"):
            more.append(str(block.get("thinking", "")))
        else:
            said.append(_block_text(block, place))
    if said or ids or more or not blocks:
        yield Message(message["role"], "\n".join(said), tuple(ids), " ".join(more))


def _tools(tools: Any) -> list[Tool]:
    """The client's own tools. Those that a server would run are passed over."""
    if tools is None:
        return []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) and isinstance(tool.get("name"), str) for tool in tools):
        raise BadRequest("'tools' must be a list of tools with names.", "tools")
    return [Tool(tool["name"], tool["input_schema"]) for tool in tools if isinstance(tool.get("input_schema"), dict)]


def _choice(choice: Mapping[str, Any], tools: list[Tool]) -> str:
    kind = choice.get("type", "auto")
    if kind == "tool":
        name = choice.get("name")
        if name not in [tool.name for tool in tools]:
            raise BadRequest("'tool_choice.name' must be one of the tools.", "tool_choice.name")
        return str(name)
    if not isinstance(kind, str) or kind not in _CHOICES or (kind == "any" and not tools):
        raise BadRequest("'tool_choice.type' must be auto, none, any (with tools) or tool.", "tool_choice.type")
    return _CHOICES[kind]


def _schema(body: Mapping[str, Any]) -> Any:
    config = body.get("output_config")
    wanted = config.get("format") if isinstance(config, dict) else body.get("output_format")
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema" or not isinstance(wanted.get("schema"), dict):
        raise BadRequest("'output_config.format' must be of the type json_schema, with a schema.", "output_config.format")
    return wanted["schema"]


def _thinks(body: Mapping[str, Any]) -> bool:
    thinking = body.get("thinking")
    if thinking is None:
        return False
    if not isinstance(thinking, dict) or thinking.get("type") not in ("enabled", "adaptive", "disabled"):
        raise BadRequest("'thinking.type' must be enabled, adaptive or disabled.", "thinking.type")
    return bool(thinking["type"] != "disabled")
