"""OpenAI's Responses API, spoken to clients in front of a model server that has chat completions alone."""

from __future__ import annotations

from ...errors import AnswerNotUnderstood, Untranslatable
from ..dialect import Dialect, Identity, Translation
from ..json_text import dump
from .request import Asked, read
from .stream import ResponseStream

__all__ = ["Responses"]

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class Responses(Dialect):
    """``POST /v1/responses``."""

    name = "responses"
    smallest = b'{"model": "", "input": "", "stream": true}'

    def translate(self, body: bytes | bytearray, identity: Identity, *, drop_hosted_tools: bool = False) -> Translation:
        asked = read(body, drop_hosted=drop_hosted_tools)
        try:
            echo = dump(asked.echo)[1:-1]
        except ValueError as wrong:
            raise Untranslatable(f"The request can't be translated: {wrong}.") from None
        return _ResponsesTranslation(asked, identity, echo)

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:
        kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        return dump({"error": {"message": message, "type": kind, "param": param, "code": code or None}})


class _ResponsesTranslation(Translation):
    def __init__(self, asked: Asked, identity: Identity, echo: bytes) -> None:
        self.body = asked.body
        self.streams = asked.streams
        self._asked = asked
        self._identity = identity
        self._echo = echo

    def answer(self, body: bytes | bytearray) -> bytes:
        stream = self.stream()
        stream.feed_completion(body)
        if stream.failure:
            raise AnswerNotUnderstood(f"The worker's answer is an error: {stream.failure.message}")
        return stream.response

    def stream(self) -> ResponseStream:
        return ResponseStream(self._identity, self._asked, self._echo)
