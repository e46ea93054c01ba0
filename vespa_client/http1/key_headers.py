"""Which headers are somebody's key, by their names alone. Pure.

Each SDK has a name of its own for it: ``x-goog-api-key``, ``xi-api-key``, ``Private-Token``, ``X-Amz-Security-Token``. So a
name counts by the words in it, however it is spelled: ``X-Api-Key``, ``x_api_key``, ``xApiKey`` and ``xapikey`` are one.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["is_secret"]

# Found wherever they stand, since "apikey" and "accesstoken" are written in one; less the English words that begin or end so.
_INSIDE = re.compile(
    r"(?<!mon)(?<!tur)(?<!don)(?<!hoc)(?<!joc)(?<!hot)(?<!whis)key(?!board|word|note|frame|stroke|pad|point|space)"
    r"|token(?!i[sz])"
    r"|auth(?!or(?!i[sz]))"
    r"|pass[-_.]?(?:word|phrase|code)|passwd|pwd|secret(?!ar)|credential|cookie|bearer|signature|csrf|xsrf|dpop|hmac|jwt|oidc|saml"
)
# Parts of many a word: each as a word of its own, between signs or in capitals.
_WORDS = frozenset({"assertion", "cred", "creds", "otp", "pass", "principal", "pw", "totp", "wsse"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# Well-known names that have such a word and are nobody's key. Of W3C's tracing and of the rest, none has one.
_NO_SECRETS = frozenset(
    {
        "acceptsignature",
        "cachekey",
        "idempotencekey",
        "idempotencykey",
        "idempotencytoken",
        "maxtokens",
        "promptcachekey",
        "secwebsocketkey",
        "surrogatekey",
        "tokencount",
    }
)
_SIGNS = re.compile(r"[^a-z0-9]")


@lru_cache(maxsize=256)
def is_secret(name: str) -> bool:
    """Whether a header of this name can be somebody's key: what is held back from a worker, a machine of a stranger."""
    lower = name.lower()
    if _SIGNS.sub("", lower).removeprefix("x") in _NO_SECRETS:
        return False
    return bool(_INSIDE.search(lower)) or any(word.lower() in _WORDS for word in _WORD.findall(name))
