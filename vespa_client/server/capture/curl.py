"""A captured request as a curl command, to send it once more. Pure."""

from __future__ import annotations

import base64
import shlex

from .captured import Captured
from .secrets import MASK

__all__ = ["as_curl"]

# curl's own to say, or of one connection.
_CURLS = frozenset({"host", "content-length", "connection", "accept-encoding", "transfer-encoding", "expect", "user-agent"})


def as_curl(captured: Captured, url: str) -> str:
    """The command, for a POSIX shell. A key that wasn't kept stands there as a word to be replaced."""
    words = ["curl", "-N", "-X", captured.method, f"{url}{captured.target}"]
    for name, value in captured.request_fields:
        if name.lower() not in _CURLS:
            words += ["-H", f"{name}: {'YOUR_KEY' if value == MASK else value}"]
    notes = []
    if captured.request_size > len(captured.request_body):
        notes.append(f"# The first {len(captured.request_body)} of {captured.request_size} bytes of the body were kept.")
    before = ""
    body = captured.request_body
    if body:
        try:
            text = body.decode("utf-8")
            is_text = "\0" not in text
        except UnicodeDecodeError:
            is_text = False
        if is_text:
            words += ["--data-binary", text]
        else:
            before = f"printf %s {base64.b64encode(body).decode()} | base64 -d | "
            words += ["--data-binary", "@-"]
    return "\n".join([*notes, before + shlex.join(words)]) + "\n"
