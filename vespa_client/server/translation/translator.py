"""What of a request is translated, and when: bytes first, translation second (design.md)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...errors import Untranslatable
from ...http1.fields import field_value
from ...http1.forwarding import TRANSLATED_HEADER
from ...journal.log import log
from ...outbound.answer import Answer
from ...payload.worker_request import WorkerRequest
from ...routing.exchange import WorkerAnswer
from ...settings.table import Settings
from ..answer_writer import AnswerWriter
from ..local.answer import LocalAnswer, json_answer
from .route_memory import NO_SUCH_ROUTE, RouteMemory
from .routes import dialect_of
from .voice import TranslatedVoice

if TYPE_CHECKING:
    from ...dialects import Dialect, Translation

__all__ = ["Passage", "Translator"]

Ask = Callable[[WorkerRequest], WorkerAnswer]


class Translator:
    """The translations of one endpoint. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._mode = settings.translate
        self._drop_hosted_tools = settings.drop_hosted_tools
        self._missing = RouteMemory()

    def dialect_of(self, request: WorkerRequest) -> Dialect | None:
        """The dialect that the request may have to be translated from; None where it can only go as it came."""
        return dialect_of(request.path) if request.method == "POST" and self._mode != "never" else None

    def immediate(self, dialect: Dialect, request: WorkerRequest) -> LocalAnswer | None:
        """The answer to a request that asks for no model's words, as Ollama's clients load and unload models; else None."""
        # Only what has no "stream" of OpenAI's kind can be such a request, and reading it twice costs little then.
        if not dialect.has_immediate_answers:
            return None
        try:
            body = self.translate(dialect, request).immediate
        except Untranslatable:
            return None  # a worker of that dialect may know better
        return None if body is None else json_answer(dialect.name, body)

    def passage(self, dialect: Dialect, request: WorkerRequest, writer: AnswerWriter) -> Passage:
        """The request's way. Raises :class:`Untranslatable` where it is known to have to be translated and can't be."""
        passage = Passage(request, writer, dialect, self, self._missing)
        if self._mode == "always" or self._missing.has(request.path):
            passage.translate()
        return passage

    def translate(self, dialect: Dialect, request: WorkerRequest) -> Translation:
        """The request in other words. Raises :class:`Untranslatable`."""
        from ...dialects import Identity

        identity = Identity(secrets.token_hex(12), int(time.time()))
        body = request.payload[0] if len(request.payload) == 1 else b"".join(request.payload)
        return dialect.translate(body, identity, drop_hosted_tools=self._drop_hosted_tools)


class Passage:
    """One request's way to a worker: as it came, or translated, or first the one and then the other."""

    def __init__(
        self,
        request: WorkerRequest,
        writer: AnswerWriter,
        dialect: Dialect,
        translator: Translator,
        missing: RouteMemory,
    ) -> None:
        """``dialect`` is the one that the request can be translated from."""
        self._request = request
        self._writer = writer
        self._dialect = dialect
        self._translator = translator
        self._missing = missing
        self.translation: Translation | None = None
        """The translation that the worker was asked with, or is to be."""

    @property
    def streams(self) -> bool:
        """Whether the client waits for a stream."""
        return self.translation.streams if self.translation else self._request.streams

    def ask(self, ask: Ask) -> WorkerAnswer:
        """The worker's answer, to be translated if there is a :attr:`translation` afterwards.

        Raises :class:`Untranslatable` where the worker lacks the route and the request can't be translated.
        """
        refused: Answer | None = None
        if self.translation is None:
            came = ask(self._request)
            if came.answer.status_code not in NO_SUCH_ROUTE:
                return came
            refused = came.answer
            refused.close()
            if not _may_be_about_something_else(refused):
                self._note_missing(refused)
            self.translate()
        assert self.translation is not None
        came = ask(self._request.translated(self.translation.target, self.translation.body, streams=self.translation.streams))
        if came.answer.status_code in NO_SUCH_ROUTE:
            self._missing.forget(self._request.path)
        elif refused is not None and came.answer.status_code < 400:
            self._note_missing(refused)
        return came

    def _note_missing(self, refused: Answer) -> None:
        path = self._request.path
        if not self._missing.has(path):
            self._missing.note(path)
            log.info("The worker has no %s (%d); requests to it are translated.", path, refused.status_code)

    def translate(self) -> None:
        """From here on the request goes in other words. Raises :class:`Untranslatable`."""
        dialect = self._dialect
        self.translation = translation = self._translator.translate(dialect, self._request)
        self._writer.added = [*self._writer.added, (TRANSLATED_HEADER, dialect.name)]
        if translation.streams:
            self._writer.voice = TranslatedVoice(dialect, translation.stream())


def _may_be_about_something_else(refused: Answer) -> bool:
    """Whether the worker's route may be there all the same, and what it hasn't is a model, say, or an earlier response.

    Some servers say in JSON that there is no such route, and all say so of what is named in a request. Only the translated
    request's success tells which it was.
    """
    return refused.status_code == 404 and "json" in field_value(refused.fields, "content-type").lower()
