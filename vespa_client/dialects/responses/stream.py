"""A chat completion's stream as the events of a response."""

from __future__ import annotations

from typing import Any

from ..chat_answer import CallArguments, CallStart, Piece, Reasoning, Refusal, Text, Usage
from ..chat_error import CONTEXT_LENGTH, Failure
from ..dialect import Identity, StreamTranslator
from ..events import encode_event
from ..json_text import dump
from .conversation import REASONING_ID
from .items import Call, Events, Item, Message, ReasoningItem, make_call
from .logprobs import read_logprobs
from .request import Asked

__all__ = ["ResponseStream"]

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_CODES = {400: "invalid_prompt", 413: "invalid_prompt", 422: "invalid_prompt", 429: "rate_limit_exceeded"}


class ResponseStream(StreamTranslator):
    """Makes the events from ``response.created`` on to the one that says how the response ended."""

    def __init__(self, identity: Identity, asked: Asked, echo: bytes) -> None:
        """``echo`` are the members that a response repeats of its request, as JSON between its braces."""
        super().__init__(identity)
        self._chat.wants_logprobs = asked.wants_logprobs
        self._identity = identity
        self._asked = asked
        self._echo = echo
        self._model = ""
        self._count = 0
        self._ids = 0
        self._items: list[Item] = []
        self._open: Message | ReasoningItem | None = None
        self._calls: list[Call] = []
        self.response = b""
        """The response as its last event said it, as JSON."""

    def ping(self) -> bytes:
        """That the response is in progress, once more: Codex, for one, lets no comment count as a sign of life."""
        if self.is_over:
            return b""
        return self._begin() or self._progress("in_progress", "in_progress")

    def _say(self, piece: Piece) -> bytes:
        begun = self._begin()
        if isinstance(piece, Text):
            message, events = self._message()
            events += message.add_text(piece.text, read_logprobs(piece.logprobs))
        elif isinstance(piece, CallArguments):
            events = self._calls[piece.position].add(piece.arguments)
        elif isinstance(piece, Reasoning):
            reasoning, events = self._reasoning()
            events += reasoning.add(piece.text)
        elif isinstance(piece, CallStart):
            events = self._call(piece)
        elif isinstance(piece, Refusal):
            message, events = self._message()
            events += message.add_refusal(piece.text)
        else:
            return begun
        return begun + self._encode(events)

    def _close(self) -> bytes:
        reason = self._chat.finish_reason or "stop"
        is_cut = reason in _INCOMPLETE
        events: Events = []
        if not self._calls and not any(isinstance(item, Message) for item in self._items):
            # A model that says nothing has said an empty text, as chat completions have it.
            message, events = self._message()
            events += message.add_text("", [])
        events += self._close_open(is_cut=is_cut)
        events += self._close_calls(is_cut=is_cut)
        if is_cut:
            details = {"reason": _INCOMPLETE[reason]}
            return self._encode(events) + self._progress("incomplete", "incomplete", incomplete_details=details)
        return self._encode(events) + self._progress("completed", "completed")

    def _say_failure(self, failure: Failure) -> bytes:
        code = _CODES.get(failure.status, "server_error")
        if failure.code == CONTEXT_LENGTH:
            code = CONTEXT_LENGTH
        for item in self._items:
            if item.status == "in_progress":
                item.status = "incomplete"
        return self._begin() + self._progress("failed", "failed", error={"code": code, "message": failure.message})

    def _begin(self) -> bytes:
        """The first two events, once."""
        if self._count:
            return b""
        self._model = self._chat.model or self._asked.model
        return self._progress("created", "in_progress") + self._progress("in_progress", "in_progress")

    def _message(self) -> tuple[Message, Events]:
        """The message that is being said, and the events that led to it."""
        if isinstance(self._open, Message):
            return self._open, []
        events = self._close_open()
        self._open = Message(f"msg_{self._token()}")
        return self._open, [*events, *self._add(self._open)]

    def _reasoning(self) -> tuple[ReasoningItem, Events]:
        if isinstance(self._open, ReasoningItem):
            return self._open, []
        events = self._close_open()
        self._open = ReasoningItem(
            f"{REASONING_ID}{self._token()}",
            as_summary=self._asked.wants_summary,
            is_sealed=self._asked.wants_encrypted,
        )
        return self._open, [*events, *self._add(self._open)]

    def _call(self, start: CallStart) -> Events:
        """A call stays open to the end, as calls may take turns."""
        events = self._close_open()
        call = make_call(self._token(), start.id, self._asked.toolbox.called(start.name))
        self._calls.append(call)
        return events if call.appears_whole else [*events, *self._add(call)]

    def _close_calls(self, *, is_cut: bool) -> Events:
        events: Events = []
        for call in self._calls:
            if call.appears_whole:
                if is_cut and not call.is_whole():
                    continue
                events += self._add(call)
            events += call.close(is_cut=is_cut)
        return events

    def _add(self, item: Item) -> Events:
        item.index = len(self._items)
        self._items.append(item)
        return item.open()

    def _close_open(self, *, is_cut: bool = False) -> Events:
        item, self._open = self._open, None
        return item.close(is_cut=is_cut) if item else []

    def _token(self) -> str:
        self._ids += 1
        return f"{self._identity.token}_{self._ids}"

    def _encode(self, events: Events) -> bytes:
        encoded = []
        for kind, members in events:
            said = {"type": kind, "sequence_number": self._count, **members}
            encoded.append(encode_event(kind.encode(), dump(said)))
            self._count += 1
        return b"".join(encoded)

    def _progress(self, event: str, status: str, **members: Any) -> bytes:
        """An event that has the whole response in it."""
        usage = None if status == "in_progress" else _usage(self._chat.usage)
        said = {
            "id": f"resp_{self._identity.token}",
            "object": "response",
            "created_at": self._identity.created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            **members,
            "model": self._model,
            "output": [value for item in self._items if (value := item.value())],
            "service_tier": self._chat.service_tier or self._asked.service_tier,
            "usage": usage,
        }
        self.response = b"".join((dump(said)[:-1], b",", self._echo, b"}"))
        kind = f"response.{event}".encode()
        head = b'{"type":"%s","sequence_number":%d,"response":' % (kind, self._count)
        self._count += 1
        return encode_event(kind, b"".join((head, self.response, b"}")))


def _usage(usage: Usage | None) -> dict[str, Any]:
    """As SDKs insist on it: zeros stand for what the backend didn't count."""
    usage = usage or Usage(0, 0)
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached or 0, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.input + usage.output,
    }
