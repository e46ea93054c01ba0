"""The tool calls of a chat completion, put together out of entries whichever way a backend tells them apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import AnswerNotUnderstood
from .json_text import dump

__all__ = ["CallArguments", "CallStart", "Calls", "odd"]


@dataclass(frozen=True, slots=True)
class CallStart:
    """A tool call begins. ``position`` counts the answer's calls from 0; ``id`` is unique within the answer."""

    position: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """More of the arguments' JSON text for the call that began at ``position``. Calls may take turns."""

    position: int
    arguments: str


class _Call:
    def __init__(self) -> None:
        self.position = -1  # until the name is known
        self.given_id = ""
        self.name = ""
        self.held = ""  # arguments that came before the name
        self.named_in = 0  # the number of the list that gave the name last


class Calls:
    """All calls of one answer. It is true where there are some."""

    def __init__(self, token: str, text: Callable[[object, str], str]) -> None:
        """``token`` is what the ids of calls are made of that have none; ``text`` takes a value for the text that is named."""
        self._token = token
        self._text = text
        self._calls: list[_Call] = []
        self._by_index: dict[int | None, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._ids: set[str] = set()
        self._lists = 0

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def lack_a_name(self) -> bool:
        """Whether there is a call whose name hasn't come."""
        return any(not call.name for call in self._calls)

    def read(self, entries: Any) -> Iterator[CallStart | CallArguments]:
        """What one list of entries, a chunk's or a whole message's, adds. Raises :class:`AnswerNotUnderstood`."""
        if not isinstance(entries, list):
            raise odd("tool_calls", entries)
        self._lists += 1
        for entry in entries:
            yield from self._read(entry)

    def _read(self, said: Any) -> Iterator[CallStart | CallArguments]:
        if not isinstance(said, dict):
            raise odd("a tool call", said)
        function = said.get("function") or {}
        if not isinstance(function, dict):
            raise odd("a tool call's function", function)
        name, arguments = function.get("name") or "", function.get("arguments")
        if isinstance(arguments, dict):
            arguments = _json_of(arguments)
        name, arguments = self._text(name, "name"), self._text(arguments or "", "arguments")
        index = said.get("index")
        if index is not None and not isinstance(index, int):
            raise odd("a tool call's index", index)
        call = self._meant(index, self._text(said.get("id") or "", "id"), name)
        if name:
            call.named_in = self._lists
        if call.name:
            if arguments:
                yield CallArguments(call.position, arguments)
            return
        call.held += arguments
        if name:
            call.name = name
            call.position = len(self._ids)
            yield CallStart(call.position, self._unique_id(call), name)
            if call.held:
                yield CallArguments(call.position, call.held)
                call.held = ""

    def _meant(self, index: int | None, given_id: str, name: str) -> _Call:
        """The call that an entry goes on with, or a new one.

        By its index; without an index by its id; without either, a name begins a call and anything else goes on with the
        last. But some backends count all of their calls as the first, or give them all one id: with a name it is a new call
        where the id is another one, or the name is, or the list has named that call already.
        """
        call = None
        if index is not None:
            call = self._by_index.get(index)
        elif given_id:
            call = self._by_id.get(given_id)
        elif self._calls and not name:
            call = self._calls[-1]
        if call and name and self._is_another(call, given_id, name):
            call = None
        if call is None:
            call = _Call()
            self._calls.append(call)
            self._by_index[index] = call
        if given_id:
            call.given_id = call.given_id or given_id
            self._by_id[given_id] = call
        return call

    def _is_another(self, call: _Call, given_id: str, name: str) -> bool:
        is_named_twice = call.named_in == self._lists
        return is_named_twice or _differ(call.name, name) or _differ(call.given_id, given_id)

    def _unique_id(self, call: _Call) -> str:
        own = f"call_{self._token}_{call.position}"
        wanted = call.given_id or own
        while wanted in self._ids:
            wanted, own = own, f"{own}_"
        self._ids.add(wanted)
        return wanted


def odd(what: str, value: object) -> AnswerNotUnderstood:
    """The error for a member of an answer that is of another kind than it can be."""
    return AnswerNotUnderstood(f"The worker's answer is no chat completion: {what} is {_kind(value)}.")


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), "null")


def _differ(before: str, now: str) -> bool:
    """Whether both are there, and not the same."""
    return bool(before and now and before != now)


def _json_of(arguments: dict[str, Any]) -> str:
    try:
        return dump(arguments).decode()
    except ValueError as wrong:
        raise AnswerNotUnderstood(f"The worker's answer has a tool call with arguments that are no JSON: {wrong}.") from None
