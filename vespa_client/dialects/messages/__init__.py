"""Anthropic Messages: ``POST /v1/messages`` and what it is asked to count.

Open :mod:`.dialect` first. On the way there, :mod:`.request` says what a request becomes, with :mod:`.conversation` and
:mod:`.blocks` for its turns and :mod:`.tools` for its tools; on the way back, :mod:`.answer` and :mod:`.stream` say what a
chat completion becomes, :mod:`.errors` how it failed. :mod:`.estimate` counts tokens without a model.
"""

from __future__ import annotations

from .dialect import Messages
from .estimate import count_tokens

__all__ = ["Messages", "count_tokens"]
