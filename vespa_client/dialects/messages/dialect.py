"""Anthropic Messages as a dialect: what the proxy's handler is given."""

from __future__ import annotations

from ...errors import AnswerNotUnderstood
from ..chat_answer import Refusal, read_whole
from ..dialect import Dialect, Identity, Translation
from ..json_text import dump
from ..request_fields import Fields, read_request
from .answer import blocks_of, ending, message_of
from .errors import error_body
from .request import chat_request, shows_thinking
from .stream import PING, MessageStream

__all__ = ["Messages"]


class Messages(Dialect):
    """``POST /v1/messages``, with and without ``?beta=true``."""

    name = "messages"
    ping = PING
    smallest = b'{"model": "", "max_tokens": 1, "messages": [{"role": "user", "content": "-"}], "stream": true}'

    def translate(self, body: bytes | bytearray, identity: Identity, *, drop_hosted_tools: bool = False) -> MessagesTranslation:
        return MessagesTranslation(read_request(body), identity, drop_hosted_tools=drop_hosted_tools)

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:
        return error_body(status, code, message, param)


class MessagesTranslation(Translation):
    """One request for a message."""

    def __init__(self, request: Fields, identity: Identity, *, drop_hosted_tools: bool) -> None:
        """Raises :class:`Untranslatable`."""
        self.body = chat_request(request, drop_hosted_tools=drop_hosted_tools).body()
        self.streams = request.flag("stream") or False
        self._identity = identity
        self._model = request.needed_text("model")
        self._stops = request.texts("stop_sequences")
        self._shows_thinking = shows_thinking(request)

    def answer(self, body: bytes | bytearray) -> bytes:
        chat, pieces = read_whole(body, self._identity.token)
        refusal = "".join(piece.text for piece in pieces if isinstance(piece, Refusal))
        content = blocks_of(pieces, shows_thinking=self._shows_thinking)
        end = ending(chat, self._stops, refusal)
        try:
            return dump(message_of(self._identity.token, self._model, content, end, chat.usage))
        except ValueError as wrong:
            raise AnswerNotUnderstood(f"The worker's answer can't be translated: {wrong}.") from None

    def stream(self) -> MessageStream:
        return MessageStream(self._identity, self._model, self._stops, shows_thinking=self._shows_thinking)
