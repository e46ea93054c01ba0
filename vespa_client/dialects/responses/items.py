"""What a response's output consists of: items that grow, and the events in which a client sees them do so."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ...errors import AnswerNotUnderstood
from ..json_text import load
from .conversation import seal
from .custom_input import CustomInput
from .logprobs import without_bytes
from .toolbox import Tool

__all__ = ["Call", "Events", "Item", "Message", "ReasoningItem", "make_call"]

Events = list[tuple[str, dict[str, Any]]]
"""Types and members, without the sequence number, which the stream gives them."""


class Item(ABC):
    """One item of the output. It is there from :meth:`open` on, and whole after :meth:`close`.

    ``index`` is its place in the output, which it gets when it appears.
    """

    index = -1

    def __init__(self, id: str) -> None:
        self.id = id
        self.status = "in_progress"

    @abstractmethod
    def value(self) -> dict[str, Any] | None:
        """The item as it is now; None where there is nothing to be said of it yet."""

    def open(self) -> Events:
        """The event with which the item appears."""
        return [("response.output_item.added", {"output_index": self.index, "item": self.value()})]

    def close(self, *, is_cut: bool) -> Events:
        """The events that end the item. ``is_cut`` says that the model would have gone on."""
        self.status = "incomplete" if is_cut else "completed"
        return [*self._ends(), ("response.output_item.done", {"output_index": self.index, "item": self.value()})]

    def _ends(self) -> Events:
        return []

    def _at(self, **members: Any) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.index, **members}


class _Part:
    """Text of a message, or a refusal, as it grows."""

    def __init__(self, kind: str, member: str) -> None:
        self.kind = kind
        self.member = member
        self.said: list[str] = []
        self.logprobs: list[dict[str, Any]] = []

    def value(self) -> dict[str, Any]:
        part: dict[str, Any] = {"type": self.kind, self.member: "".join(self.said)}
        if self.kind == "output_text":
            part["annotations"] = []
            part["logprobs"] = self.logprobs
        return part


class Message(Item):
    """What the model says, or that it doesn't."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self._parts: list[_Part] = []

    def value(self) -> dict[str, Any]:
        content = [part.value() for part in self._parts]
        return {"id": self.id, "type": "message", "status": self.status, "role": "assistant", "content": content}

    def add_text(self, text: str, logprobs: list[dict[str, Any]]) -> Events:
        """More text, with the log probabilities of its tokens."""
        events = self._turn_to("output_text", "text")
        part = self._parts[-1]
        part.said.append(text)
        part.logprobs += logprobs
        if text or logprobs:
            events.append(("response.output_text.delta", self._in_part(delta=text, logprobs=without_bytes(logprobs))))
        return events

    def add_refusal(self, text: str) -> Events:
        """More of why the model doesn't answer."""
        events = self._turn_to("refusal", "refusal")
        self._parts[-1].said.append(text)
        events.append(("response.refusal.delta", self._in_part(delta=text)))
        return events

    def _turn_to(self, kind: str, member: str) -> Events:
        if self._parts and self._parts[-1].kind == kind:
            return []
        events = self._ends()
        self._parts.append(_Part(kind, member))
        events.append(("response.content_part.added", self._in_part(part=self._parts[-1].value())))
        return events

    def _ends(self) -> Events:
        if not self._parts:
            return []
        part = self._parts[-1]
        said = part.value()
        if part.kind == "output_text":
            done = ("response.output_text.done", self._in_part(text=said["text"], logprobs=without_bytes(part.logprobs)))
        else:
            done = ("response.refusal.done", self._in_part(refusal=said["refusal"]))
        return [done, ("response.content_part.done", self._in_part(part=said))]

    def _in_part(self, **members: Any) -> dict[str, Any]:
        return self._at(content_index=len(self._parts) - 1, **members)


class ReasoningItem(Item):
    """What the model thought: as its summary where one was asked for, as text where not.

    Clients show summaries and hide text; a model server has one kind of it alone.
    """

    def __init__(self, id: str, *, as_summary: bool, is_sealed: bool) -> None:
        super().__init__(id)
        self._as_summary = as_summary
        self._is_sealed = is_sealed
        self._said: list[str] = []

    def value(self) -> dict[str, Any]:
        said = [self._part()] if self._said else []
        item: dict[str, Any] = {"id": self.id, "type": "reasoning", "summary": said if self._as_summary else []}
        if not self._as_summary:
            item["content"] = said
        item["encrypted_content"] = seal("".join(self._said)) if self._is_sealed and self._said else None
        item["status"] = self.status
        return item

    def open(self) -> Events:
        added = "response.reasoning_summary_part.added" if self._as_summary else "response.content_part.added"
        return [*super().open(), (added, self._in_part(part=self._part()))]

    def add(self, text: str) -> Events:
        """More of it."""
        self._said.append(text)
        return [(f"{self._kind()}.delta", self._in_part(delta=text))]

    def _ends(self) -> Events:
        done = "response.reasoning_summary_part.done" if self._as_summary else "response.content_part.done"
        part = self._part()
        return [(f"{self._kind()}.done", self._in_part(text=part["text"])), (done, self._in_part(part=part))]

    def _kind(self) -> str:
        return "response.reasoning_summary_text" if self._as_summary else "response.reasoning_text"

    def _part(self) -> dict[str, Any]:
        return {"type": "summary_text" if self._as_summary else "reasoning_text", "text": "".join(self._said)}

    def _in_part(self, **members: Any) -> dict[str, Any]:
        return self._at(**{"summary_index" if self._as_summary else "content_index": 0}, **members)


class Call(Item):
    """A call of a function. What was cut short is never said to be done, as a client would go and do it."""

    appears_whole = False
    """Whether the item has no place for half of the arguments, so that it is there only when all of them are."""

    def __init__(self, id: str, call_id: str, tool: Tool) -> None:
        super().__init__(id)
        self._call_id = call_id
        self._tool = tool
        self._arguments: list[str] = []

    def value(self) -> dict[str, Any] | None:
        return self._named({"type": "function_call", "arguments": "".join(self._arguments)})

    def add(self, arguments: str) -> Events:
        """More of the JSON text of its arguments."""
        self._arguments.append(arguments)
        return [("response.function_call_arguments.delta", self._at(delta=arguments))]

    def close(self, *, is_cut: bool) -> Events:
        if is_cut and not self.is_whole():
            self.status = "incomplete"
            return []
        return [*self._last(), *super().close(is_cut=False)]

    def is_whole(self) -> bool:
        """Whether the arguments have come to their end."""
        return self._read_arguments() is not None

    def _last(self) -> Events:
        return [] if self._arguments else self.add("{}")

    def _ends(self) -> Events:
        done = self._at(arguments="".join(self._arguments), name=self._tool.name)
        return [("response.function_call_arguments.done", done)]

    def _read_arguments(self) -> Any:
        try:
            return load("".join(self._arguments))
        except ValueError:
            return None

    def _named(self, members: dict[str, Any]) -> dict[str, Any]:
        item = {"id": self.id, "status": self.status, "call_id": self._call_id, "name": self._tool.name, **members}
        if self._tool.namespace is not None:
            item["namespace"] = self._tool.namespace
        return item


class _CustomCall(Call):
    """A call of a tool whose input is any text."""

    def __init__(self, id: str, call_id: str, tool: Tool) -> None:
        super().__init__(id, call_id, tool)
        self._input = CustomInput()
        self._said: list[str] = []
        self._was_whole = False

    def value(self) -> dict[str, Any] | None:
        return self._named({"type": "custom_tool_call", "input": "".join(self._said)})

    def add(self, arguments: str) -> Events:
        return self._more(self._input.feed(arguments))

    def close(self, *, is_cut: bool) -> Events:
        last, self._was_whole = self._input.end()
        return [*self._more(last), *super().close(is_cut=is_cut)]

    def _more(self, said: str) -> Events:
        if not said:
            return []
        self._said.append(said)
        return [("response.custom_tool_call_input.delta", self._at(delta=said))]

    def is_whole(self) -> bool:
        return self._was_whole

    def _last(self) -> Events:
        return []

    def _ends(self) -> Events:
        return [("response.custom_tool_call_input.done", self._at(input="".join(self._said)))]


class _ClientCall(Call):
    """A call of a tool with a type of its own."""

    appears_whole = True

    def open(self) -> Events:
        if self.value() is None:
            raise AnswerNotUnderstood(f"The model called {self._tool.name} with arguments that it doesn't take.")
        return super().open()

    def add(self, arguments: str) -> Events:
        self._arguments.append(arguments)
        return []

    def value(self) -> dict[str, Any] | None:
        of_client = self._tool.of_client
        said = of_client.item(self._read_arguments()) if of_client else None
        if of_client is None or said is None:
            return None
        return {"id": self.id, "type": of_client.call_type, "status": self.status, "call_id": self._call_id, **said}

    def _last(self) -> Events:
        return []

    def _ends(self) -> Events:
        return []


_CALLS: dict[str, tuple[str, type[Call]]] = {"function": ("fc_", Call), "custom": ("ctc_", _CustomCall)}


def make_call(token: str, call_id: str, tool: Tool) -> Call:
    """The item for a call of the tool. ``token`` makes its id."""
    prefix, kind = _CALLS.get(tool.kind, ("tc_", _ClientCall))
    return kind(f"{prefix}{token}", call_id, tool)
