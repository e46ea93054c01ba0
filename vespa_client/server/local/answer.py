"""An answer of the proxy's own that is no error."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from ...http1.fields import Fields
from ...http1.forwarding import LOCAL_HEADER
from ...journal.record import Record
from ..answer_writer import AnswerWriter, reason_of

__all__ = ["LocalAnswer", "json_answer"]


class LocalAnswer(NamedTuple):
    """``kind`` is what :data:`LOCAL_HEADER` says; ``content_type`` is empty where there is no body."""

    kind: str
    status: int
    content_type: str
    body: bytes
    more: tuple[tuple[str, str], ...] = ()

    @property
    def fields(self) -> Fields:
        """The headers, but for those that frame the body."""
        fields = [(LOCAL_HEADER, self.kind), *self.more]
        return [("Content-Type", self.content_type), *fields] if self.content_type else fields

    def give(self, writer: AnswerWriter, record: Record) -> None:
        """Answer the client with it. Raises :class:`ClientGone`."""
        record.answer_locally(self.status, self.kind)
        body = b"" if writer.method == "HEAD" else self.body
        writer.begin(self.status, reason_of(self.status), self.fields, len(self.body), body)
        record.answer_bytes += len(body)
        writer.end()


def json_answer(kind: str, value: Any, status: int = 200, *more: tuple[str, str]) -> LocalAnswer:
    """An answer that is JSON: ``value``, or the bytes of it."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return LocalAnswer(kind, status, "application/json", body, more)
