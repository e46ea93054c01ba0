"""A chat completions request, put together turn by turn in the order that model servers insist on."""

from __future__ import annotations

from typing import Any

from ..errors import Untranslatable
from .json_text import dump

__all__ = ["ChatRequest", "Part", "image_part", "text_part"]

Part = dict[str, Any]


def text_part(text: str) -> Part:
    """A part of a message."""
    return {"type": "text", "text": text}


def image_part(url: str, detail: str | None = None) -> Part:
    """A part of a message. ``url`` is a data URL, or one that the model server can fetch."""
    image = {"url": url}
    if detail:
        image["detail"] = detail
    return {"type": "image_url", "image_url": image}


class ChatRequest:
    """The request as it grows. Turns are added in their order; what an assistant said in one go becomes one message.

    Instructions at the beginning become one system message, as many chat templates take no second one; what a user says in a
    row becomes one message, as many want user and assistant in turns. Images that a tool has found follow in a user's message
    behind all results of that turn, as a tool's message has only text.
    """

    def __init__(self) -> None:
        self.members: dict[str, Any] = {}
        self._messages: list[dict[str, Any]] = []
        self._instructions: list[str] = []
        self._assistant: dict[str, Any] | None = None
        self._reasoning = ""
        self._images: list[Part] = []

    def put(self, name: str, value: object) -> None:
        """A member beside the messages, unless it is None."""
        if value is not None:
            self.members[name] = value

    def forbid_thinking(self) -> None:
        """Ask the model not to think, by Qwen's and GLM's name for it in chat templates, and DeepSeek's and Granite's."""
        given = self.members.get("chat_template_kwargs")
        asked = given if isinstance(given, dict) else {}
        self.put("chat_template_kwargs", {"enable_thinking": False, "thinking": False, **asked})

    def add_system(self, text: str) -> None:
        """Instructions."""
        self._turn()
        if not self._messages:
            self._instructions.append(text)
        else:
            self._messages.append({"role": "system", "content": text})

    def add_user(self, parts: list[Part]) -> None:
        """What a user said: of text alone it is one text, with a line for each part."""
        self._turn()
        if not self._messages or self._messages[-1]["role"] != "user":
            self._messages.append({"role": "user", "content": []})
        self._messages[-1]["content"] += parts

    def add_reasoning(self, text: str) -> None:
        """What an assistant thought before what it is said next to have said or called."""
        if self._assistant and not self._assistant.get("tool_calls"):
            self._turn()
        self._reasoning = _joined(self._reasoning, text)

    def add_text(self, text: str) -> None:
        """What an assistant said."""
        if self._assistant and self._assistant["content"] is not None and not self._assistant.get("tool_calls"):
            self._turn()
        message = self._said()
        message["content"] = _joined(message["content"], text)

    def add_call(self, id: str, name: str, arguments: str) -> None:
        """A tool that an assistant called, with the JSON text of its arguments."""
        call = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments or "{}"}}
        self._said().setdefault("tool_calls", []).append(call)

    def add_result(self, call_id: str, text: str, images: list[Part]) -> None:
        """What came of a tool call."""
        self._close_assistant()
        if images:
            text = _joined(text, "(What it shows follows in a message of its own.)")
            self._images += [text_part(f"The result of the tool call {call_id}:"), *images]
        self._messages.append({"role": "tool", "tool_call_id": call_id, "content": text})

    def body(self) -> bytes:
        """The request. Raises :class:`Untranslatable` where it is nested too deeply."""
        self._turn()
        first = [{"role": "system", "content": "\n\n".join(self._instructions)}] if self._instructions else []
        try:
            return dump({**self.members, "messages": [*first, *map(_with_content, self._messages)]})
        except ValueError as wrong:
            raise Untranslatable(f"The request can't be translated: {wrong}.") from None

    def _said(self) -> dict[str, Any]:
        if self._assistant is None:
            self._show_images()
            self._assistant = {"role": "assistant", "content": None}
            self._messages.append(self._assistant)
        if self._reasoning:
            # The one name that vLLM, SGLang and llama.cpp all read.
            self._assistant["reasoning_content"] = _joined(self._assistant.get("reasoning_content"), self._reasoning)
            self._reasoning = ""
        return self._assistant

    def _close_assistant(self) -> None:
        self._assistant = None
        self._reasoning = ""

    def _turn(self) -> None:
        self._close_assistant()
        self._show_images()

    def _show_images(self) -> None:
        if self._images:
            self._messages.append({"role": "user", "content": self._images})
            self._images = []


def _with_content(message: dict[str, Any]) -> dict[str, Any]:
    parts = message["content"]
    if not isinstance(parts, list) or any(part["type"] != "text" for part in parts):
        return message
    return {**message, "content": "\n".join(part["text"] for part in parts)}


def _joined(before: str | None, text: str) -> str:
    return f"{before}\n{text}" if before else text
