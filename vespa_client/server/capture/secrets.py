"""What is not kept of a captured exchange, since it could be somebody's key. Pure.

A body is kept as it is: that is what was asked for.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from ...http1.fields import Fields
from ...http1.key_headers import is_secret

__all__ = ["MASK", "fields_without_secrets", "target_without_secrets"]

MASK = "(not kept)"

_PARAMETER = re.compile(r"(?<=[?&])([^=&#]*)=([^&#]*)")
# A page that opens a WebSocket has no other header to put one in.
_PAGES_KEY = "sec-websocket-protocol"


def fields_without_secrets(fields: Fields) -> list[tuple[str, str]]:
    """The headers, each possible key's value masked, and those of addresses in the others."""
    return [(name, MASK if _is_key(name) else target_without_secrets(value)) for name, value in fields]


def target_without_secrets(target: str) -> str:
    """The target, the values of those parameters masked whose names are a key's."""
    return _PARAMETER.sub(lambda found: f"{found[1]}={'MASKED' if is_secret(unquote(found[1])) else found[2]}", target)


def _is_key(name: str) -> bool:
    return is_secret(name) or name.lower() == _PAGES_KEY
