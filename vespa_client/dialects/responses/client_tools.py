"""Tools that OpenAI has types of its own for, and that the client runs: to a model server they are functions like others."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..json_text import dump, is_deeper
from ..request_fields import Fields

__all__ = ["CLIENT_TOOLS", "ClientTool", "Wanted"]

Wanted = dict[str, Any]

# What is nested further than any tool takes might be too deep to be said again within a response.
_DEEPEST = 64


class ClientTool(NamedTuple):
    """A type of tool, named by it, what a model is told of it, and how its calls are said in both APIs.

    ``call_type`` is the type of the item that calls it, ``member`` the item's member that holds the arguments, ``needed``
    names those of the arguments without which there is no call, ``fixed`` what the item has beside them.
    """

    name: str
    call_type: str
    member: str
    description: str
    parameters: dict[str, Any]
    needed: dict[str, type]
    fixed_in_member: dict[str, Any]
    fixed: dict[str, Any]

    def function(self, tool: Fields) -> dict[str, Any]:
        """The function that a model server is told of."""
        return {
            "name": self.name,
            "description": tool.text("description") or self.description,
            "parameters": tool.any("parameters") or self.parameters,
        }

    def item(self, arguments: Any) -> Wanted | None:
        """What the item that calls the tool says of the arguments; None where the model got them wrong."""
        if not isinstance(arguments, dict) or is_deeper(arguments, _DEEPEST):
            return None
        if any(not isinstance(arguments.get(name), kind) for name, kind in self.needed.items()):
            return None
        return {**self.fixed, self.member: {**self.fixed_in_member, **arguments}}

    def arguments(self, item: Fields) -> str:
        """The JSON text of the arguments that an item of an earlier turn called the tool with.

        Raises ValueError where they are nested too deeply.
        """
        said = item.any(self.member)
        if isinstance(said, dict):
            said = {name: value for name, value in said.items() if name not in self.fixed_in_member and value is not None}
        return said if isinstance(said, str) else dump(said or {}).decode()


def _object(needed: tuple[str, ...], **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(needed), "additionalProperties": False}


_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_NUMBER: dict[str, Any] = {"type": "integer"}

_LOCAL_SHELL = ClientTool(
    "local_shell",
    "local_shell_call",
    "action",
    "Runs a command on the user's machine and returns its output.",
    _object(
        ("command",),
        command={**_TEXTS, "description": "The program and its arguments, one by one."},
        working_directory=_TEXT,
        timeout_ms=_NUMBER,
        env={"type": "object", "additionalProperties": _TEXT},
    ),
    {"command": list},
    {"type": "exec", "env": {}},
    {},
)
_SHELL = ClientTool(
    "shell",
    "shell_call",
    "action",
    "Runs shell commands on the user's machine, in their order, and returns their output.",
    _object(("commands",), commands=_TEXTS, timeout_ms=_NUMBER, max_output_length=_NUMBER),
    {"commands": list},
    {"timeout_ms": None, "max_output_length": None},
    {"environment": {"type": "local"}},
)
_APPLY_PATCH = ClientTool(
    "apply_patch",
    "apply_patch_call",
    "operation",
    "Creates, updates or deletes one file.",
    _object(
        ("type", "path"),
        type={**_TEXT, "enum": ["create_file", "update_file", "delete_file"]},
        path=_TEXT,
        diff={**_TEXT, "description": "A V4A diff without a header; for a new file each line begins with a plus sign."},
    ),
    {"type": str, "path": str},
    {},
    {},
)
_TOOL_SEARCH = ClientTool(
    "tool_search",
    "tool_search_call",
    "arguments",
    "Finds tools that can be called from then on.",
    _object(("query",), query=_TEXT),
    {},
    {},
    {"execution": "client"},
)

CLIENT_TOOLS = {tool.name: tool for tool in (_LOCAL_SHELL, _SHELL, _APPLY_PATCH, _TOOL_SEARCH)}
