"""A request's ``input``: the conversation so far, made the messages of a chat completion."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from typing import Any

from ...errors import Untranslatable
from ..chat_request import ChatRequest, image_part, text_part
from ..json_text import dump
from ..request_fields import Fields
from .client_tools import CLIENT_TOOLS
from .toolbox import Tool, Toolbox

__all__ = ["REASONING_ID", "Conversation", "seal"]

REASONING_ID = "rs_"
"""What the ids of reasoning items begin with, here as at OpenAI."""

_SEAL = "vespa:"
_CALLS = {tool.call_type: tool for tool in CLIENT_TOOLS.values()}
_TOOL_CARRIERS = ("additional_tools", "tool_search_output")
# What hosted tools did in earlier turns, at OpenAI: nothing that a model server could be told in its own words.
_HOSTED_ITEMS = frozenset(
    {
        "code_interpreter_call",
        "computer_call",
        "computer_call_output",
        "file_search_call",
        "image_generation_call",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "mcp_list_tools",
        "program",
        "program_output",
        "web_search_call",
    }
)
_HINT_NO_STORE = (
    "Nothing is stored: send the whole conversation in input. "
    "The Vercel AI SDK does so with providerOptions: {openai: {store: false}}."
)


def seal(reasoning: str) -> str:
    """A reasoning item's ``encrypted_content``: nothing secret, and the one member that every client sends back unread."""
    return _SEAL + b64encode(reasoning.encode("utf-8", "replace")).decode()


def _unseal(sealed: str | None) -> str:
    """What was sealed, or nothing where somebody else did it."""
    if not sealed or not sealed.startswith(_SEAL):
        return ""
    try:
        return b64decode(sealed[len(_SEAL) :], validate=True).decode("utf-8", "replace")
    except (NotBase64, ValueError):
        return ""


class Conversation:
    """Reads the items of an input into a chat completions request. Raises :class:`Untranslatable` throughout."""

    def __init__(self, chat: ChatRequest, toolbox: Toolbox, *, drop_hosted: bool) -> None:
        self._chat = chat
        self._toolbox = toolbox
        self._drop_hosted = drop_hosted
        self._call_ids: dict[str, str] = {}

    def read(self, request: Fields) -> None:
        """The whole input."""
        if isinstance(request.any("input"), str):
            self._chat.add_user([text_part(request.needed_text("input"))])
            return
        if "input" not in request:
            raise request.missing("input")
        items = request.objects("input")
        for item in items:
            # They may stand behind the first call of what they bring along.
            if item.any("type") in _TOOL_CARRIERS:
                self._toolbox.add(item.objects("tools"))
        for item in items:
            try:
                self._read(item)
            except ValueError as wrong:
                raise Untranslatable(f"{item.path} can't be translated: {wrong}.", param=item.path) from None

    def _read(self, item: Fields) -> None:
        kind = item.text("type") or "message"
        if kind in _CALLS:
            self._client_call(item, kind)
        elif kind in _HOSTED_ITEMS:
            if not self._drop_hosted:
                raise item.refused(
                    "type",
                    f"is {kind!r}: what a hosted tool did can't be told to a model server.",
                    "Leave it out, or have it left out by the proxy with --drop-hosted-tools.",
                )
        elif kind == "item_reference":
            # The Vercel AI SDK refers to what the model thought a step ago: no model needs to be told that again.
            if not item.needed_text("id").startswith(REASONING_ID):
                raise item.refused("type", "is 'item_reference', and there is no store to find the item in.", _HINT_NO_STORE)
        elif kind == "additional_tools":
            pass
        elif (read := _READERS.get(kind)) is not None:
            read(self, item)
        else:
            raise item.refused("type", f"is {kind!r}, which a chat completion has no place for.")

    def _message(self, item: Fields) -> None:
        role = item.needed_text("role")
        if role == "assistant":
            self._chat.add_text(_plain(item, "content"))
        elif role in ("system", "developer"):
            self._chat.add_system(_plain(item, "content"))
        elif role == "user":
            self._chat.add_user(_parts(item, "content"))
        else:
            raise item.refused("role", f"is {role!r}: it has to be user, assistant, system or developer.")

    def _reasoning(self, item: Fields) -> None:
        said = "\n".join(part.text("text") or "" for part in item.objects("content"))
        said = said or _unseal(item.text("encrypted_content"))
        said = said or "\n".join(part.text("text") or "" for part in item.objects("summary"))
        if said:
            self._chat.add_reasoning(said)

    def _function_call(self, item: Fields) -> None:
        tool = Tool("function", item.needed_text("name"), item.text("namespace"))
        self._call(item, tool, item.text("arguments") or "")

    def _custom_call(self, item: Fields) -> None:
        tool = Tool("custom", item.needed_text("name"), item.text("namespace"))
        self._call(item, tool, dump({"input": item.text("input") or ""}).decode())

    def _client_call(self, item: Fields, kind: str) -> None:
        of_client = _CALLS[kind]
        if kind == "tool_search_call" and item.any("execution") == "server":
            return
        self._call(item, Tool(of_client.name, of_client.name), of_client.arguments(item))

    def _call(self, item: Fields, tool: Tool, arguments: str) -> None:
        call_id = item.text("call_id") or item.needed_text("id")
        own_id = item.text("id")
        if own_id:
            self._call_ids[own_id] = call_id
        self._chat.add_call(call_id, self._toolbox.name_of(tool), arguments)

    def _output(self, item: Fields) -> None:
        parts = [text_part(item.needed_text("output"))] if isinstance(item.any("output"), str) else _parts(item, "output")
        self._result(item, "\n".join(part["text"] for part in parts if part["type"] == "text"), _beside_text(parts))

    def _shell_output(self, item: Fields) -> None:
        said = [part.members for part in item.objects("output")]
        self._result(item, dump(said).decode(), [])

    def _patch_output(self, item: Fields) -> None:
        self._result(item, item.text("output") or item.text("status") or "", [])

    def _search_output(self, item: Fields) -> None:
        if item.any("execution") == "server":
            return
        found = [tool.text("name") or tool.text("type") or "" for tool in item.objects("tools")]
        self._result(item, "Found: " + (", ".join(found) or "nothing"), [])

    def _result(self, item: Fields, text: str, others: list[dict[str, Any]]) -> None:
        call_id = item.text("call_id")
        if call_id is None:
            # OpenAI's local shell names the item of the call, and not the call.
            own_id = item.needed_text("id" if "id" in item else "call_id")
            call_id = self._call_ids.get(own_id, own_id)
        self._chat.add_result(call_id, text, others)


_READERS = {
    "message": Conversation._message,
    "reasoning": Conversation._reasoning,
    "function_call": Conversation._function_call,
    "function_call_output": Conversation._output,
    "custom_tool_call": Conversation._custom_call,
    "custom_tool_call_output": Conversation._output,
    "local_shell_call_output": Conversation._output,
    "shell_call_output": Conversation._shell_output,
    "apply_patch_call_output": Conversation._patch_output,
    "tool_search_output": Conversation._search_output,
}


def _parts(item: Fields, name: str) -> list[dict[str, Any]]:
    """Content as the parts of a chat message."""
    if isinstance(item.any(name), str):
        return [text_part(item.needed_text(name))]
    if name not in item:
        raise item.missing(name)
    return [_part(part) for part in item.objects(name)]


def _plain(item: Fields, name: str) -> str:
    """Content that has to be text."""
    parts = _parts(item, name)
    for index, part in enumerate(parts):
        if part["type"] != "text":
            part_type = f"{name}[{index}].type"
            raise item.refused(part_type, "is not text, and only a user's message can have anything else.")
    return "\n".join(part["text"] for part in parts)


def _beside_text(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for part in parts if part["type"] != "text"]


def _part(part: Fields) -> dict[str, Any]:
    kind = part.needed_text("type")
    if kind in ("input_text", "output_text", "text", "reasoning_text", "summary_text"):
        return text_part(part.needed_text("text"))
    if kind == "refusal":
        return text_part(part.needed_text("refusal"))
    if kind == "input_image":
        if "image_url" not in part:
            raise _by_id(part)
        detail = part.text("detail")
        return image_part(part.needed_text("image_url"), {"low": "low", "high": "high", "original": "high"}.get(detail or ""))
    if kind == "input_file":
        return _file(part)
    if kind == "input_audio":
        audio = part.object("input_audio")
        if audio is None:
            raise part.missing("input_audio")
        return {"type": "input_audio", "input_audio": audio.members}
    raise part.refused("type", f"is {kind!r}, which a chat completion has no place for.")


def _file(part: Fields) -> dict[str, Any]:
    if "file_data" not in part:
        if "file_url" in part:
            raise part.refused("file_url", "can't be fetched by a model server.", "Send the file itself in file_data.")
        raise _by_id(part)
    file = {"file_data": part.needed_text("file_data")}
    filename = part.text("filename")
    if filename:
        file["filename"] = filename
    return {"type": "file", "file": file}


def _by_id(part: Fields) -> Exception:
    if "file_id" in part:
        return part.refused(
            "file_id", "names a file, and there is no store to find it in.", "Send the file itself, as a data URL."
        )
    return part.missing("image_url" if part.any("type") == "input_image" else "file_data")
