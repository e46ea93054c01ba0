"""Ollama's own API: ``POST /api/chat`` and ``/api/generate``, and what its clients ask before.

``dialect`` is the file to open first. ``chat`` and ``generate`` say what a request becomes, with ``options`` for what they have
alike; ``lines`` writes Ollama's objects, ``stream`` a stream of them, one a line; ``models`` answers who asks what there is.
"""

from __future__ import annotations

from .dialect import OllamaChat, OllamaGenerate
from .models import Model, show, tags, version

__all__ = ["Model", "OllamaChat", "OllamaGenerate", "show", "tags", "version"]
