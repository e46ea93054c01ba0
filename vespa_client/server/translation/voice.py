"""How the proxy speaks on a route by itself: errors, failures inside a stream, and signs of life."""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import TYPE_CHECKING

from ...errors import VespaError
from ..local.base_url import mended
from .routes import dialect_of

if TYPE_CHECKING:
    from ...dialects import Dialect, StreamTranslator

__all__ = ["PLAIN", "TranslatedVoice", "Voice", "voice_of"]

# The end of an event is an empty line, behind one of whichever line ends (HTML Standard, 9.2.5).
_EVENT_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)\Z")
_OF_MESSAGES = re.compile(r"/v1/messages/.*|.*/v1/messages/*")
_OF_OLLAMA = re.compile(r"/api/(?:blobs/.*|copy|create|delete|embed|embeddings|ps|pull|push|show|tags|version)")


class Voice:
    """In OpenAI's shape, which its SDK and Anthropic's both show."""

    stream_type = "text/event-stream"
    """The ``Content-Type`` of streams in which a failure, or a sign of life, can be said."""

    def error(self, problem: VespaError) -> bytes:
        """The body of an answer that is an error."""
        return problem.body()

    def failure(self, problem: VespaError, tail: bytes) -> bytes:
        """What says inside a stream, whose last bytes are ``tail``, that it breaks off."""
        return _behind(tail) + problem.event()

    def ping(self) -> bytes:
        """A sign of life in front of an answer; ``b""`` where there is none."""
        # No empty line behind it: some decoders take each for an event, and hand an empty one to their JSON parser.
        return b":\n"


class DialectVoice(Voice):
    """In a dialect's shape, beside an answer that is passed on as it comes."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.stream_type = dialect.stream_type

    def error(self, problem: VespaError) -> bytes:
        return self._dialect.error(problem.status, problem.code, problem.fields()["message"] or "", problem.param)

    def failure(self, problem: VespaError, tail: bytes) -> bytes:
        from ...dialects import Identity

        nobodys = self._dialect.blank_stream(Identity("vespa", 0))
        return _behind(tail, self._dialect.separator) + _fail(nobodys, problem)

    def ping(self) -> bytes:
        return self._dialect.ping


class TranslatedVoice(DialectVoice):
    """In a dialect's shape, inside the stream of a translated answer. Who feeds the stream holds :attr:`lock` meanwhile."""

    def __init__(self, dialect: Dialect, stream: StreamTranslator) -> None:
        super().__init__(dialect)
        self.stream = stream
        self.lock = threading.Lock()  # guards the stream, which numbers its events, until they are written

    def failure(self, problem: VespaError, tail: bytes) -> bytes:
        return _fail(self.stream, problem)

    def ping(self) -> bytes:
        if not self.lock.acquire(blocking=False):
            return b""  # events are on their way
        try:
            return self.stream.ping()
        finally:
            self.lock.release()


@lru_cache(maxsize=64)
def voice_of(path: str) -> Voice:
    """How to speak on the route ``path``, without its query, or on the one that was meant by it."""
    path = mended(path) or path
    if _OF_MESSAGES.fullmatch(path):
        path = "/v1/messages"
    elif _OF_OLLAMA.fullmatch(path):
        path = "/api/chat"
    dialect = dialect_of(path)
    return DialectVoice(dialect) if dialect else PLAIN


PLAIN = Voice()


def _behind(tail: bytes, separator: bytes = b"\n\n") -> bytes:
    """What ends an event that was broken off, and nothing more: some take each empty line for an event."""
    if tail.endswith(separator) or _EVENT_END.search(tail):
        return b""
    return b"\n" if tail.endswith(b"\n") else separator


def _fail(stream: StreamTranslator, problem: VespaError) -> bytes:
    return stream.fail(problem.status, problem.code, problem.fields()["message"] or "")
