"""Anthropic Messages: ``POST /v1/messages`` and what it is asked to count.

``dialect`` is the file to open first. On the way there, ``request`` says what a request becomes, with ``conversation`` and
``blocks`` for its turns and ``tools`` for its tools; on the way back, ``answer`` and ``stream`` say what a chat completion
becomes, ``errors`` how it failed. ``estimate`` counts tokens without a model.
"""

from __future__ import annotations

from .dialect import Messages
from .estimate import count_tokens

__all__ = ["Messages", "count_tokens"]
