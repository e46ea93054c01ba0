"""The backend: a small built-in model that speaks OpenAI's and Anthropic's APIs, and says that it is a stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from .anthropic_api import Message, count_input
from .component import Component, json_answer
from .embeddings import embeddings
from .holds import Holds
from .messages import Answer, HangUp, Request
from .openai_api import MODEL, ChatCompletion, Completion, Generation, models
from .reply import BadRequest, Cue, Part
from .speech.improvise import improvise
from .speech.prompt import Prompt
from .speech.script import Script

__all__ = ["Model"]

_Object = dict[str, Any]
_FUNCTIONS: dict[str, Callable[[_Object], _Object]] = {
    "/v1/embeddings": embeddings,
    "/v1/messages/count_tokens": lambda body: {"input_tokens": count_input(body)},
}
_JSON = [("Content-Type", "application/json")]
_EVENT_STREAM = [("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache")]


class Model(Component):
    """``/v1/models``, ``/v1/chat/completions``, ``/v1/completions``, ``/v1/embeddings``, ``/v1/messages``, ``/echo``.

    The same request gets the same text: what ``script`` says, and else what is improvised (``speech/script.py`` and
    ``speech/improvise.py`` say what a person can ask for). ``token_delay`` is the pause before each token in seconds,
    ``first_delay`` the one before the first, ``reasoning_field`` the name that the thoughts have in a chat (vLLM has
    called them ``reasoning`` as well); all of them may be changed at any time. ``holds`` has the places where a script
    waits. ``/echo`` and what is under it answer any method with what arrived there.
    """

    name = "model"

    def __init__(self, token_delay: float) -> None:
        super().__init__()
        self.token_delay = token_delay
        self.first_delay = 0.0
        self.reasoning_field = "reasoning_content"
        self.script: Script | None = None
        self.holds = Holds()
        self._generations: dict[str, Callable[[_Object], Generation | Message]] = {
            "/v1/chat/completions": lambda body: ChatCompletion(body, self._write, self.reasoning_field),
            "/v1/completions": lambda body: Completion(body, self._write),
            "/v1/messages": lambda body: Message(body, self._write),
        }

    def respond(self, request: Request) -> Answer:
        path = request.path
        try:
            if path == "/echo" or path.startswith("/echo/"):
                return _echo(request)
            if path in self._generations:
                _allow(request, "POST")
                return self._generate(request, self._generations[path](_read_body(request)))
            if path in _FUNCTIONS:
                _allow(request, "POST")
                return json_answer(200, _FUNCTIONS[path](_read_body(request)))
            if path == "/v1/models":
                _allow(request, "GET", "HEAD")
                return json_answer(200, models())
            if path == f"/v1/models/{MODEL}":
                _allow(request, "GET", "HEAD")
                return json_answer(200, models()["data"][0])
            known = ", ".join(["/v1/models", *self._generations, *_FUNCTIONS])
            raise BadRequest(f"The sandbox's model has no {path}. It has {known}.", None, 404)
        except BadRequest as problem:
            return _error(problem)

    def _write(self, prompt: Prompt) -> list[Part]:
        parts = self.script.parts(prompt) if self.script else None
        return improvise(prompt) if parts is None else parts

    def _generate(self, request: Request, generation: Generation | Message) -> Answer:
        if generation.stream:
            return Answer(200, self._stream(request, generation), _EVENT_STREAM[:])
        request.pause(self.first_delay + self.token_delay * generation.longest)
        for cue in generation.cues:
            self._pace(request, cue)
        return json_answer(200, generation.plain())

    def _stream(self, request: Request, generation: Generation | Message) -> Iterator[bytes]:
        request.pause(self.first_delay)
        yield from generation.events(partial(self._pace, request))

    def _pace(self, request: Request, cue: Cue | None) -> None:
        if cue is None:
            request.pause(self.token_delay)
        elif cue.kind == "pause":
            request.pause(cue.seconds)
        elif cue.kind == "hold":
            self.holds.hold(request, cue.name)
        elif cue.kind == "fail":
            raise BadRequest(cue.name, None, cue.status)
        else:
            raise HangUp(cue.name == "reset")


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
    answer = json_answer(problem.status, problem.as_json())
    if problem.status in (429, 503):
        answer.headers.append(("Retry-After", "1"))
    return answer


def _echo(request: Request) -> Answer:
    about = {"method": request.method, "path": request.path, "query": request.query, "headers": request.headers}
    # The payload's own bytes: the test of whether it came through unchanged is in the comparing of bytes.
    body = json.dumps(about).encode()[:-1] + b', "payload": ' + (request.body or b"null") + b"}"
    return Answer(200, body, _JSON[:])
