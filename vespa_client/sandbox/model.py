"""The backend: a small built-in model that speaks OpenAI's and Anthropic's APIs, and says that it is a stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from .anthropic_api import Message, count_input
from .component import Component, json_answer
from .embeddings import embeddings
from .messages import Answer, Request
from .openai_api import MODEL, ChatCompletion, Completion, Generation, models
from .reply import BadRequest

__all__ = ["Model"]

_Object = dict[str, Any]
_GENERATIONS: dict[str, Callable[[_Object], Generation | Message]] = {
    "/v1/chat/completions": ChatCompletion,
    "/v1/completions": Completion,
    "/v1/messages": Message,
}
_FUNCTIONS: dict[str, Callable[[_Object], _Object]] = {
    "/v1/embeddings": embeddings,
    "/v1/messages/count_tokens": lambda body: {"input_tokens": count_input(body)},
}
_JSON = [("Content-Type", "application/json")]
_EVENT_STREAM = [("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache")]


class Model(Component):
    """``/v1/models``, ``/v1/chat/completions``, ``/v1/completions``, ``/v1/embeddings``, ``/v1/messages``, ``/echo``.

    The same request gets the same text. ``token_delay`` is the pause before each token in seconds, and may be changed
    at any time. ``/echo`` and what is under it answer any method with what arrived there.
    """

    name = "model"

    def __init__(self, token_delay: float) -> None:
        super().__init__()
        self.token_delay = token_delay

    def respond(self, request: Request) -> Answer:
        path = request.path
        try:
            if path == "/echo" or path.startswith("/echo/"):
                return _echo(request)
            if path in _GENERATIONS:
                _allow(request, "POST")
                return self._generate(request, _GENERATIONS[path](_read_body(request)))
            if path in _FUNCTIONS:
                _allow(request, "POST")
                return json_answer(200, _FUNCTIONS[path](_read_body(request)))
            if path == "/v1/models":
                _allow(request, "GET", "HEAD")
                return json_answer(200, models())
            if path == f"/v1/models/{MODEL}":
                _allow(request, "GET", "HEAD")
                return json_answer(200, models()["data"][0])
            known = ", ".join(["/v1/models", *_GENERATIONS, *_FUNCTIONS])
            raise BadRequest(f"The sandbox's model has no {path}. It has {known}.", None, 404)
        except BadRequest as problem:
            return _error(problem)

    def _generate(self, request: Request, generation: Generation | Message) -> Answer:
        if generation.stream:
            return Answer(200, self._stream(request, generation), _EVENT_STREAM[:])
        request.pause(self.token_delay * generation.longest)
        return json_answer(200, generation.plain())

    def _stream(self, request: Request, generation: Generation | Message) -> Iterator[bytes]:
        return generation.events(lambda: request.pause(self.token_delay))


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise BadRequest(f"{request.path} takes {' and '.join(methods)}, not {request.method}.", None, 405)


def _read_body(request: Request) -> _Object:
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    return body


def _error(problem: BadRequest) -> Answer:
    kinds = {404: "not_found_error", 405: "invalid_request_error"}
    error = {
        "message": str(problem),
        "type": kinds.get(problem.status, "invalid_request_error"),
        "param": problem.param,
        "code": {404: "not_found", 405: "method_not_allowed"}.get(problem.status),
    }
    # The outer "type" is Anthropic's, the rest OpenAI's: both SDKs find their error in it.
    return json_answer(problem.status, {"type": "error", "error": error})


def _echo(request: Request) -> Answer:
    about = {"method": request.method, "path": request.path, "query": request.query, "headers": request.headers}
    # The payload's own bytes: the test of whether it came through unchanged is in the comparing of bytes.
    body = json.dumps(about).encode()[:-1] + b', "payload": ' + (request.body or b"null") + b"}"
    return Answer(200, body, _JSON[:])
