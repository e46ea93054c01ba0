"""Whether the bytes of a body are text. Pure."""

from __future__ import annotations

import codecs

__all__ = ["text_of"]

_DECODER = codecs.getincrementaldecoder("utf-8")


def text_of(body: bytes, *, is_cut: bool = False) -> str | None:
    """The text; None where it is none. Where more followed (``is_cut``), a last character that is there in part is left out."""
    if b"\0" in body:
        return None
    try:
        return _DECODER().decode(body, final=not is_cut)
    except UnicodeDecodeError:
        return None
