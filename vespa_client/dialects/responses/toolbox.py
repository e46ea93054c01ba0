"""The tools of a request: what a model server is told of them, and what a call of one means to the client."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..request_fields import Fields
from .client_tools import CLIENT_TOOLS, ClientTool

__all__ = ["Tool", "Toolbox"]

_INPUT = "input"
_PARAMETERS_OF_CUSTOM = {
    "type": "object",
    "properties": {_INPUT: {"type": "string", "description": "The whole input of the tool, as it is."}},
    "required": [_INPUT],
    "additionalProperties": False,
}
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}
# Where Codex puts functions that belong to no namespace.
_PLAIN_NAMESPACE = "functions"
_HINT_HOSTED = (
    "Leave it out, or have it left out by the proxy with --drop-hosted-tools. "
    'In Codex, web_search = "disabled" in config.toml does the same.'
)


class Tool(NamedTuple):
    """A tool as the client knows it. ``kind`` is ``function``, ``custom`` or the type of a client tool."""

    kind: str
    name: str
    namespace: str | None = None

    @property
    def of_client(self) -> ClientTool | None:
        """What is known of the tool, where OpenAI has a type of its own for it."""
        return CLIENT_TOOLS.get(self.kind)


class Toolbox:
    """The tools by the name of the function that each one becomes."""

    def __init__(self, *, drop_hosted: bool) -> None:
        self._drop_hosted = drop_hosted
        self._functions: dict[str, dict[str, Any]] = {}
        self._tools: dict[str, Tool] = {}
        self._names: dict[Tool, str] = {}
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}  # how often a name was wanted by another tool, so that many are told apart quickly
        self._dropped: Fields | None = None

    def add(self, tools: list[Fields]) -> None:
        """Add a list of tools. Raises :class:`Untranslatable`, as every method here."""
        for tool in tools:
            self._add(tool, None)

    def check(self) -> None:
        """Refuse a request whose tools were all hosted ones, although they may be dropped: nothing would be left of it."""
        if self._dropped is not None and not self._functions:
            raise _refused(self._dropped)

    def _add(self, tool: Fields, namespace: str | None) -> None:
        kind = tool.needed_text("type")
        if kind in ("function", "custom"):
            name = tool.needed_text("name")
            describe = _function if kind == "function" else _custom
            self._keep(Tool(kind, name, namespace), describe(tool))
        elif kind == "namespace":
            for inner in tool.objects("tools"):
                self._add(inner, tool.needed_text("name"))
        elif kind == "tool_search" and tool.any("execution") != "client":
            pass  # what the service would have found is here already: deferred tools are given like all others
        elif kind in CLIENT_TOOLS and _runs_at_client(tool):
            self._keep(Tool(kind, kind), CLIENT_TOOLS[kind].function(tool))
        elif self._drop_hosted:
            self._dropped = self._dropped or tool
        else:
            raise _refused(tool)

    def _keep(self, tool: Tool, function: dict[str, Any]) -> None:
        name = self.name_of(tool)
        self._tools[name] = tool
        self._functions[name] = {**function, "name": name}

    def name_of(self, tool: Tool) -> str:
        """The name of the function that the tool becomes, one for each tool; also of one that isn't offered any more."""
        if tool not in self._names:
            base = _joined(tool)
            name, count = base, self._counts.get(base, 0)
            while name in self._taken:
                count += 1
                name = f"{base}_{count + 1}"
            self._counts[base] = count
            self._taken.add(name)
            self._names[tool] = name
        return self._names[tool]

    def called(self, name: str) -> Tool:
        """The tool that a model means. It may have made the name up, which is the client's to say."""
        return self._tools.get(name) or Tool("function", name)

    def functions(self) -> list[dict[str, Any]] | None:
        """The chat completions request's ``tools``."""
        return [{"type": "function", "function": function} for function in self._functions.values()] or None

    def choice(self, request: Fields) -> object:
        """The chat completions request's ``tool_choice``, for the request's. A list of allowed tools leaves only those."""
        choice = request.any("tool_choice")
        if isinstance(choice, str):
            if choice not in ("none", "auto", "required"):
                raise request.refused("tool_choice", f"is {choice!r}: it has to be none, auto, required or an object.")
            if choice == "required" and not self._functions:
                raise request.refused("tool_choice", "is required, and there is no tool that can be called.")
            return choice if self._functions else None
        wanted = request.object("tool_choice")
        if wanted is None:
            return None
        if wanted.needed_text("type") == "allowed_tools":
            allowed = {self._meant(tool) for tool in wanted.objects("tools")}
            self._functions = {name: function for name, function in self._functions.items() if name in allowed}
            return (wanted.text("mode") or "auto") if self._functions else None
        return {"type": "function", "function": {"name": self._meant(wanted)}}

    def _meant(self, choice: Fields) -> str:
        kind = choice.needed_text("type")
        name = kind if kind in CLIENT_TOOLS else choice.text("name")
        for tool, function_name in self._names.items():
            if tool.kind == kind and tool.name == name and choice.any("namespace") in (None, tool.namespace):
                return function_name
        if kind in ("function", "custom"):
            raise choice.refused("name", f"is {name!r}, and the request has no such tool.")
        raise choice.refused("type", f"is {kind!r}, and no model server has that tool.")


def _joined(tool: Tool) -> str:
    if tool.namespace is None or tool.namespace == _PLAIN_NAMESPACE:
        return tool.name
    return f"{tool.namespace.rstrip('_')}__{tool.name}"


def _runs_at_client(tool: Fields) -> bool:
    environment = tool.object("environment")
    return environment is None or environment.any("type") == "local"


def _refused(tool: Fields) -> Exception:
    return tool.refused(
        "type", f"is {tool.any('type')!r}, a tool that needs OpenAI's servers; a model server has none.", _HINT_HOSTED
    )


def _function(tool: Fields) -> dict[str, Any]:
    parameters = tool.object("parameters")
    function: dict[str, Any] = {"name": "", "parameters": _NO_PARAMETERS if parameters is None else parameters.members}
    if "description" in tool:
        function["description"] = tool.text("description")
    if tool.flag("strict"):
        function["strict"] = True
    return function


def _custom(tool: Fields) -> dict[str, Any]:
    """A tool whose input is any text, as a function with one text. A grammar can't be enforced: the model is told of it."""
    description = tool.text("description") or ""
    form = tool.object("format")
    if form is not None and form.any("type") == "grammar":
        syntax, definition = form.text("syntax") or "", form.needed_text("definition")
        description += f"\n\nThe input has to follow this {syntax} grammar:\n{definition}"
    return {"name": "", "description": description.strip(), "parameters": _PARAMETERS_OF_CUSTOM}
