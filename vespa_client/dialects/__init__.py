"""Dialects: what SDKs say that no worker understands, made a chat completion, and its answer said back in their words.

Open :mod:`.dialect` first: it says what a dialect is. Each has a name there and a room, or a file, of its own. What they
share is here: :mod:`.request_fields` reads a request's members and says which one is wrong, :mod:`.chat_request` writes the
chat completion, :mod:`.chat_stream`, :mod:`.chat_answer` and :mod:`.chat_calls` read what comes back, in whatever habit a
backend writes it, :mod:`.chat_error` reads how it fails, :mod:`.events` and :mod:`.json_text` are the bytes. Nothing here
opens a socket, looks at a clock or rolls dice, and of the package ``errors`` alone is known.
"""

from __future__ import annotations

from .dialect import Dialect, Identity, StreamTranslator, Translation

__all__ = ["Dialect", "Identity", "StreamTranslator", "Translation"]
