"""A captured request as a curl command, to send it once more. Pure."""

from __future__ import annotations

import base64
import re
import shlex

from .captured import Captured
from .secrets import MASK
from .text import text_of

__all__ = ["as_curl"]

# curl's own to say, or of one connection.
_CURLS = frozenset({"host", "content-length", "connection", "accept-encoding", "transfer-encoding", "expect", "user-agent"})
# What curl would shorten.
_DOTS = re.compile(r"/\.{1,2}(?:/|$)")
# Linux takes 128 KiB in one argument of a program; a shell's own printf isn't one.
_LONGEST_ARGUMENT = 100_000


def as_curl(captured: Captured, url: str, *, needs_key: bool) -> str:
    """The command, for a POSIX shell. A key that wasn't kept stands there as a word to be replaced, and so does the proxy's own
    where it ``needs_key``: what is captured is without it.
    """
    words = ["curl", "-N", *_switches(captured), f"{url}{captured.target}"]
    for name, value in captured.request_fields:
        if name.lower() not in _CURLS:
            shown = "YOUR_KEY" if value == MASK else value
            words += ["-H", f"{name}: {shown}" if shown else f"{name};"]
    if needs_key:
        is_taken = any(name.lower() == "authorization" for name, _ in captured.request_fields)
        words += ["-H", "X-Api-Key: YOUR_PROXY_KEY" if is_taken else "Authorization: Bearer YOUR_PROXY_KEY"]
    body = captured.request_body
    is_cut = captured.request_size > len(body)
    note = f"# The first {len(body)} of {captured.request_size} bytes of the body were kept.\n" if is_cut else ""
    before = ""
    if body:
        text = text_of(body, is_cut=is_cut)
        if text is not None and len(body) <= _LONGEST_ARGUMENT:
            # Raw: a body that begins with @ is no file's name.
            words += ["--data-raw", text]
        else:
            said = f"{base64.b64encode(body).decode()} | base64 -d" if text is None else shlex.quote(text)
            before = f"printf %s {said} | "
            words += ["--data-binary", "@-"]
    return f"{note}{before}{shlex.join(words)}\n"


def _switches(captured: Captured) -> list[str]:
    # With HEAD as the name of a method alone, curl would wait for a body.
    method = ["--head"] if captured.method == "HEAD" else ["-X", captured.method]
    return ["--path-as-is", *method] if _DOTS.search(captured.target.partition("?")[0]) else method
