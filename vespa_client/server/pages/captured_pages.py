"""``/_vespa/captured``: what ``--capture`` has kept, as a list, one by one, as HAR, and as curl commands."""

from __future__ import annotations

import re

from ...errors import NotFound
from ..capture.captured import Captures
from ..capture.curl import as_curl
from ..capture.har import as_har, entry_of
from ..capture.summary import Summary
from .answer import PageAnswer
from .status import as_json

__all__ = ["captured_page", "is_captured_page"]

_NAME = re.compile(r"captured(?:\.har|/([0-9]{1,15})(\.har|\.curl)?)?")


def is_captured_page(name: str) -> bool:
    """Whether that is one of these pages' names."""
    return _NAME.fullmatch(name) is not None


def captured_page(name: str, captures: Captures | None, url: str, *, needs_key: bool) -> PageAnswer:
    """The page: ``captured`` lists the exchanges, ``captured.har`` is all of them, ``captured/7`` is one, and so are
    ``captured/7.har`` and ``captured/7.curl``. ``url`` is the proxy's address, ``needs_key`` whether it asks for its key.

    Raises :class:`NotFound` where nothing is captured, or not this one.
    """
    match = _NAME.fullmatch(name)
    assert match is not None
    if captures is None:
        raise NotFound("Nothing is captured.", hint="Start the proxy with --capture N to keep the last N exchanges.")
    if match[1] is None:
        kept = captures.all()
        if name.endswith(".har"):
            return _download(as_json(as_har(kept, url)), "vespa.har", "application/json")
        return PageAnswer(as_json({"most": captures.most, "entries": [Summary.of(one) for one in kept]}))
    captured = captures.of(int(match[1]))
    if captured is None:
        raise NotFound(f"Exchange {match[1]} isn't kept.", hint=f"The last {captures.most} are.")
    if match[2] == ".har":
        return _download(as_json(as_har([captured], url)), f"vespa-{match[1]}.har", "application/json")
    if match[2] == ".curl":
        return PageAnswer(as_curl(captured, url, needs_key=needs_key).encode(), "text/plain; charset=utf-8")
    return PageAnswer(as_json(entry_of(captured, url)))


def _download(body: bytes, file: str, kind: str) -> PageAnswer:
    return PageAnswer(body, kind, fields=[("Content-Disposition", f'attachment; filename="{file}"')])
