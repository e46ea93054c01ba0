"""Content codings (RFC 9110, 8.4.1), undone where a body can't be passed on as it was coded. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

from .fields import Fields, ReceivedFields, list_items
from .malformed import AnswerMalformed

__all__ = ["ContentDecoder", "codings_of"]

# A bomb comes out in pieces of this size, each of them gone before the next one is made.
_PIECE = 64 * 1024
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


def codings_of(fields: Fields) -> list[str]:
    """The codings of a message's body, in lower case and in the order they were applied; none is an empty list."""
    if isinstance(fields, ReceivedFields) and "content-encoding" not in fields.by_name:
        return []
    return [coding for item in list_items(fields, "content-encoding") if (coding := item.lower()) != "identity"]


class ContentDecoder:
    """A body in one coding, decoded as it arrives. ``is_whole`` says that it may end here."""

    def __init__(self, codings: Sequence[str]) -> None:
        """Raises :class:`AnswerMalformed` for codings that can't be undone here: gzip and deflate can."""
        if len(codings) != 1 or codings[0] not in ("gzip", "x-gzip", "deflate"):
            raise AnswerMalformed(f"its coding {', '.join(codings)} can't be undone")
        self._is_gzip = codings[0] != "deflate"
        self._inner: zlib._Decompress | None = None
        self.is_whole = True

    def decode(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes bring, in pieces. Raises :class:`AnswerMalformed` where they aren't in that coding."""
        try:
            while data:
                if self._inner is None:
                    self._inner = self._begin(data)
                if piece := self._inner.decompress(data, _PIECE):
                    yield piece
                data = self._inner.unconsumed_tail
                if self._inner.eof:
                    # A gzip body may have several members (RFC 1952, 2.2).
                    data, self._inner = self._inner.unused_data, None
                self.is_whole = self._inner is None
        except zlib.error:
            raise AnswerMalformed("its body is not in the coding that it says") from None

    def _begin(self, data: bytes) -> zlib._Decompress:
        if self._is_gzip:
            return zlib.decompressobj(_GZIP)
        # Some have taken "deflate" for the bare algorithm (RFC 9110, 8.4.1.2).
        return zlib.decompressobj(_ZLIB if data[0] & 0x0F == 8 else _RAW)
