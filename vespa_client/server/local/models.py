"""Which models there are, as far as that can be known without waking a worker."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote

from ...errors import NotFound
from ...payload.worker_request import WorkerRequest
from .answer import LocalAnswer, json_answer

__all__ = ["KnownModels", "Model", "list_answer", "model_answer"]

_MOST_SEEN = 32
_LARGEST_LIST = 1 << 20
_CONTEXT_NAMES = ("max_model_len", "context_length", "context_window", "n_ctx")
# In the first bytes of an answer, plain or streamed: each chunk of a chat completion names its model.
_MODEL_IN_ANSWER = re.compile(rb'"model"[ \t]*:[ \t]*("(?:[^"\\\x00-\x1f]|\\.){1,300}")')
_LOOKED_THROUGH = 4096


class Model(NamedTuple):
    """A model's name, and how many tokens its context holds, where that is known."""

    name: str
    context: int | None = None


class KnownModels:
    """The models of one endpoint. Safe to share between threads.

    Those that were named in the settings; else those of a list of the worker's own that went through; else those that
    answers and requests that succeeded named; else one that goes by the endpoint's name.
    """

    def __init__(self, named: Iterable[str], endpoint_name: str) -> None:
        """``named`` are the settings' ``NAME`` or ``NAME:TOKENS``."""
        self._named = [_read_setting(text) for text in named]
        self._endpoint_name = endpoint_name
        self._lock = threading.Lock()  # guards the two below
        self._listed: list[Model] = []
        self._seen: dict[str, None] = {}

    def all(self) -> list[Model]:
        """What is known now, the likeliest first."""
        with self._lock:
            return self._named or self._listed or [Model(name) for name in self._seen] or [Model(self._endpoint_name)]

    def find(self, name: str) -> Model | None:
        """The model of that name. Where the names are but guessed, any is taken for one: workers often don't look at it."""
        known = self.all()
        with self._lock:
            is_certain = bool(self._named or self._listed)
        guessed = None if is_certain else Model(name)
        return next((model for model in known if model.name == name), guessed)

    def see_answer(self, request: WorkerRequest, answered: bytes) -> None:
        """A worker's answer to the request went through, which begins with these bytes."""
        if request.method == "POST":
            self._see(request.model, answered)
        elif request.path == "/v1/models":
            self._see_list(answered)

    def _see(self, asked: str, answered: bytes) -> None:
        if asked in self._seen:
            return  # and so is what the first answer called it
        said = _MODEL_IN_ANSWER.search(answered, 0, _LOOKED_THROUGH)
        names = [_decoded(said[1])] if said else []
        with self._lock:
            for name in filter(_is_text, [*names, asked]):
                if name not in self._seen and len(self._seen) < _MOST_SEEN:
                    self._seen[name] = None

    def _see_list(self, body: bytes) -> None:
        if len(body) > _LARGEST_LIST:
            return
        try:
            rows = json.loads(body)["data"]
            listed = [Model(row["id"], _context_of(row)) for row in rows if _is_text(row.get("id"))]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return
        with self._lock:
            self._listed = listed


def list_answer(models: list[Model], created: int, *, for_anthropic: bool) -> LocalAnswer:
    """The answer to ``GET /v1/models`` in OpenAI's shape, with Anthropic's members beside it for its SDK."""
    listed: dict[str, Any] = {"object": "list", "data": [_row(model, created, for_anthropic) for model in models]}
    if for_anthropic:
        listed |= {"has_more": False, "first_id": models[0].name, "last_id": models[-1].name}
    return json_answer("models", listed)


def model_answer(models: KnownModels, wanted: str, created: int, *, for_anthropic: bool) -> LocalAnswer:
    """The answer to ``GET /v1/models/ID``, ``wanted`` being the ID as it stands in the path. Raises :class:`NotFound`."""
    name = unquote(wanted)
    model = models.find(name)
    if model is None:
        raise NotFound(
            f"The proxy knows no model {name!r}.",
            hint=f"It knows {', '.join(known.name for known in models.all())}. Name others with --model NAME, or have the "
            "worker asked with --models worker.",
        )
    return json_answer("models", _row(model, created, for_anthropic))


def _row(model: Model, created: int, for_anthropic: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"id": model.name, "object": "model", "created": created, "owned_by": "vast.ai"}
    if model.context is not None:
        row |= {"context_length": model.context, "max_model_len": model.context}
    if for_anthropic:
        row |= {"type": "model", "display_name": model.name, "created_at": _timestamp(created)}
        if model.context is not None:
            row["max_input_tokens"] = model.context
    return row


def _timestamp(created: int) -> str:
    from datetime import datetime, timezone  # here, since few ask

    return datetime.fromtimestamp(created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read_setting(text: str) -> Model:
    name, colon, context = text.rpartition(":")
    return Model(name, int(context)) if colon and context.isdigit() else Model(text)


def _context_of(row: dict[str, Any]) -> int | None:
    meta = row.get("meta")
    for place in (row, meta if isinstance(meta, dict) else {}):
        for name in _CONTEXT_NAMES:
            if isinstance(place.get(name), int) and place[name] > 0:
                return int(place[name])
    return None


def _is_text(name: object) -> bool:
    """Whether it is a name that can be said: JSON can hold half a character (RFC 8259, 8.2)."""
    if not isinstance(name, str):
        return False
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def _decoded(text: bytes) -> str:
    try:
        decoded = json.loads(text)
    except ValueError:
        return ""
    return decoded if isinstance(decoded, str) else ""
