"""A second wall behind the rule that no key is ever logged: what gets past it is blotted out."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Iterable, Iterator

from .log import log

__all__ = ["Redaction", "redacted"]

_BLOT = "[secret]"
_SIGNATURE = r"""(signature["']?\s*[=:]\s*["']?)[A-Za-z0-9+/=%_-]{16,}"""
# Shorter ones would blot out ordinary words.
_SHORTEST = 6


class Redaction(logging.Filter):
    """A filter for a logger, that knows a proxy's secrets. Safe to share between threads."""

    def __init__(self, secrets: Iterable[str | None] = ()) -> None:
        super().__init__()
        self._secrets: tuple[str, ...] = ()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str | None) -> None:
        """A further secret; None and what is too short to be one are passed over."""
        if secret is not None and len(secret) >= _SHORTEST:
            # As JSON and a repr have it, too; the longest first, since one may begin with another.
            shown = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], *self._secrets}
            self._secrets = tuple(sorted(shown, key=len, reverse=True))

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record; a traceback is blotted as well."""
        text = record.getMessage()
        clean = self.clean(text)
        if clean != text:
            record.msg, record.args = clean, None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self.clean(record.exc_text)
        return True

    def clean(self, text: str) -> str:
        """The text without the secrets."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, _BLOT)
        return re.sub(_SIGNATURE, rf"\1{_BLOT}", text, flags=re.IGNORECASE) if "ignature" in text else text


@contextlib.contextmanager
def redacted(secrets: Iterable[str | None]) -> Iterator[Redaction]:
    """As long as the block runs, the package's log shows none of the secrets."""
    redaction = Redaction(secrets)
    log.addFilter(redaction)
    try:
        yield redaction
    finally:
        log.removeFilter(redaction)
