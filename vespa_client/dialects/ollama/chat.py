"""A request for ``/api/chat`` as a request for a chat completion."""

from __future__ import annotations

from ..chat_request import ChatRequest, text_part
from ..json_text import dump
from ..request_fields import Fields
from .options import add_options, images_of

__all__ = ["chat_request"]


def chat_request(request: Fields) -> ChatRequest:
    """The chat completion that the request asks for. Raises :class:`Untranslatable`."""
    chat = ChatRequest()
    add_options(chat, request)
    chat.put("tools", [tool.members for tool in request.objects("tools")] or None)
    calls = _Calls()
    for message in request.objects("messages"):
        role = message.needed_text("role")
        text = message.text("content") or ""
        if role == "system":
            chat.add_system(text)
        elif role == "user":
            chat.add_user(([text_part(text)] if text else []) + images_of(message))
        elif role == "assistant":
            _add_assistant(chat, message, text, calls)
        elif role == "tool":
            chat.add_result(calls.answered_by(message), text, images_of(message))
        else:
            raise message.refused("role", f"is {role!r}: it has to be one of system, user, assistant, tool.")
    return chat


class _Calls:
    """The tool calls without a result so far. Ollama's clients may have no ids: a result is known by its name, or its place."""

    def __init__(self) -> None:
        self._count = 0
        self._open: list[tuple[str, str]] = []

    def begin(self, call: Fields, name: str) -> str:
        """The id for a call."""
        self._count += 1
        id = call.text("id") or f"call_{self._count}"
        self._open.append((id, name))
        return id

    def answered_by(self, result: Fields) -> str:
        """The id of the call that a tool's message answers."""
        id, name = result.text("tool_call_id"), result.text("tool_name") or result.text("name")
        for wanted in (lambda call: call[0] == id, lambda call: call[1] == name, lambda call: not id and not name):
            found = next(filter(wanted, self._open), None)
            if found:
                self._open.remove(found)
                return found[0]
        raise result.refused("role", "is 'tool', and no call before it waits for this result.")


def _add_assistant(chat: ChatRequest, message: Fields, text: str, calls: _Calls) -> None:
    thinking = message.text("thinking")
    if thinking:
        chat.add_reasoning(thinking)
    tool_calls = message.objects("tool_calls")
    if text or not tool_calls:
        chat.add_text(text)
    for call in tool_calls:
        function = call.needed_object("function")
        name = function.needed_text("name")
        chat.add_call(calls.begin(call, name), name, _arguments(function))


def _arguments(function: Fields) -> str:
    arguments = function.object("arguments")
    try:
        return dump(arguments.members if arguments else {}).decode()
    except ValueError as wrong:
        raise function.refused("arguments", f"can't be translated: {wrong}.") from None
