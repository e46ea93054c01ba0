"""Ollama's API as a dialect: what the proxy's handler is given."""

from __future__ import annotations

from abc import abstractmethod

from ..chat_answer import read_whole
from ..chat_request import ChatRequest
from ..dialect import Dialect, Identity, Translation
from ..json_text import dump
from ..request_fields import Fields, read_request
from .chat import chat_request
from .generate import generate_request
from .lines import Clock, Lines
from .options import images_of, is_to_unload, shows_thinking, streams
from .stream import OllamaStream, whole_answer

__all__ = ["OllamaChat", "OllamaGenerate"]


class _Ollama(Dialect):
    """What ``/api/chat`` and ``/api/generate`` have alike."""

    name = "ollama"
    stream_type = "application/x-ndjson"
    separator = b"\n"
    ping = b""
    has_immediate_answers = True
    smallest = b'{"model": ""}'
    is_chat: bool

    def __init__(self, clock: Clock | None = None) -> None:
        """With a ``clock`` (say :func:`time.monotonic_ns`) answers tell how long they took; without, they don't."""
        self.clock = clock

    def translate(self, body: bytes | bytearray, identity: Identity, *, drop_hosted_tools: bool = False) -> OllamaTranslation:
        """See :meth:`Dialect.translate`. Ollama has no hosted tools."""
        return OllamaTranslation(self, read_request(body), identity)

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:
        return dump({"error": message})

    @abstractmethod
    def chat(self, request: Fields) -> ChatRequest:
        """The chat completion that a request asks for. Raises :class:`Untranslatable`."""

    @abstractmethod
    def says_nothing(self, request: Fields) -> bool:
        """Whether the request only wants the model loaded, or unloaded."""


class OllamaChat(_Ollama):
    """``POST /api/chat``."""

    is_chat = True

    def chat(self, request: Fields) -> ChatRequest:
        return chat_request(request)

    def says_nothing(self, request: Fields) -> bool:
        return not request.array("messages")


class OllamaGenerate(_Ollama):
    """``POST /api/generate``."""

    is_chat = False

    def chat(self, request: Fields) -> ChatRequest:
        return generate_request(request)

    def says_nothing(self, request: Fields) -> bool:
        return not request.text("prompt") and not images_of(request)


class OllamaTranslation(Translation):
    """One request. With nothing said in it, :attr:`immediate` is its answer: no worker's model is loaded on request."""

    def __init__(self, dialect: _Ollama, request: Fields, identity: Identity) -> None:
        """Raises :class:`Untranslatable`."""
        self.body = dialect.chat(request).body()
        self.streams = streams(request)
        self._identity = identity
        self._lines = Lines(request.needed_text("model"), identity, is_chat=dialect.is_chat, clock=dialect.clock)
        self._shows_thinking = shows_thinking(request)
        self._wants_logprobs = request.flag("logprobs") or False
        if dialect.says_nothing(request):
            self.immediate = self._lines.loaded(is_unloaded=is_to_unload(request))

    def answer(self, body: bytes | bytearray) -> bytes:
        chat, pieces = read_whole(body, self._identity.token, wants_logprobs=self._wants_logprobs)
        return whole_answer(chat, pieces, self._lines, shows_thinking=self._shows_thinking)

    def stream(self) -> OllamaStream:
        return OllamaStream(
            self._identity, self._lines, shows_thinking=self._shows_thinking, wants_logprobs=self._wants_logprobs
        )
