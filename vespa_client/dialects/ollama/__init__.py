"""Ollama's own API: ``POST /api/chat`` and ``/api/generate``, and what its clients ask before.

Open :mod:`.dialect` first. :mod:`.chat` and :mod:`.generate` say what a request becomes, with :mod:`.options` for what they
have alike; :mod:`.lines` writes Ollama's objects, :mod:`.stream` a stream of them, one a line; :mod:`.models` answers who
asks what there is.
"""

from __future__ import annotations

from .dialect import OllamaChat, OllamaGenerate
from .models import show, tags, version

__all__ = ["OllamaChat", "OllamaGenerate", "show", "tags", "version"]
